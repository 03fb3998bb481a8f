"""Letters that are owed because nothing electronic reached somebody."""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Str


class Letter(Model):
    """One letter: its text as it will be printed, and how far it has come.

    dedupe_key: one letter per event, customer and metering point. customer_id is None where
    nobody is known at the point. Name and address are read when it is printed, not kept here.
    """

    __tablename__ = "letter"
    __table_args__ = (
        UniqueConstraint("dedupe_key"),
        Index("ix_letter_state", "state", "id", postgresql_where=text("state <> 'POSTED'")),
        Index("ix_letter_notice_id", "notice_id"),
        Index("ix_letter_gsrn", "gsrn"),
    )

    id: Mapped[Id]
    dedupe_key: Mapped[Str]
    # The notice that did not reach anybody.
    notice_id: Mapped[Big]
    customer_id: Mapped[Str | None]
    gsrn: Mapped[Str]
    type: Mapped[Str]
    language: Mapped[Str]
    reason: Mapped[Str]
    subject: Mapped[Str]
    body: Mapped[Str]
    # To the occupant and without a name: the name must not be tied to the address (safety ban).
    nameless: Mapped[bool] = mapped_column(default=False)
    # DUE, PRINTED, POSTED or WITHDRAWN (no longer true before it was in the post).
    state: Mapped[Str]
    expires_at: Mapped[At | None]
    created_at: Mapped[At]
    printed_at: Mapped[At | None]
    printed_by: Mapped[Str | None]
    posted_at: Mapped[At | None]
    posted_by: Mapped[Str | None]
