"""Runs and steps: what every process did, findable by any business key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import insert, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from app.db import copy_rows, text_array
from app.domain.processes import RUN_OWNERS, LogLevel, keeps_step
from app.models.run import PayloadBlob, Run

# A payload that comes again and again is not written for each time.
_USED_AGAIN_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step to record; keys are the business keys by which somebody will look for it."""

    name: str
    state: str
    keys: tuple[str, ...]
    started_at: datetime
    duration_ms: int = 0
    detail: str | None = None
    error_class: str | None = None
    payload_hash: str | None = None


def start_run(
    session: Session,
    process: str,
    trigger: str,
    now: datetime,
    *,
    lease: int | None = None,
    subject: str | None = None,
) -> int:
    """Record that a run began; it commits with the first work of the run."""
    statement = (
        insert(Run)
        .values(
            process=process,
            trigger=trigger,
            subject=subject,
            state="RUNNING",
            counts={},
            lease=lease,
            started_at=now,
        )
        .returning(Run.id)
    )
    return session.execute(statement).scalar_one()


_LOG_LEVEL = text(
    "SELECT p.log_level FROM run r JOIN process p"
    " ON p.run_name = coalesce(CAST(:owners AS jsonb) ->> r.process, r.process) WHERE r.id = :run"
)
_OWNERS = msgspec.json.encode(RUN_OWNERS).decode()


def add_steps(session: Session, run_id: int, steps: Iterable[StepRow]) -> None:
    """Record steps in the transaction of their effect, so that both are there or neither.

    How much of them is kept is set with the process: only what went wrong, or no payloads.
    """
    level = session.execute(_LOG_LEVEL, {"run": run_id, "owners": _OWNERS}).scalar_one_or_none()
    if level == LogLevel.ERRORS:
        steps = [s for s in steps if keeps_step(level, s.state, s.error_class)]
    copy_rows(
        session,
        "step",
        (
            "run_id",
            "name",
            "state",
            "keys",
            "started_at",
            "duration_ms",
            "detail",
            "error_class",
            "payload_hash",
        ),
        (
            (
                run_id,
                step.name,
                step.state,
                text_array(step.keys),
                step.started_at,
                step.duration_ms,
                step.detail,
                step.error_class,
                None if level == LogLevel.RESULTS else step.payload_hash,
            )
            for step in steps
        ),
    )


def finish_run(
    session: Session,
    run_id: int,
    state: str,
    now: datetime,
    *,
    counts: Mapping[str, int] | None = None,
    error: str | None = None,
) -> None:
    """Record how a run ended."""
    session.execute(
        update(Run)
        .where(Run.id == run_id)
        .values(state=state, counts=dict(counts or {}), error=error, ended_at=now)
    )


def close_killed_runs(session: Session, leases: list[int], now: datetime) -> int:
    """Mark the runs of dead workers as KILLED; what they left undone is given back elsewhere."""
    result = session.execute(
        text(
            "UPDATE run SET state = 'KILLED', ended_at = :now,"
            " error = 'the worker died before the run ended'"
            " WHERE lease = ANY(:leases) AND state = 'RUNNING' RETURNING id"
        ),
        {"now": now, "leases": leases},
    )
    return len(result.all())


_LAST = text(
    """
    SELECT r.state, r.subject, (SELECT count(*) FROM step s WHERE s.run_id = r.id) AS steps
    FROM run r WHERE r.process = :process ORDER BY r.started_at DESC, r.id DESC LIMIT :times
    """
)


def died_in_a_row(
    session: Session, process: str, subject: str, times: int, within_steps: int
) -> bool:
    """Whether the last runs all died over this subject after nearly the same number of steps.

    A run of the past that is still RUNNING has died as well; its clean-up is only on its way. To be
    asked before a new run starts, by whoever is alone with the process.
    """
    rows = session.execute(_LAST, {"process": process, "times": times}).all()
    if len(rows) < times:
        return False
    died = all(row.subject == subject and row.state in ("KILLED", "RUNNING") for row in rows)
    steps = [row.steps for row in rows]
    return died and max(steps) - min(steps) <= within_steps


def put_payload(session: Session, body: bytes, media_type: str, now: datetime) -> str:
    """Keep a payload once per content; returns its SHA-256 in hexadecimal.

    One that comes again is kept from then on as long as a new one.
    """
    digest = hashlib.sha256(body).hexdigest()
    new = pg_insert(PayloadBlob).values(
        hash=digest, media_type=media_type, body=body, created_at=now
    )
    session.execute(
        new.on_conflict_do_update(
            index_elements=["hash"],
            set_={"created_at": new.excluded.created_at},
            where=PayloadBlob.created_at < now - _USED_AGAIN_AFTER,
        )
    )
    return digest
