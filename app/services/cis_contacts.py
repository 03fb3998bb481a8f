"""Contacts as the CIS knows them, and whether it enrols them.

The CIS never silently replaces what a customer confirmed or chose: a confirmed contact stays and the
CIS's other value waits for a person (ContactIssue), a contact that a person removed does not come
back, and what somebody chose beats the enrolment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.services.phones import parse_email, parse_phone
from integrations.cis.types import CisContact, CisCustomer

# Longer texts in a contact field are kept as far as a person needs them to see what is wrong.
_UNREADABLE_CHARS = 120


def usable(record: CisCustomer) -> list[tuple[str, str]]:
    """The customer's contacts as (kind, value) in our form, each once."""
    values = ((contact.kind, _value(contact)) for contact in record.contacts)
    return list(dict.fromkeys((kind, value) for kind, value in values if value is not None))


def unusable(record: CisCustomer) -> Iterator[CisContact]:
    """Contacts that are no number or address; they go back to the CIS as findings."""
    return (contact for contact in record.contacts if _value(contact) is None)


def preferred_channel(record: CisCustomer) -> str:
    """What the CIS says, else the kind of the first usable contact, else NONE."""
    if record.preferred_channel:
        return record.preferred_channel
    contacts = usable(record)
    return contacts[0][0] if contacts else "NONE"


_SENT = """
    sent AS (
        SELECT DISTINCT customer_id, kind, value
        FROM unnest(CAST(:customers AS text[]), CAST(:kinds AS text[]), CAST(:values AS text[]))
            AS s (customer_id, kind, value))
"""
# A contact that the customer confirmed and that the CIS does not know.
_CONFIRMED = """
    confirmed AS (
        SELECT k.customer_id, k.kind, min(k.id) AS contact_id FROM contact k
        WHERE k.customer_id = ANY(:all_customers) AND k.state = 'VERIFIED'
          AND k.third_party_name IS NULL
          AND NOT EXISTS (SELECT 1 FROM sent s WHERE s.customer_id = k.customer_id
              AND s.kind = k.kind AND s.value = k.value)
        GROUP BY k.customer_id, k.kind)
"""

_CONFLICTS = text(
    f"""
    WITH {_SENT}, {_CONFIRMED}
    INSERT INTO contact_issue (customer_id, kind, contact_id, their_kind, their_value, state,
        opened_at)
    SELECT s.customer_id, 'CONFLICT', c.contact_id, s.kind, s.value, 'OPEN', :now
    FROM sent s JOIN confirmed c ON c.customer_id = s.customer_id AND c.kind = s.kind
    WHERE NOT EXISTS (SELECT 1 FROM contact k WHERE k.customer_id = s.customer_id
        AND k.kind = s.kind AND k.value = s.value AND k.state <> 'REMOVED')
    ORDER BY s.customer_id, s.kind, s.value
    ON CONFLICT (customer_id, kind, their_kind, their_value) DO UPDATE
        SET state = 'OPEN', opened_at = excluded.opened_at, contact_id = excluded.contact_id,
            settled_at = NULL, settled_by = NULL, resolution = NULL
        WHERE contact_issue.resolution = 'GONE'
    """  # noqa: S608 - made of our own constants only.
)

# An address that a customer with a running contract has already needs its holder's word (REQ-14). Of
# a first load, where customers come before contracts, nobody is asked.
_ADD = text(
    f"""
    WITH {_SENT}, {_CONFIRMED}
    INSERT INTO contact (customer_id, kind, value, state, source, bounce_count, created_at, enrolled,
        doubt, welcome_due_at)
    SELECT s.customer_id, s.kind, s.value, 'UNVERIFIED', 'CIS', 0, :now,
        customer.preferred_channel <> 'NONE',
        CASE WHEN EXISTS (
            SELECT 1 FROM contact other
            JOIN occupancy o ON o.customer_id = other.customer_id
            WHERE other.value = s.value AND other.kind = s.kind AND other.state <> 'REMOVED'
              AND other.customer_id <> s.customer_id AND other.third_party_name IS NULL
              AND (o.moved_out_on IS NULL OR o.moved_out_on >= :today)) THEN 'SHARED' END,
        CASE WHEN customer.preferred_channel <> 'NONE' THEN CAST(:now AS timestamptz) END
    FROM sent s JOIN customer ON customer.cis_id = s.customer_id
    LEFT JOIN confirmed c ON c.customer_id = s.customer_id AND c.kind = s.kind
    WHERE c.contact_id IS NULL
    ORDER BY s.customer_id, s.kind, s.value
    ON CONFLICT (customer_id, kind, value) DO UPDATE
        SET state = 'UNVERIFIED', bounce_count = 0, removed_by = NULL
        WHERE contact.state = 'REMOVED' AND coalesce(contact.removed_by, 'CIS') = 'CIS'
    """  # noqa: S608 - made of our own constants only.
)

_SHARED = text(
    """
    INSERT INTO contact_issue (customer_id, kind, contact_id, their_kind, their_value, state,
        opened_at)
    SELECT k.customer_id, 'SHARED', k.id, k.kind, k.value, 'OPEN', :now FROM contact k
    WHERE k.customer_id = ANY(:all_customers) AND k.doubt = 'SHARED' AND k.state = 'UNVERIFIED'
    ORDER BY k.customer_id, k.kind, k.value
    ON CONFLICT DO NOTHING
    """
)

_UNREADABLE = text(
    """
    INSERT INTO contact_issue (customer_id, kind, their_kind, their_value, state, opened_at)
    SELECT DISTINCT customer_id, 'UNREADABLE', kind, value, 'OPEN', CAST(:now AS timestamptz)
    FROM unnest(CAST(:bad_customers AS text[]), CAST(:bad_kinds AS text[]),
        CAST(:bad_values AS text[])) AS b (customer_id, kind, value)
    ORDER BY customer_id, kind, value
    ON CONFLICT (customer_id, kind, their_kind, their_value) DO UPDATE
        SET state = 'OPEN', opened_at = excluded.opened_at, settled_at = NULL, settled_by = NULL,
            resolution = NULL
        WHERE contact_issue.resolution = 'GONE'
    """
)

_REMOVE = text(
    """
    WITH gone AS (
        UPDATE contact SET state = 'REMOVED', removed_by = 'CIS', welcome_due_at = NULL
        WHERE customer_id = ANY(:all_customers) AND source = 'CIS' AND verified_at IS NULL
          AND state <> 'REMOVED'
          AND NOT EXISTS (
            SELECT 1 FROM unnest(CAST(:customers AS text[]), CAST(:kinds AS text[]),
                CAST(:values AS text[])) AS n (customer_id, kind, value)
            WHERE n.customer_id = contact.customer_id AND n.kind = contact.kind
              AND n.value = contact.value)
        RETURNING id)
    INSERT INTO contact_change (contact_id, what, source, legal_basis, changed_by, changed_at)
    SELECT id, 'REMOVED', 'CIS', 'CONTRACT', 'system:cis', :now FROM gone
    """
)

_SETTLE_GONE = text(
    """
    UPDATE contact_issue i SET state = 'SETTLED', resolution = 'GONE', settled_at = :now,
        settled_by = 'system:cis'
    WHERE i.customer_id = ANY(:all_customers) AND i.state = 'OPEN'
      AND NOT EXISTS (
        SELECT 1 FROM unnest(CAST(:customers AS text[]) || CAST(:bad_customers AS text[]),
            CAST(:kinds AS text[]) || CAST(:bad_kinds AS text[]),
            CAST(:values AS text[]) || CAST(:bad_values AS text[])) AS n (customer_id, kind, value)
        WHERE n.customer_id = i.customer_id AND n.kind = i.their_kind AND n.value = i.their_value)
    """
)

_ENROL = text(
    """
    WITH changed AS (
        UPDATE contact k SET enrolled = c.preferred_channel <> 'NONE'
        FROM customer c
        WHERE c.cis_id = k.customer_id AND k.customer_id = ANY(:all_customers)
          AND k.source = 'CIS' AND k.state <> 'REMOVED' AND k.third_party_name IS NULL
          AND k.enrolled <> (c.preferred_channel <> 'NONE')
        RETURNING k.id, k.enrolled)
    INSERT INTO contact_change (contact_id, what, old_value, new_value, source, legal_basis,
        changed_by, changed_at)
    SELECT id, 'ENROLLED', CAST(NOT enrolled AS text), CAST(enrolled AS text), 'CIS', 'CONTRACT',
        'system:cis', :now
    FROM changed
    """
)


def sync(session: Session, records: Sequence[CisCustomer], now: datetime) -> None:
    """Make the contacts of these customers what the CIS says, as far as it is the CIS's to say."""
    rows = [
        (record.customer_id, kind, value) for record in records for kind, value in usable(record)
    ]
    bad = [
        (record.customer_id, contact.kind, contact.value[:_UNREADABLE_CHARS])
        for record in records
        for contact in unusable(record)
    ]
    parameters = {
        "now": now,
        "today": helsinki_day(now),
        "all_customers": [record.customer_id for record in records],
        "customers": [row[0] for row in rows],
        "kinds": [row[1] for row in rows],
        "values": [row[2] for row in rows],
        "bad_customers": [row[0] for row in bad],
        "bad_kinds": [row[1] for row in bad],
        "bad_values": [row[2] for row in bad],
    }
    session.execute(_CONFLICTS, parameters)
    session.execute(_ADD, parameters)
    session.execute(_SHARED, parameters)
    session.execute(_REMOVE, parameters)
    session.execute(_ENROL, parameters)
    session.execute(_SETTLE_GONE, parameters)
    if bad:
        session.execute(_UNREADABLE, parameters)


def _value(contact: CisContact) -> str | None:
    parse = parse_phone if contact.kind == "SMS" else parse_email
    return parse(contact.value)
