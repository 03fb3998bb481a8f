"""The classes of the standard compensation, at their very edges, and its cap."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.compensation import compensation_cents, compensation_percent

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("hours", "before", "from_here"),
    [(12, 0, 10), (24, 10, 25), (48, 25, 50), (72, 50, 100), (120, 100, 150), (288, 150, 200)],
)
def test_a_class_begins_at_its_hour_and_not_a_second_earlier(
    hours: int, before: int, from_here: int
) -> None:
    length = timedelta(hours=hours)
    assert compensation_percent(length - SECOND) == before
    assert compensation_percent(length) == from_here


def test_the_longest_cut_stays_in_the_last_class() -> None:
    assert compensation_percent(timedelta(days=60)) == 200


@pytest.mark.parametrize(
    ("hours", "fee_cents", "cents"),
    [
        (11, 50_000, 0),
        (13, 50_000, 5_000),
        (30, 33_333, 8_333),
        (300, 90_000, 180_000),
        # 200 % of 1,500 euros would be 3,000.
        (300, 150_000, 200_000),
        (13, None, None),
    ],
)
def test_the_amount_follows_the_fee_and_stops_at_two_thousand_euros(
    hours: int, fee_cents: int | None, cents: int | None
) -> None:
    assert compensation_cents(timedelta(hours=hours), fee_cents) == cents
