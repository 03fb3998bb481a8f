"""Runs and their steps, newest first, found by process, state or any business key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from app.models.outbox_item import OutboxItem
from app.models.run import PayloadBlob, Run, Step
from app.models.work_order import WorkOrderChange

# What an operator means by "red": something that did not go as it should.
RED_STATES = ("PARTLY", "FAILED", "KILLED")
STEP_LIMIT = 200


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of a process."""

    id: int
    process: str
    trigger: str
    subject: str | None
    state: str
    counts: dict[str, Any]
    error: str | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of a run, with the business keys that it was about."""

    id: int
    name: str
    state: str
    keys: tuple[str, ...]
    detail: str | None
    error_class: str | None
    payload_hash: str | None
    started_at: datetime
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Payload:
    """What went in or out of a step."""

    hash: str
    media_type: str
    body: bytes


def find_runs(
    session: Session,
    limit: int,
    *,
    process: str | None = None,
    state: str | None = None,
    key: str | None = None,
    before: int | None = None,
    after: int | None = None,
) -> list[RunRow]:
    """Up to `limit` runs, newest first; state may be RED for all that did not go well.

    before and after are run ids: the page of older or newer runs next to them.
    """
    statement = _filtered(process, state, key)
    if after is not None:
        statement = statement.where(Run.id > after).order_by(Run.id.asc())
    else:
        statement = statement.order_by(Run.id.desc())
        if before is not None:
            statement = statement.where(Run.id < before)
    rows = [_run(row) for row in session.execute(statement.limit(limit)).scalars()]
    return rows[::-1] if after is not None else rows


def processes(session: Session) -> list[str]:
    """The names of the processes that ever ran, found by hops through the index."""
    statement = text(
        """
        WITH RECURSIVE hop AS (
            (SELECT process FROM run ORDER BY process LIMIT 1)
            UNION ALL
            SELECT (SELECT process FROM run WHERE process > hop.process ORDER BY process LIMIT 1)
            FROM hop WHERE hop.process IS NOT NULL)
        SELECT process FROM hop WHERE process IS NOT NULL
        """
    )
    return list(session.execute(statement).scalars())


def find_run(session: Session, run_id: int) -> RunRow | None:
    """One run, or None."""
    row = session.get(Run, run_id)
    return None if row is None else _run(row)


def steps_of(
    session: Session, run_id: int, *, after: int = 0, key: str | None = None
) -> list[StepRow]:
    """Up to STEP_LIMIT steps of a run in their order, those that failed not set apart."""
    statement = select(Step).where(Step.run_id == run_id, Step.id > after)
    if key:
        statement = statement.where(Step.keys.contains([key]))
    rows = session.execute(statement.order_by(Step.id).limit(STEP_LIMIT)).scalars()
    return [
        StepRow(
            row.id,
            row.name,
            row.state,
            tuple(row.keys),
            row.detail,
            row.error_class,
            row.payload_hash,
            row.started_at,
            row.duration_ms,
        )
        for row in rows
    ]


def find_payload(session: Session, run_id: int, step_id: int) -> Payload | None:
    """What went in or out of a step, or None.

    Payloads that left through the outbox are kept there; the hash says that it is the same one.
    """
    step = session.execute(
        select(Step).where(Step.run_id == run_id, Step.id == step_id)
    ).scalar_one_or_none()
    if step is None or step.payload_hash is None:
        return None
    blob = session.get(PayloadBlob, step.payload_hash)
    if blob is not None:
        return Payload(step.payload_hash, blob.media_type, blob.body)
    item = session.execute(
        select(OutboxItem.payload)
        .where(OutboxItem.business_key.in_(step.keys), OutboxItem.payload_hash == step.payload_hash)
        .limit(1)
    ).scalar()
    if item is None:
        return None
    body = json.dumps(item, ensure_ascii=False).encode()
    return Payload(step.payload_hash, "application/json", body)


def _filtered(process: str | None, state: str | None, key: str | None) -> Select[Any]:
    statement = select(Run)
    if process:
        statement = statement.where(Run.process == process)
    if state == "RED":
        statement = statement.where(Run.state.in_(RED_STATES))
    elif state:
        statement = statement.where(Run.state == state)
    if key:
        with_key = select(Step.run_id).where(Step.keys.contains([key]))
        # Orders of a mass order have no step of their own; their history names the run.
        made = select(WorkOrderChange.run_id).where(WorkOrderChange.order_id == key)
        statement = statement.where(Run.id.in_(with_key) | Run.id.in_(made) | (Run.subject == key))
    return statement


def _run(row: Run) -> RunRow:
    return RunRow(
        row.id,
        row.process,
        row.trigger,
        row.subject,
        row.state,
        row.counts,
        row.error,
        row.started_at,
        row.ended_at,
    )
