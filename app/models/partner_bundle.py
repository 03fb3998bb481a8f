"""Versions of partners' bundles, where a shadow differs from what is in force, and fields nobody reads."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Json, Str, Strs


class PartnerBundle(Model):
    """One version of one document of one partner: complete, and never changed once it is there."""

    __tablename__ = "partner_bundle"
    __table_args__ = (
        UniqueConstraint("partner_code", "document", "direction", "version"),
        Index(
            "uq_partner_bundle_shadow",
            "partner_code",
            "document",
            "direction",
            unique=True,
            postgresql_where=text("state = 'SHADOW'"),
        ),
        Index(
            "ix_partner_bundle_in_force",
            "partner_code",
            "document",
            "direction",
            "valid_from",
            postgresql_where=text("state = 'ACTIVE'"),
        ),
    )

    id: Mapped[Id]
    partner_code: Mapped[Str] = mapped_column(ForeignKey("partner.code"))
    document: Mapped[Str]
    direction: Mapped[Str]
    version: Mapped[int]
    # The folder that it came from.
    kind: Mapped[Str]
    state: Mapped[Str]
    # Of the active ones the latest that has begun is in force.
    valid_from: Mapped[At | None]
    content: Mapped[Json]
    digest: Mapped[Str]
    note: Mapped[Str | None]
    added_by: Mapped[Str]
    added_at: Mapped[At]
    # Two people bring a version into force: the one proposes, the other activates.
    proposed_by: Mapped[Str | None]
    proposed_at: Mapped[At | None]
    proposed_from: Mapped[At | None]
    activated_by: Mapped[Str | None]
    activated_at: Mapped[At | None]
    retired_at: Mapped[At | None]
    # Since when it runs as a shadow, and over how many documents it ran.
    shadow_at: Mapped[At | None]
    shadow_count: Mapped[Big] = mapped_column(default=0, server_default="0")
    shadow_differing: Mapped[Big] = mapped_column(default=0, server_default="0")


class BundleDifference(Model):
    """One field in which a shadow's documents differ from those that left, or were taken."""

    __tablename__ = "bundle_difference"

    partner_bundle_id: Mapped[Big] = mapped_column(
        ForeignKey("partner_bundle.id", ondelete="CASCADE"), primary_key=True
    )
    path: Mapped[Str] = mapped_column(primary_key=True)
    # MISSING, EXTRA or OTHER.
    kind: Mapped[Str] = mapped_column(primary_key=True)
    count: Mapped[Big]
    # A few orders to look at; values are made anew by whoever may see them.
    examples: Mapped[Strs]
    first_at: Mapped[At]
    last_at: Mapped[At]


class UnmappedField(Model):
    """A field that a partner sends and that no rule reads: what it means, nobody knows."""

    __tablename__ = "unmapped_field"

    partner_code: Mapped[Str] = mapped_column(primary_key=True)
    document: Mapped[Str] = mapped_column(primary_key=True)
    path: Mapped[Str] = mapped_column(primary_key=True)
    count: Mapped[Big]
    examples: Mapped[Strs]
    first_at: Mapped[At]
    last_at: Mapped[At]
    # Somebody looked at it and does not need it: no alarm.
    accepted_by: Mapped[Str | None]
    accepted_at: Mapped[At | None]
