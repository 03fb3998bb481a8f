"""What a customer's contacts hear of, topic by topic: what was chosen, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.domain.contact_choice import ContactWish, told_contacts
from app.domain.notice_policy import TRUSTED_SOURCE, ContactState
from app.domain.notice_types import Topic
from app.models import Contact, Customer, Occupancy, Preference

_Key = tuple[int, str, str | None]


@dataclass(frozen=True, slots=True)
class Cell:
    """One contact and one topic: chosen is None where nobody chose; hears is what comes of it."""

    chosen: bool | None
    hears: bool
    night_ok: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    """The contacts of a customer, and their choices by (contact, topic, point or None)."""

    preferred_channel: str
    contacts: Sequence[Contact]
    rows: Mapping[_Key, Preference]

    def cell(self, contact_id: int, topic: Topic, gsrn: str | None = None) -> Cell:
        """What one contact hears of a topic, in general or at one point."""
        row = self.rows.get((contact_id, topic, gsrn))
        general = self.rows.get((contact_id, topic, None))
        night = row or general
        return Cell(
            chosen=row.enabled if row is not None else None,
            hears=contact_id in self.told(topic, gsrn),
            night_ok=night.night_ok if night is not None else False,
        )

    def told(self, topic: Topic, gsrn: str | None = None) -> list[int]:
        """The contacts that hear of a topic, in general or at one point."""
        wishes = [
            ContactWish(
                contact_id=one.id,
                channel=one.kind,
                usable=is_usable(one),
                enrolled=one.enrolled,
                chosen=self._chosen(one.id, topic, gsrn),
                third_party=one.third_party_name is not None,
            )
            for one in self.contacts
            if gsrn is None or one.only_gsrns is None or gsrn in one.only_gsrns
        ]
        return told_contacts(wishes, self.preferred_channel, topic)

    def told_of_plans(self, gsrn: str | None = None) -> list[int]:
        """The customer's own contacts that hear of planned cuts; with none a letter is owed."""
        own = {one.id for one in self.contacts if one.third_party_name is None}
        return [one for one in self.told(Topic.PLANNED, gsrn) if one in own]

    def _chosen(self, contact_id: int, topic: Topic, gsrn: str | None) -> bool | None:
        here = self.rows.get((contact_id, topic, gsrn)) if gsrn else None
        row = here or self.rows.get((contact_id, topic, None))
        return row.enabled if row is not None else None


def is_usable(contact: Contact) -> bool:
    """Whether messages may be sent to it."""
    if contact.state == ContactState.UNVERIFIED:
        return contact.source == TRUSTED_SOURCE and contact.doubt is None
    return contact.state == ContactState.VERIFIED


def find_matrix(session: Session, customer_id: str) -> Matrix:
    """The matrix of one customer."""
    contacts = session.scalars(
        select(Contact)
        .where(Contact.customer_id == customer_id, Contact.state != ContactState.REMOVED)
        .order_by(Contact.third_party_name.nulls_first(), Contact.kind.desc(), Contact.id)
        .execution_options(populate_existing=True)
    ).all()
    rows = session.scalars(
        select(Preference)
        .where(Preference.contact_id.in_([one.id for one in contacts]))
        .execution_options(populate_existing=True)
    )
    channel = session.scalar(
        select(Customer.preferred_channel).where(Customer.cis_id == customer_id)
    )
    return Matrix(
        channel or "NONE",
        contacts,
        {(row.contact_id, row.topic, row.gsrn): row for row in rows if row.source != "CIS"},
    )


def current_gsrns(session: Session, customer_id: str, today: date) -> list[str]:
    """The metering points that the customer has today or will have."""
    statement = (
        select(Occupancy.gsrn)
        .where(
            Occupancy.customer_id == customer_id,
            or_(Occupancy.moved_out_on.is_(None), Occupancy.moved_out_on >= today),
        )
        .distinct()
        .order_by(Occupancy.gsrn)
    )
    return list(session.scalars(statement))
