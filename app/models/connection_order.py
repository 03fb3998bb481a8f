"""Orders of new connections (liittymät), and every version of them that the CIS sent."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Json, Str


class ConnectionOrder(Model):
    """One order as all its versions together say; the row is derived, the versions are the truth.

    gsrn is empty until the metering point exists, which may be long after the first messages.
    """

    __tablename__ = "connection_order"
    __table_args__ = (
        Index("ix_connection_order_customer_id", "customer_id"),
        Index("ix_connection_order_gsrn", "gsrn"),
        Index("ix_connection_order_stage", "stage", "stage_at"),
        Index("ix_connection_order_delayed", "stage_at", postgresql_where=text("delayed")),
        Index(
            "ix_connection_order_haystack",
            "haystack",
            postgresql_using="gin",
            postgresql_ops={"haystack": "gin_trgm_ops"},
        ),
    )

    order_no: Mapped[Str] = mapped_column(primary_key=True)
    version: Mapped[Big]
    customer_id: Mapped[Str] = mapped_column(ForeignKey("customer.cis_id"))
    gsrn: Mapped[Str | None]
    stage: Mapped[Str]
    # The stage in which it was put on hold; None while it goes on.
    held_stage: Mapped[Str | None]
    stage_at: Mapped[At]
    # The day on which each stage was reached, as the CIS tells it.
    stage_dates: Mapped[Json]
    target_week: Mapped[Str | None]
    # The first week that was named, against which a delay is measured.
    promised_week: Mapped[Str | None]
    delay_reason: Mapped[Str | None]
    delayed: Mapped[bool]
    visit_from_at: Mapped[At | None]
    visit_to_at: Mapped[At | None]
    energise_from_at: Mapped[At | None]
    energise_to_at: Mapped[At | None]
    meter_number: Mapped[Str | None]
    street_name: Mapped[Str | None]
    house_number: Mapped[Str | None]
    staircase: Mapped[Str | None]
    apartment: Mapped[Str | None]
    postal_code: Mapped[Str | None]
    post_office: Mapped[Str | None]
    municipality_code: Mapped[Str | None]
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    # One folded line with all that staff may search it by.
    haystack: Mapped[Str]
    changed_at: Mapped[At]
    created_at: Mapped[At]
    updated_at: Mapped[At]


class ConnectionEvent(Model):
    """One version of an order as the CIS sent it; append-only, whatever the order of arrival."""

    __tablename__ = "connection_event"
    __table_args__ = (UniqueConstraint("order_no", "version"),)

    id: Mapped[Id]
    order_no: Mapped[Str] = mapped_column(ForeignKey("connection_order.order_no"))
    version: Mapped[Big]
    content_hash: Mapped[Str]
    facts: Mapped[Json]
    changed_at: Mapped[At]
    inbound_message_id: Mapped[Big | None]
    received_at: Mapped[At]
