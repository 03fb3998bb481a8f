"""Times without power, exact per metering point."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Str


class Outage(Model):
    """One event that cuts power; for a meter swap its source_ref is the order id."""

    __tablename__ = "outage"
    __table_args__ = (
        Index("uq_outage_source", "source", "source_ref", unique=True),
        # The watchdog looks often, and almost all outages are over.
        Index("ix_outage_open", "started_at", postgresql_where=text("state = 'OPEN'")),
    )

    id: Mapped[Id]
    source: Mapped[Str]
    source_ref: Mapped[Str]
    kind: Mapped[Str]
    state: Mapped[Str]
    version: Mapped[Big]
    started_at: Mapped[At]
    restored_at: Mapped[At | None]
    created_at: Mapped[At]
    updated_at: Mapped[At]


class OutagePoint(Model):
    """One metering point in an outage: when its power went and came back."""

    __tablename__ = "outage_point"
    __table_args__ = (Index("ix_outage_point_gsrn", "gsrn", "off_at"),)

    outage_id: Mapped[Big] = mapped_column(ForeignKey("outage.id"), primary_key=True)
    gsrn: Mapped[Str] = mapped_column(primary_key=True)
    off_at: Mapped[At]
    on_at: Mapped[At | None]
