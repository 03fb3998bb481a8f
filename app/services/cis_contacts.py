"""Contacts and the defaults of their preferences, as the CIS knows them.

The CIS never silently replaces what a customer verified or chose: a verified contact stays, and a
preference changed by anybody else stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services.phones import parse_email, parse_phone
from integrations.cis.types import CisContact, CisCustomer

TOPIC = "METER_SWAP"
# Notices about the customer's own supply belong to the contract and need no consent.
LEGAL_BASIS = "CONTRACT"


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


_ADD = text(
    """
    INSERT INTO contact (customer_id, kind, value, state, source, bounce_count, created_at)
    SELECT customer_id, kind, value, 'UNVERIFIED', 'CIS', 0, :now
    FROM unnest(CAST(:customers AS text[]), CAST(:kinds AS text[]), CAST(:values AS text[]))
        AS n (customer_id, kind, value)
    ON CONFLICT (customer_id, kind, value) DO UPDATE SET state = 'UNVERIFIED', bounce_count = 0
    WHERE contact.state = 'REMOVED'
    """
)

_REMOVE = text(
    """
    UPDATE contact SET state = 'REMOVED'
    WHERE customer_id = ANY(:all_customers) AND source = 'CIS' AND verified_at IS NULL
      AND state <> 'REMOVED'
      AND NOT EXISTS (
        SELECT 1 FROM unnest(CAST(:customers AS text[]), CAST(:kinds AS text[]), CAST(:values AS text[]))
            AS n (customer_id, kind, value)
        WHERE n.customer_id = contact.customer_id AND n.kind = contact.kind
          AND n.value = contact.value)
    """
)

_PREFER = text(
    """
    WITH wanted AS (
        SELECT contact.id AS contact_id, customer.preferred_channel <> 'NONE' AS enabled
        FROM contact JOIN customer ON customer.cis_id = contact.customer_id
        WHERE contact.customer_id = ANY(:all_customers) AND contact.state <> 'REMOVED'),
    changed AS (
        INSERT INTO preference AS p (contact_id, gsrn, topic, enabled, night_ok, source, legal_basis,
            changed_at)
        SELECT contact_id, NULL, :topic, enabled, false, 'CIS', :basis, :now FROM wanted
        ON CONFLICT (contact_id, topic, (coalesce(gsrn, ''))) DO UPDATE
            SET enabled = excluded.enabled, changed_at = excluded.changed_at
            WHERE p.source = 'CIS' AND p.enabled <> excluded.enabled
        RETURNING contact_id, enabled)
    INSERT INTO preference_change (contact_id, gsrn, topic, enabled, source, legal_basis, changed_by,
        changed_at)
    SELECT contact_id, NULL, :topic, enabled, 'CIS', :basis, 'system:cis', :now FROM changed
    """
)


def sync(session: Session, records: Sequence[CisCustomer], now: datetime) -> None:
    """Make contacts and default preferences of these customers what the CIS says."""
    rows = [
        (record.customer_id, kind, value) for record in records for kind, value in usable(record)
    ]
    parameters = {
        "now": now,
        "all_customers": [record.customer_id for record in records],
        "customers": [row[0] for row in rows],
        "kinds": [row[1] for row in rows],
        "values": [row[2] for row in rows],
        "topic": TOPIC,
        "basis": LEGAL_BASIS,
    }
    session.execute(_ADD, parameters)
    session.execute(_REMOVE, parameters)
    session.execute(_PREFER, parameters)


def _value(contact: CisContact) -> str | None:
    parse = parse_phone if contact.kind == "SMS" else parse_email
    return parse(contact.value)
