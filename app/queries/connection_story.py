"""One connection order with its whole story, and the orders of a customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.notice_types import NoticeType
from app.models import Announcement, ConnectionEvent, ConnectionOrder, Contact, Customer, Notice

_KINDS = tuple(kind.value for kind in NoticeType if kind.name.startswith("CONN_"))
_NOTICES = 100


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version as it was sent, and when it came."""

    version: int
    facts: dict[str, Any]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class ConnectionStory:
    """One order: what it is now, the versions behind it, its customer and what the customer was told."""

    order: ConnectionOrder
    customer: Customer
    contacts: list[Contact]
    versions: list[StoredVersion]
    # Newest first.
    notices: list[Notice]


def find_story(session: Session, order_no: str) -> ConnectionStory | None:
    """The story of one order, or None when there is no such order."""
    found = session.execute(
        select(ConnectionOrder, Customer)
        .join(Customer, Customer.cis_id == ConnectionOrder.customer_id)
        .where(ConnectionOrder.order_no == order_no)
    ).one_or_none()
    return None if found is None else _story(session, found[0], found[1])


def stories_of(session: Session, customer_ids: Sequence[str]) -> list[ConnectionStory]:
    """The orders of these customers, whatever changed last first."""
    found = session.execute(
        select(ConnectionOrder, Customer)
        .join(Customer, Customer.cis_id == ConnectionOrder.customer_id)
        .where(ConnectionOrder.customer_id.in_(customer_ids))
        .order_by(ConnectionOrder.changed_at.desc(), ConnectionOrder.order_no)
    )
    return [_story(session, row[0], row[1]) for row in found]


def _story(session: Session, order: ConnectionOrder, customer: Customer) -> ConnectionStory:
    versions = session.execute(
        select(ConnectionEvent.version, ConnectionEvent.facts, ConnectionEvent.received_at)
        .where(ConnectionEvent.order_no == order.order_no)
        .order_by(ConnectionEvent.version)
    )
    contacts = session.scalars(
        select(Contact)
        .where(Contact.customer_id == customer.cis_id, Contact.state != "REMOVED")
        .order_by(Contact.kind.desc(), Contact.id)
    )
    # The kinds are given so that the unique index of announcements finds them.
    notices = session.scalars(
        select(Notice)
        .join(Announcement, Announcement.id == Notice.announcement_id)
        .where(
            Announcement.type.in_(_KINDS), Announcement.subject == f"connection:{order.order_no}"
        )
        .order_by(Notice.created_at.desc(), Notice.id.desc())
        .limit(_NOTICES)
    )
    return ConnectionStory(
        order, customer, list(contacts), [StoredVersion(*row) for row in versions], list(notices)
    )
