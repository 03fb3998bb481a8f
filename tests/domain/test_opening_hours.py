"""Opening hours on the clock on the wall, also on the nights on which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clock import HELSINKI
from app.domain.opening_hours import (
    HoursUnreadable,
    end_of_day,
    is_open,
    next_closing,
    next_opening,
    parse_hours,
    write_hours,
)

WEEKDAYS = "1-5 07:00-16:00"
NIGHTS = "7 22:00-05:00"


def at(text: str) -> datetime:
    """An instant in UTC: 2026-03-29 01:00."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "moment", "expected"),
    [
        # A Tuesday in winter: 07.00 in Finland is 05.00 UTC.
        (WEEKDAYS, "2026-11-24 04:59", False),
        (WEEKDAYS, "2026-11-24 05:00", True),
        (WEEKDAYS, "2026-11-24 13:59", True),
        (WEEKDAYS, "2026-11-24 14:00", False),
        # In summer it is 04.00 UTC.
        (WEEKDAYS, "2026-06-23 04:00", True),
        (WEEKDAYS, "2026-06-23 03:59", False),
        # A Saturday.
        (WEEKDAYS, "2026-11-28 10:00", False),
        ("1-5 07:00-16:00; 6 09:00-14:00", "2026-11-28 10:00", True),
        ("1-7 00:00-24:00", "2026-11-28 22:00", True),
        # From Sunday evening into Monday morning, and not from Monday evening.
        (NIGHTS, "2026-11-29 20:00", True),
        (NIGHTS, "2026-11-30 02:59", True),
        (NIGHTS, "2026-11-30 03:00", False),
        (NIGHTS, "2026-11-30 20:00", False),
        # Clocks forward at 03.00 on 29 March: what lies between 03.00 and 04.00 does not exist.
        ("7 03:00-03:30", "2026-03-29 01:00", False),
        ("7 02:30-04:30", "2026-03-29 00:59", True),
        ("7 02:30-04:30", "2026-03-29 01:29", True),
        ("7 02:30-04:30", "2026-03-29 01:30", False),
        # Clocks back at 04.00 on 25 October: 03.15 comes twice, and is open twice.
        ("7 03:00-03:30", "2026-10-25 00:15", True),
        ("7 03:00-03:30", "2026-10-25 00:45", False),
        ("7 03:00-03:30", "2026-10-25 01:15", True),
        ("7 03:00-03:30", "2026-10-25 01:45", False),
        ("", "2026-10-25 01:45", True),
    ],
)
def test_it_is_open_when_the_clock_on_the_wall_says_so(
    hours: str, moment: str, expected: bool
) -> None:
    assert is_open(parse_hours(hours), at(moment)) is expected


@pytest.mark.parametrize(
    ("hours", "moment", "opens"),
    [
        (WEEKDAYS, "2026-11-24 04:00", "2026-11-24 05:00"),
        (WEEKDAYS, "2026-11-24 05:30", "2026-11-24 05:30"),
        (WEEKDAYS, "2026-11-27 14:00", "2026-11-30 05:00"),
        # Over the weekend on which the clocks go forward, and the one on which they go back.
        (WEEKDAYS, "2026-03-27 14:00", "2026-03-30 04:00"),
        (WEEKDAYS, "2026-10-23 13:00", "2026-10-26 05:00"),
        # What would open at a time that does not exist opens with the first time that does.
        ("7 03:30-05:00", "2026-03-28 20:00", "2026-03-29 01:00"),
        # The hour that comes twice: shut again in between.
        ("7 03:00-03:30", "2026-10-25 00:40", "2026-10-25 01:00"),
        # What does not exist this week exists the next.
        ("7 03:00-03:30", "2026-03-28 20:00", "2026-04-05 00:00"),
    ],
)
def test_the_next_opening(hours: str, moment: str, opens: str) -> None:
    assert next_opening(parse_hours(hours), at(moment)) == at(opens)


@pytest.mark.parametrize(
    ("hours", "moment", "closes"),
    [
        (WEEKDAYS, "2026-11-24 05:30", "2026-11-24 14:00"),
        ("7 22:00-05:00", "2026-03-28 21:00", "2026-03-28 22:00"),
        ("6 22:00-05:00", "2026-03-28 21:00", "2026-03-29 02:00"),
        ("7 03:00-03:30", "2026-10-25 00:10", "2026-10-25 00:30"),
        # Midnight closes what ends with the day, unless the next day opens with it.
        ("1-7 00:00-24:00", "2026-11-24 05:30", None),
        ("2 00:00-24:00", "2026-11-24 05:30", "2026-11-24 22:00"),
    ],
)
def test_the_next_closing(hours: str, moment: str, closes: str | None) -> None:
    expected = at(closes) if closes else None
    assert next_closing(parse_hours(hours), at(moment)) == expected


@pytest.mark.parametrize(
    "wrong",
    ["8 07:00-16:00", "1-5", "5-1 07:00-16:00", "1 25:00-26:00", "1 07:00-07:00", "1 24:00-07:00"],
)
def test_what_cannot_be_understood_is_named(wrong: str) -> None:
    with pytest.raises(HoursUnreadable, match=wrong[:5]):
        parse_hours(f"1 07:00-08:00; {wrong}")


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("1,2,3  7:00 - 9:30", "1-3 07:00-09:30"),
        ("1-2,4 07:00-24:00;", "1-2,4 07:00-24:00"),
        ("", ""),
    ],
)
def test_the_same_hours_are_always_written_alike(given: str, written: str) -> None:
    assert write_hours(parse_hours(given)) == written
    assert parse_hours(write_hours(parse_hours(given))) == parse_hours(given)


@pytest.mark.parametrize(
    ("moment", "midnight"),
    [
        ("2026-03-28 23:00", "2026-03-29 21:00"),
        ("2026-10-24 21:30", "2026-10-25 22:00"),
        ("2026-11-24 10:00", "2026-11-24 22:00"),
    ],
)
def test_a_day_ends_at_midnight_in_finland(moment: str, midnight: str) -> None:
    assert end_of_day(at(moment)) == at(midnight)


_SOME = st.sampled_from(
    [WEEKDAYS, NIGHTS, "7 03:00-03:30", "6-7 23:30-03:15", "1-7 02:30-04:00; 7 12:00-13:00"]
)


@given(
    hours=_SOME,
    start=st.sampled_from(["2026-03-27 00:00", "2026-10-23 00:00", "2026-06-01 00:00"]),
    minutes=st.integers(0, 4 * 24 * 60),
)
def test_nothing_opens_or_closes_before_it_is_said_to(hours: str, start: str, minutes: int) -> None:
    windows = parse_hours(hours)
    moment = at(start) + timedelta(minutes=minutes)
    opens = next_opening(windows, moment)
    assert opens is not None
    assert is_open(windows, opens)
    step = moment
    while step < opens:
        assert not is_open(windows, step), step.astimezone(HELSINKI)
        step += timedelta(minutes=15)
    closes = next_closing(windows, opens)
    assert closes is not None
    assert not is_open(windows, closes)
    step = opens
    while step < closes:
        assert is_open(windows, step), step.astimezone(HELSINKI)
        step += timedelta(minutes=15)
