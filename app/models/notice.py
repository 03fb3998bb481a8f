"""Notices to customers, and what the providers reported about them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Str


class Notice(Model):
    """One message to one contact about one event, or the reason why there was none.

    The row is the ledger: its dedupe key (event, metering point, contact) is unique.
    """

    __tablename__ = "notice"
    __table_args__ = (
        UniqueConstraint("dedupe_key"),
        Index("ix_notice_gsrn", "gsrn", "created_at"),
        Index("ix_notice_order_id", "order_id"),
        Index("ix_notice_contact_id", "contact_id"),
        Index("ix_notice_announcement_id", "announcement_id"),
        Index("ix_notice_outage_id", "outage_id", "contact_id"),
        # The other channel is taken once (REQ-26).
        Index(
            "uq_notice_fallback_of",
            "fallback_of",
            unique=True,
            postgresql_where=text("fallback_of IS NOT NULL"),
        ),
        # What may have to be told another way and has not been looked at. Without the state, which
        # every message changes: what no index knows can change in place.
        Index(
            "ix_notice_aftercare",
            "id",
            postgresql_where=text(
                "aftercare_at IS NULL AND topic IN ('SAFETY', 'PLANNED', 'COMPENSATION')"
            ),
        ),
        # Rows come in the order of this column, so the smallest kind of index will do.
        Index("ix_notice_created_at", "created_at", postgresql_using="brin"),
        # Room for what sending writes into a row, so that it stays on its page.
        {"postgresql_with": {"fillfactor": "50"}},
    )

    id: Mapped[Id]
    type: Mapped[Str]
    dedupe_key: Mapped[Str]
    contact_id: Mapped[Big | None]
    customer_id: Mapped[Str | None]
    gsrn: Mapped[Str]
    order_id: Mapped[Str | None]
    outage_id: Mapped[Big | None]
    announcement_id: Mapped[Big | None]
    # Of several points of one contact gsrn is the first; all of them are in notice_point (REQ-04).
    point_count: Mapped[int] = mapped_column(default=1, server_default="1")
    # Leaves also to somebody who has left the topic since: safety, replies, changes to what was told.
    must_reach: Mapped[bool] = mapped_column(default=False, server_default="false")
    topic: Mapped[Str]
    language: Mapped[Str]
    channel: Mapped[Str | None]
    # The address at the time of the decision, so that the record stays true when it changes.
    sent_to: Mapped[Str | None]
    subject: Mapped[Str | None]
    body: Mapped[Str | None]
    html: Mapped[Str | None]
    # The version of the kind's texts that it was made from; 0 is the shipped one.
    text_version: Mapped[int] = mapped_column(default=0, server_default="0")
    # A test of a text, or a code, for a member of staff: it concerns no customer.
    to_staff: Mapped[bool] = mapped_column(default=False, server_default="false")
    encoding: Mapped[Str | None]
    segments: Mapped[int | None]
    state: Mapped[Str]
    state_at: Mapped[At]
    suppress_reason: Mapped[Str | None]
    # Why the policy decided so, in words.
    decision: Mapped[Str]
    event_at: Mapped[At]
    not_before_at: Mapped[At | None]
    expires_at: Mapped[At | None]
    provider: Mapped[Str | None]
    # Found by way of the step that names it; an index here would cost every message a dear update.
    provider_ref: Mapped[Str | None]
    error_code: Mapped[Str | None]
    resent_count: Mapped[int] = mapped_column(default=0)
    # What its calls cost that left or may have left, in thousandths of a cent.
    cost_millicents: Mapped[int] = mapped_column(default=0, server_default="0")
    # The notice that did not arrive and that this one repeats by another channel.
    fallback_of: Mapped[Big | None]
    # When somebody or something dealt with its not arriving.
    aftercare_at: Mapped[At | None]
    created_at: Mapped[At]
    sent_at: Mapped[At | None]
    delivered_at: Mapped[At | None]


class NoticePoint(Model):
    """One metering point of a notice that speaks of several."""

    __tablename__ = "notice_point"
    __table_args__ = (Index("ix_notice_point_gsrn", "gsrn"),)

    notice_id: Mapped[Big] = mapped_column(
        ForeignKey("notice.id", ondelete="CASCADE"), primary_key=True
    )
    gsrn: Mapped[Str] = mapped_column(primary_key=True)


class DeliveryReceipt(Model):
    """One report of a provider about one attempt, once, whatever it is repeated."""

    __tablename__ = "delivery_receipt"
    __table_args__ = (
        UniqueConstraint("dedupe_key"),
        Index("ix_delivery_receipt_attempt_id", "attempt_id"),
        # The dispatcher looks for these four times a second.
        Index("ix_delivery_receipt_waiting", "id", postgresql_where=text("verdict = 'WAITING'")),
    )

    id: Mapped[Id]
    provider: Mapped[Str]
    dedupe_key: Mapped[Str]
    attempt_id: Mapped[UUID | None]
    provider_ref: Mapped[Str | None]
    status: Mapped[Str]
    error_code: Mapped[Str | None]
    occurred_at: Mapped[At | None]
    received_at: Mapped[At]
    # WAITING, APPLIED, LATE (would have moved a state back) or UNKNOWN_ATTEMPT.
    verdict: Mapped[Str]
