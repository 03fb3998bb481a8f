"""The flask commands that run the background: worker and dispatcher."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime
from typing import Any

import click
import structlog
from flask import Flask, current_app
from flask.cli import with_appcontext
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer

from app.db import db
from app.domain.zones import CENTRAL
from app.doorbell import JOB, queue_of, redis_is_up
from app.logs import set_up_logs
from app.models.lane import Lane
from app.settings import Settings
from workers import jobs
from workers.deaf import OwnLook
from workers.dispatcher import Dispatcher
from workers.holder import Holder
from workers.lane_runner.cli import lane_runner_command

log = structlog.get_logger()

# RQ waits this long less 5 s for an answer, and asks twice, so a Redis that froze or a connection
# that was cut silently is noticed within a minute instead of seven.
_WORKER_TTL_S = 30
_REDIS_AWAY_S = 1.0


# What a job may bring along that RQ would call or post to besides the function itself.
_EXTRAS = (
    "_success_callback_name",
    "_failure_callback_name",
    "_stopped_callback_name",
    "webhooks",
)


class LaneWorker(SimpleWorker):
    """Runs jobs in its own process, on one queue, and only the one job that the product has.

    Whoever can write to Redis can name any function in a job, or have one called back, so whatever
    is not the plain ring of our own is refused.
    """

    own_look: OwnLook | None = None

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ says between two waits that it lives: the moment to notice that it hears nothing.

        RQ itself would try again and again, and leave the lane alone for as long as that takes.
        """
        try:
            super().heartbeat(timeout, pipeline)
        except RedisError:
            raise StopRequested from None
        if pipeline is None and self.own_look is not None:
            self.own_look.ring_if_due()

    def perform_job(self, job: Job, queue: Any, *args: Any, **kwargs: Any) -> bool:
        if job.func_name != JOB or any(getattr(job, name) for name in _EXTRAS):
            job.delete()
            self.log.error("job refused: %s is not on the list", job.func_name)
            return False
        if self.own_look is not None:
            self.own_look.was_rung()
        return bool(super().perform_job(job, queue, *args, **kwargs))


@click.command("worker")
@click.argument("lane")
@with_appcontext
def worker_command(lane: str) -> None:
    """Work on one LANE until told to stop; one process per lane and queue."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    row = db.session.get(Lane, lane)
    if row is None:
        raise click.ClickException(f"no lane {lane!r}; see: flask lanes list")
    if row.zone != CENTRAL:
        why = f"{lane} is drained in the zone {row.zone}, by: flask lane-runner"
        raise click.ClickException(why)
    db.session.remove()
    set_up_logs(settings.log_level, f"worker {lane}")
    state = jobs.begin(lane)
    try:
        listen(lane, state)
    finally:
        jobs.end()


@click.command("dispatcher")
@with_appcontext
def dispatcher_command() -> None:
    """Ring lanes by the clock and by what waits, and give back what dead workers held."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    set_up_logs(settings.log_level, "dispatcher")
    holder = Holder("dispatcher")
    stop = threading.Event()

    def _stop(_signal: int, _frame: Any) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        Dispatcher(settings, holder).run(stop)
    finally:
        holder.close()


def register(app: Flask) -> None:
    """Add the commands to the application."""
    app.cli.add_command(worker_command)
    app.cli.add_command(dispatcher_command)
    app.cli.add_command(lane_runner_command)


def listen(lane: str, state: jobs.Worker) -> None:
    """Work whenever the lane is rung, until told to stop; runs in the main thread.

    RQ ends its worker when Redis goes away during a job. The process stays, looks for itself after
    its lane, and listens again: a new one would only meet the same silence.
    """
    woken = threading.Event()

    def _stop(_signal: int, _frame: Any) -> None:
        state.stopping = True
        woken.set()

    away = False
    own = OwnLook(lane, datetime.now(UTC))
    while not state.stopping:
        # RQ has handlers of its own while it works, and leaves them behind.
        signal.signal(signal.SIGTERM, _stop)
        signal.signal(signal.SIGINT, _stop)
        if away:
            own.work_if_due()
            if not redis_is_up():
                woken.wait(_REDIS_AWAY_S)
                continue
        queue = queue_of(lane)
        worker: LaneWorker | None = None
        try:
            worker = LaneWorker(
                [queue],
                connection=queue.connection,
                job_class=queue.job_class,
                serializer=JSONSerializer,
                worker_ttl=_WORKER_TTL_S,
            )
            worker.log_job_description = False
            worker.own_look = own
            _stop_between_slices(worker, state)
            worker.work(logging_level="WARNING", with_scheduler=False)
            away = False
        except RedisError as error:
            if not away:
                log.warning("redis_away", lane=lane, error=type(error).__name__)
            away = True
        except StopRequested:
            return
        finally:
            if worker is not None and worker.pubsub_thread is not None:
                # RQ forgets its thread when it cannot say goodbye to Redis.
                worker.pubsub_thread.stop()
        if not state.stopping:
            woken.wait(_REDIS_AWAY_S)


def _stop_between_slices(worker: SimpleWorker, state: jobs.Worker) -> None:
    """On the first SIGTERM or SIGINT let the drain end after its slice, then let RQ stop."""
    request_stop = worker.request_stop

    def _stop(signum: int, frame: Any) -> None:
        state.stopping = True
        try:
            request_stop(signum, frame)
        except RedisError:
            # RQ also wants to note it in Redis; without one the calls under way must not suffer.
            log.warning("redis_away", lane=worker.queue_names()[0])

    worker.request_stop = _stop
