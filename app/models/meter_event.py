"""What meters themselves reported about their supply."""

from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from app.db import Model
from app.models.columns import At, Big, Id, Str


class MeterEvent(Model):
    """A last gasp or a restore of one meter, once, however often the head-end repeats it."""

    __tablename__ = "meter_event"
    __table_args__ = (UniqueConstraint("gsrn", "code", "at"),)

    id: Mapped[Id]
    gsrn: Mapped[Str]
    meter_number: Mapped[Str | None]
    # LAST_GASP or RESTORE.
    code: Mapped[Str]
    at: Mapped[At]
    # APPLIED, KNOWN (an outage covers it already) or EXPECTED (a planned cut or a meter swap).
    verdict: Mapped[Str]
    received_at: Mapped[At]
    inbound_message_id: Mapped[Big]
