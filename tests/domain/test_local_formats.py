"""Times and days in the reader's language."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain.local_formats import format_day, format_duration, format_time


@pytest.mark.parametrize(
    ("language", "clock", "day"),
    [("fi", "09.05", "24.6."), ("sv", "09.05", "24.6."), ("en", "09:05", "24 Jun")],
)
def test_times_and_days_are_written_as_people_in_finland_read_them(
    language: str, clock: str, day: str
) -> None:
    at = datetime(2025, 6, 24, 6, 5, tzinfo=UTC)
    assert format_time(at, language) == clock
    assert format_day(at, language) == day
    assert format_day(date(2025, 6, 24), language) == day


def test_the_day_is_the_one_in_finland() -> None:
    assert format_day(datetime(2025, 11, 24, 22, 0, tzinfo=UTC), "fi") == "25.11."


@pytest.mark.parametrize(
    ("seconds", "fi", "sv", "en"),
    [
        (0, "1 min", "1 min", "1 min"),
        (20 * 60, "20 min", "20 min", "20 min"),
        (3600, "1 h", "1 h", "1 h"),
        (3 * 3600 + 5 * 60, "3 h 5 min", "3 h 5 min", "3 h 5 min"),
        (26 * 3600 + 600, "1 vrk 2 h", "1 dygn 2 h", "1 d 2 h"),
        (48 * 3600, "2 vrk", "2 dygn", "2 d"),
    ],
)
def test_a_duration_is_as_exact_as_anybody_needs(seconds: int, fi: str, sv: str, en: str) -> None:
    duration = timedelta(seconds=seconds)
    assert [format_duration(duration, language) for language in ("fi", "sv", "en")] == [fi, sv, en]
