"""Leaving a topic: from here on nothing more is sent about it, not even what waits already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.notice_types import Topic
from app.models.customer import Contact
from app.services.cis_contacts import LEGAL_BASIS
from app.services.phones import parse_email, parse_phone


@dataclass(frozen=True, slots=True)
class OptOut:
    """What an opt-out changed: contacts are our rows of the address, under one customer or more."""

    contact_ids: tuple[int, ...]
    changed: int
    stopped_notice_ids: tuple[int, ...]


# A general wish is written even where there was none: it is what keeps the CIS's default out.
_DISABLE = text(
    """
    WITH asked AS (
        SELECT contact_id, topic FROM unnest(CAST(:contacts AS bigint[])) AS c (contact_id)
        CROSS JOIN unnest(CAST(:topics AS text[])) AS t (topic)),
    wished AS (
        SELECT a.contact_id, CAST(NULL AS text) AS gsrn, a.topic FROM asked a
        UNION
        SELECT p.contact_id, p.gsrn, p.topic FROM preference p JOIN asked a
            ON a.contact_id = p.contact_id AND a.topic = p.topic),
    changed AS (
        INSERT INTO preference AS p (contact_id, gsrn, topic, enabled, night_ok, source,
            legal_basis, changed_at)
        SELECT contact_id, gsrn, topic, false, false, :source, :basis, :now
        FROM wished ORDER BY contact_id, topic, gsrn
        ON CONFLICT (contact_id, topic, (coalesce(gsrn, ''))) DO UPDATE
            SET enabled = false, source = excluded.source, changed_at = excluded.changed_at
            WHERE p.enabled OR p.source = 'CIS'
        RETURNING contact_id, gsrn, topic, legal_basis)
    INSERT INTO preference_change (contact_id, gsrn, topic, enabled, source, legal_basis, changed_by,
        changed_at)
    SELECT contact_id, gsrn, topic, false, :source, legal_basis, :by, :now FROM changed
    RETURNING id
    """
)

_STOP = text(
    """
    WITH waiting AS (
        SELECT id FROM notice
        WHERE contact_id = ANY(:contacts) AND topic = ANY(:topics) AND state IN ('QUEUED', 'HELD')
        ORDER BY id FOR NO KEY UPDATE)
    UPDATE notice n SET state = 'SUPPRESSED', suppress_reason = 'OPTED_OUT', state_at = :now
    FROM waiting WHERE n.id = waiting.id
    RETURNING n.id
    """
)


def opt_out(
    session: Session,
    contact: int | str,
    topic: Topic | None,
    *,
    source: str,
    by: str,
    now: datetime,
) -> OptOut:
    """End a topic, or with None all of them, for one contact (its id) or one address (its value).

    An address is meant wherever it stands: under every customer that it is known of. source: from
    where (AGENT, PORTAL, SMS, EMAIL); by: who, as staff:aino or provider:twilio. The outbox items
    of what is stopped end at the drain's last look, with the reason.
    """
    contact_ids = (contact,) if isinstance(contact, int) else find_contacts(session, contact)
    if not contact_ids:
        return OptOut((), 0, ())
    parameters = {
        "contacts": list(contact_ids),
        "topics": list(Topic) if topic is None else [topic],
        "source": source,
        "basis": LEGAL_BASIS,
        "by": by,
        "now": now,
    }
    changed = len(session.execute(_DISABLE, parameters).all())
    stopped = session.execute(_STOP, parameters).scalars().all()
    return OptOut(contact_ids, changed, tuple(sorted(stopped)))


def find_contacts(session: Session, value: str) -> tuple[int, ...]:
    """Our rows of a phone number or e-mail address, however it is written; removed ones too."""
    known: Sequence[str | None] = (parse_email(value), parse_phone(value))
    statement = select(Contact.id).where(Contact.value.in_([v for v in known if v is not None]))
    return tuple(session.execute(statement.order_by(Contact.id)).scalars())
