"""Alarm rules: whom they tell belongs to where they look, and does not travel.

A rule that the file does not have is switched off, not taken away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.alarm_rules import (
    CODE_PATTERN,
    Days,
    Direction,
    Measure,
    Rule,
    RuleKind,
    check_rule,
)
from app.domain.environment_diff import Change, Standing, compare
from app.models.alarm_rule import AlarmRule
from app.services import alarm_rules as service
from app.services.alarm_rules import RuleFaulty, Written
from app.services.environments.kind import Act, ImportBlocked, Records
from app.settings import Settings


class AlarmRules:
    """One record for each rule, by its code."""

    name = "alarm_rules"

    def read(self, session: Session) -> dict[str, dict[str, Any]]:
        rows = session.execute(select(AlarmRule).order_by(AlarmRule.code)).scalars()
        return {row.code: _record(row) for row in rows}

    def difference(self, session: Session, wanted: Records, settings: Settings) -> list[Change]:
        here = self.read(session)
        changes = []
        for key in sorted(here.keys() | wanted.keys()):
            before, after = here.get(key), wanted.get(key)
            if after is None and before is not None and not before["active"]:
                continue
            standing, reason = Standing.DUE, None
            if after is not None and not _is_valid(key, after):
                standing, reason = Standing.BLOCKED, "CONTENT_INVALID"
            change = compare(self.name, key, before, after, standing=standing, reason=reason)
            if change is not None:
                changes.append(change)
        return changes

    def apply(self, session: Session, wanted: Records, due: Sequence[Change], act: Act) -> None:
        for change in due:
            row = session.get(AlarmRule, change.key, with_for_update=True, populate_existing=True)
            record = wanted.get(change.key)
            if record is None:
                if row is None:
                    continue
                record = {**_record(row), "active": False}
            written = _written(record, row)
            try:
                service.save(
                    session,
                    act.settings,
                    change.key,
                    written,
                    act.now,
                    by=act.brought_by,
                    new=row is None,
                )
            except RuleFaulty as faulty:
                code = faulty.faults[0].code
                raise ImportBlocked(self.name, change.key, code) from None
            session.flush()


def _record(row: AlarmRule) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "measure": row.measure,
        "subject": row.subject,
        "direction": row.direction,
        "window_min": row.window_min,
        "limit": float(row.limit_value),
        "clear_limit": float(row.clear_value),
        "raise_after": row.raise_after,
        "clear_after": row.clear_after,
        "least_count": row.least_count,
        "days": row.days,
        "from_time": row.from_time.isoformat() if row.from_time else None,
        "to_time": row.to_time.isoformat() if row.to_time else None,
        "every_s": row.every_s,
        "owner": row.owner,
        "active": row.active,
    }


def _written(record: Mapping[str, Any], row: AlarmRule | None) -> Written:
    """Raises: KeyError, TypeError, ValueError (the record has another form)."""
    if not isinstance(record["active"], bool):
        raise TypeError("active")
    times = [time.fromisoformat(record[n]) if record[n] else None for n in ("from_time", "to_time")]
    return Written(
        name=str(record["name"]),
        rule=Rule(
            RuleKind(record["kind"]),
            Measure(record["measure"]),
            Direction(record["direction"]),
            int(record["window_min"]),
            float(record["limit"]),
            float(record["clear_limit"]),
            int(record["raise_after"]),
            int(record["clear_after"]),
            Days(record["days"]),
            times[0],
            times[1],
            str(record["subject"]) if record["subject"] else None,
            int(record["least_count"]),
        ),
        every_s=int(record["every_s"]),
        owner=str(record["owner"]),
        recipients=tuple(row.recipients) if row is not None else (),
        to_webhook=row.to_webhook if row is not None else False,
        active=record["active"],
    )


def _is_valid(key: str, record: Mapping[str, Any]) -> bool:
    try:
        written = _written(record, None)
    except (KeyError, TypeError, ValueError, OverflowError):
        return False
    return bool(CODE_PATTERN.fullmatch(key)) and not list(check_rule(written.rule))
