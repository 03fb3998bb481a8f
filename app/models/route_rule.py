"""Routing rules in versions: which partner gets which order."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Id, Str, Strs


class RuleSet(Model):
    """One version of the rules; never changed once it is submitted, so a decision names it for good."""

    __tablename__ = "rule_set"
    __table_args__ = (
        # One version decides at a time, and one is worked on at a time.
        Index(
            "uq_rule_set_active",
            text("(1)"),
            unique=True,
            postgresql_where=text("state = 'ACTIVE'"),
        ),
        Index(
            "uq_rule_set_open",
            text("(1)"),
            unique=True,
            postgresql_where=text("state IN ('DRAFT', 'SUBMITTED')"),
        ),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[Str]
    # The version that it was made from; of a roll-back also the one that it equals.
    based_on: Mapped[int | None]
    equals: Mapped[int | None]
    note: Mapped[Str]
    # Everybody who has changed it: none of them may activate it.
    authors: Mapped[Strs]
    created_at: Mapped[At]
    changed_at: Mapped[At]
    submitted_by: Mapped[Str | None]
    submitted_at: Mapped[At | None]
    decided_by: Mapped[Str | None]
    decided_at: Mapped[At | None]
    decision_note: Mapped[Str | None]
    activated_at: Mapped[At | None]
    retired_at: Mapped[At | None]


class RouteRule(Model):
    """One rule of one version; an empty list or None matches everything, the lowest priority wins."""

    __tablename__ = "route_rule"
    __table_args__ = (UniqueConstraint("set_number", "name"),)

    id: Mapped[Id]
    set_number: Mapped[int] = mapped_column(ForeignKey("rule_set.number"))
    name: Mapped[Str]
    priority: Mapped[int]
    order_type_codes: Mapped[Strs]
    municipality_codes: Mapped[Strs]
    models: Mapped[Strs]
    mass: Mapped[bool | None]
    partner_code: Mapped[Str] = mapped_column(ForeignKey("partner.code"))
    active_from: Mapped[At]
    active_to: Mapped[At | None]
    created_by: Mapped[Str]
    created_at: Mapped[At]
