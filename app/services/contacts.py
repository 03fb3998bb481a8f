"""A customer's contacts as people change them: added, confirmed, removed, given quiet hours.

Only a code that came back confirms a contact, whoever adds it. What changed is in ContactChange with
its source and ground; addresses are not repeated there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from app.domain.legal_basis import LegalBasis
from app.domain.notice_policy import ContactState
from app.models.customer import Contact, ContactChange, ContactIssue
from app.models.customer_login import CustomerSession
from app.services import preferences
from app.services.verification import Address


class ContactTaken(Exception):
    """The customer has this number or address already; the caller says so."""


@dataclass(frozen=True, slots=True)
class Origin:
    """From where a change came (PORTAL, AGENT, SMS, CIS), who made it, and when."""

    source: str
    by: str
    now: datetime


@dataclass(frozen=True, slots=True)
class ThirdParty:
    """Somebody else whom the customer lets hear of their points; None means all of them."""

    name: str
    only_gsrns: tuple[str, ...] | None = None


def add(
    session: Session,
    customer_id: str,
    address: Address,
    origin: Origin,
    *,
    third_party: ThirdParty | None = None,
    language: str | None = None,
) -> Contact:
    """Add a contact that hears nothing until it is confirmed. Raises ContactTaken."""
    found = session.scalars(
        select(Contact)
        .where(
            Contact.customer_id == customer_id,
            Contact.kind == address.channel,
            Contact.value == address.value,
        )
        .with_for_update()
    ).one_or_none()
    if found is not None and found.state != ContactState.REMOVED:
        raise ContactTaken
    contact = found or Contact(
        customer_id=customer_id,
        kind=str(address.channel),
        value=address.value,
        created_at=origin.now,
        bounce_count=0,
    )
    contact.state = ContactState.UNVERIFIED
    contact.source = origin.source
    contact.enrolled = False
    contact.language = language
    contact.verified_at = contact.doubt = contact.removed_by = contact.welcome_due_at = None
    contact.bounce_count = 0
    contact.third_party_name = third_party.name if third_party else None
    contact.only_gsrns = (
        list(third_party.only_gsrns) if third_party and third_party.only_gsrns is not None else None
    )
    contact.approved_by = origin.by if third_party else None
    contact.approved_at = origin.now if third_party else None
    session.add(contact)
    session.flush()
    note(session, contact, "THIRD_PARTY_ADDED" if third_party else "ADDED", origin)
    return contact


def confirm(session: Session, contact: Contact, origin: Origin) -> None:
    """A code came back from it: it may be used, and nobody need ask whose it is any more."""
    news = contact.state != ContactState.VERIFIED or contact.verified_at is None
    enrols = contact.state == ContactState.UNVERIFIED and contact.source != "CIS"
    contact.state = ContactState.VERIFIED
    contact.verified_at = contact.verified_at or origin.now
    contact.enrolled = contact.enrolled or enrols
    contact.bounce_count = 0
    contact.doubt = None
    session.execute(
        update(ContactIssue)
        .where(
            ContactIssue.contact_id == contact.id,
            ContactIssue.kind == "SHARED",
            ContactIssue.state == "OPEN",
        )
        .values(
            state="SETTLED", resolution="CONFIRMED", settled_at=origin.now, settled_by=origin.by
        )
    )
    if news:
        note(session, contact, "VERIFIED", origin)


def remove(session: Session, contact: Contact, origin: Origin) -> None:
    """Nothing is sent to it any more; its choices and its sessions end with it."""
    contact.state = ContactState.REMOVED
    contact.removed_by = origin.source
    contact.welcome_due_at = None
    session.flush()
    preferences.end_all(session, contact.id, source=origin.source, by=origin.by, now=origin.now)
    session.execute(_STOP, {"contact": contact.id, "now": origin.now})
    session.execute(
        update(CustomerSession)
        .where(
            CustomerSession.contact_ids.contains([contact.id]), CustomerSession.ended_at.is_(None)
        )
        .values(ended_at=origin.now)
    )
    note(session, contact, "REMOVED", origin)


_STOP = text(
    """
    WITH waiting AS (
        SELECT id FROM notice WHERE contact_id = :contact AND state IN ('QUEUED', 'HELD')
        ORDER BY id FOR NO KEY UPDATE)
    UPDATE notice n SET state = 'SUPPRESSED', suppress_reason = 'NO_CONTACT', state_at = :now
    FROM waiting WHERE n.id = waiting.id
    """
)


def set_quiet_hours(
    session: Session, contact: Contact, begin: time | None, end: time | None, origin: Origin
) -> None:
    """When it is left alone; None means the company's default, two equal times never."""
    before = _hours(contact.quiet_from, contact.quiet_to)
    contact.quiet_from, contact.quiet_to = begin, end
    after = _hours(begin, end)
    if before != after:
        note(session, contact, "QUIET_HOURS", origin, before, after)


def set_language(session: Session, contact: Contact, language: str | None, origin: Origin) -> None:
    """Which language it reads; None means the customer's."""
    if contact.language != language:
        note(session, contact, "LANGUAGE", origin, contact.language, language)
        contact.language = language


def set_points(
    session: Session, contact: Contact, gsrns: Sequence[str] | None, origin: Origin
) -> None:
    """Which points a third party may hear of."""
    after = None if gsrns is None else sorted(gsrns)
    if contact.only_gsrns != after:
        before = None if contact.only_gsrns is None else ", ".join(contact.only_gsrns)
        note(
            session,
            contact,
            "POINTS",
            origin,
            before,
            None if after is None else ", ".join(after),
        )
        contact.only_gsrns = after


def note(
    session: Session,
    contact: Contact,
    what: str,
    origin: Origin,
    old_value: str | None = None,
    new_value: str | None = None,
) -> None:
    """Write one line of a contact's history."""
    third_party = contact.third_party_name is not None
    session.execute(
        insert(ContactChange).values(
            contact_id=contact.id,
            what=what,
            old_value=old_value,
            new_value=new_value,
            source=origin.source,
            legal_basis=LegalBasis.CONSENT if third_party else LegalBasis.CONTRACT,
            changed_by=origin.by,
            changed_at=origin.now,
        )
    )


def _hours(begin: time | None, end: time | None) -> str | None:
    if begin is None or end is None:
        return None
    return f"{begin:%H.%M}-{end:%H.%M}"
