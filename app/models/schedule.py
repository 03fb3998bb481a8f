"""What happens by the clock."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Str


class Schedule(Model):
    """Rings a lane every so many seconds; the row is locked while it is moved on, so one rings."""

    __tablename__ = "schedule"

    name: Mapped[Str] = mapped_column(primary_key=True)
    lane: Mapped[Str]
    every_s: Mapped[float]
    next_at: Mapped[At]
    last_at: Mapped[At | None]
    active: Mapped[bool] = mapped_column(default=True)
