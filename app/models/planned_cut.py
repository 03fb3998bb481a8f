"""What a planned cut has beyond other outages: who planned and approved it, and what was told."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Str


class PlannedCut(Model):
    """The plan behind one outage of kind PLANNED; times, cause and points are the outage's.

    plan_version counts what people have to be told of: a new time, or more points.
    """

    __tablename__ = "planned_cut"

    outage_id: Mapped[Big] = mapped_column(ForeignKey("outage.id"), primary_key=True)
    # What staff call it; customers never read it.
    name: Mapped[Str]
    plan_version: Mapped[int]
    created_by: Mapped[Str]
    # Whoever changed the plan last cannot approve it either.
    changed_by: Mapped[Str]
    approved_by: Mapped[Str | None]
    approved_at: Mapped[At | None]
    # When the notice is to be announced; None: as soon as it is approved.
    announce_at: Mapped[At | None]
    # Somebody's confirmation that people may be told later than two working days ahead (REQ-15).
    short_reason: Mapped[Str | None]
    short_by: Mapped[Str | None]
    # When the present plan was announced, and reminded of.
    told_at: Mapped[At | None]
    reminded_at: Mapped[At | None]
    # A change of the DMS that waits for somebody's decision.
    wanted_from_at: Mapped[At | None]
    wanted_to_at: Mapped[At | None]
    wanted_why: Mapped[Str | None]
    cancel_reason: Mapped[Str | None]
    # The content of the planner's last request, so that a repetition is known as such.
    request_hash: Mapped[Str | None]


class PlannedCutFinding(Model):
    """One line of a planner's list that could not be taken, or that deserves a look."""

    __tablename__ = "planned_cut_finding"
    __table_args__ = (Index("ix_planned_cut_finding_outage_id", "outage_id"),)

    id: Mapped[Id]
    outage_id: Mapped[Big] = mapped_column(ForeignKey("planned_cut.outage_id"))
    line: Mapped[int]
    given: Mapped[Str]
    code: Mapped[Str]
    created_at: Mapped[At]
