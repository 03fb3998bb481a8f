"""Contact data that customer service has to look at: conflicts, doubts, what does not work, nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.models import Contact, ContactIssue, Customer

KINDS = ("CONFLICT", "SHARED", "UNREADABLE", "INVALID", "UNKNOWN")


@dataclass(frozen=True, slots=True)
class IssueRow:
    """One thing to look at; id is None where there is nothing to decide but to ask the customer."""

    id: int | None
    kind: str
    customer_id: str
    customer_name: str
    safety_ban: bool
    contact_kind: str | None
    ours: str | None
    theirs: str | None
    at: datetime | None


def count_issues(session: Session) -> dict[str, int]:
    """How many wait, by kind; of customers without a contact there may be very many, uncounted."""
    rows = session.execute(
        select(ContactIssue.kind, func.count())
        .where(ContactIssue.state == "OPEN")
        .group_by(ContactIssue.kind)
    )
    counts: dict[str, int] = {row[0]: row[1] for row in rows}
    # As they are listed below: of customers who are no more, nobody is to be asked.
    invalid = (
        select(func.count())
        .select_from(Contact)
        .join(Customer, Customer.cis_id == Contact.customer_id)
        .where(Contact.state == "INVALID", Customer.active)
    )
    counts["INVALID"] = session.scalar(invalid) or 0
    return counts


def find_issues(
    session: Session, kind: str, today: date, *, limit: int, offset: int
) -> list[IssueRow]:
    """What waits of one kind, the longest waiting first."""
    if kind == "INVALID":
        return _invalid(session, limit, offset)
    if kind == "UNKNOWN":
        return _unknown(session, today, limit, offset)
    statement = (
        select(
            ContactIssue.id,
            ContactIssue.kind,
            ContactIssue.customer_id,
            Customer.name,
            Customer.personal_safety_ban,
            ContactIssue.their_kind,
            Contact.value,
            ContactIssue.their_value,
            ContactIssue.opened_at,
        )
        .join(Customer, Customer.cis_id == ContactIssue.customer_id)
        .outerjoin(Contact, Contact.id == ContactIssue.contact_id)
        .where(ContactIssue.state == "OPEN", ContactIssue.kind == kind)
        .order_by(ContactIssue.opened_at, ContactIssue.id)
        .limit(limit)
        .offset(offset)
    )
    return [IssueRow(*row) for row in session.execute(statement)]


def _invalid(session: Session, limit: int, offset: int) -> list[IssueRow]:
    statement = (
        select(
            Contact.customer_id,
            Customer.name,
            Customer.personal_safety_ban,
            Contact.kind,
            Contact.value,
        )
        .join(Customer, Customer.cis_id == Contact.customer_id)
        .where(Contact.state == "INVALID", Customer.active)
        .order_by(Contact.id)
        .limit(limit)
        .offset(offset)
    )
    return [
        IssueRow(None, "INVALID", row[0], row[1], row[2], row[3], row[4], None, None)
        for row in session.execute(statement)
    ]


_UNKNOWN = text(
    """
    SELECT c.cis_id, c.name, c.personal_safety_ban FROM customer c
    WHERE c.active
      AND NOT EXISTS (SELECT 1 FROM contact k WHERE k.customer_id = c.cis_id
          AND k.third_party_name IS NULL AND (k.state = 'VERIFIED'
              OR k.state = 'UNVERIFIED' AND k.source = 'CIS' AND k.doubt IS NULL))
      AND EXISTS (SELECT 1 FROM occupancy o WHERE o.customer_id = c.cis_id
          AND o.moved_in_on <= :today AND (o.moved_out_on IS NULL OR o.moved_out_on >= :today))
    ORDER BY c.cis_id LIMIT :limit OFFSET :offset
    """
)


def _unknown(session: Session, today: date, limit: int, offset: int) -> list[IssueRow]:
    values = {"today": today, "limit": limit, "offset": offset}
    return [
        IssueRow(None, "UNKNOWN", row[0], row[1], row[2], None, None, None, None)
        for row in session.execute(_UNKNOWN, values)
    ]
