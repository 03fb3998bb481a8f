"""What a new acknowledgement changes: the difference between what all said before and say now."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.acks import Derived, keep_reporting
from app.domain.failure_reasons import FAILURE_REASONS, NextStep
from app.domain.order_path import path_between
from app.domain.states import SwapOutageState, WorkOrderState
from app.models.outage import Outage
from app.models.work_order import WorkOrder
from app.services import (
    ack_notices,
    alarms,
    announcements,
    fan_out,
    fault_candidates,
    hidden_news,
    meter_register,
    order_ends,
    outages,
    serial_mismatches,
)
from app.services.ack_news import News, Reports, derive
from app.services.announcements import Telling
from app.services.completion import Completion, completion_of, register_report
from app.services.order_facts import load_surroundings
from app.services.outages import Cut
from app.services.work_orders import Change

# Failures after which somebody has to act who does not look at orders all day.
_ALARMS = {
    NextStep.FAULT_DESK: "DANGEROUS_FAULT",
    NextStep.TWO_PERSONS: "INSTALLER_THREATENED",
    NextStep.STOCK_ALARM: "METER_STOCK",
}
_DONE = frozenset({WorkOrderState.COMPLETED, WorkOrderState.CORRECTED})
_REPORTED = frozenset({WorkOrderState.REPORTED, WorkOrderState.CLOSED})


def apply(session: Session, news: News) -> list[Change]:
    """Carry the difference into the order, its outage, the register, other systems and notices.

    Returns the changes of the order's state, for the caller to record.
    """
    before = news.order.state
    changes = _move(news)
    _cut(session, news)
    _complete(session, news)
    order_ends.tell(session, news, before)
    _raise_alarms(session, news)
    ack_notices.tell_customers(session, news)
    return changes


def _move(news: News) -> list[Change]:
    order, target = news.order, _target(news)
    if order.attempts != news.after.attempts:
        order.attempts = news.after.attempts
    if order.state == target:
        return []
    path = path_between(order.state, target)
    change = Change(order.order_id, order.revision, order.state, path, news.cause)
    order.state = target
    order.state_at = news.now
    order.updated_at = news.now
    return [change]


def _target(news: News) -> str:
    state = keep_reporting(news.after, news.order.state, news.before.completed_ack_id)
    if news.order.state in _REPORTED and state in _DONE:
        # Others know another completion by now: for them this one is a correction.
        return WorkOrderState.CORRECTED
    return state


def _cut(session: Session, news: News) -> None:
    known = {name: one for name, one in news.reports.items() if name != news.name}
    after = _last_cut(news.order, news.after, news.reports)
    if _last_cut(news.order, news.before, known) != after:
        outages.record_swap(session, news.order.order_id, news.order.gsrn, after, news.now)
        if after is None or after.on_at is not None:
            _tell_overshadowed(session, news)
        if after is not None:
            fault_candidates.explain_by_visit(
                session, news.order.gsrn, after.off_at, after.on_at, news.now
            )


def _tell_overshadowed(session: Session, news: News) -> None:
    """A fault whose end this swap kept from being told, since the power was off all the same."""
    outage_id = session.execute(
        _ENDED_MEANWHILE, {"source": outages.SOURCE, "order_id": news.order.order_id}
    ).scalar_one_or_none()
    if outage_id is not None:
        swap = session.get_one(Outage, outage_id, populate_existing=True)
        telling = Telling(session, swap, news.now, announcements.SYSTEM)
        hidden_news.tell_ends(telling, frozenset({news.order.gsrn}))


_ENDED_MEANWHILE = text(
    """
    SELECT mine.id FROM outage mine JOIN outage_point point ON point.outage_id = mine.id
    WHERE mine.source = :source AND mine.source_ref = :order_id AND EXISTS (
        SELECT 1 FROM outage_point p JOIN outage o ON o.id = p.outage_id
        WHERE p.gsrn = point.gsrn AND o.kind = 'FAULT' AND p.on_at >= point.off_at)
    """
)


def _last_cut(order: WorkOrder, derived: Derived, reports: Reports) -> Cut | None:
    """The cut of the latest visit that made one."""
    cut = _cut_of(derived)
    if cut is not None or all(one.fact.off_at is None for one in reports.values()):
        return cut
    ordered = sorted(reports, key=lambda name: (reports[name].fact.happened_at, name))
    for count in range(len(ordered) - 1, 0, -1):
        cut = _cut_of(derive(order, {name: reports[name] for name in ordered[:count]}))
        if cut is not None:
            return replace(cut, state=SwapOutageState.CLOSED)
    return None


def _cut_of(derived: Derived) -> Cut | None:
    state = derived.swap_outage
    if derived.off_at is None or state is None:
        return None
    return Cut(derived.off_at, None if state is SwapOutageState.OPEN else derived.on_at, state)


def _complete(session: Session, news: News) -> None:
    before = completion_of(news.before, news.reports)
    after = completion_of(news.after, news.reports)
    if after is None:
        if before is not None:
            _take_back(session, news, before)
            serial_mismatches.note(session, news.order, before, None, news.now)
        return
    if before is not None and (before.facts, before.version) == (after.facts, after.version):
        return
    around = news.around or load_surroundings(session, news.order, None)
    swaps = around.takes_new_meter or around.for_removal
    report = register_report(news.order, after, swaps=swaps)
    replaced = None if before is None else str(before.ack.ack_id)
    stays = meter_register.record(
        session, news.order.order_id, news.order.gsrn, report, replaced, news.now
    )
    fan_out.tell_all(session, news.order, after, report, around, stays, news.now)
    serial_mismatches.note(session, news.order, before, after, news.now)
    if news.after.failed_ack_id is not None:
        # It may have been taken back before.
        alarms.close_alarm(session, fan_out.TAKEN_BACK_ALARM, news.order.order_id, news.now)


def _take_back(session: Session, news: News, before: Completion) -> None:
    order = news.order
    meter_register.record(
        session, order.order_id, order.gsrn, None, str(before.ack.ack_id), news.now
    )
    fan_out.take_back(session, order.order_id, news.now)


def _raise_alarms(session: Session, news: News) -> None:
    before, after = _alarm_of(news.before), _alarm_of(news.after)
    if before == after:
        return
    if before is not None:
        alarms.close_alarm(session, before[0], news.order.order_id, news.now)
    if after is not None:
        kind, reason = after
        detail = f"{news.order.partner_code} reported {reason} at {news.order.gsrn}."
        alarms.open_alarm(session, kind, news.order.order_id, detail, news.now)


def _alarm_of(derived: Derived) -> tuple[str, str] | None:
    """The alarm that the latest visit calls for; the next visit ends it."""
    reason = FAILURE_REASONS.get(derived.failed_reason or "")
    failed_last = derived.state in {WorkOrderState.FAILED, WorkOrderState.RETURNED}
    if reason is None or not failed_last or reason.next_step not in _ALARMS:
        return None
    return _ALARMS[reason.next_step], reason.code
