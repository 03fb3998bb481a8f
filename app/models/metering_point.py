"""Metering points, who lives at them, and the text by which staff find them."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, On, Str


class MeteringPoint(Model):
    """A place of supply (käyttöpaikka), named by its GSRN."""

    __tablename__ = "metering_point"
    __table_args__ = (
        Index("ix_metering_point_dso_code", "dso_code"),
        Index("ix_metering_point_municipality_code", "municipality_code"),
        # Planned cuts and faults name these instead of points.
        Index("ix_metering_point_transformer", "transformer"),
        Index("ix_metering_point_feeder", "feeder"),
    )

    gsrn: Mapped[Str] = mapped_column(primary_key=True)
    version: Mapped[Big]
    dso_code: Mapped[Str | None]
    status: Mapped[Str]
    type: Mapped[Str]
    subtype: Mapped[Str | None]
    remote_connectable: Mapped[bool | None]
    street_name: Mapped[Str | None]
    house_number: Mapped[Str | None]
    staircase: Mapped[Str | None]
    apartment: Mapped[Str | None]
    postal_code: Mapped[Str | None]
    post_office: Mapped[Str | None]
    municipality_code: Mapped[Str | None]
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    dwelling: Mapped[Str | None]
    transformer: Mapped[Str | None]
    feeder: Mapped[Str | None]
    phases: Mapped[int | None]
    main_fuse_a: Mapped[int | None]
    ct_ratio: Mapped[Str | None]
    meter_place: Mapped[Str | None]
    access_note: Mapped[Str | None]
    key_info: Mapped[Str | None]
    annual_fee_cents: Mapped[Big | None]
    linked_gsrn: Mapped[Str | None]
    updated_at: Mapped[At]


class Occupancy(Model):
    """A contract that ties a customer to a metering point between two days."""

    __tablename__ = "occupancy"
    __table_args__ = (
        Index("ix_occupancy_gsrn", "gsrn", "moved_in_on"),
        Index("ix_occupancy_customer_id", "customer_id"),
    )

    contract_id: Mapped[Str] = mapped_column(primary_key=True)
    version: Mapped[Big]
    customer_id: Mapped[Str] = mapped_column(ForeignKey("customer.cis_id"))
    gsrn: Mapped[Str] = mapped_column(ForeignKey("metering_point.gsrn"))
    moved_in_on: Mapped[On]
    # The last day of the contract; None while it runs.
    moved_out_on: Mapped[On | None]
    updated_at: Mapped[At]


class PointSearch(Model):
    """One folded line per metering point with all that staff may search it by."""

    __tablename__ = "point_search"
    __table_args__ = (
        Index(
            "ix_point_search_haystack",
            "haystack",
            postgresql_using="gin",
            postgresql_ops={"haystack": "gin_trgm_ops"},
        ),
    )

    gsrn: Mapped[Str] = mapped_column(primary_key=True)
    haystack: Mapped[Str]
    updated_at: Mapped[At]
