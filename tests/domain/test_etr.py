"""When a changed estimate is worth telling (REQ-07), and that a past one is never shown (REQ-06)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.etr import is_significant, shown_etr

# Noon in Finland.
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("told", "new", "worth"),
    [
        # Half an hour is always worth it, whichever way.
        (at(600), at(630), True),
        (at(600), at(570), True),
        (at(600), at(629), False),
        # A fifth of the wait that was left.
        (at(60), at(72), True),
        (at(60), at(71), False),
        (at(100), at(80), True),
        # Another day: midnight in Finland is 12 hours away.
        (at(719), at(735), True),
        (at(700), at(716), False),
        # Ten minutes never are, not even when they are a fifth or cross midnight.
        (at(20), at(30), False),
        (at(715), at(725), False),
        # What was told has passed, so anything but a waver is news.
        (at(-5), at(15), True),
        (at(-5), at(4), False),
    ],
)
def test_req_07_a_change_is_told_only_when_it_is_worth_it(
    told: datetime, new: datetime, worth: bool
) -> None:
    assert is_significant(told, new, NOW) is worth


def test_req_07_an_estimate_that_wavers_by_ten_minutes_is_never_news() -> None:
    told = at(45)
    assert not any(
        is_significant(told, told + timedelta(minutes=sign * 10), NOW) for sign in (1, -1) * 10
    )


@pytest.mark.parametrize(
    ("etr", "shown"), [(at(1), at(1)), (NOW, None), (at(-1), None), (None, None)]
)
def test_req_06_an_estimate_that_has_passed_is_not_shown(
    etr: datetime | None, shown: datetime | None
) -> None:
    assert shown_etr(etr, NOW) == shown
