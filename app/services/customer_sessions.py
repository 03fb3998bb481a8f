"""Customers at the portal: who may log in with an address, and sessions that end when they should.

A session opens contacts, not customers: whoever proves to hold an address sees the customers that
have it, each as far as that contact may. It ends idle, by log-out, and with the contact's removal.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import insert, or_, select, text, update
from sqlalchemy.orm import Session

from app.domain.notice_policy import TRUSTED_SOURCE, ContactState
from app.domain.notice_types import Channel
from app.models.customer import Contact, Customer
from app.models.customer_login import CustomerSession
from app.services import audit, contacts
from app.services.contacts import Origin
from app.services.phones import parse_email, parse_phone
from app.services.verification import Address
from app.settings import Settings

# A session that somebody uses is written to once in this time, not at each page.
_SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that is good now."""

    id: int
    address: Address
    contact_ids: tuple[int, ...]
    customer_id: str | None


def read_address(words: str) -> Address | None:
    """A phone number or an e-mail address as somebody writes it."""
    email = parse_email(words)
    if email is not None:
        return Address(Channel.EMAIL, email)
    phone = parse_phone(words)
    return None if phone is None else Address(Channel.SMS, phone)


def openable(session: Session, address: Address, customer_number: str | None) -> list[Contact]:
    """The contacts that holding the address opens.

    Where the CIS's word is in doubt (two customers share the address), or a contact waits for its
    first confirmation, whoever logs in must know the customer number as well. Third parties who
    have been approved may come in to say yes.
    """
    statement = (
        select(Contact)
        .join(Customer, Customer.cis_id == Contact.customer_id)
        .where(
            Contact.kind == address.channel,
            Contact.value == address.value,
            Contact.state.in_((ContactState.VERIFIED, ContactState.UNVERIFIED)),
            Customer.active,
            or_(
                Contact.state == ContactState.VERIFIED,
                (Contact.source == TRUSTED_SOURCE) & Contact.doubt.is_(None),
                Contact.third_party_name.is_not(None),
                Contact.customer_id == (customer_number or ""),
            ),
        )
        .order_by(Contact.customer_id, Contact.id)
    )
    return list(session.scalars(statement))


def begin(
    session: Session, address: Address, contact_ids: Sequence[int], now: datetime
) -> str | None:
    """Open a session for an address whose code came back; None if its contacts are gone by now.

    The customer's own contacts are confirmed with it; a third party still has to say yes. Returns
    the token that the browser keeps; we keep its hash.
    """
    found = session.scalars(
        select(Contact)
        .where(
            Contact.id.in_(contact_ids),
            Contact.kind == address.channel,
            Contact.value == address.value,
            Contact.state != ContactState.REMOVED,
        )
        .order_by(Contact.id)
        .with_for_update(key_share=True)
    ).all()
    if not found:
        return None
    for contact in found:
        if contact.third_party_name is None:
            contacts.confirm(session, contact, Origin("PORTAL", actor(contact), now))
    token = secrets.token_urlsafe(32)
    customers = {contact.customer_id for contact in found}
    session.execute(
        insert(CustomerSession).values(
            token_hash=_hash(token),
            kind=address.channel,
            value=address.value,
            contact_ids=[contact.id for contact in found],
            customer_id=customers.pop() if len(customers) == 1 else None,
            started_at=now,
            seen_at=now,
        )
    )
    for contact in found:
        audit.record(session, actor(contact), "CUSTOMER_LOGIN", f"contact:{contact.id}", {}, now)
    return token


def actor(contact: Contact) -> str:
    """The person at the portal, as histories and the audit trail name them."""
    if contact.third_party_name is not None:
        return f"third-party:{contact.id}"
    return f"customer:{contact.customer_id}" if is_owners(contact) else f"contact:{contact.id}"


def is_owners(contact: Contact) -> bool:
    """Whether whoever holds it may act as the customer.

    A number that was enrolled by text message (reply_enrolment.py) proves that its holder knows two
    numbers that stand on a bill: enough to hear of that point, not to see and change everything.
    """
    return contact.third_party_name is None and contact.only_gsrns is None


def find_open(
    session: Session, token: str, settings: Settings, now: datetime
) -> OpenSession | None:
    """The session of a token, unless it has ended, was idle for too long or is too old."""
    row = session.execute(
        select(CustomerSession).where(
            CustomerSession.token_hash == _hash(token),
            CustomerSession.ended_at.is_(None),
            CustomerSession.seen_at > now - timedelta(minutes=settings.customer_idle_min),
            CustomerSession.started_at > now - timedelta(hours=settings.customer_session_h),
        )
    ).scalar_one_or_none()
    if row is None:
        return None
    return OpenSession(
        row.id,
        Address(Channel(row.kind), row.value),
        tuple(row.contact_ids),
        row.customer_id,
    )


def keep_alive(session: Session, session_id: int, now: datetime) -> None:
    """Note that the session is in use."""
    session.execute(
        update(CustomerSession)
        .where(CustomerSession.id == session_id, CustomerSession.seen_at < now - _SEEN_EVERY)
        .values(seen_at=now)
    )


def choose_customer(session: Session, session_id: int, customer_id: str) -> None:
    """Which of several customers the pages are about."""
    session.execute(
        update(CustomerSession)
        .where(CustomerSession.id == session_id)
        .values(customer_id=customer_id)
    )


def end(session: Session, session_id: int, now: datetime) -> None:
    """Log out."""
    session.execute(
        update(CustomerSession)
        .where(CustomerSession.id == session_id, CustomerSession.ended_at.is_(None))
        .values(ended_at=now)
    )


def end_everywhere(session: Session, address: Address, now: datetime) -> int:
    """End every session of an address; returns how many there were."""
    found = session.execute(
        text(
            "UPDATE customer_session SET ended_at = :now WHERE kind = :kind AND value = :value"
            " AND ended_at IS NULL RETURNING id"
        ),
        {"now": now, "kind": address.channel, "value": address.value},
    )
    return len(found.all())


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()
