"""Orders that are given to another partner because the rules have changed."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Id, Str


class RouteMove(Model):
    """One decision to have orders that no partner has heard of decided anew; how far it has come."""

    __tablename__ = "route_move"
    __table_args__ = (
        Index(
            "uq_route_move_open",
            text("(1)"),
            unique=True,
            postgresql_where=text("state IN ('PROPOSED', 'APPROVED')"),
        ),
    )

    id: Mapped[Id]
    # The version that decides; the move ends when another one is in force.
    set_number: Mapped[int] = mapped_column(ForeignKey("rule_set.number"))
    state: Mapped[Str]
    reason: Mapped[Str]
    # How many would move when somebody asked for it.
    expected_count: Mapped[int]
    asked_by: Mapped[Str]
    asked_at: Mapped[At]
    decided_by: Mapped[Str | None]
    decided_at: Mapped[At | None]
    # Orders up to this one have been looked at.
    after_order_id: Mapped[Str] = mapped_column(default="")
    moved_count: Mapped[int] = mapped_column(default=0)
    kept_count: Mapped[int] = mapped_column(default=0)
    done_at: Mapped[At | None]
