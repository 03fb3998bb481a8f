"""Planned visits: one row per order, as its acknowledgements amount to, and what was told of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.clock import HELSINKI
from app.domain.states import WorkOrderState
from app.models.visit import Visit, VisitAnswer
from app.models.work_order import WorkOrder

CONFIRMED = "CONFIRMED"
DECLINED = "DECLINED"
# The evening before, when people are home and nobody sleeps.
REMIND_AT = time(18)
# Whoever was told of the visit this short before needs no reminder.
_TOLD_JUST_NOW = timedelta(hours=6)
_PLANNED = (WorkOrderState.SCHEDULED, WorkOrderState.RESCHEDULED)


@dataclass(frozen=True, slots=True)
class Window:
    """When somebody comes."""

    from_at: datetime
    to_at: datetime

    def facts(self) -> dict[str, str]:
        """As the texts are filled with."""
        return {"from_at": self.from_at.isoformat(), "to_at": self.to_at.isoformat()}


def plan(
    session: Session, order: WorkOrder, window: Window, *, agreed: bool, now: datetime
) -> Visit:
    """Make the order's visit what its acknowledgements say; what was told of it stays."""
    visit = session.get(Visit, order.order_id, populate_existing=True)
    if visit is None:
        visit = Visit(order_id=order.order_id)
        session.add(visit)
    visit.gsrn = order.gsrn
    visit.from_at, visit.to_at = window.from_at, window.to_at
    visit.agreed, visit.updated_at = agreed, now
    session.flush()
    return visit


def find(session: Session, order_id: str) -> Visit | None:
    """The visit that is, or was last, planned for the order."""
    return session.get(Visit, order_id, populate_existing=True)


def told_window(visit: Visit | None) -> Window | None:
    """The window that customers know of."""
    if visit is None or visit.told_from_at is None or visit.told_to_at is None:
        return None
    return Window(visit.told_from_at, visit.told_to_at)


def note_told(visit: Visit, window: Window, now: datetime) -> None:
    """Customers have been told of this window."""
    visit.told_from_at, visit.told_to_at, visit.told_at = window.from_at, window.to_at, now


def note_over(session: Session, order_id: str, now: datetime) -> None:
    """The visit began, ended or was called off: what comes next is another one."""
    session.execute(
        text(
            "UPDATE visit SET told_from_at = NULL, told_to_at = NULL, told_at = NULL,"
            " updated_at = :now WHERE order_id = :order_id AND told_from_at IS NOT NULL"
        ),
        {"order_id": order_id, "now": now},
    )


def remind_from(from_at: datetime) -> datetime:
    """When a visit may be reminded of: at 18 the day before, on the clock on the wall."""
    eve = from_at.astimezone(HELSINKI).date() - timedelta(days=1)
    return datetime.combine(eve, REMIND_AT, HELSINKI)


def midnight_before(from_at: datetime) -> datetime:
    """When "tomorrow" stops being true of a visit."""
    day = from_at.astimezone(HELSINKI).date()
    return datetime.combine(day, time(0), HELSINKI)


_DUE = text(
    """
    SELECT v.order_id FROM visit v JOIN work_order o ON o.order_id = v.order_id
    WHERE o.state IN ('SCHEDULED', 'RESCHEDULED')
      AND v.from_at > :now AND v.from_at < :horizon
      AND v.told_from_at = v.from_at AND v.reminded_from_at IS DISTINCT FROM v.from_at
      AND v.order_id <> ALL(CAST(:but AS text[]))
      AND (CAST(:only AS text) IS NULL OR v.order_id = :only)
    ORDER BY v.order_id LIMIT :limit FOR UPDATE OF o SKIP LOCKED
    """
)


def due_for_reminder(
    session: Session,
    now: datetime,
    limit: int,
    *,
    but: Collection[str] = (),
    only: str | None = None,
) -> list[tuple[WorkOrder, Visit]]:
    """Orders, locked, whose visit is tomorrow and has not been reminded of; never after it began.

    One that was told of in the afternoon counts as reminded. but: orders that are left alone now;
    only: the one that is asked about.
    """
    if now.astimezone(HELSINKI).time() < REMIND_AT:
        return []
    horizon = midnight_before(now.astimezone(HELSINKI) + timedelta(days=2))
    values = {"now": now, "horizon": horizon, "limit": limit, "but": list(but), "only": only}
    ids = session.execute(_DUE, values).scalars().all()
    due = []
    for order_id in ids:
        order = session.get_one(WorkOrder, order_id, populate_existing=True)
        visit = session.get_one(Visit, order_id, populate_existing=True)
        if remind_from(visit.from_at) > now:
            continue
        due.append((order, visit))
    return due


_OWED = text(
    """
    SELECT v.from_at FROM visit v JOIN work_order o ON o.order_id = v.order_id
    WHERE v.order_id = :order_id AND o.state IN ('SCHEDULED', 'RESCHEDULED') AND v.from_at > :now
      AND v.told_from_at = v.from_at AND v.reminded_from_at IS DISTINCT FROM v.from_at
    """
)


def is_reminder_owed(session: Session, order_id: str, now: datetime) -> bool:
    """Whether somebody should have been reminded of the order's visit by now, at any hour until it begins."""
    from_at = session.execute(_OWED, {"order_id": order_id, "now": now}).scalar_one_or_none()
    return from_at is not None and remind_from(from_at) <= now


def needs_reminder(session: Session, visit: Visit) -> bool:
    """Whether somebody is helped by a reminder: not who has just heard, nor who has declined."""
    just_told = (
        visit.told_at is not None and visit.told_at > remind_from(visit.from_at) - _TOLD_JUST_NOW
    )
    return not just_told and latest_answer(session, visit) != DECLINED


def latest_answer(session: Session, visit: Visit) -> str | None:
    """What the customer answered last to this very window."""
    return session.execute(
        select(VisitAnswer.answer)
        .where(VisitAnswer.order_id == visit.order_id, VisitAnswer.from_at == visit.from_at)
        .order_by(VisitAnswer.id.desc())
        .limit(1)
    ).scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class Proposed:
    """A visit whose time somebody was asked about."""

    order_id: str
    gsrn: str
    window: Window


_PROPOSED = text(
    """
    SELECT DISTINCT ON (v.order_id) v.order_id, v.gsrn, v.from_at, v.to_at, n.id
    FROM notice n
    JOIN visit v ON v.order_id = n.order_id
    JOIN work_order o ON o.order_id = v.order_id AND o.state IN ('SCHEDULED', 'RESCHEDULED')
    WHERE n.contact_id = ANY(:contacts) AND n.created_at > :since
      AND (n.type = 'METER_SWAP_BOOK' OR n.type = 'METER_SWAP_RESCHEDULED' AND o.presence_required)
      AND n.state IN ('SENDING', 'SENT', 'UNKNOWN', 'RESENT', 'DELIVERED', 'UNDELIVERED', 'FALLBACK')
      AND v.told_from_at = v.from_at AND v.from_at > :now
    ORDER BY v.order_id, n.id DESC
    """
)


def proposed_to(session: Session, contact_ids: Sequence[int], now: datetime) -> list[Proposed]:
    """Visits that these contacts were asked about and that have not begun, the latest asked first."""
    if not contact_ids:
        return []
    values = {"contacts": list(contact_ids), "now": now, "since": now - timedelta(days=90)}
    rows = sorted(session.execute(_PROPOSED, values), key=lambda row: row.id, reverse=True)
    return [Proposed(row.order_id, row.gsrn, Window(row.from_at, row.to_at)) for row in rows]


def answer(
    session: Session,
    order_id: str,
    *,
    says: str,
    by: str,
    inbound_sms_id: int | None,
    now: datetime,
) -> Window | None:
    """Write down the customer's answer; None when the visit has begun or was called off meanwhile."""
    order = session.execute(
        select(WorkOrder)
        .where(WorkOrder.order_id == order_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()
    visit = find(session, order_id)
    if visit is None or order.state not in _PLANNED or visit.from_at <= now:
        return None
    visit.agreed = says == CONFIRMED
    session.add(
        VisitAnswer(
            order_id=order_id,
            gsrn=visit.gsrn,
            from_at=visit.from_at,
            to_at=visit.to_at,
            answer=says,
            by=by,
            inbound_sms_id=inbound_sms_id,
            at=now,
        )
    )
    session.flush()
    return Window(visit.from_at, visit.to_at)
