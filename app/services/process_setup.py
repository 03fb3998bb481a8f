"""The processes that every installation has: one for each lane, the chores, and their first schedules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

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
from app.domain.processes import LogLevel, Overlap, TriggerKind, trigger_key
from app.models.lane import Lane
from app.models.process import Process, ProcessTrigger
from app.services import cron_times

ZONE = "central"
OWNER = "operations"

# Under which names the lanes that work inside the product record their runs; parts of their work have
# names of their own, see RUN_OWNERS in app/domain/processes.py.
RUN_NAMES: Mapping[str, str] = {
    POLL_CIS: "poll CIS",
    PARTNER_FILES: "partner files",
    INTAKE: "intake",
    ACKS: "acks",
    RECEIPTS: "apply receipts",
    REPLIES: "replies",
    NETWORK: "network",
    NOTICES: "plan notices",
    UPKEEP: "upkeep",
}
# Chore, its code on the pages, when it runs unless somebody says otherwise, its overlap policy.
CHORES: tuple[tuple[str, str, str | None, Overlap], ...] = (
    ("mailboxes", "poll-mail", "*/2 * * * *", Overlap.SKIP),
    ("public status", "public-status", None, Overlap.QUEUE_ONE),
    ("service level", "service-level", "20 0 * * *", Overlap.QUEUE_ONE),
    ("purge", "purge", "40 2 * * *", Overlap.QUEUE_ONE),
    ("read held", "read-held", None, Overlap.QUEUE_ONE),
    ("retry dead", "retry-dead", None, Overlap.QUEUE_ONE),
    ("signal", "signal", None, Overlap.QUEUE_ALL),
    ("reconcile", "reconcile", "15 3 * * *", Overlap.QUEUE_ALL),
    ("reconcile changes", "reconcile-changes", "45 7-17/2 * * *", Overlap.SKIP),
)


def install(session: Session, environment: str, now: datetime) -> None:
    """Add the processes that are not there yet, and their first triggers; nothing else changes."""
    add_lanes(session, environment, now)
    for chore, code, cron, overlap in CHORES:
        row = _row(code, chore, environment, now) | {"chore": chore, "overlap": overlap}
        if _add(session, row) and cron is not None:
            session.add(_schedule(code, cron, now))
    session.flush()


def add_lanes(session: Session, environment: str, now: datetime) -> None:
    """A process for each lane; partners come and go, so this is asked again and again."""
    names = session.execute(select(Lane.name).where(Lane.name != PROCESSES)).scalars().all()
    known = set(session.execute(select(Process.lane).where(Process.lane.is_not(None))).scalars())
    for name in names:
        if name in known:
            continue
        run_name = RUN_NAMES.get(name, f"drain {name}")
        code = name.replace("_", "-").replace(".", "-").lower()
        _add(
            session,
            _row(code, run_name, environment, now) | {"lane": name, "essential": name == UPKEEP},
        )


def _row(code: str, run_name: str, environment: str, now: datetime) -> dict[str, Any]:
    return {
        "code": code,
        "run_name": run_name,
        "params": {},
        "zone": ZONE,
        "environment": environment,
        "owner": OWNER,
        "log_level": LogLevel.EVERYTHING,
        "overlap": Overlap.QUEUE_ONE,
        "essential": False,
        "created_at": now,
    }


def _add(session: Session, row: Mapping[str, Any]) -> bool:
    statement = insert(Process).values(**row).on_conflict_do_nothing().returning(Process.code)
    return session.execute(statement).scalar_one_or_none() is not None


def _schedule(code: str, cron: str, now: datetime) -> ProcessTrigger:
    spec = {"cron": cron}
    return ProcessTrigger(
        process_code=code,
        kind=TriggerKind.SCHEDULE,
        key=trigger_key(TriggerKind.SCHEDULE, spec),
        spec=spec,
        active=True,
        next_at=cron_times.next_time(cron, now),
        created_by="system:setup",
        created_at=now,
    )
