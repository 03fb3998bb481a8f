"""Acknowledgements: what partners reported about their orders."""

from __future__ import annotations

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Json, JsonList, Str


class Ack(Model):
    """One fact reported by a partner; an order's state is derived from all of its facts."""

    __tablename__ = "ack"
    __table_args__ = (
        Index("ix_ack_order_id", "order_id", "occurred_at"),
        # The public figures count each hour's visits.
        Index(
            "ix_ack_visit_end",
            "occurred_at",
            postgresql_where=text("type IN ('COMPLETED', 'FAILED') AND verdict = 'APPLIED'"),
        ),
    )

    partner_code: Mapped[Str] = mapped_column(primary_key=True)
    ack_id: Mapped[Str] = mapped_column(primary_key=True)
    order_id: Mapped[Str]
    revision: Mapped[int]
    partner_ref: Mapped[Str | None]
    type: Mapped[Str]
    occurred_at: Mapped[At]
    reported_at: Mapped[At]
    received_at: Mapped[At]
    payload: Mapped[Json]
    payload_hash: Mapped[Str]
    verdict: Mapped[Str]
    # Codes and texts of the checks; shape [{code, path, text, severity}].
    findings: Mapped[JsonList]
    inbound_message_id: Mapped[Big]
    applied_at: Mapped[At]
