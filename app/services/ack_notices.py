"""Which acknowledgements customers may hear of; the policy then decides about each recipient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlalchemy.orm import Session

from app.domain.acks import AckType, Derived
from app.domain.notice_types import NoticeType
from app.domain.reject_codes import RejectCode
from app.domain.states import AckVerdict
from app.services import notices
from app.services.ack_news import News, derive
from app.services.completion import Reported, is_completing, is_effective

_ENDS = frozenset({AckType.COMPLETED, AckType.FAILED, AckType.CORRECTED})


def tell_customers(session: Session, news: News) -> None:
    """Plan a notice for everything that has become true; the policy decides whether it is news."""
    fresh = [
        name
        for name in news.reports
        if _tells(name, news, news.after) and not _tells(name, news, news.before)
    ]
    for name in sorted(fresh, key=lambda one: (news.reports[one].fact.happened_at, one)):
        told = _TOLD[news.reports[name].fact.type](news, news.reports[name])
        if told is None:
            continue
        kind, facts = told
        notices.plan_for_swap(
            session,
            news.order,
            kind,
            news.reports[name].fact.happened_at,
            news.now,
            {"ack_id": name, "confirmed": _is_time_believed(news.reports[name]), **facts},
        )


def _tells(name: str, news: News, derived: Derived) -> bool:
    """Whether the acknowledgement is one that customers may hear of."""
    report = news.reports[name]
    if report.fact.type not in _TOLD or name not in derived.verdicts:
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
    ends = [
        one.fact.happened_at
        for one in news.reports.values()
        if one.fact.type in _ENDS and one.fact.happened_at >= report.fact.happened_at
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
        else (NoticeType.METER_SWAP_FAILED, {"reason_code": reason_code})
    )


_TOLD: Mapping[AckType, Callable[[News, Reported], Told | None]] = {
    AckType.STARTED: _started,
    AckType.COMPLETED: _ended,
    AckType.FAILED: _ended,
    AckType.CORRECTED: _corrected,
}
