"""Processes as people run them: start, stop, go on, run again, and how they may run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain import processes as rules
from app.domain.lanes import (
    ACKS,
    INTAKE,
    NETWORK,
    NOTICES,
    POLL_CIS,
    PROCESSES,
    RECEIPTS,
    REPLIES,
    UPKEEP,
)
from app.domain.processes import CHANGE_TABLES, Ended, LogLevel, Overlap, TriggerKind, trigger_key
from app.models.lane import Lane
from app.models.partner import Partner
from app.models.process import Process, ProcessStart, ProcessTrigger
from app.services import audit, cron_times, lanes, process_starts, zones
from app.services.cron_times import CronInvalid
from app.services.process_starts import Asked, Cause, ProcessUnknown
from app.services.zones import ZoneRefused

ZONE = "central"
OWNER = "operations"
_TEXT_MOST = 200

# Under which names the lanes that work inside the product record their runs.
RUN_NAMES: Mapping[str, str] = {
    POLL_CIS: "poll CIS",
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


class ProcessRefused(Exception):
    """Not possible; code says why and the page or command puts it into words."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Edited:
    """What may be changed of a process."""

    name: str
    description: str
    zone: str
    environment: str
    owner: str
    log_level: str
    overlap: str


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


def start(
    session: Session,
    code: str,
    nonce: str,
    now: datetime,
    *,
    by: str,
    params: Mapping[str, Any] | None = None,
) -> Asked:
    """Start by hand; nonce makes two presses of one button one start.

    Raises: ProcessUnknown; ProcessRefused.
    """
    process = _get(session, code)
    if is_stopped(session, process):
        raise ProcessRefused("IS_STOPPED")
    given = dict(params or {})
    words = ", ".join(f"{name}: {value}" for name, value in given.items())
    cause = Cause(TriggerKind.MANUAL, f"manual/{code}/{nonce}", words, by, given)
    asked = process_starts.ask(session, code, cause, now)
    if asked.new:
        detail = {"start": asked.id, **given}
        audit.record(session, by, "PROCESS_STARTED", f"process:{code}", detail, now)
    return asked


def replay(session: Session, start_id: int, nonce: str, now: datetime, *, by: str) -> Asked:
    """Run a start that is over once more, with what it was given and under its own keys.

    What it did to others before is known to them by those keys and is not done twice.
    Raises: ProcessRefused.
    """
    old = session.get(ProcessStart, start_id)
    if old is None:
        raise ProcessRefused("NO_START")
    if old.state in ("WAITING", "RUNNING"):
        raise ProcessRefused("NOT_OVER")
    if is_stopped(session, _get(session, old.process_code)):
        raise ProcessRefused("IS_STOPPED")
    origin = old.origin_id or old.id
    cause = Cause(
        TriggerKind.REPLAY,
        f"replay/{start_id}/{nonce}",
        f"start {start_id}",
        by,
        old.params,
        old.trigger_id,
        origin_id=origin,
    )
    asked = process_starts.ask(session, old.process_code, cause, now)
    if asked.new:
        detail = {"start": asked.id, "of": start_id}
        subject = f"process:{old.process_code}"
        audit.record(session, by, "PROCESS_REPLAYED", subject, detail, now)
    return asked


def stop(session: Session, code: str, now: datetime, *, by: str) -> int:
    """Let nothing more of it begin, and ask what runs to end; returns how many are asked.

    A lane is paused: its worker ends after the slice or message at hand.
    Raises: ProcessUnknown; ProcessRefused.
    """
    process = _get(session, code)
    if process.essential:
        raise ProcessRefused("ESSENTIAL")
    if is_stopped(session, process):
        raise ProcessRefused("IS_STOPPED")
    running = 0
    if process.lane is not None:
        lanes.set_paused(session, process.lane, True)
    else:
        running = process_starts.ask_to_stop(session, code, by, now)
        process.stopped_by, process.stopped_at = by, now
    audit.record(session, by, "PROCESS_STOPPED", f"process:{code}", {"running": running}, now)
    return running


def go_on(session: Session, code: str, now: datetime, *, by: str) -> None:
    """Let it run again, from the next cause on. Raises: ProcessUnknown; ProcessRefused."""
    process = _get(session, code)
    if not is_stopped(session, process):
        raise ProcessRefused("NOT_STOPPED")
    if process.lane is not None:
        lanes.set_paused(session, process.lane, False)
    process.stopped_by, process.stopped_at = None, None
    session.flush()
    for trigger in session.execute(
        select(ProcessTrigger).where(
            ProcessTrigger.process_code == code, ProcessTrigger.kind == TriggerKind.SCHEDULE
        )
    ).scalars():
        # What the clock said while it was stopped is not made up for.
        trigger.next_at = cron_times.next_time(str(trigger.spec["cron"]), now)
    process_starts.ring_if_waiting(session)
    audit.record(session, by, "PROCESS_GOES_ON", f"process:{code}", {}, now)


def is_stopped(session: Session, process: Process) -> bool:
    """Whether nothing of it may begin; a lane may have been paused on its own page."""
    if process.lane is None:
        return process.stopped_at is not None
    paused = select(Lane.paused).where(Lane.name == process.lane)
    return bool(session.execute(paused).scalar_one_or_none())


def edit(session: Session, code: str, edited: Edited, now: datetime, *, by: str) -> None:
    """Change how a process is called, who looks after it and how it runs.

    Raises: ProcessUnknown; ProcessRefused.
    """
    process = _get(session, code)
    if edited.log_level not in LogLevel.__members__ or edited.overlap not in Overlap.__members__:
        raise ProcessRefused("VALUE_UNKNOWN")
    if not edited.zone or not edited.environment or not edited.owner:
        raise ProcessRefused("FIELD_MISSING")
    changes: dict[str, Any] = {
        "name": edited.name[:_TEXT_MOST] or None,
        "description": edited.description[: 5 * _TEXT_MOST] or None,
        "zone": edited.zone[:_TEXT_MOST],
        "environment": edited.environment[:_TEXT_MOST],
        "owner": edited.owner[:_TEXT_MOST],
        "log_level": edited.log_level,
        "overlap": edited.overlap,
    }
    if process.lane is not None and changes["zone"] != process.zone:
        # Whoever moves the process of a lane moves the lane.
        try:
            zones.move_lane(session, process.lane, changes["zone"], now, by=by)
        except ZoneRefused as refused:
            raise ProcessRefused(refused.code) from None
    before = {name: getattr(process, name) for name in changes}
    changed = {name: [before[name], new] for name, new in changes.items() if before[name] != new}
    if not changed:
        return
    for name, new in changes.items():
        setattr(process, name, new)
    audit.record(session, by, "PROCESS_CHANGED", f"process:{code}", changed, now)


def set_pace(session: Session, code: str, every_s: float, now: datetime, *, by: str) -> None:
    """How often a lane that is rung by the clock is rung. Raises: ProcessRefused."""
    process = _get(session, code)
    if not 1 <= every_s <= 86_400:
        raise ProcessRefused("OUT_OF_RANGE")
    changed = session.execute(
        text(
            "UPDATE schedule SET every_s = :every, next_at = least(next_at, :now)"
            " WHERE lane = :lane AND every_s <> :every RETURNING name"
        ),
        {"every": every_s, "lane": process.lane, "now": now},
    ).first()
    if changed is not None:
        detail = {"every_s": every_s}
        audit.record(session, by, "PROCESS_PACE_CHANGED", f"process:{code}", detail, now)


def add_trigger(
    session: Session, code: str, kind: str, spec: Mapping[str, str], now: datetime, *, by: str
) -> None:
    """Let something start the process. Raises: ProcessUnknown; ProcessRefused."""
    _get(session, code)
    checked = _checked(session, code, kind, spec)
    key = trigger_key(kind, checked)
    topic = {
        TriggerKind.FILE: "inbound_message",
        TriggerKind.END: "run",
        TriggerKind.CHANGE: checked.get("table"),
    }.get(TriggerKind(kind))
    next_at = cron_times.next_time(checked["cron"], now) if kind == TriggerKind.SCHEDULE else None
    values = {
        "process_code": code,
        "kind": kind,
        "key": key,
        "spec": checked,
        "topic": topic,
        "active": True,
        "next_at": next_at,
        "created_by": by,
        "created_at": now,
    }
    added = session.execute(
        insert(ProcessTrigger)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["process_code", "kind", "key"])
        .returning(ProcessTrigger.id)
    ).scalar_one_or_none()
    if added is None:
        raise ProcessRefused("TRIGGER_KNOWN")
    detail = {"kind": kind, "key": key}
    audit.record(session, by, "PROCESS_TRIGGER_ADDED", f"process:{code}", detail, now)


def set_trigger_active(
    session: Session, trigger_id: int, active: bool, now: datetime, *, by: str
) -> str:
    """Switch a trigger on or off; returns its process. Raises: ProcessRefused."""
    trigger = session.get(ProcessTrigger, trigger_id, with_for_update=True)
    if trigger is None:
        raise ProcessRefused("NO_TRIGGER")
    if trigger.active != active:
        if active and trigger.kind == TriggerKind.SCHEDULE:
            trigger.next_at = cron_times.next_time(str(trigger.spec["cron"]), now)
        if active and trigger.kind == TriggerKind.END:
            _check_circle(session, trigger.process_code, str(trigger.spec["process"]))
        trigger.active = active
        action = "PROCESS_TRIGGER_ON" if active else "PROCESS_TRIGGER_OFF"
        detail = {"kind": trigger.kind, "key": trigger.key}
        audit.record(session, by, action, f"process:{trigger.process_code}", detail, now)
    return trigger.process_code


def remove_trigger(session: Session, trigger_id: int, now: datetime, *, by: str) -> str:
    """Take a trigger away; what it started stays. Raises: ProcessRefused."""
    trigger = session.get(ProcessTrigger, trigger_id, with_for_update=True)
    if trigger is None:
        raise ProcessRefused("NO_TRIGGER")
    detail = {"kind": trigger.kind, "key": trigger.key}
    subject = f"process:{trigger.process_code}"
    session.delete(trigger)
    audit.record(session, by, "PROCESS_TRIGGER_REMOVED", subject, detail, now)
    return trigger.process_code


def _checked(session: Session, code: str, kind: str, spec: Mapping[str, str]) -> dict[str, str]:
    """The parts of the kind and no others, each of them possible."""
    given = {name: " ".join(value.split())[:_TEXT_MOST] for name, value in spec.items()}
    if kind == TriggerKind.SCHEDULE:
        try:
            return {"cron": cron_times.check_cron(given.get("cron", ""))}
        except CronInvalid:
            raise ProcessRefused("CRON_INVALID") from None
    if kind == TriggerKind.FILE:
        return {"source": given.get("source", ""), "name": given.get("name", "") or "*"}
    if kind == TriggerKind.MAIL:
        return {name: given.get(name, "") for name in ("mailbox", "sender", "subject")}
    if kind == TriggerKind.HTTP:
        partner = given.get("partner", "")
        if session.get(Partner, partner) is None:
            raise ProcessRefused("PARTNER_UNKNOWN")
        return {"partner": partner}
    if kind == TriggerKind.CHANGE:
        if given.get("table") not in CHANGE_TABLES:
            raise ProcessRefused("TABLE_UNKNOWN")
        return {"table": given["table"], "state": given.get("state", "")}
    if kind == TriggerKind.END:
        follows, ended = given.get("process", ""), given.get("ended", "")
        if ended not in Ended.__members__ or session.get(Process, follows) is None:
            raise ProcessRefused("PROCESS_UNKNOWN")
        _check_circle(session, code, follows)
        return {"process": follows, "ended": ended}
    raise ProcessRefused("VALUE_UNKNOWN")


def _check_circle(session: Session, code: str, follows: str) -> None:
    rows = session.execute(
        select(ProcessTrigger.process_code, ProcessTrigger.spec["process"].astext).where(
            ProcessTrigger.kind == TriggerKind.END, ProcessTrigger.active
        )
    ).all()
    if rules.makes_circle(code, follows, [(row[0], row[1]) for row in rows]):
        raise ProcessRefused("CIRCLE")


def _get(session: Session, code: str) -> Process:
    process = session.get(Process, code, with_for_update=True, populate_existing=True)
    if process is None:
        raise ProcessUnknown(code)
    return process


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
