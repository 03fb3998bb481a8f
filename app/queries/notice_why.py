"""Why somebody got, or did not get, one message: everything that the decision and its end rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.models import (
    Announcement,
    Attempt,
    Contact,
    Customer,
    DeliveryReceipt,
    Letter,
    MeteringPoint,
    Notice,
    NoticePoint,
    OutboxItem,
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the contact wanted on the topic when it was decided; gsrn None is about all points."""

    gsrn: str | None
    enabled: bool
    night_ok: bool
    source: str
    legal_basis: str
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another notice to the same address about the same thing."""

    id: int
    type: str
    state: str
    created_at: datetime
    event_at: datetime


@dataclass(frozen=True, slots=True)
class NoticeWhy:
    """One notice and its grounds; points are the metering points that it speaks of.

    quiet: the contact's own quiet hours when it was decided, as "22.00-07.00"; None for the company's.
    instead: what was sent on the other channel in its place; letter: what was owed at last.
    """

    notice: Notice
    announcement: Announcement | None
    customer: Customer | None
    contact: Contact | None
    points: Sequence[MeteringPoint]
    safety_ban: bool
    wishes: Sequence[Wish]
    quiet: str | None
    instead: Sibling | None
    letter: Letter | None
    before: Sequence[Sibling]
    after: Sequence[Sibling]
    item: OutboxItem | None
    attempts: Sequence[Attempt]
    receipts: Sequence[DeliveryReceipt]


def find_why(session: Session, notice_id: int) -> NoticeWhy | None:
    """The grounds of one notice, or None when there is no such notice."""
    notice = session.get(Notice, notice_id)
    if notice is None:
        return None
    points = _points(session, notice)
    siblings = _siblings(session, notice)
    item = session.scalars(
        select(OutboxItem).where(
            OutboxItem.business_key == f"notice:{notice_id}", OutboxItem.kind == "NOTICE"
        )
    ).first()
    attempts = [] if item is None else _attempts(session, item.id)
    return NoticeWhy(
        notice=notice,
        announcement=session.get(Announcement, notice.announcement_id)
        if notice.announcement_id
        else None,
        customer=session.get(Customer, notice.customer_id) if notice.customer_id else None,
        contact=session.get(Contact, notice.contact_id) if notice.contact_id else None,
        points=points,
        safety_ban=_has_safety_ban(session, [point.gsrn for point in points]),
        wishes=_wishes(session, notice),
        quiet=_quiet(session, notice),
        instead=_instead(session, notice_id),
        letter=session.scalars(select(Letter).where(Letter.notice_id == notice_id)).first(),
        before=[one for one in siblings if one.id < notice_id],
        after=[one for one in siblings if one.id > notice_id],
        item=item,
        attempts=attempts,
        receipts=_receipts(session, [attempt.id for attempt in attempts]),
    )


def _points(session: Session, notice: Notice) -> list[MeteringPoint]:
    named = select(NoticePoint.gsrn).where(NoticePoint.notice_id == notice.id)
    statement = select(MeteringPoint).where(
        (MeteringPoint.gsrn == notice.gsrn) | MeteringPoint.gsrn.in_(named)
    )
    return list(session.scalars(statement.order_by(MeteringPoint.gsrn)))


_SAFETY_BAN = text(
    """
    SELECT EXISTS (SELECT 1 FROM occupancy o JOIN customer c ON c.cis_id = o.customer_id
        WHERE o.gsrn = ANY(:points) AND c.personal_safety_ban AND o.moved_out_on IS NULL)
    """
)


def _has_safety_ban(session: Session, gsrns: list[str]) -> bool:
    return bool(session.execute(_SAFETY_BAN, {"points": gsrns}).scalar_one())


# The newest wish for each place that had been expressed by then, unless it was taken back.
_WISHES = text(
    """
    SELECT gsrn, enabled, coalesce(night_ok, false), source, legal_basis, changed_by, changed_at
    FROM (
        SELECT DISTINCT ON (coalesce(gsrn, '')) * FROM preference_change
        WHERE contact_id = :contact AND topic = :topic AND changed_at <= :at
          AND (gsrn IS NULL OR gsrn = :gsrn)
        ORDER BY coalesce(gsrn, ''), changed_at DESC, id DESC) newest
    WHERE NOT ended ORDER BY coalesce(gsrn, '')
    """
)
# What the first change since then replaced is what counted.
_QUIET = text(
    """
    SELECT coalesce((
        SELECT ARRAY[old_value] FROM contact_change
        WHERE contact_id = :contact AND what = 'QUIET_HOURS' AND changed_at > :at
        ORDER BY changed_at, id LIMIT 1), (
        SELECT ARRAY[to_char(quiet_from, 'HH24.MI') || '-' || to_char(quiet_to, 'HH24.MI')]
        FROM contact WHERE id = :contact))
    """
)


def _wishes(session: Session, notice: Notice) -> list[Wish]:
    if notice.contact_id is None:
        return []
    rows = session.execute(
        _WISHES,
        {
            "contact": notice.contact_id,
            "topic": notice.topic,
            "at": notice.created_at,
            "gsrn": notice.gsrn,
        },
    )
    # The wish for this very point comes before the general one.
    return [Wish(*row) for row in rows][::-1]


def _quiet(session: Session, notice: Notice) -> str | None:
    if notice.contact_id is None:
        return None
    values = {"contact": notice.contact_id, "at": notice.created_at}
    found: list[str | None] | None = session.execute(_QUIET, values).scalar_one()
    return found[0] if found else None


def _instead(session: Session, notice_id: int) -> Sibling | None:
    statement = select(
        Notice.id, Notice.type, Notice.state, Notice.created_at, Notice.event_at
    ).where(Notice.fallback_of == notice_id)
    row = session.execute(statement.order_by(Notice.id)).first()
    return None if row is None else Sibling(*row)


_SIBLINGS = text(
    """
    SELECT id, type, state, created_at, event_at FROM notice
    WHERE id <> :id AND sent_to = :to AND channel = :channel
      AND (outage_id = :outage OR order_id = :order OR announcement_id IN (
          SELECT a.id FROM announcement a, announcement mine
          WHERE mine.id = :announcement AND a.subject = mine.subject))
    ORDER BY id LIMIT 100
    """
)


def _siblings(session: Session, notice: Notice) -> list[Sibling]:
    rows = session.execute(
        _SIBLINGS,
        {
            "id": notice.id,
            "to": notice.sent_to,
            "channel": notice.channel,
            "outage": notice.outage_id,
            "order": notice.order_id,
            "announcement": notice.announcement_id,
        },
    )
    return [Sibling(*row) for row in rows]


def _attempts(session: Session, item_id: int) -> list[Attempt]:
    statement = select(Attempt).where(Attempt.outbox_item_id == item_id)
    return list(session.scalars(statement.order_by(Attempt.started_at)))


def _receipts(session: Session, attempts: Sequence[object]) -> list[DeliveryReceipt]:
    if not attempts:
        return []
    statement = select(DeliveryReceipt).where(DeliveryReceipt.attempt_id.in_(attempts))
    return list(session.scalars(statement.order_by(DeliveryReceipt.id)))
