"""Contact data that waits for a person: what the CIS has, what the customer confirmed, and the choice.

Keeping ours never loses the CIS's value from the record, and taking theirs removes ours as a person
would: with its history, and so that the CIS does not bring it back.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.notice_types import Channel
from app.models.customer import Contact, ContactIssue, Customer
from app.services import audit, contacts
from app.services.contacts import Origin
from app.services.verification import Address


class Resolution(StrEnum):
    """What somebody decided. KEEP: ours stays as it is. TAKE: theirs instead. BOTH: theirs as well.

    REMOVE: ours goes. GONE and CONFIRMED are not decided by people: the CIS took its value back, or
    the holder entered a code.
    """

    KEEP = "KEEP"
    TAKE = "TAKE"
    BOTH = "BOTH"
    REMOVE = "REMOVE"


ALLOWED = {
    "CONFLICT": (Resolution.KEEP, Resolution.TAKE, Resolution.BOTH),
    "SHARED": (Resolution.KEEP, Resolution.REMOVE),
    "UNREADABLE": (Resolution.KEEP,),
}


def settle(session: Session, issue_id: int, resolution: Resolution, origin: Origin) -> bool:
    """Carry out a decision; False when the issue was settled before or cannot be settled so."""
    issue = session.get(ContactIssue, issue_id, with_for_update=True, populate_existing=True)
    if issue is None or issue.state != "OPEN" or resolution not in ALLOWED[issue.kind]:
        return False
    ours = (
        session.get(Contact, issue.contact_id, with_for_update=True) if issue.contact_id else None
    )
    if resolution in (Resolution.TAKE, Resolution.BOTH):
        _take(session, issue, origin)
    removes = resolution in (Resolution.TAKE, Resolution.REMOVE)
    if removes and ours is not None and ours.state != "REMOVED":
        contacts.remove(session, ours, origin)
    issue.state, issue.resolution = "SETTLED", resolution
    issue.settled_at, issue.settled_by = origin.now, origin.by
    audit.record(
        session,
        origin.by,
        "CONTACT_ISSUE_SETTLED",
        f"customer:{issue.customer_id}",
        {"issue": issue.id, "kind": issue.kind, "resolution": resolution},
        origin.now,
    )
    return True


def _take(session: Session, issue: ContactIssue, origin: Origin) -> None:
    """The CIS's value as the CIS itself would have written it, had there been no conflict."""
    address = Address(Channel(issue.their_kind), issue.their_value)
    try:
        contact = contacts.add(session, issue.customer_id, address, origin)
    except contacts.ContactTaken:
        return
    contact.source = "CIS"
    channel = session.scalar(
        select(Customer.preferred_channel).where(Customer.cis_id == issue.customer_id)
    )
    contact.enrolled = channel != "NONE"
    session.flush()
