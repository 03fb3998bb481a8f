"""What the CIS asked of an order while somebody was at work on it."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Json, Str


class OrderRequest(Model):
    """A change or cancellation that waits for the end of the visit; named by order and revision."""

    __tablename__ = "order_request"
    __table_args__ = (
        Index("ix_order_request_waiting", "asked_at", postgresql_where=text("state = 'WAITING'")),
    )

    order_id: Mapped[Str] = mapped_column(
        ForeignKey("work_order.order_id", ondelete="CASCADE"), primary_key=True
    )
    revision: Mapped[int] = mapped_column(primary_key=True)
    # UPDATE or CANCEL.
    action: Mapped[Str]
    # WAITING -> TAKEN, REFUSED or SUPERSEDED.
    state: Mapped[Str]
    content_hash: Mapped[Str]
    # While it waits, the order as it came, key information apart; shape: CisWorkOrder.
    facts: Mapped[Json]
    key_info: Mapped[Str | None]
    inbound_message_id: Mapped[Big]
    asked_at: Mapped[At]
    answered_at: Mapped[At | None]
    # Why it ended so, in words.
    answer: Mapped[Str | None]
