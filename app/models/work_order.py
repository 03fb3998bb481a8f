"""Work orders and the history of their states."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Json, On, Str, Strs

OPEN_STATES = "('RECEIVED','VALIDATED','NO_ROUTE','REJECTED','PARTNER_REJECTED','RETURNED')"


class WorkOrder(Model):
    """What the CIS asked to be done at one metering point; named by the CIS's order id."""

    __tablename__ = "work_order"
    __table_args__ = (
        Index("ix_work_order_gsrn", "gsrn"),
        # Rows come in the order of this column; alarm rules count the last hour's.
        Index("ix_work_order_created_at", "created_at", postgresql_using="brin"),
        Index(
            "ix_work_order_parked",
            "state",
            "state_at",
            postgresql_where=text(f"state IN {OPEN_STATES}"),
        ),
        # Those that a newer version of the rules, or a rule that has begun since, may help.
        Index(
            "ix_work_order_no_route",
            "route_set_number",
            "routed_at",
            postgresql_where=text("state = 'NO_ROUTE'"),
        ),
        # At the partner, who has not said a word about it.
        Index(
            "ix_work_order_unanswered",
            "partner_code",
            "state_at",
            postgresql_where=text("state = 'SENT'"),
        ),
        Index(
            "ix_work_order_partner_ref",
            "partner_ref",
            postgresql_where=text("partner_ref IS NOT NULL"),
        ),
        Index(
            "ix_work_order_mass_id",
            "mass_id",
            "state",
            postgresql_where=text("mass_id IS NOT NULL"),
        ),
    )

    order_id: Mapped[Str] = mapped_column(primary_key=True)
    revision: Mapped[int]
    content_hash: Mapped[Str]
    order_type_code: Mapped[Str]
    state: Mapped[Str]
    state_at: Mapped[At]
    # What the order was before acknowledgements; its state is derived from it and all of them.
    base_state: Mapped[Str]
    priority: Mapped[int]
    mass_id: Mapped[Str | None]
    # Of the item as it stood in the mass file, so that one that comes again is known at a glance.
    source_hash: Mapped[Big | None]
    gsrn: Mapped[Str]
    municipality_code: Mapped[Str | None]
    customer_id: Mapped[Str | None]
    old_meter_number: Mapped[Str | None]
    required_model: Mapped[Str | None]
    window_from: Mapped[At | None]
    window_to: Mapped[At | None]
    due_on: Mapped[On | None]
    presence_required: Mapped[bool] = mapped_column(default=False)
    # What the CIS gave of the order, key information apart; shape: CisWorkOrder.
    facts: Mapped[Json]
    key_info: Mapped[Str | None]
    partner_code: Mapped[Str | None] = mapped_column(ForeignKey("partner.code"))
    partner_ref: Mapped[Str | None]
    route_rule_id: Mapped[Big | None]
    route_reason: Mapped[Str | None]
    # The version of the rules that decided, and when its route was last looked at.
    route_set_number: Mapped[int | None]
    routed_at: Mapped[At | None]
    attempts: Mapped[int] = mapped_column(default=0)
    inbound_message_id: Mapped[Big]
    created_at: Mapped[At]
    updated_at: Mapped[At]


class WorkOrderChange(Model):
    """One change of an order: the states that it went through, and why."""

    __tablename__ = "work_order_change"
    __table_args__ = (Index("ix_work_order_change_order_id", "order_id", "id"),)

    id: Mapped[Id]
    order_id: Mapped[Str]
    revision: Mapped[int]
    at: Mapped[At]
    from_state: Mapped[Str | None]
    # The states entered, in order; the last one is where the order stayed.
    states: Mapped[Strs]
    cause: Mapped[Str]
    run_id: Mapped[Big | None]
