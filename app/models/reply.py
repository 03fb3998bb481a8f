"""What people write back to us, what we asked them, and what waits for customer service."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Bigs, Id, JsonList, Str, Strs


class InboundSms(Model):
    """One text message to us, once, whatever the provider repeats it; the provider's sid names it."""

    __tablename__ = "inbound_sms"
    __table_args__ = (
        UniqueConstraint("sid"),
        # The dispatcher looks for these four times a second.
        Index("ix_inbound_sms_waiting", "next_at", postgresql_where=text("state = 'WAITING'")),
        Index("ix_inbound_sms_from_number", "from_number", "id"),
        Index("ix_inbound_sms_gsrn", "gsrn", "received_at"),
        Index("ix_inbound_sms_case_id", "case_id"),
    )

    id: Mapped[Id]
    sid: Mapped[Str]
    from_number: Mapped[Str]
    to_number: Mapped[Str]
    body: Mapped[Str]
    media_count: Mapped[int] = mapped_column(default=0)
    received_at: Mapped[At]
    # WAITING -> DONE or HELD (a fault of ours; a person reads it).
    state: Mapped[Str]
    # What it was understood as, or UNKNOWN_NUMBER, LIMITED (too many, not answered), TALK (a person answers).
    verdict: Mapped[Str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[At]
    error_class: Mapped[Str | None]
    handled_at: Mapped[At | None]
    customer_id: Mapped[Str | None]
    gsrn: Mapped[Str | None]
    order_id: Mapped[Str | None]
    # The kind of notice that answered it; None when nothing did.
    answer_type: Mapped[Str | None]
    notice_id: Mapped[Big | None]
    case_id: Mapped[Big | None] = mapped_column(ForeignKey("reply_case.id"))


class ReplyCase(Model):
    """Something that a person at customer service has to look at; at most one per number is open."""

    __tablename__ = "reply_case"
    __table_args__ = (
        Index(
            "uq_reply_case_open",
            "number",
            unique=True,
            postgresql_where=text("state <> 'CLOSED'"),
        ),
        Index("ix_reply_case_state", "state", "id"),
        Index("ix_reply_case_gsrn", "gsrn"),
    )

    id: Mapped[Id]
    number: Mapped[Str]
    reasons: Mapped[Strs]
    # OPEN <-> TAKEN -> CLOSED.
    state: Mapped[Str]
    customer_id: Mapped[Str | None]
    gsrn: Mapped[Str | None]
    order_id: Mapped[Str | None]
    # What customer service answered.
    notice_ids: Mapped[Bigs] = mapped_column(server_default="{}")
    assigned_to: Mapped[Str | None]
    opened_at: Mapped[At]
    # The latest message of either side.
    last_at: Mapped[At]
    answered_at: Mapped[At | None]
    outcome: Mapped[Str | None]
    note: Mapped[Str | None]
    closed_at: Mapped[At | None]
    closed_by: Mapped[Str | None]


class PendingQuestion(Model):
    """The numbered question that a number was asked last; a number in the next message answers it."""

    __tablename__ = "pending_question"

    number: Mapped[Str] = mapped_column(primary_key=True)
    # The word whose site was asked for.
    word: Mapped[Str]
    # What the numbers 1, 2, … stand for: metering points, or orders where a visit is answered.
    options: Mapped[JsonList]
    asked_at: Mapped[At]
    expires_at: Mapped[At]


class CustomerReport(Model):
    """A customer says that the power is off at a metering point."""

    __tablename__ = "customer_report"
    __table_args__ = (
        UniqueConstraint("inbound_sms_id"),
        Index("ix_customer_report_gsrn", "gsrn", "reported_at"),
    )

    id: Mapped[Id]
    gsrn: Mapped[Str]
    reported_at: Mapped[At]
    # sms:12 for a reply, staff:aino for a call.
    by: Mapped[Str]
    inbound_sms_id: Mapped[Big | None] = mapped_column(ForeignKey("inbound_sms.id"))
    created_at: Mapped[At]
