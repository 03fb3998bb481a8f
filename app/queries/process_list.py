"""Processes with what starts them, how they went last and when they run next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.processes import RUN_OWNERS
from app.models.process import ProcessStart, ProcessTrigger

LAST_RUNS = 5


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """One thing that starts a process; id is None where a lane is rung by its schedule."""

    id: int | None
    kind: str
    key: str
    spec: Mapping[str, Any]
    active: bool
    next_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class LastRun:
    """One of the last runs, for its light."""

    id: int
    state: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process as the list shows it."""

    code: str
    name: str | None
    description: str | None
    run_name: str
    lane: str | None
    chore: str | None
    zone: str
    environment: str
    owner: str
    log_level: str
    overlap: str
    essential: bool
    stopped: bool
    stopped_by: str | None
    stopped_at: datetime | None
    every_s: float | None
    waiting: int
    running: int
    stop_asked: bool
    triggers: tuple[TriggerRow, ...]
    last_runs: tuple[LastRun, ...]
    next_at: datetime | None

    @property
    def was_rung(self) -> bool:
        """Whether the clock has started it; what finds nothing to do records no run."""
        return any(trigger.last_at is not None for trigger in self.triggers)

    @property
    def is_running(self) -> bool:
        """Whether a run of it is under way."""
        return self.running > 0 or any(run.state == "RUNNING" for run in self.last_runs)


@dataclass(frozen=True, slots=True)
class StartRow:
    """One cause for a process to run, and what became of it."""

    id: int
    kind: str
    cause: str
    state: str
    reason: str | None
    asked_by: str
    run_id: int | None
    attempts: int
    created_at: datetime
    begun_at: datetime | None
    ended_at: datetime | None
    stop_asked_by: str | None


_PROCESSES = text(
    """
    SELECT p.*, l.paused, sched.every_s, sched.next_at AS rung_at, sched.last_at AS was_rung_at,
        coalesce(open.waiting, 0) AS waiting, coalesce(open.running, 0) AS running,
        coalesce(open.stop_asked, false) AS stop_asked
    FROM process p
    LEFT JOIN lane l ON l.name = p.lane
    LEFT JOIN LATERAL (SELECT min(every_s) AS every_s, min(next_at) AS next_at, max(last_at) AS last_at
        FROM schedule s WHERE s.lane = p.lane AND s.active) sched ON true
    LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE state = 'WAITING') AS waiting,
        count(*) FILTER (WHERE state = 'RUNNING') AS running,
        bool_or(stop_asked_at IS NOT NULL) AS stop_asked
        FROM process_start s WHERE s.process_code = p.code AND s.state IN ('WAITING', 'RUNNING')
        ) open ON true
    WHERE CAST(:code AS text) IS NULL OR p.code = :code
    ORDER BY p.chore IS NULL, p.code
    """
)
# The index by process and time gives the last few of each name without reading the others.
_LAST = text(
    """
    SELECT p.code, r.id, r.state, r.started_at, r.ended_at FROM process p
    CROSS JOIN LATERAL (
        SELECT one.* FROM (
            SELECT p.run_name AS name
            UNION ALL
            SELECT part.key FROM jsonb_each_text(CAST(:owners AS jsonb)) part
            WHERE part.value = p.run_name) names
        CROSS JOIN LATERAL (SELECT id, state, started_at, ended_at FROM run
            WHERE run.process = names.name ORDER BY started_at DESC LIMIT :most) one
        ORDER BY one.started_at DESC LIMIT :most) r
    WHERE CAST(:code AS text) IS NULL OR p.code = :code
    ORDER BY p.code, r.started_at DESC
    """
)
_OWNERS = msgspec.json.encode(RUN_OWNERS).decode()


def processes(session: Session, code: str | None = None) -> list[ProcessRow]:
    """Every process, those of the chores first; or the one of this code."""
    triggers: dict[str, list[TriggerRow]] = defaultdict(list)
    statement = select(ProcessTrigger).order_by(ProcessTrigger.id)
    if code is not None:
        statement = statement.where(ProcessTrigger.process_code == code)
    for row in session.execute(statement).scalars():
        triggers[row.process_code].append(
            TriggerRow(row.id, row.kind, row.key, row.spec, row.active, row.next_at, row.last_at)
        )
    runs: dict[str, list[LastRun]] = defaultdict(list)
    for last in session.execute(_LAST, {"code": code, "most": LAST_RUNS, "owners": _OWNERS}):
        runs[last.code].append(LastRun(last.id, last.state, last.started_at, last.ended_at))
    return [
        _process(row, triggers[row.code], runs[row.code])
        for row in session.execute(_PROCESSES, {"code": code})
    ]


def find_process(session: Session, code: str) -> ProcessRow | None:
    """One process, or None."""
    found = processes(session, code)
    return found[0] if found else None


def starts_of(session: Session, code: str, limit: int, before: int | None = None) -> list[StartRow]:
    """The starts of a process, newest first."""
    statement = select(ProcessStart).where(ProcessStart.process_code == code)
    if before is not None:
        statement = statement.where(ProcessStart.id < before)
    rows = session.execute(statement.order_by(ProcessStart.id.desc()).limit(limit)).scalars()
    return [
        StartRow(
            row.id,
            row.kind,
            row.cause,
            row.state,
            row.reason,
            row.asked_by,
            row.run_id,
            row.attempts,
            row.created_at,
            row.begun_at,
            row.ended_at,
            row.stop_asked_by,
        )
        for row in rows
    ]


def last_over(session: Session, code: str) -> int | None:
    """The newest start of a process that is over, for whoever wants it run again."""
    statement = select(ProcessStart.id).where(
        ProcessStart.process_code == code, ProcessStart.state.not_in(("WAITING", "RUNNING"))
    )
    return session.execute(statement.order_by(ProcessStart.id.desc()).limit(1)).scalar_one_or_none()


def _process(row: Any, triggers: list[TriggerRow], runs: list[LastRun]) -> ProcessRow:
    if row.every_s is not None:
        spec = {"every_s": row.every_s}
        triggers = [
            TriggerRow(None, "PACE", "", spec, True, row.rung_at, row.was_rung_at),
            *triggers,
        ]
    elif row.lane is not None:
        triggers = [TriggerRow(None, "WORK", "", {}, True, None, None), *triggers]
    stopped = bool(row.paused) if row.lane is not None else row.stopped_at is not None
    times = [one.next_at for one in triggers if one.active and one.next_at is not None]
    return ProcessRow(
        row.code,
        row.name,
        row.description,
        row.run_name,
        row.lane,
        row.chore,
        row.zone,
        row.environment,
        row.owner,
        row.log_level,
        row.overlap,
        row.essential,
        stopped,
        row.stopped_by,
        row.stopped_at,
        row.every_s,
        row.waiting,
        row.running,
        row.stop_asked,
        tuple(triggers),
        tuple(runs),
        min(times) if times and not stopped else None,
    )
