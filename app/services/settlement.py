"""What the end of a call means for the business object that it was about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.lanes import DOWNSTREAM_LANES, NOTICE_LANES, partner_of
from app.services import fan_out, notices, work_orders
from app.services.outbox import Settlement


def apply(session: Session, lane: str, settled: Sequence[Settlement], now: datetime) -> None:
    """Carry a settled slice into orders, completions or notices, in the same transaction."""
    if not settled:
        return
    partner_code = partner_of(lane)
    if partner_code is not None:
        work_orders.note_settled(session, partner_code, settled, now)
    elif lane in DOWNSTREAM_LANES:
        fan_out.note_settled(session, settled, now)
    elif lane in NOTICE_LANES:
        notices.note_settled(session, settled, now)
