"""Where members of staff get tests of texts."""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Str


class StaffAddress(Model):
    """A phone number or e-mail address of one account; a code proves that it is the person's own."""

    __tablename__ = "staff_address"
    __table_args__ = (UniqueConstraint("staff_account_id", "channel"),)

    id: Mapped[Id]
    staff_account_id: Mapped[Big] = mapped_column(
        ForeignKey("staff_account.id", ondelete="CASCADE")
    )
    channel: Mapped[Str]
    value: Mapped[Str]
    # A keyed digest of the code, until it was told back, has expired or was guessed at too often.
    code_digest: Mapped[Str | None]
    code_sent_at: Mapped[At | None]
    failed_count: Mapped[int] = mapped_column(default=0)
    verified_at: Mapped[At | None]
