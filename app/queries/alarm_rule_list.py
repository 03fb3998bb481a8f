"""Alarm rules and how they stand."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.alarm_rule import AlarmRule


def alarm_rules(session: Session) -> list[AlarmRule]:
    """Every rule, those that are raised first."""
    statement = select(AlarmRule).order_by(AlarmRule.raised.desc(), AlarmRule.name, AlarmRule.code)
    return list(session.execute(statement).scalars())


def find_rule(session: Session, code: str) -> AlarmRule | None:
    """One rule, or None."""
    return session.get(AlarmRule, code)
