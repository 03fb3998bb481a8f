"""What happens by the clock."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, On, Str


class Schedule(Model):
    """Rings a lane every so many seconds; the row is locked while it is moved on, so one rings."""

    __tablename__ = "schedule"

    name: Mapped[Str] = mapped_column(primary_key=True)
    lane: Mapped[Str]
    every_s: Mapped[float]
    next_at: Mapped[At]
    last_at: Mapped[At | None]
    active: Mapped[bool] = mapped_column(default=True)


class DailyTask(Model):
    """What is done once a day, and for which day it was done last."""

    __tablename__ = "daily_task"

    name: Mapped[Str] = mapped_column(primary_key=True)
    done_on: Mapped[On]
