"""Plays a storm at its speed: versions in their order or shuffled, some of them repeated."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from simulators.storm.course import Statement
from simulators.storm.feed import Feed
from simulators.storm.grid import Grid
from simulators.storm.script import Act, Storm
from simulators.storm.stamps import Stamps, wire_record


@dataclass(frozen=True, slots=True)
class Disorder:
    """How the messages travel: each held back up to shuffle_s, and this share sent once more."""

    shuffle_s: float = 0.0
    repeat_ratio: float = 0.0


@dataclass(frozen=True, slots=True)
class Sending:
    """One message on its way: when it leaves, in storm seconds; copy 0 is the first."""

    at_s: float
    statement: Statement
    copy: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """A version that Tiedolla has said to have; asked_at is when it was sent."""

    asked_at: datetime
    taken_at: datetime
    statement: Statement
    copy: int


@dataclass(frozen=True, slots=True)
class Tempo:
    """speed: storm seconds in a real one; clock: told seconds in a real one."""

    stamps: Stamps
    speed: float
    clock: float


def sendings(storm: Storm, disorder: Disorder) -> list[Sending]:
    """Every message of the storm in the order in which they leave."""
    draw = random.Random(storm.seed)
    found = []
    for one in storm.statements:
        found.append(Sending(one.at_s + draw.uniform(0, disorder.shuffle_s), one))
        if draw.random() < disorder.repeat_ratio:
            later_s = one.at_s + draw.uniform(0, max(disorder.shuffle_s, 60.0))
            found.append(Sending(later_s, one, 1))
    return sorted(found, key=lambda one: (one.at_s, one.statement.ref, one.statement.version))


def play(
    storm: Storm,
    grid: Grid,
    feed: Feed,
    tempo: Tempo,
    disorder: Disorder,
    act: Callable[[Act], None],
    say: Callable[[str], None],
) -> Iterator[Taken]:
    """Send everything at its time, as far as Tiedolla keeps up; yields what was taken."""
    acts = list(storm.acts)
    hour = -1
    for sending in sendings(storm, disorder):
        while acts and acts[0].at_s <= sending.at_s:
            _wait_until(acts[0].at_s, tempo)
            act(acts.pop(0))
        _wait_until(sending.at_s, tempo)
        if int(sending.at_s // 3600) > hour:
            hour = int(sending.at_s // 3600)
            say(f"hour {hour} of the storm, {tempo.stamps.at(sending.at_s):%H:%M} UTC")
        one = sending.statement
        asked_at = datetime.now(UTC)
        record = wire_record(one, grid, tempo.stamps)
        feed.send(record, f"{one.ref}-{one.version}-{sending.copy}")
        yield Taken(asked_at, datetime.now(UTC), one, sending.copy)
    for one_act in acts:
        _wait_until(one_act.at_s, tempo)
        act(one_act)
    _wait_until(storm.hours * 3600, tempo)


def _wait_until(storm_s: float, tempo: Tempo) -> None:
    left_s = (tempo.stamps.at(storm_s) - datetime.now(UTC)).total_seconds() / tempo.clock
    if left_s > 0:
        time.sleep(left_s)
