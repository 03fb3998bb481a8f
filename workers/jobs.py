"""The one job of the product: do what waits in a lane. RQ names it; PostgreSQL holds the work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
import uvloop
from flask import current_app
from sqlalchemy.exc import DBAPIError

from app.clients import close_clients
from app.db import db, is_connection_lost, transaction
from app.domain.lanes import (
    ACKS,
    INTAKE,
    NETWORK,
    NOTICES,
    PARTNER_FILES,
    POLL_CIS,
    PROCESSES,
    RECEIPTS,
    REPLIES,
    UPKEEP,
)
from app.services import lanes
from app.settings import Settings
from workers.acks import interpret_acks
from workers.drain import Drain, drain
from workers.holder import Holder
from workers.intake import interpret_files
from workers.memory import collect_seldom, take_turns_often
from workers.meter_deliveries import take_deliveries
from workers.network import interpret_network
from workers.notices import plan_notices
from workers.partner_files import look_after_files
from workers.poll_cis import poll_cis
from workers.processes import Working, run_processes
from workers.receipts import apply_receipts
from workers.replies import handle_replies
from workers.upkeep import upkeep

log = structlog.get_logger()


@dataclass(slots=True)
class Worker:
    """What lives as long as the process: its lease, its event loop and the wish to stop."""

    holder: Holder
    loop: asyncio.AbstractEventLoop
    stopping: bool = field(default=False)


_worker: Worker | None = None


def _take_in(settings: Settings, lease: int, trigger: str) -> None:
    """Deliveries first: their meters should be known before the orders that will hang them."""
    take_deliveries(settings, lease, trigger)
    interpret_files(settings, lease, trigger)


_WORK: dict[str, Callable[[Settings, int, str], object]] = {
    POLL_CIS: poll_cis,
    INTAKE: _take_in,
    ACKS: interpret_acks,
    RECEIPTS: apply_receipts,
    REPLIES: handle_replies,
    NETWORK: interpret_network,
    PARTNER_FILES: look_after_files,
}


def begin(lane: str) -> Worker:
    """Make the process ready to work; called once before the first job."""
    global _worker  # noqa: PLW0603 - RQ calls `work` by name, so the process's state has to live here.
    collect_seldom()
    take_turns_often()
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    _worker = Worker(Holder(lane), loop)
    return _worker


def end() -> None:
    """Let go of connections and of the lease."""
    if _worker is not None:
        close_clients(_worker.loop)
        _worker.holder.close()
        _worker.loop.close()


class JobFailed(Exception):
    """A job ended before its lane was empty; the text names the kind of error only."""


def work(lane: str, trigger: str = "doorbell") -> None:
    """The job as RQ calls it.

    Raises: JobFailed -> RQ writes the error's text and trace into Redis and the log, so it gets
    none of what the error itself may quote; that is in our own log as far as it may be.
    """
    try:
        work_on(lane, trigger)
    except DBAPIError as error:
        if is_connection_lost(error):
            log.warning("database_away", lane=lane, error=type(error.orig or error).__name__)
        else:
            log.exception("job_failed", lane=lane)
        raise JobFailed(type(error).__name__) from None
    except Exception as error:
        log.exception("job_failed", lane=lane)
        raise JobFailed(type(error).__name__) from None


def work_on(lane: str, trigger: str = "doorbell") -> None:
    """Do everything that is due in the lane.

    Errors of the database or of the process end the work; what it held is given back and the
    dispatcher rings again, so nothing here retries.
    """
    if _worker is None:
        raise RuntimeError("begin() has not been called in this process")
    worker = _worker
    settings: Settings = current_app.extensions["tiedolla_settings"]
    try:
        if lane != UPKEEP and _is_paused(lane):
            return
        lease = worker.holder.lease(datetime.now(UTC))
        run = _WORK.get(lane)
        if run is not None:
            run(settings, lease, trigger)
        elif lane == NOTICES:
            plan_notices(
                settings,
                lease,
                trigger,
                lambda: worker.stopping or _is_paused(NOTICES),
            )
        elif lane == PROCESSES:
            run_processes(Working(settings, lease, trigger, lambda: worker.stopping))
        elif lane == UPKEEP:
            # It asks providers about unknown outcomes, so it needs the process's loop.
            upkeep(settings, lease, trigger, worker.loop)
        else:
            drain(
                Drain(
                    lane=lane,
                    lease=lease,
                    settings=settings,
                    loop=worker.loop,
                    trigger=trigger,
                    stopping=lambda: worker.stopping,
                )
            )
    finally:
        # A connection that went away with the database must not be handed to the next job.
        db.session.remove()


def _is_paused(lane: str) -> bool:
    with transaction() as session:
        return lanes.is_paused(session, lane)
