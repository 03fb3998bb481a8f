"""Interprets stored acknowledgements in batches, and one by one when a batch fails."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from sqlalchemy.orm import Session

from app.db import held_lock, is_connection_lost, transaction
from app.domain.lanes import ACKS
from app.domain.lock_spaces import LockSpace
from app.doorbell import ring
from app.models.inbound_message import InboundMessage
from app.services import acks, inbound, lanes, runs
from app.services.ack_receipt import KIND
from app.services.acks import Interpreted
from app.settings import Settings
from workers.run_end import end_run

log = structlog.get_logger()

# Enough to make reading and writing cheap, few enough to hold their orders only for a moment.
_BATCH_COUNT = 50
# A worker that is told to stop finishes its job first, so a job must not last for ever.
_JOB_COUNT = 5_000


@dataclass(slots=True)
class _Reading:
    """One drain of the lane at work."""

    lease: int
    trigger: str
    run_id: int | None = None
    counts: Counter[str] = field(default_factory=Counter)


def interpret_acks(settings: Settings, lease: int, trigger: str) -> None:
    """Interpret what waits, oldest first, until nothing is left or enough is done for one job.

    A fault of ours postpones the one message and lets the next pass; the database going away ends
    the job, and the dispatcher rings again.
    """
    del settings
    # Two at once would only wait for each other's orders and for the register.
    with held_lock(LockSpace.ACKS, 1) as held:
        if held:
            _read_all(_Reading(lease, trigger))


def _read_all(reading: _Reading) -> None:
    error: str | None = None
    done = 0
    try:
        while done < _JOB_COUNT:
            ids = _waiting()
            if not ids:
                return
            _read_batch(reading, ids)
            done += len(ids)
        ring(ACKS)
    except Exception as caught:
        error = type(caught).__name__
        raise
    finally:
        _finish(reading, error)


def _waiting() -> list[int]:
    with transaction() as session:
        if lanes.is_paused(session, ACKS):
            return []
        waiting = inbound.waiting(session, KIND, datetime.now(UTC), limit=_BATCH_COUNT)
        return [message.id for message in waiting]


def _read_batch(reading: _Reading, ids: Sequence[int]) -> None:
    """All in one transaction; if that fails, one by one, so that only the culprit is left."""
    try:
        _read(reading, ids)
    except Exception as error:
        if is_connection_lost(error):
            raise
        if len(ids) == 1:
            log.exception("ack_not_interpreted", message=ids[0])
            _postpone(reading, ids[0], error, datetime.now(UTC))
            return
        log.warning("acks_read_one_by_one", count=len(ids), error=type(error).__name__)
        for message_id in ids:
            _read_batch(reading, [message_id])


def _read(reading: _Reading, ids: Sequence[int]) -> None:
    started, now = time.monotonic(), datetime.now(UTC)
    with transaction() as session:
        run_id = _run(session, reading, now)
        told = acks.interpret_all(session, ids, now, run_id)
        duration_ms = round((time.monotonic() - started) * 1000 / len(ids))
        runs.add_steps(session, run_id, [_step(one, now, duration_ms) for one in told])
    reading.run_id = run_id
    reading.counts.update(one.outcome for one in told)


def _run(session: Session, reading: _Reading, now: datetime) -> int:
    """The run of this drain; it is kept in mind only once its first work has committed."""
    if reading.run_id is not None:
        return reading.run_id
    return runs.start_run(session, "acks", reading.trigger, now, lease=reading.lease)


def _step(told: Interpreted, now: datetime, duration_ms: int) -> runs.StepRow:
    return runs.StepRow(
        name="acknowledgement",
        state=told.outcome,
        keys=told.keys,
        started_at=now,
        duration_ms=duration_ms,
        detail=f"message {told.message_id}: {told.detail}",
        error_class=told.error_class,
    )


def _postpone(reading: _Reading, message_id: int, error: Exception, now: datetime) -> None:
    """Our fault: try again later, or leave it to a person; the next one goes on."""
    name = type(error).__name__
    with transaction() as session:
        run_id = _run(session, reading, now)
        state = inbound.postpone(session, message_id, name, now)
        step = runs.StepRow(
            name="acknowledgement",
            state="HELD" if state == "HELD" else "POSTPONED",
            keys=tuple(_keys(session, message_id)),
            started_at=now,
            detail=f"message {message_id} could not be interpreted",
            error_class=name,
        )
        runs.add_steps(session, run_id, [step])
    reading.run_id = run_id
    reading.counts["POSTPONED"] += 1


def _keys(session: Session, message_id: int) -> Iterable[str]:
    message = session.get_one(InboundMessage, message_id)
    return [key for key in (message.business_key, message.message_id) if key]


def _finish(reading: _Reading, error: str | None) -> None:
    counts = reading.counts
    bad = counts["REJECTED"] + counts["REFUSED"] + counts["POSTPONED"] + counts["WAITING"]
    state = "FAILED" if error else "PARTLY" if bad else "OK"
    end_run(reading.run_id, state, counts, error)
