"""Telling customers of planned visits: that somebody comes, asks for a time, comes later or not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.notice_policy import VISIT_PLANS
from app.domain.notice_types import NoticeType
from app.domain.states import NoticeState
from app.models.notice import Notice
from app.models.visit import Visit
from app.models.work_order import WorkOrder
from app.services import notices, visits, work_orders
from app.services.notice_sending import stop_older
from app.services.visits import Window

_BATCH_COUNT = 200
# That a visit was broken off is news for as long as that it failed.
_NEWS_FOR = timedelta(days=1)


def tell_schedule(
    session: Session,
    order: WorkOrder,
    window: Window,
    *,
    agreed: bool,
    name: str,
    at: datetime,
    now: datetime,
) -> None:
    """Tell of a window that has become the order's; one that customers know of is no news.

    name: the acknowledgement that planned it. Presence that is needed and not agreed on is asked for;
    whoever knows another window hears that it has changed. One that has begun is no plan any more.
    """
    known = visits.told_window(visits.find(session, order.order_id))
    if known is not None and known.from_at <= now:
        # Nobody came, and nobody reported it: what comes now is another visit.
        known = None
    visit = visits.plan(session, order, window, agreed=agreed, now=now)
    if known == window or window.from_at <= now:
        return
    if known is not None:
        kind = NoticeType.METER_SWAP_RESCHEDULED
    elif order.presence_required and not agreed:
        kind = NoticeType.METER_SWAP_BOOK
    else:
        kind = NoticeType.METER_SWAP_ANNOUNCED
    _stop_waiting(session, order.order_id, now)
    facts = {"ack_id": name, "from_at": window.from_at, "to_at": window.to_at}
    notices.plan_for_swap(session, order, kind, at, now, facts)
    visits.note_told(visit, window, now)


def tell_cancelled(session: Session, order: WorkOrder, *, name: str, now: datetime) -> None:
    """Tell exactly those who know of a visit that it will not be; name tells cancellations apart."""
    known = visits.told_window(visits.find(session, order.order_id))
    if known is not None and known.from_at > now:
        facts = {"ack_id": name, "from_at": known.from_at, "to_at": known.to_at, "if_told": True}
        notices.plan_for_swap(session, order, NoticeType.METER_SWAP_CANCELLED, now, now, facts)
    end_visit(session, order, now)


def tell_broken_off(
    session: Session, order: WorkOrder, window: Window, *, name: str, now: datetime
) -> None:
    """Tell exactly those who know that the visit began that it came to nothing; it was that long."""
    facts = {
        "ack_id": name,
        "from_at": window.from_at,
        "to_at": window.to_at,
        "true_until": window.to_at + _NEWS_FOR,
        "if_told": True,
        "ends_visit": True,
    }
    kind = NoticeType.METER_SWAP_CANCELLED
    notices.plan_for_swap(session, order, kind, window.to_at, now, facts)
    end_visit(session, order, now)


def end_visit(session: Session, order: WorkOrder, now: datetime) -> None:
    """The visit began, ended or was called off: nothing that announces it may leave any more.

    Whoever moves in before the day of the visit was told of it, but hears nothing of its end.
    """
    _stop_waiting(session, order.order_id, now)
    visits.note_over(session, order.order_id, now)


def _stop_waiting(session: Session, order_id: str, now: datetime) -> None:
    ids = list(
        session.scalars(
            select(Notice.id)
            .where(
                Notice.order_id == order_id,
                Notice.type.in_(sorted(VISIT_PLANS)),
                Notice.state.in_((NoticeState.HELD, NoticeState.QUEUED)),
            )
            .order_by(Notice.id)
        )
    )
    if ids:
        stop_older(session, ids, ids, now)


_KNOWN = text(
    "SELECT order_id FROM visit WHERE order_id = ANY(:ids) AND told_from_at IS NOT NULL"
    " ORDER BY order_id"
)


def tell_called_off(session: Session, revisions: Mapping[str, int], now: datetime) -> None:
    """The CIS has cancelled these orders (order id -> revision); most have no visit yet."""
    for order_id in session.execute(_KNOWN, {"ids": list(revisions)}).scalars().all():
        order = work_orders.get_for_update(session, order_id)
        if order is not None:
            tell_cancelled(session, order, name=f"revision {revisions[order_id]}", now=now)


def due_for_reminder(
    session: Session, now: datetime, *, but: Collection[str] = (), only: str | None = None
) -> list[str]:
    """The next orders of whose visit somebody has to be reminded, locked."""
    due = visits.due_for_reminder(session, now, _BATCH_COUNT, but=but, only=only)
    return [order.order_id for order, _ in due]


def remind(
    session: Session,
    now: datetime,
    limit: int = _BATCH_COUNT,
    *,
    but: Collection[str] = (),
    only: str | None = None,
) -> int:
    """Remind of visits that are tomorrow; returns how many were looked at, so that more may follow.

    One that fails undoes all of this transaction: whoever calls it then asks for each alone.
    """
    due = visits.due_for_reminder(session, now, limit, but=but, only=only)
    for order, visit in due:
        if visits.needs_reminder(session, visit):
            _remind(session, order, visit, now)
        visit.reminded_from_at = visit.from_at
        session.flush()
    return len(due)


def _remind(session: Session, order: WorkOrder, visit: Visit, now: datetime) -> None:
    facts = {
        "ack_id": f"reminder {visit.from_at.isoformat()}",
        "from_at": visit.from_at,
        "to_at": visit.to_at,
        # The text says tomorrow.
        "true_until": visits.midnight_before(visit.from_at),
    }
    notices.plan_for_swap(session, order, NoticeType.METER_SWAP_REMINDER, now, now, facts)
