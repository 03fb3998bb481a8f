"""The meter register: meters, where each has been, and what it read."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Reading, Str


class Meter(Model):
    """One meter, named by the number on its face; gsrn is where it hangs now, if anywhere."""

    __tablename__ = "meter"
    __table_args__ = (
        Index("ix_meter_serial", "serial", postgresql_where=text("serial IS NOT NULL")),
        Index(
            "ix_meter_stock",
            "stock_code",
            "state",
            "model",
            postgresql_where=text("stock_at IS NOT NULL"),
        ),
    )

    number: Mapped[Str] = mapped_column(primary_key=True)
    version: Mapped[Big] = mapped_column(default=0)
    serial: Mapped[Str | None]
    maker: Mapped[Str | None]
    model: Mapped[Str | None]
    firmware: Mapped[Str | None]
    multiplier: Mapped[Decimal] = mapped_column(Numeric(12, 4), default=Decimal(1))
    state: Mapped[Str]
    gsrn: Mapped[Str | None] = mapped_column(index=True)
    installed_at: Mapped[At | None]
    removed_at: Mapped[At | None]
    last_comm_at: Mapped[At | None]
    # The partner in whose stock it is, or was when it was hung; with stock_at and none: our own.
    stock_code: Mapped[Str | None]
    # When the latest word of its maker or of a warehouse was given.
    stock_at: Mapped[At | None]
    delivered_at: Mapped[At | None]
    updated_at: Mapped[At]


class MeterPlacement(Model):
    """One stay of a meter at a metering point, with the order that began and ended it."""

    __tablename__ = "meter_placement"
    __table_args__ = (
        Index("ix_meter_placement_gsrn", "gsrn"),
        Index("ix_meter_placement_meter_number", "meter_number"),
    )

    id: Mapped[Id]
    meter_number: Mapped[Str]
    gsrn: Mapped[Str]
    installed_at: Mapped[At | None]
    removed_at: Mapped[At | None]
    installed_by_order: Mapped[Str | None]
    removed_by_order: Mapped[Str | None]


class MeterReading(Model):
    """A reading taken by an installer, with the acknowledgement that brought it."""

    __tablename__ = "meter_reading"
    __table_args__ = (
        Index("uq_meter_reading_ack", "ack_id", "meter_number", "register", "read_at", unique=True),
        Index("ix_meter_reading_meter_number", "meter_number", "read_at"),
    )

    id: Mapped[Id]
    meter_number: Mapped[Str]
    gsrn: Mapped[Str]
    register: Mapped[Str]
    value: Mapped[Reading]
    unit: Mapped[Str]
    read_at: Mapped[At]
    source: Mapped[Str]
    order_id: Mapped[Str]
    ack_id: Mapped[Str]
