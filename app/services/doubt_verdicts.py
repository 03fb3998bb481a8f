"""Doubts that only a person can end: somebody has looked at the provider and says what became of it.

The provider named several messages that could be it, or cannot be asked. Until a person has looked, the
customer may be without the message and nothing goes on; so both answers are possible and recorded (I5).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services import audit, unknowns
from app.services.unknowns import Doubt, Found

ARRIVED = "ARRIVED"

_FIND = text(
    """
    SELECT a.id, item.id, item.lane, item.payload, a.started_at, a.finished_at, a.lookups,
        n.id, n.gsrn, n.topic, NULL, NULL
    FROM attempt a JOIN outbox_item item ON item.id = a.outbox_item_id
    JOIN notice n ON n.id = CAST(item.payload->>'notice_id' AS bigint)
    WHERE a.id = :attempt AND a.outcome = 'UNKNOWN' AND a.resolved_by IS NULL
      AND a.next_lookup_at >= :never
    """
)


def end_doubt(
    session: Session, attempt_id: UUID, *, arrived: bool, by: str, now: datetime
) -> str | None:
    """Settle one call as somebody found it: ARRIVED, or what its kind of message then asks for.

    One that did not arrive is sent again or given up as the resolver would, and counted alike (I2).
    None when it is no such doubt, or has ended meanwhile.
    """
    row = session.execute(_FIND, {"attempt": attempt_id, "never": unknowns.NEVER}).one_or_none()
    if row is None:
        return None
    doubt = Doubt(*row)
    outcome = _settle(session, doubt, arrived, now)
    if outcome is not None:
        detail = {"arrived": arrived, "outcome": outcome, "attempt": str(attempt_id)}
        audit.record(session, by, "DOUBT_ENDED", f"notice:{doubt.notice_id}", detail, now)
    return outcome


def _settle(session: Session, doubt: Doubt, arrived: bool, now: datetime) -> str | None:
    if arrived:
        found = unknowns.note_found(session, doubt, Found(None), now, by="PERSON")
        return ARRIVED if found else None
    decided = unknowns.decide(session, doubt, now)
    return None if decided is None else decided[0]
