"""Alarms: something that an operator has to know and that stays visible until it ends."""

from __future__ import annotations

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped

from app.db import Model
from app.models.columns import At, Id, Str


class Alarm(Model):
    """One alarm; at most one per (kind, subject) is open."""

    __tablename__ = "alarm"
    __table_args__ = (
        Index(
            "uq_alarm_open",
            "kind",
            "subject",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    kind: Mapped[Str]
    subject: Mapped[Str]
    detail: Mapped[Str]
    opened_at: Mapped[At]
    last_seen_at: Mapped[At]
    closed_at: Mapped[At | None]
