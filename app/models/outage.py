"""Times without power, exact per metering point."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Json, Str, Strs


class Outage(Model):
    """One event that cuts power: a fault, a planned cut or a meter swap.

    source and source_ref are the sender's name of it (for a meter swap the order id); source_version
    is the sender's version, version is ours and counts every change of the row.
    """

    __tablename__ = "outage"
    __table_args__ = (
        Index("uq_outage_source", "source", "source_ref", unique=True),
        # The watchdog looks often, and almost all outages are over.
        Index("ix_outage_open", "started_at", postgresql_where=text("state = 'OPEN'")),
        Index(
            "ix_outage_current",
            "kind",
            "state",
            postgresql_where=text(
                "state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM', 'CANCELLED', 'ENDED')"
            ),
        ),
        Index("ix_outage_storm_id", "storm_id"),
        Index("ix_outage_parent_id", "parent_id"),
        Index("ix_outage_started_at", "kind", "started_at"),
    )

    id: Mapped[Id]
    source: Mapped[Str]
    source_ref: Mapped[Str]
    source_version: Mapped[Big | None]
    kind: Mapped[Str]
    state: Mapped[Str]
    version: Mapped[Big]
    cause_code: Mapped[Str | None]
    # Of a planned cut the time at which it really began; until then its planned beginning.
    started_at: Mapped[At]
    restored_at: Mapped[At | None]
    # Of a fault: when somebody was first sure of it. Nobody is told before.
    confirmed_at: Mapped[At | None]
    # None while nobody has assessed it; never shown once it has passed (REQ-06).
    etr_at: Mapped[At | None]
    etr_confidence: Mapped[Str | None]
    etr_set_at: Mapped[At | None]
    planned_from_at: Mapped[At | None]
    planned_to_at: Mapped[At | None]
    # What the sender named instead of single points, as it was told.
    feeder: Mapped[Str | None]
    transformer: Mapped[Str | None]
    # The outage that this one became part of.
    parent_id: Mapped[Big | None] = mapped_column(ForeignKey("outage.id"))
    storm_id: Mapped[Big | None] = mapped_column(ForeignKey("storm.id"))
    closed_at: Mapped[At | None]
    created_at: Mapped[At]
    updated_at: Mapped[At]


class OutagePoint(Model):
    """One metering point in an outage: when its power went and came back."""

    __tablename__ = "outage_point"
    __table_args__ = (
        Index("ix_outage_point_gsrn", "gsrn", "off_at"),
        Index("ix_outage_point_off", "gsrn", postgresql_where=text("on_at IS NULL")),
    )

    outage_id: Mapped[Big] = mapped_column(ForeignKey("outage.id"), primary_key=True)
    gsrn: Mapped[Str] = mapped_column(primary_key=True)
    off_at: Mapped[At]
    on_at: Mapped[At | None]


class OutageEvent(Model):
    """One thing that happened to an outage; append-only, so that its course can be read again."""

    __tablename__ = "outage_event"
    __table_args__ = (Index("ix_outage_event_outage_id", "outage_id", "id"),)

    id: Mapped[Id]
    outage_id: Mapped[Big] = mapped_column(ForeignKey("outage.id"))
    type: Mapped[Str]
    occurred_at: Mapped[At]
    # A staff account, or a system as "system:dms".
    by: Mapped[Str]
    facts: Mapped[Json]
    created_at: Mapped[At]


class Storm(Model):
    """A time in which areas get bulletins and no single estimates until damage is assessed (REQ-08)."""

    __tablename__ = "storm"

    id: Mapped[Id]
    name: Mapped[Str]
    municipality_codes: Mapped[Strs]
    # How long it takes from one bulletin of a municipality to the next, at least.
    bulletin_every_s: Mapped[float] = mapped_column(default=3600.0, server_default="3600")
    started_at: Mapped[At]
    assessed_at: Mapped[At | None]
    ended_at: Mapped[At | None]
    opened_by: Mapped[Str]
    created_at: Mapped[At]
