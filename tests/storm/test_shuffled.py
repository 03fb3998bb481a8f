"""Every event of a storm shuffled and repeated gives the same ledger.

What "the same" can mean: rules that go by the clock (one update an hour, quiet hours, three minutes
of grace) depend on when news arrives, and have to. So the clock stands still while a stretch of the
storm arrives, in its order, or shuffled and partly repeated; then everything is planned and sent,
and the next stretch follows. Who was told what, in which words, in what order and when must be equal
to the last letter. Where news arrives hours late, across stretches, the outages must still end in the
same rows, and nobody may be told twice or left in the dark.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

import pytest
from flask import Flask

from simulators.storm.course import Statement
from simulators.storm.grid import Grid, read_grid
from simulators.storm.replay import Disorder, sendings
from simulators.storm.script import Storm, make_storm
from simulators.storm.stamps import Stamps
from tests.services.fault_world import final_rows
from tests.storm_world import (
    batches,
    forget_storm,
    ledger,
    moment,
    plan_and_hand_over,
    settle_grid,
    take,
)

BEGAN = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
POINTS, FAULTS, HOURS, SEED = 2_000, 40, 24.0, 7
# Rare stories are told often here.
SHARES = {"brief": 0.1, "false alarm": 0.1, "merged": 0.15, "split": 0.15, "wrong end": 0.15}
STRETCH_S = 1_200.0
_DELAY_S = 2 * 3_600.0

Order = Callable[[Sequence[Statement]], Sequence[Statement]]


def test_the_storm_has_something_of_everything(storm: Storm) -> None:
    assert set(storm.stories) == {
        "plain", "brief", "false alarm", "merged", "split", "wrong end",
    }  # fmt: skip
    assert storm.fault_count == FAULTS
    assert len(storm.statements) > 3 * FAULTS


def test_events_shuffled_and_repeated_while_the_clock_stands_still_give_the_same_ledger(
    world: Grid, storm: Storm
) -> None:
    in_order = _play(world, storm, list)
    told = ledger()
    assert {row[2] for row in told} >= {"FAULT_STARTED", "FAULT_ETR", "FAULT_RESTORED"}
    for seed in (1, 2, 3):
        draw = random.Random(seed)  # noqa: S311 - the same disorder each time.
        shuffled = _play(world, storm, partial(_shuffled, draw=draw))
        assert shuffled == in_order
        assert _differences(told, ledger()) == []


def test_events_that_come_hours_late_and_again_end_in_the_same_outages_and_tell_nobody_twice(
    world: Grid, storm: Storm
) -> None:
    in_order = _play(world, storm, list)
    forget_storm()
    late = sendings(storm, Disorder(_DELAY_S, 0.3))
    arrived = [(one.at_s, one.statement) for one in late]
    for end_s in range(int(STRETCH_S), int((HOURS + 12) * 3600), int(STRETCH_S)):
        now = moment(BEGAN, end_s)
        part = [one for at_s, one in arrived if end_s - STRETCH_S <= at_s < end_s]
        take(part, world, Stamps(BEGAN), now)
        plan_and_hand_over(now)
    assert list(final_rows()) == in_order
    rows = ledger()
    told = Counter((to, ref, kind, body) for to, ref, kind, body, *_ in rows)
    assert [one for one, count in told.items() if count > 1] == []
    assert _left_in_the_dark(rows) == []


def _play(world: Grid, storm: Storm, order: Order) -> list[tuple[object, ...]]:
    """The whole storm, stretch by stretch, each in this order; the outages at its end."""
    forget_storm()
    for end_s, part in batches(storm.statements, STRETCH_S):
        now = moment(BEGAN, end_s)
        take(order(part), world, Stamps(BEGAN), now)
        plan_and_hand_over(now)
    return list(final_rows())


def _shuffled(part: Sequence[Statement], draw: random.Random) -> list[Statement]:
    again = [*part, *draw.sample(part, len(part) // 2)]
    draw.shuffle(again)
    return again


def _differences(one: list[tuple[object, ...]], other: list[tuple[object, ...]]) -> list[str]:
    """What only one of them has, readable."""
    left, right = Counter(one), Counter(other)
    return [
        *(f"only in order: {row}" for row in (left - right)),
        *(f"only shuffled: {row}" for row in (right - left)),
    ]


def _left_in_the_dark(rows: list[tuple[object, ...]]) -> list[object]:
    """Whoever was told last that the power is off; it is on everywhere by now."""
    ends = {"FAULT_RESTORED", "MORNING_SUMMARY", "CORRECTION", "COMPENSATION"}
    last: dict[object, object] = {}
    for to, _, kind, *_ in rows:
        if kind != "STORM_BULLETIN":
            last[to] = kind
    return [to for to, kind in last.items() if kind not in ends]


@pytest.fixture(scope="module")
def storm(grid: Grid) -> Storm:
    """The same storm for all tests of this file."""
    return make_storm(grid, SEED, FAULTS, HOURS, "S", SHARES)


@pytest.fixture(scope="module")
def grid() -> Grid:
    return read_grid(1, 1, POINTS)


@pytest.fixture
def world(app: Flask, grid: Grid) -> Iterator[Grid]:
    """The grid with its people in the database."""
    with app.app_context():
        settle_grid(grid, 1, BEGAN)
        yield grid
