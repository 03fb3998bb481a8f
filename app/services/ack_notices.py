"""Which acknowledgements customers may hear of; the policy then decides about each recipient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlalchemy.orm import Session

from app.domain.acks import AckType, Derived
from app.domain.notice_types import NoticeType
from app.domain.reject_codes import RejectCode
from app.domain.states import AckVerdict, WorkOrderState
from app.services import code_lists, notices, visit_notices
from app.services.ack_news import News, derive
from app.services.completion import Reported, is_completing, is_effective
from app.services.visits import Window

_PLANNED = frozenset({WorkOrderState.SCHEDULED, WorkOrderState.RESCHEDULED})
_SCHEDULES = frozenset({AckType.SCHEDULED, AckType.RESCHEDULED})
_CALLED_OFF = frozenset({AckType.REJECTED, AckType.CANCELLED})
_ENDS = frozenset({AckType.COMPLETED, AckType.FAILED, AckType.CORRECTED})


def tell_customers(session: Session, news: News) -> None:
    """Plan a notice for everything that has become true; the policy decides whether it is news.

    The texts speak of a meter replacement, so of other work nobody is told anything untrue.
    """
    if not code_lists.replaces_meter(session, news.order.order_type_code):
        return
    fresh = [
        name
        for name in news.reports
        if _tells(name, news, news.after) and not _tells(name, news, news.before)
    ]
    for name in sorted(fresh, key=lambda one: (news.reports[one].fact.happened_at, one)):
        if news.reports[name].fact.type in _SCHEDULES:
            _tell_schedule(session, news, name)
        elif (broken_off := _broken_off(name, news)) is not None:
            visit_notices.tell_broken_off(session, news.order, broken_off, name=name, now=news.now)
        elif news.reports[name].fact.type in _CALLED_OFF:
            visit_notices.tell_cancelled(session, news.order, name=name, now=news.now)
        else:
            _tell_work(session, news, name)


def _tell_work(session: Session, news: News, name: str) -> None:
    """A visit began or ended."""
    report = news.reports[name]
    told = _TOLD[report.fact.type](news, report)
    if told is not None:
        kind, facts = told
        # Who was told that it is done has to hear that it is not, however long ago that was.
        taken_back = report.fact.type is AckType.CORRECTED
        notices.plan_for_swap(
            session,
            news.order,
            kind,
            report.fact.received_at if taken_back else report.fact.happened_at,
            news.now,
            {"ack_id": name, "confirmed": _is_time_believed(report), **facts},
        )
    # A late report of an earlier visit says nothing of the one that is planned now.
    if news.after.state not in _PLANNED:
        visit_notices.end_visit(session, news.order, news.now)


def _broken_off(name: str, news: News) -> Window | None:
    """The visit that somebody stopped in the middle, since the order had been called off meanwhile."""
    fact, begun = news.reports[name].fact, news.after.started_at
    stopped = (
        fact.type is AckType.CANCELLED
        and news.before.state is WorkOrderState.STARTED
        and news.after.state is WorkOrderState.CANCELLED
    )
    if not stopped or begun is None or begun > fact.happened_at:
        return None
    return Window(begun, fact.happened_at)


def _tell_schedule(session: Session, news: News, name: str) -> None:
    """A window became the order's; one that another acknowledgement has replaced is no news."""
    report = news.reports[name]
    begin, end = report.fact.schedule_from, report.fact.schedule_to
    current = (news.after.schedule_from, news.after.schedule_to)
    if begin is None or end is None or current != (begin, end) or news.after.state not in _PLANNED:
        return
    schedule = report.wire.schedule
    visit_notices.tell_schedule(
        session,
        news.order,
        Window(begin, end),
        agreed=bool(schedule and schedule.agreed_with_customer),
        name=name,
        at=report.fact.happened_at,
        now=news.now,
    )


def _tells(name: str, news: News, derived: Derived) -> bool:
    """Whether the acknowledgement is one that customers may hear of."""
    report = news.reports[name]
    if report.fact.type not in _TELLING or name not in derived.verdicts:
        return False
    if report.fact.type is AckType.STARTED and derived.verdicts[name] is AckVerdict.STALE:
        return _began_visit(name, news)
    return is_effective(name, derived)


def _began_visit(name: str, news: News) -> bool:
    """Whether a start that came late was one: had all been told at once, would it count?"""
    at_once = {
        one: replace(report, fact=replace(report.fact, received_at=report.fact.happened_at))
        for one, report in news.reports.items()
    }
    return is_effective(name, derive(news.order, at_once))


def _is_time_believed(report: Reported) -> bool:
    return all(finding.code != RejectCode.TIME_IN_FUTURE for finding in report.checks)


Told = tuple[NoticeType, dict[str, object]]


def _started(news: News, report: Reported) -> Told:
    outage = report.wire.outage
    # A stop ends a visit only where the order had been called off.
    called_off = news.order.base_state == WorkOrderState.CANCELLED
    over = _ENDS | {AckType.CANCELLED} if called_off else _ENDS
    ends = [
        one.fact.happened_at
        for one in news.reports.values()
        if one.fact.type in over and one.fact.happened_at >= report.fact.happened_at
    ]
    return NoticeType.METER_SWAP_STARTED, {
        "planned_minutes": outage.planned_minutes if outage else None,
        "no_outage": report.fact.no_outage,
        "over_at": min(ends, default=None),
    }


def _ended(news: News, report: Reported) -> Told | None:
    if is_completing(report.fact):
        # A second report of the same work is no news.
        is_first = news.before.completed_ack_id is None
        return (NoticeType.METER_SWAP_DONE, {}) if is_first else None
    return NoticeType.METER_SWAP_FAILED, {"reason_code": report.fact.reason_code}


def _corrected(_news: News, report: Reported) -> Told | None:
    """Restating a completion is nothing for customers; taking it back is."""
    reason_code = report.fact.reason_code
    return (
        None
        if reason_code is None
        else (NoticeType.METER_SWAP_FAILED, {"reason_code": reason_code, "live": False})
    )


_TOLD: Mapping[AckType, Callable[[News, Reported], Told | None]] = {
    AckType.STARTED: _started,
    AckType.COMPLETED: _ended,
    AckType.FAILED: _ended,
    AckType.CORRECTED: _corrected,
}
_TELLING = _TOLD.keys() | _SCHEDULES | _CALLED_OFF
