"""The doorbell: tells a lane's worker that rows are waiting for it.

A job carries no payload; it means "drain lane X". PostgreSQL holds the work, so a lost ring costs
only the time until the dispatcher rings again.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import structlog
from flask_rq import RQ
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

from app.db import after_commit

log = structlog.get_logger()

rq = RQ()

# The only function that a ring may name; the worker refuses any other.
JOB = "workers.jobs.work"


def ring_after_commit(lane: str) -> None:
    """Ring `lane` once the open transaction has committed."""
    after_commit(_ring_call(lane))


def ring(lane: str) -> bool:
    """Ring now; False when Redis is out of reach, which the dispatcher makes good."""
    try:
        queue = queue_of(lane)
        # A ring that still waits will see our committed rows; more of them would only pile up.
        if queue.count < 1:
            queue.enqueue(JOB, lane, job_timeout=-1, result_ttl=0, failure_ttl=3600)
    except RedisError as error:
        log.warning("doorbell_unreachable", lane=lane, error=type(error).__name__)
        return False
    return True


def queue_of(lane: str) -> Queue:
    """The RQ queue of a lane, on Flask-RQ's connection.

    Lanes come and go with partners, so they are made here rather than listed in the configuration.
    JSON instead of pickle: a job can carry nothing but the lane's name.
    """
    default = rq.queue
    return Queue(
        lane,
        connection=default.connection,
        serializer=JSONSerializer,
        job_class=default.job_class,
    )


def redis_is_up() -> bool:
    """Whether Redis answers at all."""
    try:
        return bool(rq.queue.connection.ping())
    except RedisError:
        return False


def lanes_ringing(lanes: Iterable[str]) -> dict[str, int]:
    """How many rings wait per lane; empty when Redis is out of reach."""
    try:
        return {lane: queue_of(lane).count for lane in lanes}
    except RedisError:
        return {}


def _ring_call(lane: str) -> partial[bool]:
    return _RING_CALLS.setdefault(lane, partial(ring, lane))


_RING_CALLS: dict[str, partial[bool]] = {}
