"""Customers at the portal: codes that were sent, sessions, and how often somebody tried."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Json, Str


class OneTimeCode(Model):
    """A code that was sent to an address, or would have been if we knew it; gone after a day.

    Neither the code nor the token that goes with it is kept: code_hash needs both and our key.
    """

    __tablename__ = "one_time_code"
    __table_args__ = (
        Index(
            "ix_one_time_code_readable",
            "expires_at",
            postgresql_where=text("notice_id IS NOT NULL AND redacted_at IS NULL"),
        ),
        Index("ix_one_time_code_created_at", "created_at"),
        Index("ix_one_time_code_value", "value"),
    )

    id: Mapped[Id]
    token_hash: Mapped[Str] = mapped_column(unique=True)
    # LOGIN, CONTACT, THIRD_PARTY or whatever else its user needs.
    purpose: Mapped[Str]
    kind: Mapped[Str]
    value: Mapped[Str]
    # What its user wants to know when the code comes back.
    facts: Mapped[Json]
    code_hash: Mapped[Str]
    tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[At]
    expires_at: Mapped[At]
    used_at: Mapped[At | None]
    # The message with the code in it; None when nobody was written to.
    notice_id: Mapped[Big | None]
    redacted_at: Mapped[At | None]


class CustomerSession(Model):
    """Somebody who proved to hold an address, and the customers that this opened."""

    __tablename__ = "customer_session"
    __table_args__ = (Index("ix_customer_session_seen_at", "seen_at"),)

    id: Mapped[Id]
    token_hash: Mapped[Str] = mapped_column(unique=True)
    kind: Mapped[Str]
    value: Mapped[Str]
    contact_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    # The customer that the pages are about; None until one is chosen.
    customer_id: Mapped[Str | None]
    started_at: Mapped[At]
    seen_at: Mapped[At]
    ended_at: Mapped[At | None]


class RateCount(Model):
    """How often something was done under a key since a moment; limits on sending live here."""

    __tablename__ = "rate_count"
    __table_args__ = (Index("ix_rate_count_until", "until"),)

    key: Mapped[Str] = mapped_column(primary_key=True)
    since: Mapped[At] = mapped_column(primary_key=True)
    until: Mapped[At]
    count: Mapped[int]
