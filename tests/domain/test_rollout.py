"""The words that choose orders, and the pace."""

from __future__ import annotations

from datetime import date

import pytest

from app.domain.rollout import (
    GROUPS,
    Choice,
    Flag,
    Group,
    count_working_days,
    last_working_days,
    pace,
    parse_choice,
    percent,
)
from app.domain.states import WorkOrderState
from app.domain.working_days import is_working_day

INDEPENDENCE_DAY = date(2026, 12, 6)
CHRISTMAS = frozenset({date(2026, 12, 24), date(2026, 12, 25), INDEPENDENCE_DAY})


def test_every_state_belongs_to_exactly_one_group() -> None:
    states = [state for group in GROUPS.values() for state in group]
    assert sorted(states) == sorted(WorkOrderState)


@pytest.mark.parametrize(
    "choice",
    [
        Choice(),
        Choice(wave="A 1", area="837", group=Group.OPEN, flag=Flag.STUCK),
        Choice(state="SENT", age=3, model="-", reason="CUS_ABSENT"),
        Choice(from_day=date(2026, 1, 1), to_day=date(2026, 1, 31), crew="T 1", partner="voima"),
    ],
)
def test_what_an_address_says_is_read_back_as_the_same_choice(choice: Choice) -> None:
    assert parse_choice(choice.words()) == choice


def test_nonsense_in_an_address_chooses_nothing() -> None:
    words = {"state": "GONE", "age": "9", "flag": "x", "from_day": "2026-02-30", "group": "'"}
    assert parse_choice(words) == Choice()
    assert parse_choice({"age": "²", "wave": "a\0b"}) == Choice(wave="ab")


def test_working_days_are_counted_as_one_would_on_the_calendar() -> None:
    for first in (date(2026, 11, day) for day in range(1, 15)):
        for length in range(60):
            last = date.fromordinal(first.toordinal() + length)
            days = (date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1))
            expected = sum(is_working_day(day, CHRISTMAS) for day in days)
            assert count_working_days(first, last, CHRISTMAS) == expected
    assert count_working_days(date(2026, 12, 2), date(2026, 12, 1), ()) == 0


def test_the_last_working_days_pass_over_holidays() -> None:
    found = last_working_days(date(2026, 12, 28), 3, CHRISTMAS)
    assert found == [date(2026, 12, 21), date(2026, 12, 22), date(2026, 12, 23)]


def test_the_needed_pace_is_rounded_up_and_unknown_when_no_day_is_left() -> None:
    monday, friday = date(2026, 11, 23), date(2026, 11, 27)
    found = pace(40, 101, monday, friday, ())
    assert (found.actual, found.needed, found.days_left) == (4.0, 21, 5)
    assert pace(0, 5, friday, monday, ()).needed is None
    assert pace(0, 0, friday, monday, ()).needed == 0


def test_a_share_is_whole_only_when_nothing_is_missing() -> None:
    assert percent(429_999, 430_000) == 99.9
    assert percent(430_000, 430_000) == 100.0
    assert percent(1, 3) == 33.3
    assert percent(0, 0) is None
