"""How late a planned cut may be announced, over weekends, holidays and the nights of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from app.domain.clock import HELSINKI
from app.domain.working_days import (
    is_in_time,
    is_working_day,
    latest_notice_at,
    working_days_before,
)

CHRISTMAS = {date(2026, 12, 24), date(2026, 12, 25), date(2026, 12, 26)}
OFF = CHRISTMAS | {date(2026, 1, 1), date(2026, 1, 6), date(2027, 1, 1)}


def local(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=HELSINKI)


@pytest.mark.parametrize(
    ("cut_on", "latest_on"),
    [
        (date(2026, 11, 26), date(2026, 11, 24)),  # Thursday, told on Tuesday
        (date(2026, 11, 24), date(2026, 11, 20)),  # Tuesday, told on Friday
        (date(2026, 11, 23), date(2026, 11, 19)),  # Monday, told on Thursday
        (date(2026, 11, 28), date(2026, 11, 26)),  # Saturday, told on Thursday
        (date(2026, 12, 28), date(2026, 12, 22)),  # the Monday after Christmas
        (date(2026, 1, 7), date(2026, 1, 2)),  # behind Epiphany and a weekend
        (date(2027, 1, 4), date(2026, 12, 30)),  # across New Year
    ],
)
def test_req_15_two_working_days_lead_up_to_the_cut(cut_on: date, latest_on: date) -> None:
    assert working_days_before(cut_on, 2, OFF) == latest_on
    assert latest_notice_at(local(cut_on, 9), OFF) == local(latest_on, 9)


def test_req_15_weekends_and_days_off_are_no_working_days() -> None:
    days = [date(2026, 12, number) for number in range(21, 29)]
    assert [day.day for day in days if is_working_day(day, OFF)] == [21, 22, 23, 28]


@pytest.mark.parametrize(
    ("told_at", "in_time"),
    [
        (local(date(2026, 11, 24), 9), True),
        (local(date(2026, 11, 24), 9, 1), False),
        (local(date(2026, 11, 23), 22, 30), True),  # read on Tuesday at seven
        (local(date(2026, 11, 24), 6, 59), True),
    ],
)
def test_a_notice_of_the_night_counts_from_its_end(told_at: datetime, in_time: bool) -> None:
    assert is_in_time(local(date(2026, 11, 26), 9), told_at, OFF) is in_time


def test_what_is_read_in_the_morning_is_too_late_for_a_cut_at_dawn() -> None:
    assert not is_in_time(local(date(2026, 11, 26), 6), local(date(2026, 11, 23), 23, 30), OFF)


@pytest.mark.parametrize(
    ("cut_at", "latest_at"),
    [
        # Half past three on the Tuesday after summer time began: on Sunday it does not exist, and
        # Friday is a working day with winter time.
        (local(date(2026, 3, 31), 3, 30), datetime(2026, 3, 27, 1, 30, tzinfo=UTC)),
        # The wall clock counts: nine stays nine although the night between had 25 hours.
        (local(date(2026, 10, 27), 9), datetime(2026, 10, 23, 6, 0, tzinfo=UTC)),
    ],
)
def test_req_15_the_clock_on_the_wall_counts(cut_at: datetime, latest_at: datetime) -> None:
    assert latest_notice_at(cut_at, OFF) == latest_at
