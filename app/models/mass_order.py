"""Mass orders, the files that they came in, and the working table between file and orders."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Json, On, Str, Strs


class MassOrder(Model):
    """One wave of a programme; its orders carry its id."""

    __tablename__ = "mass_order"
    __table_args__ = (Index("ix_mass_order_created_at", "created_at"),)

    mass_id: Mapped[Str] = mapped_column(primary_key=True)
    state: Mapped[Str]
    state_at: Mapped[At]
    wave: Mapped[Str | None]
    area_name: Mapped[Str | None]
    contract_ref: Mapped[Str | None]
    allowed_models: Mapped[Strs]
    planned_from_on: Mapped[On | None]
    planned_to_on: Mapped[On | None]
    # Number of orders by state, as last counted; rejected items of which no order could be made
    # are under REFUSED.
    counts: Mapped[Json]
    counted_at: Mapped[At]
    # HOLD, RELEASE or CANCEL: what its orders still have to follow, slice by slice.
    todo: Mapped[Str | None]
    paused_by: Mapped[Str | None]
    cancelled_by: Mapped[Str | None]
    # The newest file of it.
    inbound_message_id: Mapped[Big]
    created_at: Mapped[At]
    updated_at: Mapped[At]


class MassFile(Model):
    """One file of a mass order, from the first item read to the last order made of it."""

    __tablename__ = "mass_file"
    __table_args__ = (
        Index("ix_mass_file_mass_id", "mass_id"),
        Index(
            "ix_mass_file_unfinished",
            "state",
            postgresql_where=text("state IN ('READING', 'HELD', 'READY')"),
        ),
    )

    inbound_message_id: Mapped[Big] = mapped_column(
        ForeignKey("inbound_message.id", ondelete="CASCADE"), primary_key=True
    )
    mass_id: Mapped[Str] = mapped_column(ForeignKey("mass_order.mass_id"))
    state: Mapped[Str]
    state_at: Mapped[At]
    declared_count: Mapped[int]
    item_count: Mapped[int]
    # Word for word as they were.
    same_count: Mapped[int]
    rejected_count: Mapped[int]
    # Rejected ones of which no order could be made, because they could not be read.
    refused_count: Mapped[int]
    # How many rows the working table has to have; fewer mean that the file must be read again.
    staged_count: Mapped[int]
    # Orders are made up to this place of the file.
    done_seq: Mapped[int]
    # Faults of ours while orders were made, and when to try again after the last one.
    attempts: Mapped[int]
    next_at: Mapped[At]
    hold_reason: Mapped[Str | None]
    # Two people let a held file go: the one proposes, the other confirms.
    proposed_by: Mapped[Str | None]
    proposed_at: Mapped[At | None]
    decided_by: Mapped[Str | None]
    decided_at: Mapped[At | None]
    decision_note: Mapped[Str | None]
    created_at: Mapped[At]


class MassStage(Model):
    """An item between its file and its order.

    UNLOGGED: after a crash of the database it is empty, and the file is read again. What is here
    can always be made anew from our own copy of the file.
    """

    __tablename__ = "mass_stage"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    inbound_message_id: Mapped[Big] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # NEW, REJECTED (kept as an order that staff see), CANCEL, BAD (could not be read) or TWICE.
    verdict: Mapped[Str]
    line: Mapped[int]
    item_no: Mapped[int | None]
    order_id: Mapped[Str | None]
    gsrn: Mapped[Str | None]
    counted: Mapped[bool]
    content_hash: Mapped[Str | None]
    source_hash: Mapped[Big]
    municipality_code: Mapped[Str | None]
    customer_id: Mapped[Str | None]
    cause: Mapped[Str | None]
    partner_code: Mapped[Str | None]
    route_rule_id: Mapped[Big | None]
    route_set_number: Mapped[int | None]
    payload_hash: Mapped[Str | None]
    facts: Mapped[Str | None]
    key_info: Mapped[Str | None]
    payload: Mapped[Str | None]


class MassWaiver(Model):
    """Somebody's word that a system need not confirm an order any more, and why."""

    __tablename__ = "mass_waiver"
    __table_args__ = (Index("ix_mass_waiver_mass_id", "mass_id"),)

    order_id: Mapped[Str] = mapped_column(
        ForeignKey("work_order.order_id", ondelete="CASCADE"), primary_key=True
    )
    # partner, cis, nis, dms or billing.
    system: Mapped[Str] = mapped_column(primary_key=True)
    mass_id: Mapped[Str]
    reason: Mapped[Str]
    by: Mapped[Str]
    at: Mapped[At]
