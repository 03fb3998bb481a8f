"""Days in Finland."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from app.domain.clock import helsinki_day


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2025, 11, 24, 21, 59, tzinfo=UTC), date(2025, 11, 24)),
        (datetime(2025, 11, 24, 22, 0, tzinfo=UTC), date(2025, 11, 25)),
        (datetime(2025, 6, 24, 20, 59, tzinfo=UTC), date(2025, 6, 24)),
        (datetime(2025, 6, 24, 21, 0, tzinfo=UTC), date(2025, 6, 25)),
        (datetime(2025, 3, 29, 22, 0, tzinfo=UTC), date(2025, 3, 30)),
        (datetime(2025, 3, 30, 21, 0, tzinfo=UTC), date(2025, 3, 31)),
    ],
)
def test_the_day_changes_at_midnight_in_helsinki_in_winter_and_summer_time(
    at: datetime, day: date
) -> None:
    assert helsinki_day(at) == day
