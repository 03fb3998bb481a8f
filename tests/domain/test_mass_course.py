"""How far a mass order is, by the states of its orders."""

from __future__ import annotations

import pytest

from app.domain.mass_course import course_of, progress_of
from app.domain.states import WorkOrderState


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({"ROUTED": 1, "REPORTED": 9}, "DISPATCHING"),
        ({"NO_ROUTE": 1, "REPORTED": 9}, "DISPATCHING"),
        ({"SENT": 1, "REPORTED": 9}, "RUNNING"),
        ({"FAILED": 1, "REPORTED": 9}, "RUNNING"),
        # All other systems have to know before it is over.
        ({"COMPLETED": 1, "REPORTED": 9}, "RUNNING"),
        ({"REPORTED": 9, "CLOSED": 1}, "DONE"),
        ({"REPORTED": 9, "RETURNED": 1}, "PARTIAL"),
        ({"REPORTED": 9, "REJECTED": 1}, "PARTIAL"),
        ({"REPORTED": 9, "REFUSED": 1}, "PARTIAL"),
        ({"REPORTED": 9, "CANCELLED": 1}, "PARTIAL"),
        ({"CANCELLED": 10}, "PARTIAL"),
    ],
)
def test_a_mass_order_is_as_far_as_the_last_of_its_orders(
    counts: dict[str, int], state: str
) -> None:
    assert course_of(counts) == state


def test_one_that_was_called_off_is_so_unless_something_of_it_was_done() -> None:
    assert course_of({"CANCELLED": 10}, called_off=True) == "CANCELLED"
    assert course_of({"CANCELLED": 9, "REPORTED": 1}, called_off=True) == "PARTIAL"
    assert course_of({"CANCELLED": 9, "STARTED": 1}, called_off=True) == "RUNNING"


def test_each_order_is_one_part_of_the_bar_whatever_its_state() -> None:
    states = [*(state.value for state in WorkOrderState), "REFUSED"]
    for state in states:
        parts = progress_of({state: 7})
        assert sorted(parts.values()) == [0, 0, 0, 0, 0, 7], state
    whole = progress_of(dict.fromkeys(states, 1))
    assert sum(whole.values()) == len(states)
    told = {state: next(n for n, c in progress_of({state: 1}).items() if c) for state in states}
    assert [told[s] for s in ("ROUTED", "STARTED", "COMPLETED", "RETURNED", "REFUSED")] == [
        "waiting",
        "dispatched",
        "done",
        "failed",
        "rejected",
    ]
