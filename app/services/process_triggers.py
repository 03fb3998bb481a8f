"""What starts a process, as staff set it up: added, switched on and off, taken away; each recorded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.processes import CHANGE_TABLES, Ended, TriggerKind, makes_circle, trigger_key
from app.models.partner import Partner
from app.models.process import Process, ProcessTrigger
from app.services import audit, cron_times, process_starts
from app.services.cron_times import CronInvalid
from app.services.processes import ProcessRefused

_PART_MOST = 200


def add_trigger(
    session: Session, code: str, kind: str, spec: Mapping[str, str], now: datetime, *, by: str
) -> None:
    """Let something start the process. Raises: ProcessUnknown; ProcessRefused."""
    process_starts.get_for_update(session, code)
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
    given = {name: " ".join(value.split())[:_PART_MOST] for name, value in spec.items()}
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
    if makes_circle(code, follows, [(row[0], row[1]) for row in rows]):
        raise ProcessRefused("CIRCLE")
