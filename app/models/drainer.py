"""Who holds claimed work: one row per worker process at work, beside its advisory lock."""

from __future__ import annotations

from sqlalchemy.orm import Mapped

from app.db import Model
from app.models.columns import At, Id, Str


class Drainer(Model):
    """A process that claims; id is the lease number and the key of its session advisory lock."""

    __tablename__ = "drainer"

    id: Mapped[Id]
    lane: Mapped[Str]
    host: Mapped[Str]
    pid: Mapped[int]
    started_at: Mapped[At]
    ended_at: Mapped[At | None]
