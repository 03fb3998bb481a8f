"""What other systems say that they have, and how that differs from what we gave them (REQ-35)."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Json, Str


class Snapshot(Model):
    """One list that a system gave, taken or refused; its records are compared and not kept."""

    __tablename__ = "snapshot"
    __table_args__ = (Index("ix_snapshot_system", "system", "id"),)

    id: Mapped[Id]
    system: Mapped[Str]
    # FULL, or DELTA with everything that changed since since_at.
    kind: Mapped[Str | None]
    # The system's own name for it, or the name of the file.
    ref: Mapped[Str | None]
    taken_at: Mapped[At | None]
    since_at: Mapped[At | None]
    record_count: Mapped[Big]
    digest: Mapped[Str | None]
    # DIFFED, BROKEN or STALE.
    state: Mapped[Str]
    reason: Mapped[Str | None]
    detail: Mapped[Str | None]
    counts: Mapped[Json]
    run_id: Mapped[Big | None]
    asked_at: Mapped[At]
    ended_at: Mapped[At]


class Difference(Model):
    """One thing that a system has otherwise than we have it, with its owner until it is over."""

    __tablename__ = "difference"
    __table_args__ = (
        # One row a thing as long as it lasts, however often it is seen.
        Index(
            "uq_difference_open",
            "system",
            "key",
            unique=True,
            postgresql_where=text("state <> 'RESOLVED'"),
        ),
        Index(
            "ix_difference_age",
            "system",
            "opened_at",
            postgresql_where=text("state IN ('OPEN', 'REPAIRING')"),
        ),
        Index("ix_difference_key", "key"),
        Index("ix_difference_gsrn", "gsrn"),
    )

    id: Mapped[Id]
    system: Mapped[Str]
    key: Mapped[Str]
    gsrn: Mapped[Str | None]
    kind: Mapped[Str]
    reason: Mapped[Str]
    ours: Mapped[Str | None]
    theirs: Mapped[Str | None]
    our_version: Mapped[Big | None]
    their_version: Mapped[Big | None]
    # The newest that we sent them, or have to: what a repair sends again under its own key.
    outbox_item_id: Mapped[Big | None]
    state: Mapped[Str]
    state_at: Mapped[At]
    owner: Mapped[Str]
    note: Mapped[Str | None]
    repair_count: Mapped[int]
    first_snapshot_id: Mapped[Big]
    last_snapshot_id: Mapped[Big]
    opened_at: Mapped[At]
    last_seen_at: Mapped[At]
    closed_at: Mapped[At | None]


class DifferenceChange(Model):
    """Append-only history of a difference: from which state to which, by whom and why."""

    __tablename__ = "difference_change"
    __table_args__ = (Index("ix_difference_change_difference_id", "difference_id", "id"),)

    id: Mapped[Id]
    difference_id: Mapped[Big] = mapped_column(ForeignKey("difference.id", ondelete="CASCADE"))
    at: Mapped[At]
    from_state: Mapped[Str | None]
    to_state: Mapped[Str]
    by: Mapped[Str]
    note: Mapped[Str | None]
