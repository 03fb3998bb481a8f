"""Processes as people run them: start, stop, go on, run again, and how they may run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.processes import LogLevel, Overlap, TriggerKind
from app.models.lane import Lane
from app.models.process import Process, ProcessStart, ProcessTrigger
from app.services import audit, cron_times, lanes, process_starts, zones
from app.services.process_starts import Asked, Cause
from app.services.zones import ZoneRefused

_TEXT_MOST = 200


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
    process = process_starts.get_for_update(session, code)
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
    if is_stopped(session, process_starts.get_for_update(session, old.process_code)):
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
    process = process_starts.get_for_update(session, code)
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
    process = process_starts.get_for_update(session, code)
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
    process = process_starts.get_for_update(session, code)
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
    process = process_starts.get_for_update(session, code)
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
