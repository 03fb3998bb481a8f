"""Enrolling a number by text message: START, the customer's number and that of a metering point."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.domain.notice_policy import ContactState
from app.domain.notice_types import Channel
from app.models.customer import Contact
from app.services import contacts, opt_outs
from app.services.contacts import Origin
from app.services.verification import Address

_OWNER = text(
    """
    SELECT c.cis_id, o.gsrn, c.personal_safety_ban FROM customer c
    JOIN occupancy o ON o.customer_id = c.cis_id AND o.moved_in_on <= :on
        AND (o.moved_out_on IS NULL OR o.moved_out_on >= :on)
    JOIN metering_point m ON m.gsrn = o.gsrn
    WHERE c.active AND upper(c.cis_id) = upper(:customer_no)
      AND (m.gsrn = :point_no OR upper(m.dso_code) = upper(:point_no))
    LIMIT 1
    """
)


def enrol(
    session: Session, number: str, customer_no: str, point_no: str, *, by: str, now: datetime
) -> tuple[str, str] | None:
    """Let a number follow a customer's point: (customer, point), or None if the two do not fit.

    A message from the number proves that its owner reads it. A customer under a safety ban is
    enrolled by a person only: whoever the ban is against may know both numbers.
    """
    values = {"customer_no": customer_no, "point_no": point_no, "on": helsinki_day(now)}
    owner = session.execute(_OWNER, values).one_or_none()
    if owner is None or owner.personal_safety_ban:
        return None
    origin = Origin("SMS", by, now)
    contact = _known(session, owner.cis_id, number)
    if contact is None:
        contact = contacts.add(session, owner.cis_id, Address(Channel.SMS, number), origin)
        # Whoever knows one point's number hears of that point.
        contacts.set_points(session, contact, [owner.gsrn], origin)
    elif contact.only_gsrns is not None:
        contacts.set_points(session, contact, sorted({*contact.only_gsrns, owner.gsrn}), origin)
    contacts.confirm(session, contact, origin)
    session.flush()
    opt_outs.opt_in(session, contact.id, source="SMS", by=by, now=now)
    return owner.cis_id, owner.gsrn


def _known(session: Session, customer_id: str, number: str) -> Contact | None:
    return session.scalars(
        select(Contact)
        .where(
            Contact.customer_id == customer_id,
            Contact.kind == str(Channel.SMS),
            Contact.value == number,
            Contact.state != str(ContactState.REMOVED),
        )
        .with_for_update()
    ).one_or_none()
