"""Who follows an area without being a customer there."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Str


class AreaSubscription(Model):
    """One address that hears of one municipality until it stops.

    The contact belongs to a customer that stands for all subscribers, so that what holds for every
    contact (confirmed by code, STOP, bounces, quiet hours) holds for it as well.
    """

    __tablename__ = "area_subscription"
    __table_args__ = (
        UniqueConstraint("contact_id", "municipality_code"),
        Index(
            "ix_area_subscription_current",
            "municipality_code",
            postgresql_where=text("stopped_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    contact_id: Mapped[Big] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"))
    municipality_code: Mapped[Str]
    started_at: Mapped[At]
    stopped_at: Mapped[At | None]
