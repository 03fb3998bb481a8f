"""Zones, the runners in them, and what has been handed to each."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Str, Strs


class Zone(Model):
    """A network; its key is derived, the row only says which generations of it count."""

    __tablename__ = "zone"

    code: Mapped[Str] = mapped_column(primary_key=True)
    name: Mapped[Str]
    key_generation: Mapped[int] = mapped_column(default=1)
    oldest_key_generation: Mapped[int] = mapped_column(default=1)
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[At]


class LaneRunner(Model):
    """A runner with its journal: it has one lease at a time for all that it has claimed.

    Whoever lets the lease run out gets another number, so that nothing claimed under the old one is
    begun any more.
    """

    __tablename__ = "lane_runner"
    __table_args__ = (Index("ix_lane_runner_lease", "lease"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    zone_code: Mapped[Str] = mapped_column(ForeignKey("zone.code"))
    # The process that speaks for the journal; an older one is turned away.
    boot: Mapped[UUID]
    lease: Mapped[Big]
    lease_until: Mapped[At]
    host: Mapped[Str]
    version: Mapped[Str]
    started_at: Mapped[At]
    heartbeat_at: Mapped[At]
    # Its clock minus ours.
    clock_offset_ms: Mapped[Big]
    # What it has claimed and not ended, and what it has ended and not reported, as it says itself.
    open_count: Mapped[int]
    unreported_count: Mapped[int]
    # Lanes of its zone for which its settings have no client.
    missing_lanes: Mapped[Strs]
    last_error: Mapped[Str | None]
    ended_at: Mapped[At | None]


class RunnerClaim(Model):
    """One item handed to one runner under one attempt; settled once, however late that is told."""

    __tablename__ = "runner_claim"
    __table_args__ = (
        Index("ix_runner_claim_claim", "claim_id"),
        Index("ix_runner_claim_item", "outbox_item_id"),
        Index("ix_runner_claim_settled", "settled_at"),
        Index("ix_runner_claim_open", "runner_id", postgresql_where=text("settled_at IS NULL")),
    )

    attempt_id: Mapped[UUID] = mapped_column(primary_key=True)
    claim_id: Mapped[UUID]
    runner_id: Mapped[UUID] = mapped_column(ForeignKey("lane_runner.id"))
    zone_code: Mapped[Str]
    lane: Mapped[Str]
    outbox_item_id: Mapped[Big] = mapped_column(ForeignKey("outbox_item.id", ondelete="CASCADE"))
    lease: Mapped[Big]
    route: Mapped[Str | None]
    cost_millicents: Mapped[Big]
    # A probe of a receiver that was down: its failure is no fault of the item.
    probe: Mapped[bool]
    claimed_at: Mapped[At]
    settled_at: Mapped[At | None]
    # SENT, FAILED, NOT_BEGUN or DIED, as the runner told it.
    told: Mapped[Str | None]
