"""Doubts that only a person can end: somebody has looked at the provider and says what became of it.

The provider named several messages that could be it, or cannot be asked. Until a person has looked, the
customer may be without the message and nothing goes on; so both answers are possible and recorded (I5).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.unknown_policy import UnknownAction
from app.services import audit, unknowns
from app.services.notice_sending import lock_notices
from app.services.unknowns import Doubt

ARRIVED = "ARRIVED"

_FIND = text(
    """
    SELECT a.id, item.id AS item_id, item.lane, item.payload, a.started_at, a.finished_at, a.lookups,
        n.id AS notice_id, n.gsrn, n.topic
    FROM attempt a JOIN outbox_item item ON item.id = a.outbox_item_id
    JOIN notice n ON n.id = CAST(item.payload->>'notice_id' AS bigint)
    WHERE a.id = :attempt AND a.outcome = 'UNKNOWN' AND a.resolved_by IS NULL
      AND a.next_lookup_at >= :never
    """
)
_ARRIVED = text(
    """
    UPDATE attempt SET outcome = 'SENT', resolved_by = 'PERSON', next_lookup_at = NULL,
        finished_at = coalesce(finished_at, :now)
    WHERE id = :attempt AND outcome = 'UNKNOWN' AND resolved_by IS NULL RETURNING id
    """
)
_ITEM_SENT = text(
    "UPDATE outbox_item SET state = 'SENT', settled_at = :now"
    " WHERE id = :item AND state = 'UNKNOWN' AND attempt_id = :attempt"
)
_NOTICE_SENT = text(
    "UPDATE notice SET state = 'SENT', state_at = :now, sent_at = coalesce(sent_at, :started)"
    " WHERE id = :notice AND state = 'UNKNOWN'"
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
    outcome = _arrived(session, row, now) if arrived else _not_arrived(session, row, now)
    if outcome is not None:
        detail = {"arrived": arrived, "outcome": outcome, "attempt": str(attempt_id)}
        audit.record(session, by, "DOUBT_ENDED", f"notice:{row.notice_id}", detail, now)
    return outcome


def _arrived(session: Session, row: Any, now: datetime) -> str | None:
    values = {"attempt": row.id, "now": now}
    if session.execute(_ARRIVED, values).first() is None:
        return None
    session.execute(_ITEM_SENT, {**values, "item": row.item_id})
    lock_notices(session, [row.notice_id])
    session.execute(_NOTICE_SENT, {"now": now, "notice": row.notice_id, "started": row.started_at})
    return ARRIVED


def _not_arrived(session: Session, row: Any, now: datetime) -> UnknownAction | None:
    doubt = Doubt(
        attempt_id=row.id,
        item_id=row.item_id,
        lane=row.lane,
        payload=row.payload,
        started_at=row.started_at,
        finished_at=row.finished_at,
        lookups=row.lookups,
        notice_id=row.notice_id,
        gsrn=row.gsrn,
        topic=row.topic,
        adapter=None,
        account=None,
    )
    decided = unknowns.decide(session, doubt, now)
    return None if decided is None else decided[0]
