"""What is to be told to many, before it is known to whom exactly."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Json, Str


class Announcement(Model):
    """One event that customers are to hear of; the planner makes a notice of it per contact.

    Written in the transaction of the event itself, so that neither can be without the other, and
    worked off in slices: a planner that dies goes on where the ledger ends.
    """

    __tablename__ = "announcement"
    __table_args__ = (
        UniqueConstraint("type", "subject", "occurrence"),
        Index(
            "ix_announcement_pending",
            "priority",
            "id",
            postgresql_where=text("state = 'PENDING'"),
        ),
        Index("ix_announcement_held", "created_at", postgresql_where=text("state = 'HELD'")),
        Index("ix_announcement_outage_id", "outage_id"),
        Index("ix_announcement_created_at", "created_at"),
    )

    id: Mapped[Id]
    type: Mapped[Str]
    topic: Mapped[Str]
    priority: Mapped[int]
    # What it is about: outage:12, connection:LT-1, storm:3/091, correction:55.
    subject: Mapped[Str]
    # Which of several happenings of this type it is.
    occurrence: Mapped[Str]
    outage_id: Mapped[Big | None] = mapped_column(ForeignKey("outage.id"))
    corrects_id: Mapped[Big | None] = mapped_column(ForeignKey("announcement.id"))
    event_at: Mapped[At]
    # What the texts are filled with, apart from what differs per metering point.
    facts: Mapped[Json]
    # PENDING, HELD (blast guard: a second person decides), DONE or WITHDRAWN.
    state: Mapped[Str]
    state_reason: Mapped[Str | None]
    not_before_at: Mapped[At | None]
    # Contacts counted before it was let go, and what became of them.
    expected_count: Mapped[int | None]
    told_count: Mapped[int] = mapped_column(default=0)
    suppressed_count: Mapped[int] = mapped_column(default=0)
    created_by: Mapped[Str]
    decided_by: Mapped[Str | None]
    decided_at: Mapped[At | None]
    created_at: Mapped[At]
    planned_at: Mapped[At | None]
