"""Quiet hours on the clock on the wall in Finland, also on the days when the clock is moved."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.quiet_hours import quiet_until


@pytest.mark.parametrize(
    ("now", "until"),
    [
        # Winter time: Helsinki is two hours ahead of UTC.
        ("2025-11-24T19:59", None),
        ("2025-11-24T20:00", "2025-11-25T05:00"),
        ("2025-11-25T04:59", "2025-11-25T05:00"),
        ("2025-11-25T05:00", None),
        # Summer time: three hours.
        ("2025-06-24T18:59", None),
        ("2025-06-24T19:00", "2025-06-25T04:00"),
        # The night to summer time is an hour shorter, the night to winter time an hour longer.
        ("2025-03-29T20:00", "2025-03-30T04:00"),
        ("2025-10-25T19:00", "2025-10-26T05:00"),
    ],
)
def test_req_09_the_company_leaves_people_alone_from_ten_to_seven(
    now: str, until: str | None
) -> None:
    assert quiet_until(utc(now), None, None) == (until and utc(until))


@pytest.mark.parametrize(
    ("now", "quiet_from", "quiet_to", "until"),
    [
        ("2025-11-24T11:30", time(13), time(15), "2025-11-24T13:00"),
        ("2025-11-24T13:00", time(13), time(15), None),
        ("2025-11-24T22:30", time(0), time(6), "2025-11-25T04:00"),
        ("2025-11-24T22:30", time(7), time(7), None),
        ("2025-11-24T18:30", time(20), None, "2025-11-25T05:00"),
        # 03:15 comes twice that night: before and after the clock goes back from four to three.
        ("2025-10-26T00:15", time(22), time(3, 30), "2025-10-26T00:30"),
        ("2025-10-26T01:15", time(22), time(3, 30), "2025-10-26T01:30"),
    ],
)
def test_req_09_people_choose_their_own_quiet_hours(
    now: str, quiet_from: time | None, quiet_to: time | None, until: str | None
) -> None:
    assert quiet_until(utc(now), quiet_from, quiet_to) == (until and utc(until))


@given(st.integers(0, 3 * 366 * 24 * 60), st.none() | st.times(), st.none() | st.times())
def test_the_end_of_quiet_hours_lies_ahead_and_within_a_day(
    minutes: int, quiet_from: time | None, quiet_to: time | None
) -> None:
    now = utc("2024-01-01T00:00") + timedelta(minutes=minutes)
    until = quiet_until(now, quiet_from, quiet_to)
    assert until is None or timedelta(0) < until - now <= timedelta(hours=25)


def utc(text: str) -> datetime:
    """An instant written in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
