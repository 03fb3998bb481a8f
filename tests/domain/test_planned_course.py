"""What the clock does with a planned cut, and what it leaves to people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain.planned_course import (
    ALLOWED_IN,
    Action,
    Course,
    Step,
    Trouble,
    next_step,
    trouble_of,
)
from app.domain.states import PLANNED_CUT_MOVES, PlannedCutState

FROM = datetime(2026, 11, 26, 7, 0, tzinfo=UTC)
TO = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
LAST = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
NO_DAYS: frozenset[date] = frozenset()
S = PlannedCutState
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def course(state: str, **changes: object) -> Course:
    return replace(Course(S(state), FROM, TO), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "now", "step"),
    [
        (course("DRAFT"), LAST, None),
        (course("APPROVED"), LAST, Step.ANNOUNCE),
        (course("APPROVED"), LAST + MINUTE, None),
        (course("APPROVED", short_confirmed=True), LAST + MINUTE, Step.ANNOUNCE),
        (course("APPROVED", short_confirmed=True), FROM, None),
        (course("APPROVED", announce_at=LAST), LAST - MINUTE, None),
        (course("APPROVED", announce_at=LAST), LAST, Step.ANNOUNCE),
        (course("ANNOUNCED"), FROM - HOUR - MINUTE, None),
        (course("ANNOUNCED"), FROM - HOUR, Step.REMIND),
        (course("ANNOUNCED", told_at=FROM - HOUR), FROM - HOUR, None),
        (course("RESCHEDULED", told_at=LAST), FROM - MINUTE, Step.REMIND),
        (course("ANNOUNCED"), FROM, Step.BEGIN),
        (course("RESCHEDULED"), FROM + 9 * HOUR, Step.BEGIN),
        (course("REMINDED"), FROM - MINUTE, None),
        (course("REMINDED"), FROM, Step.BEGIN),
        (course("ONGOING"), TO + 4 * MINUTE, None),
        (course("ONGOING"), TO + 5 * MINUTE, Step.OVERRUN),
        (course("OVERRUN"), TO + 9 * HOUR, None),
        (course("OVERRUN", etr_at=TO + HOUR), TO + HOUR + 4 * MINUTE, None),
        (course("OVERRUN", etr_at=TO + HOUR), TO + HOUR + 5 * MINUTE, Step.OVERRUN),
        (course("ENDED"), TO + HOUR, None),
        (course("CANCELLED"), FROM, None),
    ],
)
def test_the_clock_does_what_is_due(at: Course, now: datetime, step: Step | None) -> None:
    assert next_step(at, now, NO_DAYS) is step


@pytest.mark.parametrize(
    ("at", "now", "trouble"),
    [
        (course("DRAFT"), LAST - 25 * HOUR, None),
        (course("DRAFT"), LAST - 24 * HOUR, Trouble.NOT_APPROVED),
        (course("DRAFT"), FROM, Trouble.NOT_ANNOUNCED),
        (course("APPROVED"), LAST + MINUTE, Trouble.NOTICE_LATE),
        (course("APPROVED", short_confirmed=True), LAST + MINUTE, None),
        (course("APPROVED", announce_at=LAST), LAST - HOUR, None),
        (course("APPROVED"), FROM, Trouble.NOT_ANNOUNCED),
        (course("ANNOUNCED"), FROM, None),
        (course("ANNOUNCED", change_waits=True), LAST, Trouble.CHANGE_WAITS),
        (course("ONGOING"), TO, None),
        (course("OVERRUN"), TO, Trouble.OVERRUN),
        (course("ENDED", change_waits=True), TO, None),
        (course("CANCELLED", change_waits=True), TO, None),
    ],
)
def test_what_the_clock_must_not_decide_is_left_to_people(
    at: Course, now: datetime, trouble: Trouble | None
) -> None:
    assert trouble_of(at, now, NO_DAYS) is trouble


@pytest.mark.parametrize(
    ("action", "state"),
    [
        (Action.EDIT, S.DRAFT),
        (Action.APPROVE, S.APPROVED),
        (Action.ANNOUNCE, S.ANNOUNCED),
        (Action.RESCHEDULE, S.RESCHEDULED),
        (Action.CANCEL, S.CANCELLED),
        (Action.BEGIN, S.ONGOING),
        (Action.EXTEND, S.OVERRUN),
        (Action.END, S.ENDED),
    ],
)
def test_every_action_goes_along_the_table(action: Action, state: PlannedCutState) -> None:
    for before in ALLOWED_IN[action]:
        assert before is state or PLANNED_CUT_MOVES.allow(before, state)
