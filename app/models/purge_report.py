"""What was removed because its time was over; kept for good, so that nobody has to guess."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from app.db import Model
from app.models.columns import At, Id, Json, On, Str


class PurgeReport(Model):
    """One removal: of which class, of which day or month of data, and how many rows of what."""

    __tablename__ = "purge_report"
    __table_args__ = (Index("ix_purge_report_class_code", "class_code", "id"),)

    id: Mapped[Id]
    class_code: Mapped[Str]
    # The day, or the first day of the month, that the data was of; None for what has no day.
    period_on: Mapped[On | None]
    counts: Mapped[Json]
    by: Mapped[Str]
    at: Mapped[At]
