"""The circuit breaker of a lane."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.circuit import OPEN_AFTER_FAILURES, Breaker, after_calls

NOW = datetime(2025, 11, 24, 9, tzinfo=UTC)


def test_enough_failures_in_a_row_open_the_circuit() -> None:
    breaker = Breaker()
    for _ in range(OPEN_AFTER_FAILURES - 1):
        breaker = after_calls(breaker, [True], NOW)
        assert breaker.open_until is None
    assert open_s(after_calls(breaker, [True], NOW)) > 0


def test_failures_at_once_count_like_failures_in_a_row() -> None:
    assert open_s(after_calls(Breaker(), [True] * OPEN_AFTER_FAILURES, NOW)) > 0


def test_one_call_that_got_through_closes_the_circuit_whatever_failed_beside_it() -> None:
    opened = after_calls(Breaker(), [True] * OPEN_AFTER_FAILURES, NOW)
    assert after_calls(opened, [True, False, True], NOW) == Breaker()


def test_each_failed_probe_makes_the_next_pause_longer_up_to_a_minute() -> None:
    breaker = after_calls(Breaker(), [True] * OPEN_AFTER_FAILURES, NOW)
    pauses = [open_s(breaker)]
    for _ in range(6):
        breaker = after_calls(breaker, [True], NOW)
        pauses.append(open_s(breaker))
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[1]
    assert pauses[-1] == 60


def test_a_lane_that_is_down_opens_at_once_and_waits_as_long_as_the_receiver_says() -> None:
    assert open_s(after_calls(Breaker(), [True], NOW, lane_down=True)) > 0
    later = NOW + timedelta(minutes=7)
    assert after_calls(Breaker(), [True], NOW, lane_down=True, retry_at=later).open_until == later


def test_no_calls_change_nothing() -> None:
    opened = Breaker(20, NOW)
    assert after_calls(opened, [], NOW) is opened


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=12), max_size=20))
def test_the_circuit_is_open_only_after_enough_failures_and_never_for_more_than_a_minute(
    batches: list[list[bool]],
) -> None:
    breaker, in_a_row = Breaker(), 0
    for batch in batches:
        in_a_row = in_a_row + len(batch) if all(batch) else 0
        breaker = after_calls(breaker, batch, NOW)
        assert (breaker.open_until is not None) == (in_a_row >= OPEN_AFTER_FAILURES)
        if breaker.open_until is not None:
            assert 0 < open_s(breaker) <= 60


@pytest.mark.parametrize("failures", [0, 9, 10, 25, 1_000_000])
def test_a_success_forgets_every_failure(failures: int) -> None:
    assert after_calls(Breaker(failures, NOW), [False], NOW) == Breaker()


def open_s(breaker: Breaker) -> float:
    """How long the circuit stays open, in seconds."""
    assert breaker.open_until is not None
    return (breaker.open_until - NOW).total_seconds()
