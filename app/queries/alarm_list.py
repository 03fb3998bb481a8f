"""Alarms: those that are open, and those that ended lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.models.alarm import Alarm


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One alarm; open while closed_at is None."""

    kind: str
    subject: str
    detail: str
    opened_at: datetime
    last_seen_at: datetime
    closed_at: datetime | None


def open_alarms(session: Session) -> list[AlarmRow]:
    """Every open alarm, the oldest first."""
    return _alarms(session, select(Alarm).where(Alarm.closed_at.is_(None)).order_by(Alarm.id))


def closed_alarms(session: Session, limit: int) -> list[AlarmRow]:
    """The alarms that ended last."""
    statement = select(Alarm).where(Alarm.closed_at.is_not(None))
    return _alarms(session, statement.order_by(Alarm.closed_at.desc()).limit(limit))


def count_open(session: Session) -> int:
    """How many alarms are open."""
    statement = select(func.count()).where(Alarm.closed_at.is_(None))
    return session.execute(statement).scalar_one()


def _alarms(session: Session, statement: Select[Any]) -> list[AlarmRow]:
    return [
        AlarmRow(row.kind, row.subject, row.detail, row.opened_at, row.last_seen_at, row.closed_at)
        for row in session.execute(statement).scalars()
    ]
