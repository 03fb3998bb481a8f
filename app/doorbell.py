"""The doorbell: tells a lane's worker that rows are waiting for it.

A job carries no payload; it means "drain lane X". PostgreSQL holds the work, so a lost ring costs
only the time until the dispatcher rings again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from functools import partial
from weakref import WeakKeyDictionary

import structlog
from flask_rq import RQ
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from app.db import after_commit

log = structlog.get_logger()

rq = RQ()

# The only function that a ring may name; the worker refuses any other.
JOB = "workers.jobs.work"

# The connection over which bells are rung. Its time-outs are short, because whoever rings has
# committed and only wants to go on; RQ lengthens those of the other one, on which a worker waits.
BELL = "bell"
BELL_TIMEOUT_S = 1.0
# Nobody rings for so long after Redis did not answer: each try costs the time-out, and the
# dispatcher looks at PostgreSQL several times a second anyway.
_SILENCE_S = 5.0
_silent_until: WeakKeyDictionary[Redis, float] = WeakKeyDictionary()
# Of rings that may be late, a process rings one in so long.
_SELDOM_S = 0.05
_rung_at: WeakKeyDictionary[Redis, dict[str, float]] = WeakKeyDictionary()


def ring_after_commit(lane: str) -> None:
    """Ring `lane` once the open transaction has committed."""
    after_commit(_ring_call(lane))


def ring_seldom_after_commit(lane: str) -> None:
    """The same for what comes by the thousand and may wait for the dispatcher, a quarter second.

    Asking Redis costs an eighth of such a request. A ring that is left out has nothing that the one
    before could not see, or the dispatcher rings for it.
    """
    after_commit(_SELDOM_CALLS.setdefault(lane, partial(_ring_seldom, lane)))


def _ring_seldom(lane: str) -> None:
    now = time.monotonic()
    rung_at = _rung_at.setdefault(_bell(), {})
    if now - rung_at.get(lane, -math.inf) >= _SELDOM_S:
        rung_at[lane] = now
        ring(lane)


def ring(lane: str) -> bool:
    """Ring now; False when Redis is out of reach, which the dispatcher makes good."""
    bell = _bell()
    if time.monotonic() < _silent_until.get(bell, 0.0):
        return False
    try:
        queue = _queue(lane, bell)
        # A ring that still waits will see our committed rows; more of them would only pile up.
        if queue.count < 1:
            queue.enqueue(JOB, lane, job_timeout=-1, result_ttl=0, failure_ttl=3600)
    except RedisError as error:
        _silent_until[bell] = time.monotonic() + _SILENCE_S
        log.warning("doorbell_unreachable", lane=lane, error=type(error).__name__)
        return False
    return True


def queue_of(lane: str) -> Queue:
    """The RQ queue of a lane on the connection on which a worker waits."""
    return _queue(lane, rq.queue.connection)


def redis_is_up() -> bool:
    """Whether Redis answers at all; if so, bells are rung again."""
    bell = _bell()
    try:
        answers = bool(bell.ping())
    except RedisError:
        return False
    _silent_until.pop(bell, None)
    return answers


def lanes_ringing(lanes: Iterable[str]) -> dict[str, int]:
    """How many rings wait per lane; empty when Redis is out of reach."""
    bell = _bell()
    try:
        return {lane: _queue(lane, bell).count for lane in lanes}
    except RedisError:
        return {}


def listens(lane: str) -> bool:
    """Whether a worker waits for this lane's ring, or waited some seconds ago."""
    try:
        return bool(Worker.all(queue=_queue(lane, _bell())))
    except RedisError:
        return False


def _bell() -> Redis:
    connection: Redis = rq.queues[BELL].connection
    return connection


def _queue(lane: str, connection: Redis) -> Queue:
    """Lanes come and go with partners, so they are made here rather than listed in the configuration.

    JSON instead of pickle: a job can carry nothing but the lane's name.
    """
    return Queue(
        lane,
        connection=connection,
        serializer=JSONSerializer,
        job_class=rq.queue.job_class,
    )


def _ring_call(lane: str) -> partial[bool]:
    return _RING_CALLS.setdefault(lane, partial(ring, lane))


_RING_CALLS: dict[str, partial[bool]] = {}
_SELDOM_CALLS: dict[str, partial[None]] = {}
