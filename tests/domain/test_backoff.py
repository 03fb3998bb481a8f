"""Waiting before the next attempt."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.domain.backoff import CAP_S, FIRST_S, retry_delay_s


def test_the_wait_doubles_with_each_attempt_until_it_is_long_enough() -> None:
    waits = [max(retry_delay_s(n, f"key-{key}") for key in range(200)) for n in range(1, 14)]
    assert all(late > early for early, late in pairwise(waits[:9]))
    assert FIRST_S / 2 < waits[0] <= FIRST_S
    assert CAP_S * 0.9 < waits[-1] <= CAP_S


def test_what_failed_together_does_not_come_back_together() -> None:
    waits = {round(retry_delay_s(5, f"T-{n}"), 2) for n in range(100)}
    assert len(waits) > 80


@given(st.integers(-5, 10_000), st.text())
def test_the_same_item_always_waits_the_same_reasonable_time(attempts: int, key: str) -> None:
    wait = retry_delay_s(attempts, key)
    assert wait == retry_delay_s(attempts, key)
    assert FIRST_S / 2 <= wait <= CAP_S
