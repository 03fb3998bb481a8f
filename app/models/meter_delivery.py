"""Deliveries of meters as their maker told of them, and meters whose serial is in doubt."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Json, Str


class MeterDelivery(Model):
    """One message about a delivery; its name is the maker's, and may come in several messages."""

    __tablename__ = "meter_delivery"
    __table_args__ = (
        Index("ix_meter_delivery_delivery_id", "source", "delivery_id"),
        Index("ix_meter_delivery_received_at", "received_at"),
    )

    inbound_message_id: Mapped[Big] = mapped_column(
        ForeignKey("inbound_message.id", ondelete="CASCADE"), primary_key=True
    )
    source: Mapped[Str]
    delivery_id: Mapped[Str]
    # app.domain.meter_stock.DeliveryKind.
    kind: Mapped[Str]
    maker: Mapped[Str | None]
    # The partner to whose stock they go; none: our own.
    stock_code: Mapped[Str | None]
    issued_at: Mapped[At]
    received_at: Mapped[At]
    # When its last item was taken.
    taken_at: Mapped[At | None]
    item_count: Mapped[int]
    counts: Mapped[Json]


class MeterDeliveryItem(Model):
    """One meter of a delivery and what became of it."""

    __tablename__ = "meter_delivery_item"
    __table_args__ = (Index("ix_meter_delivery_item_number", "number"),)

    inbound_message_id: Mapped[Big] = mapped_column(
        ForeignKey("meter_delivery.inbound_message_id", ondelete="CASCADE"), primary_key=True
    )
    place: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[Str | None]
    serial: Mapped[Str | None]
    model: Mapped[Str | None]
    verdict: Mapped[Str]
    code: Mapped[Str | None]
    text: Mapped[Str | None]


class SerialMismatch(Model):
    """The meter that an order's completion names is not in the stock that it should be from."""

    __tablename__ = "serial_mismatch"
    __table_args__ = (
        Index("ix_serial_mismatch_open", "opened_at", postgresql_where=text("state <> 'SETTLED'")),
        Index("ix_serial_mismatch_meter_number", "meter_number"),
    )

    order_id: Mapped[Str] = mapped_column(
        ForeignKey("work_order.order_id", ondelete="CASCADE"), primary_key=True
    )
    gsrn: Mapped[Str]
    # The acknowledgement that named the meter.
    partner_code: Mapped[Str]
    ack_id: Mapped[Str]
    meter_number: Mapped[Str]
    serial: Mapped[Str | None]
    # The code of the check, and its words.
    code: Mapped[Str]
    detail: Mapped[Str]
    # OPEN <-> TAKEN -> SETTLED.
    state: Mapped[Str]
    owner: Mapped[Str | None]
    opened_at: Mapped[At]
    settled_at: Mapped[At | None]
    settled_by: Mapped[Str | None]
    # DELIVERY, CORRECTED or ACCEPTED.
    resolution: Mapped[Str | None]
    note: Mapped[Str | None]
