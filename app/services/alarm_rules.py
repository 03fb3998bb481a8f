"""Alarm rules: written and changed by staff, looked at by the clock, told once each way.

The row of a rule is locked while it is looked at; the alarm, the e-mails and the signal are written
in the same transaction as the new standing, each under a key with the number of the raising. So
whoever dies has told nothing, or all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.domain.alarm_rules import (
    CODE_PATTERN,
    Days,
    Direction,
    Fault,
    Measure,
    Rule,
    RuleKind,
    Standing,
    Value,
    check_rule,
    decide,
    is_awake,
)
from app.domain.notice_types import Topic
from app.models.alarm_rule import AlarmRule
from app.models.code_list import OrderType
from app.models.lane import Lane
from app.models.process import Process
from app.services import alarm_telling, alarms, audit
from app.services.holiday_calendar import days_off
from app.settings import Settings

ALARM_KIND = "RULE"
EVERY_LEAST_S = 10
EVERY_MOST_S = 86_400
_NAME_MOST = 60


@dataclass(frozen=True, slots=True)
class Written:
    """A rule as somebody wrote it, all parts known; see Rule for what they mean."""

    name: str
    rule: Rule
    every_s: int
    owner: str
    recipients: tuple[str, ...]
    to_webhook: bool
    active: bool


class RuleFaulty(Exception):
    """The rule cannot be stored; faults says which fields are wrong, and how."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(", ".join(f"{one.field}: {one.code}" for one in faults))
        self.faults = faults


def save(
    session: Session,
    settings: Settings,
    code: str,
    written: Written,
    now: datetime,
    *,
    by: str,
    new: bool,
) -> None:
    """Store a new rule, or change one; a changed rule begins to look anew.

    What is raised stays so until the changed rule finds it good again. Raises: RuleFaulty.
    """
    faults = list(check_rule(written.rule)) + _faults(session, settings, written)
    if not CODE_PATTERN.fullmatch(code):
        faults.append(Fault("code", "CODE_INVALID"))
    if faults:
        raise RuleFaulty(faults)
    values = _columns(written) | {"changed_by": by, "changed_at": now, "next_at": now, "streak": 0}
    if new:
        created = session.execute(
            insert(AlarmRule)
            .values(code=code, raised=False, raised_count=0, **values)
            .on_conflict_do_nothing()
            .returning(AlarmRule.code)
        ).scalar_one_or_none()
        if created is None:
            raise RuleFaulty([Fault("code", "CODE_KNOWN")])
        audit.record(session, by, "ALARM_RULE_ADDED", f"alarm-rule:{code}", _told(values), now)
        return
    row = session.get(AlarmRule, code, with_for_update=True, populate_existing=True)
    if row is None:
        raise RuleFaulty([Fault("code", "CODE_UNKNOWN")])
    changed = {
        name: [str(getattr(row, name)), str(value)]
        for name, value in _columns(written).items()
        if getattr(row, name) != value
    }
    if not changed:
        return
    for name, value in values.items():
        setattr(row, name, value)
    if not row.active and row.raised:
        # Nobody looks any more, so nobody would ever clear it.
        _clear(session, settings, row, Value(None), now)
    audit.record(session, by, "ALARM_RULE_CHANGED", f"alarm-rule:{code}", changed, now)


def due(session: Session, now: datetime) -> list[str]:
    """The rules that have to be looked at."""
    statement = select(AlarmRule.code).where(AlarmRule.active, AlarmRule.next_at <= now)
    return list(session.execute(statement.order_by(AlarmRule.next_at)).scalars())


Measuring = Callable[[Session, Rule, datetime], Value]


def look(
    session: Session, settings: Settings, code: str, measure: Measuring, now: datetime
) -> bool:
    """Look at one rule and tell what changed; returns whether it is raised."""
    row = session.get(AlarmRule, code, with_for_update=True, populate_existing=True)
    if row is None or not row.active or row.next_at > now:
        return False
    row.next_at = now + timedelta(seconds=row.every_s)
    rule = rule_of(row)
    if not is_awake(rule, now, days_off(now)):
        # What speaks against it has to do so in looks in a row, of the same day.
        row.streak = 0
        return row.raised
    value = measure(session, rule, now)
    before = Standing(row.raised, row.streak)
    after = decide(rule, before, value)
    row.streak, row.looked_at, row.last_value = after.streak, now, value.number
    if after.raised and not before.raised:
        row.raised, row.raised_count = True, row.raised_count + 1
        _open(session, row, value, now)
        alarm_telling.tell(session, settings, row, value, now, raised=True)
    elif before.raised and not after.raised:
        _clear(session, settings, row, value, now)
    elif row.raised:
        _open(session, row, value, now)
    return row.raised


def rule_of(row: AlarmRule) -> Rule:
    """The row as the domain knows it."""
    return Rule(
        RuleKind(row.kind),
        Measure(row.measure),
        Direction(row.direction),
        row.window_min,
        row.limit_value,
        row.clear_value,
        row.raise_after,
        row.clear_after,
        Days(row.days),
        row.from_time,
        row.to_time,
        row.subject,
        row.least_count,
    )


def _open(session: Session, row: AlarmRule, value: Value, now: datetime) -> None:
    value_now, limit = alarm_telling.shown(value.number), alarm_telling.shown(row.limit_value)
    detail = f"{row.name}: {value_now}, the limit is {limit}."
    alarms.open_alarm(session, ALARM_KIND, f"alarm-rule:{row.code}", detail, now)


def _clear(
    session: Session, settings: Settings, row: AlarmRule, value: Value, now: datetime
) -> None:
    row.raised = False
    alarms.close_alarm(session, ALARM_KIND, f"alarm-rule:{row.code}", now)
    alarm_telling.tell(session, settings, row, value, now, raised=False)


def _faults(session: Session, settings: Settings, written: Written) -> list[Fault]:
    faults = []
    if not 1 <= len(written.name) <= _NAME_MOST:
        faults.append(Fault("name", "FIELD_MISSING" if not written.name else "TOO_LONG"))
    if not written.owner:
        faults.append(Fault("owner", "FIELD_MISSING"))
    if not EVERY_LEAST_S <= written.every_s <= EVERY_MOST_S:
        faults.append(Fault("every_s", "OUT_OF_RANGE"))
    if written.to_webhook and not settings.alarm_webhook_url:
        faults.append(Fault("to_webhook", "NO_WEBHOOK"))
    if written.rule.subject and not _is_known(session, written.rule):
        # What is about nothing is never late and never bad: nobody would notice.
        faults.append(Fault("subject", "SUBJECT_UNKNOWN"))
    reachable = {username for username, _ in alarm_telling.reachable_staff(session)}
    if set(written.recipients) - reachable:
        faults.append(Fault("recipients", "NO_PROVEN_ADDRESS"))
    return faults


def _is_known(session: Session, rule: Rule) -> bool:
    if rule.measure is Measure.NOTICES or rule.measure is Measure.NOTICES_BAD:
        return rule.subject in set(Topic)
    column = _SUBJECTS.get(rule.measure)
    if column is None:
        return True
    return session.execute(select(column).where(column == rule.subject)).first() is not None


# What the subject of a measure names; those of the others are names that others choose.
_SUBJECTS: Mapping[Measure, InstrumentedAttribute[str]] = {
    Measure.LANE_AGE: Lane.name,
    Measure.PROCESS_AGE: Process.code,
    Measure.PROCESS_RUNS: Process.code,
    Measure.RUNS_BAD: Process.code,
    Measure.ORDERS: OrderType.code,
    Measure.VISITS: OrderType.code,
    Measure.VISITS_BAD: OrderType.code,
}


def _columns(written: Written) -> dict[str, Any]:
    rule = written.rule
    return {
        "name": written.name,
        "kind": rule.kind.value,
        "measure": rule.measure.value,
        "subject": rule.subject,
        "direction": rule.direction.value,
        "window_min": rule.window_min,
        "limit_value": rule.limit,
        "clear_value": rule.clear_limit,
        "raise_after": rule.raise_after,
        "clear_after": rule.clear_after,
        "least_count": rule.least_count,
        "days": rule.days.value,
        "from_time": rule.from_time,
        "to_time": rule.to_time,
        "every_s": written.every_s,
        "owner": written.owner,
        "recipients": list(written.recipients),
        "to_webhook": written.to_webhook,
        "active": written.active,
    }


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """What goes into the audit trail: plain values only."""
    return {
        name: value.isoformat() if isinstance(value, (datetime, time)) else value
        for name, value in values.items()
    }
