"""What was counted of one hour for the public figures."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Json


class ServiceHour(Model):
    """Counts of one hour; made again while reports about it still come in, then left alone.

    counts: shape of app/domain/service_level.py.
    """

    __tablename__ = "service_hour"

    hour_at: Mapped[At] = mapped_column(primary_key=True)
    counts: Mapped[Json]
    computed_at: Mapped[At]
