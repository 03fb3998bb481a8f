"""What has to leave, and every call that tried to take it there."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Json, Str

# Why an item waits that was found in its receiver's night as it was to leave.
QUIET_HOURS = "QUIET_HOURS"
# Whether an item waits for its own time: it has never been tried, or its receiver sleeps. Whatever else is
# to be tried again is late already; for statements that count.
WAITS_ITS_TIME = f"(item.attempts = 0 OR item.last_error = '{QUIET_HOURS}')"


class OutboxItem(Model):
    """One message to one outside system, written in the transaction that made it necessary."""

    __tablename__ = "outbox_item"
    __table_args__ = (
        UniqueConstraint("dedupe_key"),
        Index(
            "ix_outbox_item_ready",
            "lane",
            "priority",
            "id",
            postgresql_where=text("state = 'READY'"),
        ),
        # The dispatcher asks several times a second, also while thousands wait for the morning.
        Index("ix_outbox_item_due", "lane", "next_at", postgresql_where=text("state = 'READY'")),
        Index(
            "ix_outbox_item_head",
            "lane",
            "order_key",
            "id",
            postgresql_where=text("state IN ('READY', 'CLAIMED')"),
        ),
        Index("ix_outbox_item_claimed", "lease", postgresql_where=text("state = 'CLAIMED'")),
        Index(
            "ix_outbox_item_waiting",
            "lane",
            "state",
            "created_at",
            postgresql_where=text("state IN ('UNKNOWN', 'DEAD', 'HELD')"),
        ),
        Index("ix_outbox_item_business_key", "business_key"),
        # Rows come in the order of this column; retention asks for the items of an hour.
        Index("ix_outbox_item_created_at", "created_at", postgresql_using="brin"),
    )

    id: Mapped[Id]
    lane: Mapped[Str]
    kind: Mapped[Str]
    # The order or notice that this is about.
    business_key: Mapped[Str]
    # Items with the same order_key leave a lane one after the other, in the order of their ids.
    order_key: Mapped[Str]
    gsrn: Mapped[Str | None]
    version: Mapped[Big]
    dedupe_key: Mapped[Str]
    payload: Mapped[Json]
    payload_hash: Mapped[Str]
    mode: Mapped[Str]
    # Lower leaves first.
    priority: Mapped[int]
    state: Mapped[Str]
    hold_reason: Mapped[Str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[At]
    expires_at: Mapped[At | None]
    lease: Mapped[Big | None]
    lease_until: Mapped[At | None]
    # The provider's route that it left by, or may have: while that is in doubt it takes no other.
    route: Mapped[Str | None]
    # The attempt that settled it, or whose outcome is unknown.
    attempt_id: Mapped[UUID | None]
    last_error_class: Mapped[Str | None]
    last_error: Mapped[Str | None]
    ref: Mapped[Str | None]
    created_at: Mapped[At]
    settled_at: Mapped[At | None]


class Attempt(Model):
    """One call for one outbox item; committed before the call where repeating it could do harm."""

    __tablename__ = "attempt"
    __table_args__ = (
        Index("ix_attempt_outbox_item_id", "outbox_item_id"),
        # Doubts are few, and the page that lists them must not read every call for them.
        Index(
            "ix_attempt_resolved",
            "started_at",
            postgresql_where=text("resolved_by IS NOT NULL"),
        ),
        # On a column that an ordinary call never changes: its end then touches no index at all, and
        # half-filled pages leave the room for it.
        Index(
            "ix_attempt_in_doubt",
            "next_lookup_at",
            postgresql_where=text("next_lookup_at IS NOT NULL"),
        ),
        {"postgresql_with": {"fillfactor": "50"}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    outbox_item_id: Mapped[Big] = mapped_column(ForeignKey("outbox_item.id", ondelete="CASCADE"))
    lease: Mapped[Big]
    # The provider's route that it took, where there are several.
    route: Mapped[Str | None]
    started_at: Mapped[At]
    finished_at: Mapped[At | None]
    # None while the call is under way, else SENT, NOT_SENT, REJECTED or UNKNOWN.
    outcome: Mapped[Str | None]
    error_class: Mapped[Str | None]
    error: Mapped[Str | None]
    ref: Mapped[Str | None]
    # How an unknown outcome was settled: CALLBACK, LOOKUP or POLICY.
    resolved_by: Mapped[Str | None]
    lookups: Mapped[int] = mapped_column(default=0)
    # When somebody is asked about a call in doubt (unknowns.NEVER: a person has to find out); None
    # exactly while there is no doubt.
    next_lookup_at: Mapped[At | None]
