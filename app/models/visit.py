"""Visits that an installer has planned, and what customers answered to them."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Str


class Visit(Model):
    """The visit of one order as its acknowledgements plan it, and what was told of it."""

    __tablename__ = "visit"
    __table_args__ = (Index("ix_visit_from_at", "from_at"),)

    order_id: Mapped[Str] = mapped_column(primary_key=True)
    gsrn: Mapped[Str]
    from_at: Mapped[At]
    to_at: Mapped[At]
    # Agreed between the installer and the customer, or answered with OK.
    agreed: Mapped[bool]
    # The window that customers know; None once a visit has begun, or before anybody was told.
    told_from_at: Mapped[At | None]
    told_to_at: Mapped[At | None]
    told_at: Mapped[At | None]
    # The window of which somebody was reminded.
    reminded_from_at: Mapped[At | None]
    updated_at: Mapped[At]


class VisitAnswer(Model):
    """One answer to a proposed time; append-only, the latest about a window counts."""

    __tablename__ = "visit_answer"
    __table_args__ = (Index("ix_visit_answer_order_id", "order_id", "id"),)

    id: Mapped[Id]
    order_id: Mapped[Str]
    gsrn: Mapped[Str]
    from_at: Mapped[At]
    to_at: Mapped[At]
    # CONFIRMED or DECLINED.
    answer: Mapped[Str]
    by: Mapped[Str]
    inbound_sms_id: Mapped[Big | None] = mapped_column(ForeignKey("inbound_sms.id"))
    at: Mapped[At]
