"""The way between two states goes along the table, and is the shortest."""

from __future__ import annotations

from itertools import pairwise

import pytest

from app.domain.order_path import path_between
from app.domain.states import WORK_ORDER_MOVES, WorkOrderState


@pytest.mark.parametrize(
    ("begin", "end", "way"),
    [
        ("SENT", "ACCEPTED", ("ACCEPTED",)),
        ("SENT", "COMPLETED", ("COMPLETED",)),
        ("REPORTED", "CORRECTED", ("CORRECTED",)),
        ("REPORTED", "FAILED", ("CORRECTED", "FAILED")),
        ("SENT", "RETURNED", ("FAILED", "RETURNED")),
        ("CLOSED", "RETURNED", ("CORRECTED", "FAILED", "RETURNED")),
    ],
)
def test_states_passed_by_the_way_are_named(begin: str, end: str, way: tuple[str, ...]) -> None:
    assert path_between(begin, end) == way


def test_every_way_is_allowed_step_by_step_or_is_the_end_alone() -> None:
    for begin in WorkOrderState:
        for end in WorkOrderState:
            way = path_between(begin, end)
            assert way[-1] == end
            if len(way) > 1:
                assert all(WORK_ORDER_MOVES.allow(a, b) for a, b in pairwise((begin, *way)))
