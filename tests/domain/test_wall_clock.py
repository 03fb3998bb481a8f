"""Times as people write them, also on the two nights on which the clock is moved."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from app.domain.wall_clock import instants_of


@pytest.mark.parametrize(
    ("day", "clock", "instants"),
    [
        (date(2026, 11, 26), time(9), [datetime(2026, 11, 26, 7, tzinfo=UTC)]),
        (date(2026, 7, 1), time(9), [datetime(2026, 7, 1, 6, tzinfo=UTC)]),
        # Summer time begins: from three it is four at once.
        (date(2026, 3, 29), time(2, 59), [datetime(2026, 3, 29, 0, 59, tzinfo=UTC)]),
        (date(2026, 3, 29), time(3), []),
        (date(2026, 3, 29), time(3, 59), []),
        (date(2026, 3, 29), time(4), [datetime(2026, 3, 29, 1, tzinfo=UTC)]),
        # Summer time ends: three to four comes twice.
        (
            date(2026, 10, 25),
            time(3, 30),
            [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)],
        ),
        (date(2026, 10, 25), time(4), [datetime(2026, 10, 25, 2, tzinfo=UTC)]),
    ],
)
def test_a_time_on_the_wall_is_one_instant_or_none_or_two(
    day: date, clock: time, instants: list[datetime]
) -> None:
    assert list(instants_of(day, clock)) == instants
