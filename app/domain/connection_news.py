"""What a customer should hear when a connection order has changed: pure, from course to course."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from app.domain.clock import HELSINKI, helsinki_day
from app.domain.connection_course import ConnectionCourse, Window, is_ahead
from app.domain.delay_reasons import delay_shown
from app.domain.languages import Language, Names
from app.domain.notice_types import NoticeType
from app.domain.states import ConnectionStage

_T = NoticeType
_S = ConnectionStage
_NO_WEEK = Names("(ei vielä tiedossa)", "(inte känd ännu)", "(not known yet)")
_EARLY = frozenset({_S.ORDERED, _S.CONTRACTED})
_PLANS = (_T.CONN_PLANNING, _T.CONN_ENERGISE, _T.CONN_DELAYED)


@dataclass(frozen=True, slots=True)
class ConnectionNews:
    """What to tell, and what must no longer be told because of it."""

    tell: tuple[tuple[NoticeType, datetime, dict[str, Any]], ...] = ()
    take_back: tuple[NoticeType, ...] = ()


def news_of(old: ConnectionCourse | None, new: ConnectionCourse, order_no: str) -> ConnectionNews:
    """Compare what was known with what is known now; only a newer version makes news.

    The facts have the names that notice_values.py fills in.
    """
    if old is not None and new.facts.version <= old.facts.version:
        return ConnectionNews()
    facts = {"order_no": order_no, "week": week_shown(new)}
    return ConnectionNews(tuple(_tell(old, new, facts)), _take_back(old, new))


def week_shown(course: ConnectionCourse) -> str | dict[str, str]:
    """The target week as people say it: 20, or 3/2027 when it is not of this year."""
    week = course.facts.target_week
    if week is None:
        return by_language(_NO_WEEK)
    number, year = int(week[6:]), int(week[:4])
    this_year = helsinki_day(course.facts.changed_at).isocalendar().year
    return str(number) if year == this_year else f"{number}/{year}"


def by_language(names: Names) -> dict[str, str]:
    """Names as a fact of an announcement."""
    return {language.value: names.in_language(language) for language in Language}


_Told = tuple[NoticeType, datetime, dict[str, Any]]


def _tell(
    old: ConnectionCourse | None, new: ConnectionCourse, facts: dict[str, Any]
) -> Iterator[_Told]:
    changed_at = new.facts.changed_at
    received = old is None and new.facts.stage in _EARLY
    if received:
        yield _T.CONN_RECEIVED, _happened(new, _S.ORDERED), facts
    visit = _visit(new)
    if visit is not None and visit != (_visit(old) if old else None):
        yield _T.CONN_PLANNING, changed_at, facts | _times(visit)
    energise = _energise(new)
    before = _energise(old) if old else None
    if energise is not None and energise != before:
        yield _T.CONN_ENERGISE, changed_at, facts | _times(energise)
    elif not received and _is_delayed(
        old, new, date_lost=before is not None and new.facts.energise is None
    ):
        reason = by_language(delay_shown(new.facts.delay_reason))
        yield _T.CONN_DELAYED, changed_at, facts | {"reason": reason}
    if _is_complete(new) and not (old is not None and _is_complete(old)):
        on = new.facts.stage_dates.get(_S.COMPLETED) or helsinki_day(changed_at)
        told = {"on": on.isoformat(), "meter": new.facts.meter_number}
        yield _T.CONN_COMPLETED, _happened(new, _S.COMPLETED), facts | told


def _take_back(old: ConnectionCourse | None, new: ConnectionCourse) -> tuple[NoticeType, ...]:
    """Kinds whose texts, if they have not left, are not true any more."""
    if new.facts.stage is _S.CANCELLED:
        return (_T.CONN_RECEIVED, *_PLANS)
    if old is None:
        return ()
    gone: list[NoticeType] = []
    if _visit(new) != _visit(old):
        gone.append(_T.CONN_PLANNING)
    if _energise(new) != _energise(old):
        gone.append(_T.CONN_ENERGISE)
    if not is_ahead(new) or new.facts.target_week != old.facts.target_week or _energise(new):
        gone.append(_T.CONN_DELAYED)
    return tuple(gone)


def _is_delayed(old: ConnectionCourse | None, new: ConnectionCourse, *, date_lost: bool) -> bool:
    """A later week, a new reason, or a day that no longer holds; a pause is none of these."""
    if not is_ahead(new):
        return False
    reason = new.facts.delay_reason
    if old is None:
        return reason is not None
    later = (
        new.facts.target_week is not None
        and old.facts.target_week is not None
        and new.facts.target_week > old.facts.target_week
    )
    lost = date_lost and new.facts.stage is not _S.ON_HOLD
    return later or lost or (reason is not None and reason != old.facts.delay_reason)


def _visit(course: ConnectionCourse) -> Window | None:
    """The planner's visit, if it is still to come and the order goes on."""
    goes_on = is_ahead(course) and course.facts.stage is not _S.ON_HOLD
    return _ahead(course.facts.visit, course.facts.changed_at) if goes_on else None


def _energise(course: ConnectionCourse) -> Window | None:
    goes_on = is_ahead(course) and course.facts.stage is not _S.ON_HOLD
    return _ahead(course.facts.energise, course.facts.changed_at) if goes_on else None


def _ahead(window: Window | None, at: datetime) -> Window | None:
    return window if window is not None and window[0] > at else None


def _is_complete(course: ConnectionCourse) -> bool:
    """Complete and worth telling: the text names the meter."""
    return course.facts.stage is _S.COMPLETED and course.facts.meter_number is not None


def _times(window: Window) -> dict[str, str]:
    return {"from_at": window[0].isoformat(), "to_at": window[1].isoformat()}


def _happened(course: ConnectionCourse, stage: ConnectionStage) -> datetime:
    """When a stage was reached: by its day if the CIS gives one, so that old news stay old."""
    on = course.facts.stage_dates.get(stage)
    if on is None:
        return course.facts.changed_at
    return min(course.facts.changed_at, _end_of(on))


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(0), HELSINKI)
