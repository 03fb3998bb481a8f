"""The whole storm from a seed: when faults come, how large they are, and which story each has."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulators.storm.course import Fault, Statement, Step, play_out
from simulators.storm.grid import Grid

MINUTE, HOUR = 60.0, 3600.0
# 500 of 1,400 faults of a real storm were in medium voltage, the others behind one transformer.
MEDIUM_VOLTAGE_SHARE = 0.36
CAUSES = ("TREE", "STORM", "STORM", "CABLE", "TRANSFORMER", None)
# How often each story is told; the rest are plain.
STORIES = {"brief": 0.05, "false alarm": 0.02, "merged": 0.03, "split": 0.03, "wrong end": 0.02}


@dataclass(frozen=True, slots=True)
class Act:
    """Something that an operator does: open, assess or end the storm."""

    at_s: float
    what: str


@dataclass(frozen=True, slots=True)
class Storm:
    """Everything that will happen, in its order; stories: how many faults have each."""

    seed: int
    hours: float
    statements: list[Statement]
    acts: list[Act]
    stories: Counter[str]
    points: frozenset[int]

    @property
    def fault_count(self) -> int:
        """How many faults the DMS states."""
        return len({one.ref for one in self.statements})


def make_storm(
    grid: Grid,
    seed: int,
    fault_count: int,
    hours: float,
    prefix: str,
    shares: Mapping[str, float] = STORIES,
) -> Storm:
    """The storm of this seed; the same grid and seed are always the same storm.

    hours: from the first fault to the last repair; operators open the storm after 3 % of them, say
    that damage is assessed after 22 %, and end it after 95 %.
    """
    draw = random.Random(seed)
    faults: list[Fault] = []
    stories: Counter[str] = Counter()
    number = 0
    while number < fault_count:
        number += 1
        story = _story(draw, shares)
        ref = f"{prefix}-{number:04d}"
        maker = _Maker(draw, grid, ref, hours * HOUR)
        if story in ("merged", "split") and (number == fault_count or len(maker.numbers) < 2):
            story = "plain"
        made = _STORIES[story](maker)
        number += len(made) - 1
        stories[story] += 1
        faults += made
    statements = sorted(
        (one for fault in faults for one in fault.statements),
        key=lambda one: (one.at_s, one.ref, one.version),
    )
    acts = [
        Act(share * hours * HOUR, what)
        for share, what in ((0.03, "open"), (0.22, "assess"), (0.95, "end"))
    ]
    points = frozenset(point[0] for one in statements for point in one.points)
    return Storm(seed, hours, statements, acts, stories, points)


def _story(draw: random.Random, shares: Mapping[str, float]) -> str:
    chance = draw.random()
    for story, share in shares.items():
        if chance < share:
            return story
        chance -= share
    return "plain"


class _Maker:
    """What all stories have in common: where the fault is, when it begins and how long it lasts."""

    def __init__(self, draw: random.Random, grid: Grid, ref: str, length_s: float) -> None:
        self.draw = draw
        self.ref = ref
        # Most come in the first third, with a peak after some hours.
        self.start_s = round(draw.betavariate(2, 4) * length_s * 0.42)
        # The last repair ends a little before the storm does.
        self.last_s = length_s * 0.97
        self.large = draw.random() < MEDIUM_VOLTAGE_SHARE
        if self.large:
            group, share = draw.choice(grid.feeders), draw.uniform(0.2, 0.75)
            lasts_s = draw.lognormvariate(math.log(100 * MINUTE), 0.8)
        else:
            group, share = draw.choice(grid.transformers), draw.uniform(0.2, 1.0)
            lasts_s = draw.lognormvariate(math.log(5 * HOUR), 0.7)
        self.numbers = sorted(draw.sample(group, max(1, round(len(group) * share))))
        lasts_s = min(lasts_s, length_s * 0.55)
        self.found_s = self.start_s + self.minutes(*((0.5, 3) if self.large else (3, 25)))
        end_s = min(self.start_s + lasts_s, self.last_s)
        self.end_s = round(max(end_s, self.found_s + 5 * MINUTE))

    def fault(self, suffix: str = "") -> Fault:
        return Fault(self.ref + suffix, self.start_s)

    def minutes(self, least: float, most: float) -> float:
        return round(self.draw.uniform(least, most) * MINUTE)

    def part(self, numbers: list[int], share: float) -> list[int]:
        return numbers[: max(1, round(len(numbers) * share))] if numbers else []


def _plain(maker: _Maker) -> list[Fault]:
    """Found, perhaps grown, estimated, perhaps partly back by other lines, repaired."""
    fault = maker.fault()
    steps = [_found(maker, fault), *_estimates(maker, fault)]
    steps += [*_growth(maker, fault), *_back_feed(maker, fault)]
    play_out(fault, [*steps, _repaired(fault, maker.end_s)])
    return [fault]


def _brief(maker: _Maker) -> list[Fault]:
    """Over before anybody has to hear of it (REQ-38)."""
    fault = maker.fault()
    on_s = maker.start_s + round(maker.draw.uniform(20, 165))
    found = (maker.start_s + 5.0, lambda _: fault.lose(maker.numbers, maker.start_s))
    play_out(fault, [found, _repaired(fault, on_s)])
    return [fault]


def _false_alarm(maker: _Maker) -> list[Fault]:
    """Stated, told, and then found to be nothing (REQ-34)."""
    fault = maker.fault()

    def nothing(_: float) -> None:
        fault.state = "FALSE_ALARM"

    at_s = maker.found_s + maker.minutes(6, 30)
    play_out(fault, [_found(maker, fault), (at_s, nothing)])
    return [fault]


def _merged(maker: _Maker) -> list[Fault]:
    """Two faults that turn out to be one: the part goes on as points of the whole."""
    whole, part = maker.fault(), maker.fault("P")
    half = len(maker.numbers) // 2
    mine, theirs = maker.numbers[half:], maker.numbers[:half]
    at_s = maker.start_s + maker.minutes(6, 25)
    end_s = max(maker.end_s, at_s + 10 * MINUTE)

    def join(_: float) -> None:
        part.parent = whole.ref

    found = (maker.start_s + maker.minutes(1, 4), lambda _: whole.lose(mine, maker.start_s))
    play_out(whole, [found, *_estimates(maker, whole), _repaired(whole, end_s)])
    found = (maker.start_s + maker.minutes(1, 4), lambda _: part.lose(theirs, maker.start_s))
    play_out(part, [found, (at_s, join), _repaired(part, end_s)])
    return [whole, part]


def _split(maker: _Maker) -> list[Fault]:
    """One fault that turns out to be two: some of its points go on as another's."""
    whole, part = maker.fault(), maker.fault("S")
    part.split_from = whole.ref
    half = len(maker.numbers) // 2
    theirs = maker.numbers[:half]
    at_s = maker.found_s + maker.minutes(6, 30)
    end_s = max(maker.end_s, at_s + 20 * MINUTE)
    later_s = min(end_s + maker.minutes(30, 180), maker.last_s)

    def part_ways(_: float) -> None:
        for number in theirs:
            del whole.points[number]

    # The new fault is stated first: at no moment is there a point without a fault.
    begun = (at_s - 1.0, lambda _: part.lose(theirs, maker.start_s))
    play_out(part, [begun, _repaired(part, later_s)])
    play_out(whole, [_found(maker, whole), (at_s, part_ways), _repaired(whole, end_s)])
    return [whole, part]


def _wrong_end(maker: _Maker) -> list[Fault]:
    """Stated as over, and then some are found to be without power still (REQ-05)."""
    fault = maker.fault()
    end_s = max(maker.end_s, maker.start_s + 30 * MINUTE)
    again_s = end_s + maker.minutes(8, 30)
    really_s = again_s + maker.minutes(20, 90)
    some = maker.part(maker.numbers, 0.3)
    steps = [_found(maker, fault), *_estimates(maker, fault), _repaired(fault, end_s)]
    steps.append((again_s, lambda at_s: fault.lose(some, at_s)))
    play_out(fault, [*steps, _repaired(fault, really_s)])
    return [fault]


def _found(maker: _Maker, fault: Fault) -> Step:
    return maker.found_s, lambda _: fault.lose(maker.numbers, maker.start_s)


def _repaired(fault: Fault, end_s: float) -> Step:
    return end_s, lambda at_s: fault.bring_back(fault.still_off(), at_s)


def _growth(maker: _Maker, fault: Fault) -> list[Step]:
    """Some of its points are found later (REQ-03)."""
    if maker.draw.random() > 0.15 or len(maker.numbers) < 4:
        return []
    late = maker.part(maker.numbers, 0.4)
    maker.numbers = maker.numbers[len(late) :]
    at_s = min(maker.found_s + maker.minutes(5, 20), maker.end_s - 2 * MINUTE)
    return [(at_s, lambda now_s: fault.lose(late, now_s - MINUTE))]


def _back_feed(maker: _Maker, fault: Fault) -> list[Step]:
    """Other lines give most of them their power back within minutes, the others wait."""
    if not maker.large or maker.draw.random() > 0.6 or len(maker.numbers) < 4:
        return []
    at_s = maker.start_s + maker.minutes(5, 14)
    back = maker.part(maker.numbers, maker.draw.choice((0.5, 0.8)))
    return [(at_s, lambda now_s: fault.bring_back(back, now_s))] if at_s < maker.end_s else []


def _estimates(maker: _Maker, fault: Fault) -> list[Step]:
    """A first estimate that is mostly too careful, changes, wavering, and some that pass."""
    draw, steps = maker.draw, list[Step]()
    at_s = maker.found_s + maker.minutes(15, 50)
    cause = draw.choice(CAUSES)
    guess_s = maker.end_s + draw.gauss(20, 50) * MINUTE
    left = draw.choice((0, 1, 1, 2, 3))
    while at_s < maker.end_s - MINUTE:
        # Nobody promises what has passed, and whoever promises does so in quarters of an hour.
        etr_s = _quarter(max(guess_s, at_s + 30 * MINUTE))
        steps.append((at_s, _estimating(fault, etr_s, cause)))
        if left == 0:
            break
        left -= 1
        wait_s = maker.minutes(20, 150)
        if draw.random() < 0.3:
            for sign in (1, -1, 1):
                # Wavering by minutes, which nobody is to hear of (REQ-07).
                at_s += maker.minutes(3, 9)
                wavers_s = etr_s + sign * draw.choice((5, 8, 10)) * MINUTE
                if at_s < maker.end_s - MINUTE and wavers_s > at_s + 5 * MINUTE:
                    steps.append((at_s, _estimating(fault, wavers_s, cause)))
        at_s += wait_s
        guess_s = maker.end_s + draw.gauss(10, 30) * MINUTE
    return steps


def _estimating(fault: Fault, etr_s: float, cause: str | None) -> Callable[[float], None]:
    def estimate(at_s: float) -> None:
        fault.cause = cause
        fault.estimate(etr_s, at_s)

    return estimate


def _quarter(at_s: float) -> float:
    return math.ceil(at_s / 900) * 900


_STORIES: dict[str, Callable[[_Maker], list[Fault]]] = {
    "plain": _plain,
    "brief": _brief,
    "false alarm": _false_alarm,
    "merged": _merged,
    "split": _split,
    "wrong end": _wrong_end,
}
