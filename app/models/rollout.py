"""The rollout's plan, and the orders of the rollout as the dashboard counts them."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Json, On, Str


class RolloutPlan(Model):
    """One version of the plan; the one that was activated last is in force. Never changed after."""

    __tablename__ = "rollout_plan"
    __table_args__ = (UniqueConstraint("body_hash"),)

    id: Mapped[Id]
    name: Mapped[Str]
    # Of its rows, so that the same plan under another file name is known.
    body_hash: Mapped[Str]
    row_count: Mapped[int]
    meter_count: Mapped[Big]
    first_on: Mapped[On]
    last_on: Mapped[On]
    imported_by: Mapped[Str]
    imported_at: Mapped[At]
    # Waits for a second person to put it in force; nobody while it does not.
    proposed_by: Mapped[Str | None]
    proposed_at: Mapped[At | None]
    activated_by: Mapped[Str | None]
    activated_at: Mapped[At | None]


class RolloutPlanRow(Model):
    """So many meters of one wave in one municipality between two days."""

    __tablename__ = "rollout_plan_row"

    plan_id: Mapped[Big] = mapped_column(
        ForeignKey("rollout_plan.id", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    wave: Mapped[Str]
    municipality_code: Mapped[Str]
    from_on: Mapped[On]
    to_on: Mapped[On]
    meter_count: Mapped[int]
    crew_count: Mapped[int | None]


class RolloutOrder(Model):
    """What the dashboard knows of one order, as of the summary that was made last.

    A narrow copy that app/services/rollout.py alone writes, so that counting hundreds of thousands
    of orders does not read their contents, and so that a list shows exactly what was counted.
    """

    __tablename__ = "rollout_order"
    __table_args__ = (
        Index("ix_rollout_order_wave", "wave"),
        Index("ix_rollout_order_municipality_code", "municipality_code"),
        Index("ix_rollout_order_installed_on", "installed_on"),
    )

    order_id: Mapped[Str] = mapped_column(primary_key=True)
    # What it was made of; it is made anew when the order's own differ.
    source_at: Mapped[At]
    state: Mapped[Str]
    state_at: Mapped[At]
    attempts: Mapped[int]
    gsrn: Mapped[Str]
    order_type_code: Mapped[Str]
    mass_id: Mapped[Str | None]
    wave: Mapped[Str | None]
    # Somebody has paused its mass order: that it stands still is wanted.
    paused: Mapped[bool]
    municipality_code: Mapped[Str | None]
    partner_code: Mapped[Str | None]
    model: Mapped[Str | None]
    # The visit that is agreed or proposed begins then.
    visit_at: Mapped[At | None]
    # The message to the partner is given up or nobody knows what became of it.
    undelivered: Mapped[bool]
    installed_on: Mapped[On | None]
    crew: Mapped[Str | None]
    failed_reason: Mapped[Str | None]
    mismatch: Mapped[Str | None]


class RolloutSummary(Model):
    """The figures of the whole rollout, counted from rollout_order in one snapshot; one row."""

    __tablename__ = "rollout_summary"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    as_of_at: Mapped[At]
    took_ms: Mapped[int]
    # Each time a few orders are read anew although they do not seem to have changed; those after
    # this one come next.
    reread_after: Mapped[Str]
    figures: Mapped[Json]
