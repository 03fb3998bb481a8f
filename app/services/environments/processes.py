"""Processes with their triggers, and how often lanes are rung by the clock.

Zone and environment belong to where a process runs and do not travel. Processes come with lanes and
chores: a file cannot bring one that is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.environment_diff import Change, Standing, compare
from app.domain.processes import SET_UP_KINDS, LogLevel, Overlap, trigger_key
from app.models.process import Process, ProcessTrigger
from app.models.schedule import Schedule
from app.services import audit, process_triggers
from app.services import processes as service
from app.services.environments.kind import Act, ImportBlocked, Records
from app.services.processes import Edited, ProcessRefused
from app.settings import Settings

_WORDS = ("name", "description", "owner", "log_level", "overlap")


class Processes:
    """One record for each process, by its code; triggers by what they listen for."""

    name = "processes"

    def read(self, session: Session) -> dict[str, dict[str, Any]]:
        triggers: dict[str, dict[str, Any]] = {}
        for row in session.execute(select(ProcessTrigger).order_by(ProcessTrigger.id)).scalars():
            own = triggers.setdefault(row.process_code, {})
            own[f"{row.kind} {row.key}"] = {"spec": dict(row.spec), "active": row.active}
        return {
            row.code: {
                **{word: getattr(row, word) or "" for word in _WORDS},
                "triggers": triggers.get(row.code, {}),
            }
            for row in session.execute(select(Process).order_by(Process.code)).scalars()
        }

    def difference(self, session: Session, wanted: Records, settings: Settings) -> list[Change]:
        return _of_what_is_here(self.name, self.read(session), wanted, _is_valid)

    def apply(self, session: Session, wanted: Records, due: Sequence[Change], act: Act) -> None:
        # What goes makes room first: two processes may change places in a chain.
        for change in due:
            self._take_away(session, change.key, wanted[change.key], act)
        for change in due:
            try:
                self._change(session, change.key, wanted[change.key], act)
            except ProcessRefused as refused:
                raise ImportBlocked(self.name, change.key, refused.code) from None

    def _take_away(self, session: Session, code: str, record: Mapping[str, Any], act: Act) -> None:
        for row in _triggers(session, code):
            if f"{row.kind} {row.key}" not in record["triggers"]:
                process_triggers.remove_trigger(session, row.id, act.now, by=act.brought_by)
        session.flush()

    def _change(self, session: Session, code: str, record: Mapping[str, Any], act: Act) -> None:
        process = session.get(Process, code)
        if process is None:
            raise ImportBlocked(self.name, code, "NOT_HERE")
        words = {word: str(record[word]) for word in _WORDS}
        edited = Edited(zone=process.zone, environment=process.environment, **words)
        service.edit(session, code, edited, act.now, by=act.brought_by)
        known = {f"{row.kind} {row.key}": row for row in _triggers(session, code)}
        for name, trigger in record["triggers"].items():
            if name not in known:
                kind = name.partition(" ")[0]
                spec = {part: str(value) for part, value in trigger["spec"].items()}
                process_triggers.add_trigger(session, code, kind, spec, act.now, by=act.brought_by)
        for row in _triggers(session, code):
            wanted = record["triggers"].get(f"{row.kind} {row.key}")
            if wanted is not None and wanted["active"] != row.active:
                process_triggers.set_trigger_active(
                    session, row.id, wanted["active"], act.now, by=act.brought_by
                )
        session.flush()


class Schedules:
    """One record for each lane that is rung by the clock."""

    name = "schedules"

    def read(self, session: Session) -> dict[str, dict[str, Any]]:
        return {
            row.name: {"every_s": float(row.every_s), "active": row.active}
            for row in session.execute(select(Schedule).order_by(Schedule.name)).scalars()
        }

    def difference(self, session: Session, wanted: Records, settings: Settings) -> list[Change]:
        return _of_what_is_here(self.name, self.read(session), wanted, _is_pace)

    def apply(self, session: Session, wanted: Records, due: Sequence[Change], act: Act) -> None:
        for change in due:
            row = session.get(Schedule, change.key, with_for_update=True, populate_existing=True)
            if row is None:
                raise ImportBlocked(self.name, change.key, "NOT_HERE")
            row.every_s = float(wanted[change.key]["every_s"])
            row.active = wanted[change.key]["active"]
            row.next_at = min(row.next_at, act.now)
            detail = {"every_s": row.every_s, "active": row.active}
            subject = f"schedule:{change.key}"
            audit.record(session, act.brought_by, "SCHEDULE_CHANGED", subject, detail, act.now)
        session.flush()


def _of_what_is_here(
    kind: str, here: Records, wanted: Records, is_valid: Callable[[Any], bool]
) -> list[Change]:
    """The difference of records that nobody brings along: what is not here is passed over."""
    changes = []
    for key in sorted(wanted):
        before, after = here.get(key), wanted[key]
        standing, reason = Standing.DUE, None
        if before is None:
            standing, reason = Standing.SKIPPED, "NOT_HERE"
        elif not is_valid(after):
            standing, reason = Standing.BLOCKED, "CONTENT_INVALID"
        change = compare(kind, key, before, after, standing=standing, reason=reason)
        if change is not None:
            changes.append(change)
    return changes


def _triggers(session: Session, code: str) -> list[ProcessTrigger]:
    statement = select(ProcessTrigger).where(ProcessTrigger.process_code == code)
    return list(session.execute(statement.order_by(ProcessTrigger.id)).scalars())


def _is_valid(record: Mapping[str, Any]) -> bool:
    """Whether it has the form of a process; whether its values are possible, the service says."""
    triggers = record.get("triggers")
    if not isinstance(triggers, dict) or any(
        not isinstance(record.get(word), str) for word in _WORDS
    ):
        return False
    if (
        record["overlap"] not in Overlap.__members__
        or record["log_level"] not in LogLevel.__members__
    ):
        return False
    return all(_is_trigger(name, one) for name, one in triggers.items())


def _is_trigger(name: str, one: Any) -> bool:
    if not isinstance(one, dict) or not isinstance(one.get("active"), bool):
        return False
    spec, kind = one.get("spec"), name.partition(" ")[0]
    if kind not in SET_UP_KINDS or not isinstance(spec, dict):
        return False
    plain = all(isinstance(value, str) for value in spec.values())
    return plain and name == f"{kind} {trigger_key(kind, spec)}"


def _is_pace(record: Mapping[str, Any]) -> bool:
    every, active = record.get("every_s"), record.get("active")
    number = isinstance(every, (int, float)) and not isinstance(every, bool)
    return number and isinstance(active, bool) and 1 <= float(every or 0) <= 86_400
