"""Alarm rules that staff write."""

from __future__ import annotations

from datetime import time

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Str, Strs


class AlarmRule(Model):
    """One rule with how it stands; it is locked while it is looked at, so it is raised once."""

    __tablename__ = "alarm_rule"
    __table_args__ = (Index("ix_alarm_rule_due", "next_at", postgresql_where=text("active")),)

    code: Mapped[Str] = mapped_column(primary_key=True)
    name: Mapped[Str]
    kind: Mapped[Str]
    measure: Mapped[Str]
    # The lane, process or order type that it is about; None counts all.
    subject: Mapped[Str | None]
    direction: Mapped[Str]
    window_min: Mapped[int]
    # Counts, minutes or per cent, by the kind.
    limit_value: Mapped[float]
    clear_value: Mapped[float]
    raise_after: Mapped[int]
    clear_after: Mapped[int]
    # Of a share: below so many there is nothing to tell.
    least_count: Mapped[int]
    days: Mapped[Str]
    from_time: Mapped[time | None]
    to_time: Mapped[time | None]
    every_s: Mapped[int]
    owner: Mapped[Str]
    # User names of staff; each has to have proved an e-mail address.
    recipients: Mapped[Strs]
    to_webhook: Mapped[bool]
    active: Mapped[bool]
    raised: Mapped[bool] = mapped_column(default=False)
    # Grows with each raising: what is told of it is told once.
    raised_count: Mapped[int] = mapped_column(default=0)
    streak: Mapped[int] = mapped_column(default=0)
    last_value: Mapped[float | None]
    looked_at: Mapped[At | None]
    next_at: Mapped[At]
    changed_by: Mapped[Str]
    changed_at: Mapped[At]
