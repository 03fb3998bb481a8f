"""Leaving topics and coming back: from an opt-out on nothing more is sent, not even what waits.

An opt-out is a row per topic, so that it outlives whatever the CIS enrols. What must reach somebody
(safety, replies, changes to what they were told) is neither a topic to leave nor stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.notice_types import CHOSEN_TOPICS, Topic
from app.models.customer import Contact
from app.services.phones import parse_email, parse_phone


@dataclass(frozen=True, slots=True)
class OptOut:
    """What an opt-out changed: contacts are our rows of the address, under one customer or more."""

    contact_ids: tuple[int, ...]
    changed: int
    stopped_notice_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OptIn:
    """What an opt-in changed."""

    contact_ids: tuple[int, ...]
    changed: int


# A general wish is written even where there was none: it is what keeps the default out. Wishes for
# single points that stand against it end, those that agree with it stay.
_CHOOSE = text(
    """
    WITH asked AS (
        SELECT c.id AS contact_id, t.topic, CASE WHEN c.third_party_name IS NOT NULL THEN 'CONSENT'
            WHEN t.topic = 'PLANNED' THEN 'LEGAL_DUTY' ELSE 'CONTRACT' END AS basis
        FROM contact c CROSS JOIN unnest(CAST(:topics AS text[])) AS t (topic)
        WHERE c.id = ANY(:contacts)),
    general AS (
        INSERT INTO preference AS p (contact_id, gsrn, topic, enabled, night_ok, source,
            legal_basis, changed_at)
        SELECT contact_id, NULL, topic, :enabled, false, :source, basis, :now
        FROM asked ORDER BY contact_id, topic
        ON CONFLICT (contact_id, topic, (coalesce(gsrn, ''))) DO UPDATE
            SET enabled = excluded.enabled, source = excluded.source,
                changed_at = excluded.changed_at
            WHERE p.enabled <> excluded.enabled OR p.source = 'CIS'
        RETURNING contact_id, gsrn, topic, enabled, legal_basis, false AS ended),
    single AS (
        DELETE FROM preference p USING asked a
        WHERE :ends_points AND p.contact_id = a.contact_id AND p.topic = a.topic
          AND p.gsrn IS NOT NULL AND p.enabled <> :enabled
        RETURNING p.contact_id, p.gsrn, p.topic, :enabled AS enabled, p.legal_basis, true AS ended),
    changed AS (SELECT * FROM general UNION ALL SELECT * FROM single)
    INSERT INTO preference_change (contact_id, gsrn, topic, enabled, ended, source, legal_basis,
        changed_by, changed_at)
    SELECT contact_id, gsrn, topic, enabled, ended, :source, legal_basis, :by, :now FROM changed
    RETURNING id
    """
)

_STOP = text(
    """
    WITH waiting AS (
        SELECT id FROM notice
        WHERE contact_id = ANY(:contacts) AND topic = ANY(:topics) AND state IN ('QUEUED', 'HELD')
          AND NOT must_reach
        ORDER BY id FOR NO KEY UPDATE)
    UPDATE notice n SET state = 'SUPPRESSED', suppress_reason = 'OPTED_OUT', state_at = :now
    FROM waiting WHERE n.id = waiting.id
    RETURNING n.id
    """
)

# Whoever writes from an address holds it; under which customer it belongs is another question.
_COME_BACK = text(
    """
    WITH back AS (
        UPDATE contact SET enrolled = true,
            state = CASE WHEN :proven AND doubt IS NULL THEN 'VERIFIED' ELSE state END,
            bounce_count = CASE WHEN :proven THEN 0 ELSE bounce_count END,
            verified_at = CASE WHEN :proven AND doubt IS NULL THEN coalesce(verified_at, :now)
                ELSE verified_at END
        WHERE id = ANY(:contacts) AND (NOT enrolled OR :proven AND doubt IS NULL
            AND (state <> 'VERIFIED' OR verified_at IS NULL))
        RETURNING id)
    INSERT INTO contact_change (contact_id, what, old_value, new_value, source, legal_basis,
        changed_by, changed_at)
    SELECT id, 'ENROLLED', NULL, 'true', :source, 'CONTRACT', :by, :now FROM back
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
    """End a topic, or with None all that can be left, for one contact (its id) or one address.

    An address is meant wherever it stands: under every customer that it is known of. source: from
    where (AGENT, PORTAL, SMS, EMAIL); by: who, as staff:aino or provider:twilio. The outbox items
    of what is stopped end at the drain's last look, with the reason.
    """
    contact_ids = (contact,) if isinstance(contact, int) else find_contacts(session, contact)
    topics = _topics(topic)
    if not contact_ids or not topics:
        return OptOut(contact_ids, 0, ())
    changed = _choose(session, contact_ids, topics, False, source, by, now)
    stopped = session.execute(
        _STOP, {"contacts": list(contact_ids), "topics": topics, "now": now}
    ).scalars()
    return OptOut(contact_ids, changed, tuple(sorted(stopped)))


def opt_in(session: Session, contact: int | str, *, source: str, by: str, now: datetime) -> OptIn:
    """Begin every topic again for one contact or one address that has not been removed.

    With source SMS or EMAIL the address wrote to us itself, which proves it. Wishes against single
    points stay: they were chosen apart from the opt-out.
    """
    found = (contact,) if isinstance(contact, int) else find_contacts(session, contact)
    contact_ids = tuple(
        session.scalars(
            select(Contact.id)
            .where(Contact.id.in_(found), Contact.state != "REMOVED")
            .order_by(Contact.id)
            .with_for_update(key_share=True)
        )
    )
    if not contact_ids:
        return OptIn((), 0)
    values = {"source": source, "by": by, "now": now, "proven": source in ("SMS", "EMAIL")}
    session.execute(_COME_BACK, {"contacts": list(contact_ids), **values})
    changed = _choose(session, contact_ids, _topics(None), True, source, by, now)
    return OptIn(contact_ids, changed)


def find_contacts(session: Session, value: str) -> tuple[int, ...]:
    """Our rows of a phone number or e-mail address, however it is written; removed ones too."""
    known: Sequence[str | None] = (parse_email(value), parse_phone(value))
    statement = select(Contact.id).where(Contact.value.in_([v for v in known if v is not None]))
    return tuple(session.execute(statement.order_by(Contact.id)).scalars())


def _topics(topic: Topic | None) -> list[str]:
    return [str(one) for one in CHOSEN_TOPICS if topic in (None, one)]


def _choose(
    session: Session,
    contact_ids: Sequence[int],
    topics: Sequence[str],
    enabled: bool,
    source: str,
    by: str,
    now: datetime,
) -> int:
    values = {
        "contacts": list(contact_ids),
        "topics": list(topics),
        "enabled": enabled,
        "ends_points": not enabled,
        "source": source,
        "by": by,
        "now": now,
    }
    return len(session.execute(_CHOOSE, values).all())
