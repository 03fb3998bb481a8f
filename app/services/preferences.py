"""Choices of topics per contact, in general and per metering point, with their history.

Rows are deviations from the contact's default. Planned cuts are announced by law: the customer's
last channel for them can be left only when a letter is wanted instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.domain.legal_basis import basis_of
from app.domain.notice_types import CHOSEN_TOPICS, Topic
from app.models.customer import Contact
from app.services.preference_matrix import current_gsrns, find_matrix


class LastChannel(Exception):
    """The change would leave planned cuts without a channel; ask whether a letter is wanted."""


class NotTheirs(Exception):
    """A choice is about a contact or a metering point that the customer does not have."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants for one contact on one topic; gsrn None: at every point.

    enabled None takes the choice back, so that the default counts again.
    """

    contact_id: int
    topic: Topic
    enabled: bool | None
    gsrn: str | None = None
    night_ok: bool | None = None


_CHOOSE = text(
    """
    INSERT INTO preference AS p (contact_id, gsrn, topic, enabled, night_ok, source, legal_basis,
        changed_at)
    -- A choice for one point does not take back that the topic may come at night.
    VALUES (:contact, :gsrn, :topic, :enabled, coalesce(:night_ok, (
            SELECT everywhere.night_ok FROM preference everywhere WHERE everywhere.contact_id = :contact
              AND everywhere.topic = :topic AND everywhere.gsrn IS NULL), false),
        :source, :basis, :now)
    ON CONFLICT (contact_id, topic, (coalesce(gsrn, ''))) DO UPDATE
        SET enabled = excluded.enabled, night_ok = coalesce(:night_ok, p.night_ok),
            source = excluded.source, legal_basis = excluded.legal_basis,
            changed_at = excluded.changed_at
        WHERE p.enabled <> excluded.enabled OR p.source = 'CIS'
           OR p.night_ok <> coalesce(:night_ok, p.night_ok)
    RETURNING enabled, night_ok
    """
)
_TAKE_BACK = text(
    """
    DELETE FROM preference WHERE contact_id = :contact AND topic = :topic
      AND coalesce(gsrn, '') = coalesce(:gsrn, '')
    RETURNING enabled, night_ok
    """
)
_NOTE = text(
    """
    INSERT INTO preference_change (contact_id, gsrn, topic, enabled, night_ok, ended, source,
        legal_basis, changed_by, changed_at)
    VALUES (:contact, :gsrn, :topic, :enabled, :night_ok, :ended, :source, :basis, :by, :now)
    """
)
# Only what is about that point alone: the last look before the wire knows the rest.
_STOP = text(
    """
    WITH waiting AS (
        SELECT n.id FROM notice n
        WHERE n.contact_id = :contact AND n.topic = :topic AND n.state IN ('QUEUED', 'HELD')
          AND NOT n.must_reach AND n.point_count = 1 AND n.gsrn = :gsrn
        ORDER BY n.id FOR NO KEY UPDATE)
    UPDATE notice n SET state = 'SUPPRESSED', suppress_reason = 'OPTED_OUT', state_at = :now
    FROM waiting WHERE n.id = waiting.id
    """
)


def save(
    session: Session,
    customer_id: str,
    wishes: Sequence[Wish],
    *,
    source: str,
    by: str,
    now: datetime,
    letter_ok: bool = False,
) -> int:
    """Keep what was chosen; returns how many choices changed.

    Raises: LastChannel -> ask for a letter and come again with letter_ok; NotTheirs -> refuse. The
    caller's transaction must end without a commit then.
    """
    contacts = _locked_contacts(session, customer_id)
    today = helsinki_day(now)
    points = set(current_gsrns(session, customer_id, today))
    before = _planned(session, customer_id, today)
    changed = 0
    for wish in wishes:
        contact = contacts.get(wish.contact_id)
        if contact is None or wish.topic not in CHOSEN_TOPICS:
            raise NotTheirs
        if wish.gsrn is not None and wish.gsrn not in points:
            raise NotTheirs
        changed += _save(session, contact, wish, source, by, now)
    if not letter_ok and any(
        told and not _planned(session, customer_id, today)[gsrn] for gsrn, told in before.items()
    ):
        raise LastChannel
    return changed


def end_all(session: Session, contact_id: int, *, source: str, by: str, now: datetime) -> None:
    """Take back every choice of a contact, with a line of history each."""
    session.execute(
        _END_ALL, {"contacts": [contact_id], "source": source, "by": by, "now": now}
    ).all()


_END_ALL = text(
    """
    WITH gone AS (
        DELETE FROM preference WHERE contact_id = ANY(:contacts) RETURNING *)
    INSERT INTO preference_change (contact_id, gsrn, topic, enabled, night_ok, ended, source,
        legal_basis, changed_by, changed_at)
    SELECT contact_id, gsrn, topic, enabled, night_ok, true, :source, legal_basis, :by, :now
    FROM gone RETURNING id
    """
)


def _locked_contacts(session: Session, customer_id: str) -> dict[int, Contact]:
    """The customer's contacts, so that two people's changes come one after the other."""
    found = session.scalars(
        select(Contact)
        .where(Contact.customer_id == customer_id, Contact.state != "REMOVED")
        .order_by(Contact.id)
        .with_for_update(key_share=True)
    )
    return {one.id: one for one in found}


def _planned(session: Session, customer_id: str, today: date) -> dict[str, bool]:
    """Whether somebody of the customer's own hears of planned cuts, point by point."""
    session.flush()
    matrix = find_matrix(session, customer_id)
    gsrns = current_gsrns(session, customer_id, today)
    return {gsrn: bool(matrix.told_of_plans(gsrn)) for gsrn in gsrns}


def _save(
    session: Session, contact: Contact, wish: Wish, source: str, by: str, now: datetime
) -> int:
    values = {
        "contact": contact.id,
        "gsrn": wish.gsrn,
        "topic": wish.topic,
        "enabled": wish.enabled,
        "night_ok": wish.night_ok,
        "source": source,
        "basis": basis_of(wish.topic, third_party=contact.third_party_name is not None),
        "by": by,
        "now": now,
    }
    if wish.enabled is None:
        row = session.execute(_TAKE_BACK, values).one_or_none()
    else:
        row = session.execute(_CHOOSE, values).one_or_none()
    if row is None:
        return 0
    session.execute(
        _NOTE,
        {
            **values,
            "enabled": row.enabled,
            "night_ok": row.night_ok,
            "ended": wish.enabled is None,
        },
    )
    if wish.enabled is False:
        if wish.gsrn is not None:
            session.execute(_STOP, values)
        else:
            session.execute(_STOP_ALL, values)
    return 1


# A point with a choice of its own goes on.
_STOP_ALL = text(
    """
    WITH waiting AS (
        SELECT n.id FROM notice n
        WHERE n.contact_id = :contact AND n.topic = :topic AND n.state IN ('QUEUED', 'HELD')
          AND NOT n.must_reach
          AND NOT EXISTS (SELECT 1 FROM preference p WHERE p.contact_id = n.contact_id
              AND p.topic = n.topic AND p.gsrn = n.gsrn AND p.enabled)
        ORDER BY n.id FOR NO KEY UPDATE)
    UPDATE notice n SET state = 'SUPPRESSED', suppress_reason = 'OPTED_OUT', state_at = :now
    FROM waiting WHERE n.id = waiting.id
    """
)
