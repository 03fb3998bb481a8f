"""What a fault's new course means for its customers: what is to be told, and what no longer is.

Pure. Who of them hears it, when and in which words is for the planner and its policy; here it is
only decided that something has happened that is worth telling.
Source: REQ-01, 03, 05, 06, 07, 08, 38 in docs/domain.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from app.domain.compensation import SHORTEST
from app.domain.etr import is_significant, shown_etr
from app.domain.fault_course import Course
from app.domain.notice_types import NoticeType
from app.domain.states import FaultState

# Nobody is told of a cut that is over before this (REQ-38).
BRIEF = timedelta(minutes=3)

ESTIMATES = (NoticeType.FAULT_ETR, NoticeType.FAULT_ETR_CHANGED, NoticeType.FAULT_ETR_DELAYED)
CUT_KINDS = (NoticeType.FAULT_STARTED, *ESTIMATES, NoticeType.FAULT_PARTLY_RESTORED)
ALL_KINDS = (*CUT_KINDS, NoticeType.FAULT_RESTORED)


@dataclass(frozen=True, slots=True)
class Before:
    """What was known of the fault until now; off and on: its points without and with power."""

    state: FaultState = FaultState.DETECTED
    confirmed: bool = False
    off: frozenset[str] = frozenset()
    on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Told:
    """What customers may have heard of the fault.

    etr_at: the last estimate that was announced and not taken back, etr_event_at: as which event,
    however often it was announced again. somebody: whether anybody was told of the cut at all.
    etr_withheld: a storm keeps single estimates back (REQ-08); etr_free_at: since when it does so no
    more, so that what was known before is news of that moment.
    """

    etr_at: datetime | None = None
    etr_event_at: datetime | None = None
    somebody: bool = False
    etr_withheld: bool = False
    etr_free_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class News:
    """One thing to announce; not_before: in case it is over by then."""

    type: NoticeType
    occurrence: str
    event_at: datetime
    facts: dict[str, Any]
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """What to take back and why, what to announce, and which wrong texts to correct.

    corrects: CORRECTION to whoever was told of a cut that never was, CORRECTION_STILL_OFF to
    whoever was told of an end that was none.
    """

    withdraw: tuple[NoticeType, ...] = ()
    reason: str = ""
    news: list[News] = field(default_factory=list)
    corrects: NoticeType | None = None


def decide_news(before: Before, after: Course, told: Told, now: datetime) -> Decided:
    """What to tell now that the fault stands as it does."""
    if after.state in SILENT:
        return _silenced(after.state) if before.state is not after.state else Decided()
    # A mere suspicion is told to nobody, but its end is owed to whoever believes in the cut all the
    # same: they heard of a false alarm at the same place.
    suspected = after.confirmed_at is None
    if not after.points or (suspected and (after.off or not told.somebody)):
        return Decided()
    if not after.off:
        return _over(before, after, told)
    return _going_on(before, after, told, now)


def delayed(after: Course, now: datetime) -> News | None:
    """The sentence for an estimate that passed without a word (REQ-06); once per estimate."""
    if after.etr_at is None or after.etr_at > now or not after.off:
        return None
    return News(
        NoticeType.FAULT_ETR_DELAYED,
        after.etr_at.isoformat(),
        after.etr_at,
        _facts(after),
    )


def _silenced(state: FaultState) -> Decided:
    if state is FaultState.FALSE_ALARM:
        return Decided(ALL_KINDS, "It was a false alarm.", corrects=NoticeType.CORRECTION)
    return Decided(ALL_KINDS, "It became part of another outage, which is told instead.")


def _over(before: Before, after: Course, told: Told) -> Decided:
    news: list[News] = []
    back = before.off & after.on
    if told.somebody and back:
        news.append(_restored(after, back))
    closed = after.state is FaultState.CLOSED and before.state is not FaultState.CLOSED
    if closed and after.confirmed_at is not None:
        news += _compensation(after)
    return Decided(CUT_KINDS, "The power was back before it was told.", news)


def _going_on(before: Before, after: Course, told: Told, now: datetime) -> Decided:
    known = before if before.confirmed and before.state not in SILENT else Before()
    back = known.off & after.on
    news = list(_parts_back(after, back, told, now))
    again = known.on & after.off
    new = after.off - known.off - known.on
    not_before = None
    if new:
        not_before = max(after.points[gsrn].off_at for gsrn in new) + BRIEF
        news.append(_started(after, new, not_before if not_before > now else None))
    if again and not after.on and not known.off:
        # Everybody who heard of an end heard something untrue; they are told just that, first. Whoever
        # has heard of nothing, since the first cut was brief or the end had stopped its news before
        # they left, hears that there is a cut.
        gone = _gone_again(after, now, may_be_brief=True)
        return Decided(
            (NoticeType.FAULT_RESTORED,),
            "The power went again.",
            [*news, gone, *_estimate(after, told, now, not_before)],
            corrects=NoticeType.CORRECTION_STILL_OFF,
        )
    if again:
        news.append(_gone_again(after, now))
    grown_at = max((after.points[gsrn].off_at for gsrn in new), default=None)
    return Decided(news=[*news, *_estimate(after, told, now, not_before, grown_at)])


def _parts_back(after: Course, back: frozenset[str], told: Told, now: datetime) -> Iterator[News]:
    """Those who have power again hear so, and the others that they are not forgotten."""
    if not back or not told.somebody:
        return
    yield _restored(after, back)
    facts = _facts(after)
    if told.etr_withheld or shown_etr(after.etr_at, now) is None:
        facts["etr_at"] = None
    last = _last_on(after, back)
    yield News(NoticeType.FAULT_PARTLY_RESTORED, f"on:{len(after.on)}/{_iso(last)}", last, facts)


def _estimate(
    after: Course,
    told: Told,
    now: datetime,
    not_before: datetime | None,
    grown_at: datetime | None = None,
) -> Iterator[News]:
    """The estimate, when it is the first, when it changed enough, or for those who are new.

    grown_at: when the last of those who are new lost their power.
    """
    etr_at = shown_etr(after.etr_at, now)
    if etr_at is None or told.etr_withheld or after.etr_set_at is None:
        return
    started_at = after.started_at or after.etr_set_at
    event_at = max(after.etr_set_at, started_at, told.etr_free_at or started_at)
    wait = not_before if not_before is not None and not_before > now else None
    name, facts = f"{_iso(etr_at)}/{_iso(after.etr_set_at)}", _facts(after)
    if told.etr_at is None:
        yield News(NoticeType.FAULT_ETR, name, event_at, facts, wait)
    elif is_significant(told.etr_at, etr_at, now):
        facts["old_etr_at"] = _iso(told.etr_at)
        yield News(NoticeType.FAULT_ETR_CHANGED, name, event_at, facts, wait)
    elif grown_at is not None:
        # The same estimate as before: whoever has been told passes for told. To those who are new it is
        # news of now, however long it has held.
        name = f"{name}/{len(after.points)}"
        facts["etr_at"] = _iso(told.etr_at)
        first_at = told.etr_event_at or event_at
        facts["first_event_at"] = _iso(first_at)
        yield News(NoticeType.FAULT_ETR, name, max(first_at, grown_at), facts, wait)


def _started(after: Course, new: frozenset[str], not_before: datetime | None) -> News:
    """Growth is a new event, which reaches only those who do not know of the cut (REQ-03)."""
    last_off = max(after.points[gsrn].off_at for gsrn in new)
    # Named by the points, since some may be left out and come again.
    which = sha256("".join(sorted(new)).encode()).hexdigest()[:16]
    name = f"points:{len(after.points)}/{_iso(last_off)}/{which}"
    return News(NoticeType.FAULT_STARTED, name, last_off, _facts(after), not_before)


def _gone_again(after: Course, now: datetime, *, may_be_brief: bool = False) -> News:
    """A newer statement may take a return back without a word of when: then it is known from now on.

    may_be_brief: it waits like any start, since whoever heard of the end is told otherwise.
    """
    at = after.reopened_at or now
    wait = at + BRIEF if may_be_brief and at + BRIEF > now else None
    return News(NoticeType.FAULT_STARTED, f"again:{_iso(at)}", at, _facts(after), wait)


def _restored(after: Course, back: frozenset[str]) -> News:
    last = _last_on(after, back)
    first_off = min(after.points[gsrn].off_at for gsrn in back)
    facts = _facts(after) | {
        "on_at": _iso(last),
        "duration_s": int((last - first_off).total_seconds()),
    }
    return News(NoticeType.FAULT_RESTORED, f"on:{len(after.on)}/{_iso(last)}", last, facts)


def _compensation(after: Course) -> Iterator[News]:
    longest = max(
        (times for times in after.points.values() if times.on_at is not None),
        key=lambda times: (times.on_at or times.off_at) - times.off_at,
    )
    assert longest.on_at is not None and after.closed_at is not None  # noqa: S101, PT018 - it is over.
    length = longest.on_at - longest.off_at
    if length >= SHORTEST:
        facts = _facts(after) | {
            "on_at": _iso(longest.on_at),
            "duration_s": int(length.total_seconds()),
        }
        name = f"closed:{_iso(after.closed_at)}"
        yield News(NoticeType.COMPENSATION, name, after.closed_at, facts)


def _facts(after: Course) -> dict[str, Any]:
    started_at = after.started_at
    return {
        "off_at": _iso(started_at) if started_at else None,
        "etr_at": _iso(after.etr_at) if after.etr_at else None,
        "cause_code": after.cause_code,
    }


def _last_on(after: Course, back: frozenset[str]) -> datetime:
    times = [after.points[gsrn].on_at for gsrn in back]
    return max(at for at in times if at is not None)


def _iso(at: datetime) -> str:
    return at.isoformat()


# In these states nothing of what was known had been told as this fault's own.
SILENT = frozenset({FaultState.MERGED, FaultState.FALSE_ALARM})
