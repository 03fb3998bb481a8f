"""Texts of notices that staff have written, version by version."""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Id, Json, Str, Strs


class MessageVersion(Model):
    """One wording of one kind of notice, for all languages and both channels together.

    Version 0 of every kind is the shipped file. The wording is never changed once the version is
    submitted, so the number in a notice says for good what was sent.
    """

    __tablename__ = "message_version"
    __table_args__ = (
        UniqueConstraint("kind", "number"),
        # One wording leaves at a time, and one is worked on at a time.
        Index(
            "uq_message_version_published",
            "kind",
            unique=True,
            postgresql_where=text("state = 'PUBLISHED'"),
        ),
        Index(
            "uq_message_version_open",
            "kind",
            unique=True,
            postgresql_where=text("state IN ('DRAFT', 'SUBMITTED')"),
        ),
    )

    id: Mapped[Id]
    kind: Mapped[Str]
    number: Mapped[int]
    # The version that it was made from; 0 is the shipped file.
    based_on: Mapped[int]
    texts: Mapped[Json]
    # Whoever wrote it says so; adverts need a consent that notices do not have (REQ-30).
    marketing: Mapped[bool] = mapped_column(default=False)
    state: Mapped[Str]
    note: Mapped[Str]
    # Everybody who has saved it: none of them may publish it.
    authors: Mapped[Strs]
    created_at: Mapped[At]
    changed_at: Mapped[At]
    submitted_by: Mapped[Str | None]
    submitted_at: Mapped[At | None]
    decided_by: Mapped[Str | None]
    decided_at: Mapped[At | None]
    decision_note: Mapped[Str | None]
    published_at: Mapped[At | None]
    retired_at: Mapped[At | None]
