"""The course of a fault: from everything that is known of it to its state and its points' times.

Facts come late, repeatedly and in any order: from the DMS, from meters, operators and customers.
They are walked in the order in which things happened, so the same facts give the same course
however they arrived. What nobody has confirmed stays a suspicion, whatever else is said of it: nobody is
told, and somebody has to look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.domain.states import FAULT_MOVES, FaultState, check_move


class FactType(StrEnum):
    """One kind of thing that can happen to a fault.

    POINTS_OFF and POINTS_ON concern the points that they name; without names, POINTS_ON and
    REOPENED concern all. ETR and CAUSE: the latest word counts.
    """

    POINTS_OFF = "POINTS_OFF"
    CONFIRMED = "CONFIRMED"
    CAUSE = "CAUSE"
    ETR = "ETR"
    POINTS_ON = "POINTS_ON"
    REOPENED = "REOPENED"
    SPLIT = "SPLIT"
    MERGED = "MERGED"
    FALSE_ALARM = "FALSE_ALARM"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened to a fault, and when.

    place: tells two acts of people at the same moment apart, by the order in which they acted.
    """

    type: FactType
    at: datetime
    gsrns: tuple[str, ...] = ()
    etr_at: datetime | None = None
    etr_confidence: str | None = None
    cause_code: str | None = None
    parent_id: int | None = None
    place: int = 0


@dataclass(slots=True)
class PointTimes:
    """When one point first lost its power, and when it got it back for good."""

    off_at: datetime
    on_at: datetime | None = None


@dataclass(slots=True)
class Course:
    """Where a fault stands; reopened_at: when power that had been back went again."""

    state: FaultState = FaultState.DETECTED
    points: dict[str, PointTimes] = field(default_factory=dict)
    confirmed_at: datetime | None = None
    closed_at: datetime | None = None
    reopened_at: datetime | None = None
    cause_code: str | None = None
    etr_at: datetime | None = None
    etr_confidence: str | None = None
    etr_set_at: datetime | None = None
    parent_id: int | None = None

    @property
    def started_at(self) -> datetime | None:
        """When the first point lost its power; None without points."""
        return min((times.off_at for times in self.points.values()), default=None)

    @property
    def off(self) -> frozenset[str]:
        """The points that have no power."""
        return frozenset(gsrn for gsrn, times in self.points.items() if times.on_at is None)

    @property
    def on(self) -> frozenset[str]:
        """The points whose power is back."""
        return frozenset(gsrn for gsrn, times in self.points.items() if times.on_at is not None)

    @property
    def restored_at(self) -> datetime | None:
        """When the last point got its power back; None while one is without."""
        back = [times.on_at for times in self.points.values() if times.on_at is not None]
        return max(back) if back and len(back) == len(self.points) else None


def derive_course(facts: Iterable[Fact]) -> Course:
    """Walk all facts of one fault in the order in which they happened.

    Raises: IllegalMove -> a defect of this walk, never of the facts: what does not fit where the
    fault stands (closing what is not restored, for instance) is passed over.
    """
    course = Course()
    for fact in sorted(facts, key=_place):
        _STEPS[fact.type](course, fact)
    if course.state is FaultState.FALSE_ALARM:
        # It never was; the rows stay, since somebody may have been told.
        for times in course.points.values():
            times.on_at = times.off_at
    return course


_ORDER: Mapping[FactType, int] = {kind: place for place, kind in enumerate(FactType)}


def _place(fact: Fact) -> tuple[object, ...]:
    """By time; at the same moment power goes before it comes, and systems speak before people."""
    etr = fact.etr_at.timestamp() if fact.etr_at else 0.0
    words = (fact.etr_confidence or "", fact.cause_code or "", fact.parent_id or 0)
    return (fact.at, fact.place, _ORDER[fact.type], fact.gsrns, etr, *words)


def _move(course: Course, state: FaultState) -> None:
    if course.state is not state:
        check_move(FAULT_MOVES, course.state, state)
        course.state = state


def _off(course: Course, fact: Fact) -> None:
    for gsrn in fact.gsrns:
        times = course.points.get(gsrn)
        if times is None:
            course.points[gsrn] = PointTimes(fact.at)
        elif times.on_at is not None:
            times.on_at = None
            course.reopened_at = fact.at
    _gone_again(course)


def _gone_again(course: Course) -> None:
    """Without this, a fault that had ended would hide what is off now."""
    ended = course.state in (FaultState.RESTORED, FaultState.CLOSED)
    none_back = course.state is FaultState.PARTLY_RESTORED and not course.on
    if course.off and (ended or none_back):
        _move(course, FaultState.REOPENED)
        course.closed_at = None


def _confirmed(course: Course, fact: Fact) -> None:
    course.confirmed_at = course.confirmed_at or fact.at
    if course.state is not FaultState.DETECTED:
        return
    _move(course, FaultState.CONFIRMED)
    # What was said of it while it was a suspicion counts from here on.
    if course.etr_at is not None:
        _move(course, FaultState.ETR_SET)
    if course.off and course.on:
        _move(course, FaultState.PARTLY_RESTORED)


def _cause(course: Course, fact: Fact) -> None:
    course.cause_code = fact.cause_code


def _etr(course: Course, fact: Fact) -> None:
    changed = fact.etr_at != course.etr_at
    course.etr_at, course.etr_confidence = fact.etr_at, fact.etr_confidence
    course.etr_set_at = fact.at
    if fact.etr_at is None or course.confirmed_at is None:
        return
    if course.state in (FaultState.DETECTED, FaultState.CONFIRMED, FaultState.REOPENED):
        _move(course, FaultState.ETR_SET)
    elif course.state is FaultState.ETR_SET and changed:
        _move(course, FaultState.ETR_CHANGED)


def _on(course: Course, fact: Fact) -> None:
    came_back = False
    for gsrn in fact.gsrns or tuple(course.points):
        times = course.points.get(gsrn)
        # A meter may report that it has power before it lost it in this fault.
        if times is not None and times.on_at is None:
            times.on_at = fact.at
            came_back = True
    if not came_back or course.state in _OVER:
        return
    if not course.off:
        _move(course, FaultState.RESTORED)
    elif course.confirmed_at is not None:
        _move(course, FaultState.PARTLY_RESTORED)


def _reopened(course: Course, fact: Fact) -> None:
    for gsrn in fact.gsrns or tuple(course.points):
        if gsrn in course.points:
            course.points[gsrn].on_at = None
    course.reopened_at = fact.at
    course.parent_id = None
    if course.state in _OVER or course.state is FaultState.RESTORED:
        _move(course, FaultState.REOPENED)
        course.closed_at = None
    _gone_again(course)


def _split(course: Course, _fact: Fact) -> None:
    if course.state is FaultState.MERGED:
        _move(course, FaultState.REOPENED)
        course.parent_id = None
        if course.points and not course.off:
            _move(course, FaultState.RESTORED)


def _merged(course: Course, fact: Fact) -> None:
    if course.state is FaultState.MERGED or FAULT_MOVES.allow(course.state, FaultState.MERGED):
        _move(course, FaultState.MERGED)
        course.parent_id = fact.parent_id


def _false_alarm(course: Course, _fact: Fact) -> None:
    if FAULT_MOVES.allow(course.state, FaultState.FALSE_ALARM):
        _move(course, FaultState.FALSE_ALARM)


def _closed(course: Course, fact: Fact) -> None:
    if course.state is FaultState.RESTORED:
        _move(course, FaultState.CLOSED)
        course.closed_at = fact.at


_OVER = frozenset({FaultState.MERGED, FaultState.FALSE_ALARM, FaultState.CLOSED})
_STEPS = {
    FactType.POINTS_OFF: _off,
    FactType.CONFIRMED: _confirmed,
    FactType.CAUSE: _cause,
    FactType.ETR: _etr,
    FactType.POINTS_ON: _on,
    FactType.REOPENED: _reopened,
    FactType.SPLIT: _split,
    FactType.MERGED: _merged,
    FactType.FALSE_ALARM: _false_alarm,
    FactType.CLOSED: _closed,
}
