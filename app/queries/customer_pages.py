"""What customers read about themselves: messages, and the history of what they chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from app.models import Contact, Notice, NoticePoint

# States of messages that reached somebody or may have; what was never sent is not theirs to read.
_SENT = ("SENDING", "SENT", "DELIVERED", "UNDELIVERED", "UNKNOWN", "RESENT", "FALLBACK", "FAILED")


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change of a choice or of a contact, as histories show it."""

    at: datetime
    contact_id: int
    kind: str
    value: str
    third_party_name: str | None
    topic: str | None
    gsrn: str | None
    what: str
    enabled: bool | None
    night_ok: bool | None
    old_value: str | None
    new_value: str | None
    source: str
    legal_basis: str
    changed_by: str


def find_messages(
    session: Session,
    customer_id: str,
    *,
    contact_id: int | None = None,
    gsrn: str | None = None,
    before: int | None = None,
    after: int | None = None,
    limit: int,
) -> list[Notice]:
    """Messages to the customer's contacts, or to one of them, newest first."""
    statement = select(Notice).where(Notice.state.in_(_SENT), Notice.channel.is_not(None))
    if contact_id is not None:
        statement = statement.where(Notice.contact_id == contact_id)
    else:
        contacts = select(Contact.id).where(Contact.customer_id == customer_id)
        statement = statement.where(Notice.contact_id.in_(contacts))
    if gsrn is not None:
        also = select(NoticePoint.notice_id).where(NoticePoint.gsrn == gsrn)
        statement = statement.where(or_(Notice.gsrn == gsrn, Notice.id.in_(also)))
    if after is not None:
        newer = statement.where(Notice.id > after).order_by(Notice.id.asc()).limit(limit)
        return list(session.scalars(newer))[::-1]
    if before is not None:
        statement = statement.where(Notice.id < before)
    return list(session.scalars(statement.order_by(Notice.id.desc()).limit(limit)))


_CHANGES = text(
    """
    SELECT h.changed_at AS at, h.contact_id, k.kind, k.value, k.third_party_name, h.topic, h.gsrn,
        CASE WHEN h.ended THEN 'TAKEN_BACK' ELSE 'CHOSEN' END AS what, h.enabled, h.night_ok,
        NULL AS old_value, NULL AS new_value, h.source, h.legal_basis, h.changed_by
    FROM preference_change h JOIN contact k ON k.id = h.contact_id
    WHERE k.customer_id = :customer AND (CAST(:contact AS bigint) IS NULL OR k.id = :contact)
    UNION ALL
    SELECT h.changed_at, h.contact_id, k.kind, k.value, k.third_party_name, NULL, NULL, h.what, NULL,
        NULL, h.old_value, h.new_value, h.source, h.legal_basis, h.changed_by
    FROM contact_change h JOIN contact k ON k.id = h.contact_id
    WHERE k.customer_id = :customer AND (CAST(:contact AS bigint) IS NULL OR k.id = :contact)
    ORDER BY at DESC, contact_id, topic LIMIT :limit
    """
)


def find_changes(
    session: Session, customer_id: str, *, contact_id: int | None = None, limit: int = 200
) -> Sequence[ChangeRow]:
    """The history of the customer's choices and contacts, newest first."""
    rows: Any = session.execute(
        _CHANGES, {"customer": customer_id, "contact": contact_id, "limit": limit}
    )
    return [ChangeRow(*row) for row in rows]
