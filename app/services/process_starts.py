"""Starts of processes: each cause counts once, meets its neighbours by the policy, and ends.

A start is one row from its cause to its end. Whoever writes it holds the row of its process, so
two causes that come at once see one another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.lanes import PROCESSES
from app.domain.processes import (
    IS_STOPPED,
    REPLACED,
    Overlap,
    TriggerKind,
    decide_overlap,
)
from app.domain.states import PROCESS_START_MOVES, ProcessStartState, check_move
from app.doorbell import ring_after_commit
from app.models.lane import Lane
from app.models.process import Process, ProcessStart
from app.services import runs

S = ProcessStartState

# A start whose worker died so often is not taken again: it is what they died of.
ATTEMPTS_MOST = 3


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a process is to run; key is the same however often the cause is noticed."""

    kind: TriggerKind
    key: str
    text: str
    by: str
    params: Mapping[str, Any]
    trigger_id: int | None = None
    request_hash: str | None = None
    origin_id: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """The start of a cause; new is False when the cause had been noticed before."""

    id: int
    state: str
    new: bool
    request_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A start in the hands of a worker; key_id names it in what it does to others."""

    id: int
    process: str
    chore: str
    params: dict[str, Any]
    run_id: int
    key_id: int
    asked_by: str


def ask(session: Session, process_code: str, cause: Cause, now: datetime) -> Asked:
    """Write the start of a cause, in the transaction in which the cause was noticed.

    The work of a lane is rung at once and has no more to wait for. Of a process that is stopped
    the start waits until somebody lets it go on.
    """
    process = get_for_update(session, process_code)
    known = _known(session, cause.key)
    if known is not None:
        return known
    state: str = S.WAITING
    reason: str | None = None
    if process.lane is not None:
        rung = _ring(session, process.lane, now)
        state, reason = (S.DONE, None) if rung else (S.SKIPPED, IS_STOPPED)
    else:
        counts = _open_counts(session, process_code)
        meeting = decide_overlap(
            process.overlap, counts.get(S.RUNNING, 0), counts.get(S.WAITING, 0)
        )
        if meeting.skip_waiting:
            _skip_waiting(session, process_code, now)
        if meeting.stop_running:
            _ask_running_to_stop(session, process_code, cause.by, now)
        if meeting.skip_reason is not None:
            state, reason = S.SKIPPED, meeting.skip_reason
    created = session.execute(
        insert(ProcessStart)
        .values(
            process_code=process_code,
            trigger_id=cause.trigger_id,
            kind=cause.kind,
            dedupe_key=cause.key,
            request_hash=cause.request_hash,
            cause=cause.text,
            params=dict(cause.params),
            state=state,
            reason=reason,
            asked_by=cause.by,
            origin_id=cause.origin_id,
            alone=process.overlap != Overlap.PARALLEL,
            attempts=0,
            created_at=now,
            ended_at=None if state == S.WAITING else now,
        )
        .returning(ProcessStart.id)
    ).scalar_one()
    if state == S.WAITING:
        ring_after_commit(PROCESSES)
    return Asked(created, state, True, cause.request_hash)


def claim(session: Session, lease: int, trigger: str, now: datetime) -> Taken | None:
    """Take the oldest start that may run, with the run that it makes; None when there is none.

    Which process is next is looked up first, then its row is locked and looked at anew: what
    somebody else took meanwhile is seen, and the unique index is there should that ever be wrong.
    """
    candidates = session.execute(_CANDIDATES).scalars().all()
    for code in candidates:
        process = get_for_update(session, code)
        start = session.execute(
            select(ProcessStart)
            .where(ProcessStart.process_code == code, ProcessStart.state == S.WAITING)
            .order_by(ProcessStart.id)
            .limit(1)
        ).scalar_one_or_none()
        busy = process.overlap != Overlap.PARALLEL and _open_counts(session, code).get(S.RUNNING)
        if start is None or busy or process.stopped_at is not None or process.chore is None:
            continue
        check_move(PROCESS_START_MOVES, start.state, S.RUNNING)
        run_id = runs.start_run(
            session,
            process.run_name,
            f"{start.kind.lower()}: {start.cause}" if start.cause else start.kind.lower(),
            now,
            lease=lease,
            subject=f"start {start.id}",
        )
        start.state, start.begun_at, start.lease, start.run_id = S.RUNNING, now, lease, run_id
        start.attempts += 1
        start.alone = process.overlap != Overlap.PARALLEL
        session.flush()
        params = {**process.params, **start.params}
        key_id = start.origin_id or start.id
        return Taken(start.id, process.code, process.chore, params, run_id, key_id, start.asked_by)
    return None


def finish(
    session: Session, start_id: int, state: ProcessStartState, now: datetime, reason: str | None
) -> None:
    """Record how a start ended; WAITING gives it back, since its worker has to end before it."""
    start = session.get(ProcessStart, start_id, with_for_update=True, populate_existing=True)
    if start is None or start.state != S.RUNNING:
        # The dispatcher took us for dead meanwhile; whoever has it now says how it ends.
        return
    check_move(PROCESS_START_MOVES, start.state, state)
    start.state, start.reason, start.lease = state, reason, None
    if state == S.WAITING:
        start.begun_at, start.run_id = None, None
        # It was not the start's doing.
        start.attempts -= 1
    else:
        start.ended_at = now
    ring_after_commit(PROCESSES)


def give_back(session: Session, lease: int, now: datetime) -> int:
    """Let what a dead worker had taken wait again, or end it when that happened too often."""
    back = session.execute(
        text(
            "UPDATE process_start SET lease = NULL,"
            " state = CASE WHEN attempts < :most THEN 'WAITING' ELSE 'FAILED' END,"
            " reason = CASE WHEN attempts < :most THEN NULL ELSE 'INTERNAL WorkerDied' END,"
            " ended_at = CASE WHEN attempts < :most THEN NULL ELSE CAST(:now AS timestamptz) END"
            " WHERE lease = :lease AND state = 'RUNNING' RETURNING id"
        ),
        {"lease": lease, "most": ATTEMPTS_MOST, "now": now},
    ).all()
    if back:
        ring_after_commit(PROCESSES)
    return len(back)


def stop_is_asked(session: Session, start_id: int) -> bool:
    """Whether somebody wants this start to end."""
    statement = select(ProcessStart.stop_asked_at).where(ProcessStart.id == start_id)
    return session.execute(statement).scalar_one_or_none() is not None


def is_waiting(session: Session) -> bool:
    """Whether a start waits that may be taken now."""
    return session.execute(_CANDIDATES).first() is not None


def ring_if_waiting(session: Session) -> None:
    """Ring the lane of processes when something may be taken."""
    if is_waiting(session):
        ring_after_commit(PROCESSES)


def ask_to_stop(session: Session, process_code: str, by: str, now: datetime) -> int:
    """Ask what runs to end when it can, and end what waits; returns how many were running."""
    get_for_update(session, process_code)
    session.execute(
        update(ProcessStart)
        .where(ProcessStart.process_code == process_code, ProcessStart.state == S.WAITING)
        .values(state=S.STOPPED, reason="STOPPED_WAITING", stop_asked_by=by, ended_at=now)
    )
    return _ask_running_to_stop(session, process_code, by, now)


_CANDIDATES = text(
    """
    SELECT s.process_code FROM process_start s JOIN process p ON p.code = s.process_code
    WHERE s.state = 'WAITING' AND p.stopped_at IS NULL AND p.chore IS NOT NULL
      AND (p.overlap = 'PARALLEL' OR NOT EXISTS (
        SELECT 1 FROM process_start r WHERE r.process_code = p.code AND r.state = 'RUNNING'))
    GROUP BY s.process_code ORDER BY min(s.id)
    """
)


def get_for_update(session: Session, code: str) -> Process:
    """The process, locked until the commit, so that causes and acts see one another.

    Raises: ProcessUnknown.
    """
    process = session.get(Process, code, with_for_update=True, populate_existing=True)
    if process is None:
        raise ProcessUnknown(code)
    return process


class ProcessUnknown(LookupError):
    """There is no process of this code; tell whoever asked."""


def _known(session: Session, key: str) -> Asked | None:
    row = session.execute(
        select(ProcessStart.id, ProcessStart.state, ProcessStart.request_hash).where(
            ProcessStart.dedupe_key == key
        )
    ).one_or_none()
    return None if row is None else Asked(row.id, row.state, False, row.request_hash)


def _open_counts(session: Session, code: str) -> dict[str, int]:
    rows = session.execute(
        select(ProcessStart.state, func.count())
        .where(ProcessStart.process_code == code, ProcessStart.state.in_((S.WAITING, S.RUNNING)))
        .group_by(ProcessStart.state)
    )
    return {row[0]: row[1] for row in rows}


def _skip_waiting(session: Session, code: str, now: datetime) -> None:
    session.execute(
        update(ProcessStart)
        .where(ProcessStart.process_code == code, ProcessStart.state == S.WAITING)
        .values(state=S.SKIPPED, reason=REPLACED, ended_at=now)
    )


def _ask_running_to_stop(session: Session, code: str, by: str, now: datetime) -> int:
    asked = session.execute(
        update(ProcessStart)
        .where(
            ProcessStart.process_code == code,
            ProcessStart.state == S.RUNNING,
            ProcessStart.stop_asked_at.is_(None),
        )
        .values(stop_asked_by=by, stop_asked_at=now)
        .returning(ProcessStart.id)
    ).all()
    return len(asked)


def _ring(session: Session, lane: str, now: datetime) -> bool:
    """Ring a lane unless it is paused; its schedule is due too, should Redis lose the ring."""
    paused = session.execute(select(Lane.paused).where(Lane.name == lane)).scalar_one_or_none()
    if paused is not False:
        return False
    session.execute(
        text("UPDATE schedule SET next_at = :now WHERE lane = :lane AND active"),
        {"lane": lane, "now": now},
    )
    ring_after_commit(lane)
    return True
