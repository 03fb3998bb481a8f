"""The course of a planned cut: what may be done to it in which state, and what the clock does when.

Source: REQ-15, REQ-16 and REQ-17 in docs/domain.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from app.domain.states import PlannedCutState
from app.domain.working_days import is_in_time, latest_notice_at

REMINDER_BEFORE = timedelta(hours=1)
# The end that was promised passes, and so long nobody says that it is over (REQ-17).
OVERRUN_AFTER = timedelta(minutes=5)
# A draft that nobody has approved is worth an alarm so long before it is too late to announce it.
_APPROVE_BEFORE = timedelta(hours=24)
# Longer ones are a slip of the finger.
LONGEST = timedelta(days=14)

_P = PlannedCutState


class Action(StrEnum):
    """What people and systems do to a planned cut."""

    EDIT = "EDIT"
    APPROVE = "APPROVE"
    ANNOUNCE = "ANNOUNCE"
    RESCHEDULE = "RESCHEDULE"
    CANCEL = "CANCEL"
    BEGIN = "BEGIN"
    RESTORE = "RESTORE"
    EXTEND = "EXTEND"
    END = "END"


_ANNOUNCED = frozenset({_P.ANNOUNCED, _P.RESCHEDULED, _P.REMINDED})
_AT_WORK = frozenset({_P.ONGOING, _P.OVERRUN})

ALLOWED_IN: Mapping[Action, frozenset[PlannedCutState]] = {
    Action.EDIT: frozenset({_P.DRAFT, _P.APPROVED}),
    Action.APPROVE: frozenset({_P.DRAFT}),
    Action.ANNOUNCE: frozenset({_P.APPROVED}),
    Action.RESCHEDULE: _ANNOUNCED,
    Action.CANCEL: frozenset({_P.DRAFT, _P.APPROVED}) | _ANNOUNCED,
    Action.BEGIN: _ANNOUNCED,
    Action.RESTORE: _AT_WORK,
    Action.EXTEND: _AT_WORK,
    Action.END: _AT_WORK,
}


class Step(StrEnum):
    """What the clock does by itself."""

    ANNOUNCE = "ANNOUNCE"
    REMIND = "REMIND"
    BEGIN = "BEGIN"
    OVERRUN = "OVERRUN"


class Trouble(StrEnum):
    """What the clock must not do by itself: somebody has to decide.

    NOT_APPROVED: soon it is too late to announce the draft in time. NOTICE_LATE: it is approved but
    can be announced only late. NOT_ANNOUNCED: it should have begun and nobody was told. OVERRUN:
    the end has passed and nobody has reported it. CHANGE_WAITS: the DMS wants another time, too
    late for the change to be told in time, or leaves out points whose people were told.
    """

    NOT_APPROVED = "NOT_APPROVED"
    NOTICE_LATE = "NOTICE_LATE"
    NOT_ANNOUNCED = "NOT_ANNOUNCED"
    OVERRUN = "OVERRUN"
    CHANGE_WAITS = "CHANGE_WAITS"


@dataclass(frozen=True, slots=True)
class Course:
    """A planned cut as the clock sees it.

    announce_at: when the notice is to be announced, None for at once. told_at: when the present
    plan was announced. short_confirmed: somebody has confirmed that it may be announced late.
    etr_at: the later end that was told, if any.
    """

    state: PlannedCutState
    from_at: datetime
    to_at: datetime
    announce_at: datetime | None = None
    told_at: datetime | None = None
    short_confirmed: bool = False
    etr_at: datetime | None = None
    change_waits: bool = False


def next_step(course: Course, now: datetime, days_off: Collection[date]) -> Step | None:
    """What is due now; after it has been done, ask again, so that nothing missed is left out.

    A reminder is never due once the cut has begun, and never for people who have just been told.
    """
    match course.state:
        case _P.APPROVED if course.from_at > now and _notice_due(course, now):
            may = course.short_confirmed or is_in_time(course.from_at, now, days_off)
            return Step.ANNOUNCE if may else None
        case _P.ANNOUNCED | _P.RESCHEDULED | _P.REMINDED if course.from_at <= now:
            return Step.BEGIN
        case _P.ANNOUNCED | _P.RESCHEDULED if _reminder_due(course, now):
            return Step.REMIND
        case _P.ONGOING | _P.OVERRUN if _overrun_due(course, now):
            return Step.OVERRUN
    return None


def overrun_at(course: Course) -> datetime | None:
    """When people are told that it takes longer than they were told; None if they know no end."""
    if course.state is _P.OVERRUN:
        return None if course.etr_at is None else course.etr_at + OVERRUN_AFTER
    return (course.etr_at or course.to_at) + OVERRUN_AFTER


def trouble_of(course: Course, now: datetime, days_off: Collection[date]) -> Trouble | None:
    """What somebody has to decide, the most pressing first."""
    match course.state:
        case _P.DRAFT | _P.APPROVED if course.from_at <= now:
            return Trouble.NOT_ANNOUNCED
        case _P.APPROVED if _notice_due(course, now):
            late = not course.short_confirmed and not is_in_time(course.from_at, now, days_off)
            return Trouble.NOTICE_LATE if late else None
        case _P.DRAFT if now >= latest_notice_at(course.from_at, days_off) - _APPROVE_BEFORE:
            return Trouble.NOT_APPROVED
        case _P.OVERRUN:
            return Trouble.OVERRUN
    over = (_P.ENDED, _P.CANCELLED)
    return Trouble.CHANGE_WAITS if course.change_waits and course.state not in over else None


def _notice_due(course: Course, now: datetime) -> bool:
    return course.announce_at is None or course.announce_at <= now


def _reminder_due(course: Course, now: datetime) -> bool:
    due_at = course.from_at - REMINDER_BEFORE
    return due_at <= now and (course.told_at is None or course.told_at < due_at)


def _overrun_due(course: Course, now: datetime) -> bool:
    due_at = overrun_at(course)
    return due_at is not None and due_at <= now
