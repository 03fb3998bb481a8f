"""Hours are counted and added up; only what was counted gives a figure."""

from __future__ import annotations

from collections import Counter

import pytest

from app.domain.service_level import (
    STEP_S,
    STEPS,
    HourCounts,
    ServiceLevel,
    add_up,
    service_level,
    step_of,
)


def test_what_nothing_was_counted_of_has_no_figure() -> None:
    assert service_level(HourCounts()) == ServiceLevel(0, None, None, 0, None, None, None, None)


def test_hours_add_up_and_are_divided_once() -> None:
    small = HourCounts(due=1, handed=0, quick=0, soon=0, missed=1)
    large = HourCounts(due=999, handed=999, quick=989, soon=999, delivered=900, undelivered=100)
    whole = service_level(add_up([small.as_json(), large.as_json()]))
    # The mean of the two hours' shares would have been half of that.
    assert (whole.quick, whole.soon, whole.notices) == (0.989, 0.999, 1000)
    assert whole.delivered == 0.9


def test_what_is_stored_is_read_again_as_it_was() -> None:
    counts = HourCounts(due=3, etr=2, etr_hit=1, visit=4, visit_ok=3, unknown=1)
    counts.told_after.update({4: 2, 30: 1})
    assert add_up([counts.as_json()]) == counts


@pytest.mark.parametrize(
    ("seconds", "step"), [(-5, 0), (0, 0), (14.9, 0), (15, 1), (7_200, STEPS), (90_000, STEPS)]
)
def test_a_time_falls_into_one_step(seconds: float, step: int) -> None:
    assert step_of(seconds) == step


@pytest.mark.parametrize(
    ("steps", "minutes"),
    [({0: 1}, 0.1), ({0: 1, 12: 1, 40: 1}, 3.1), ({0: 5, 40: 5}, 0.1), ({0: 4, 40: 5}, 10.1)],
)
def test_the_median_is_the_middle_of_its_step(steps: dict[int, int], minutes: float) -> None:
    assert service_level(HourCounts(told_after=Counter(steps))).median_min == minutes
    assert STEP_S == 15
