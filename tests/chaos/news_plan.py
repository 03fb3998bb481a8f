"""What the DMS will state and what people will write, decided beforehand from the seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

# Customers with two points have two neighbouring ones, of which the second can be divided by 25.
POINTS_PER_OUTAGE = 5
FIRST_POINT_AFTER = 25
FAULT_EVERY_S = 1.6
CUT_EVERY_S = 5.0
TEXT_EVERY_S = 3.0
# A cut that began so long ago may be told at once; one that is over sooner is never told.
LONG_AGO_S, BRIEF_AGO_S = 240.0, 155.0
LATE_S = (1.0, 3.0)

STOP_WORDS = ("SEIS", "stop", "Stopp.", " LOPETA", "sluta!")
OTHER_WORDS = ("TILA", "ohje", "HELP", "Läge")


@dataclass(frozen=True, slots=True)
class Statement:
    """One version of one outage, as a whole.

    off: points that it has touched so far, and back: those of them with power again since the
    second given; both are places within the outage. etr_h: the estimate, in hours from the run's
    beginning. posts: at which seconds it is put on the wire.
    """

    ref: str
    version: int
    kind: str
    state: str
    at_s: float
    posts: tuple[float, ...]
    first: int
    off_at_s: float
    off: tuple[int, ...]
    back: Mapping[int, float]
    etr_h: float | None = None
    etr_set_s: float | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Somebody writes to us: a stop goes from a phone that is about to be told something."""

    at_s: float
    body: str
    stops: bool


@dataclass(frozen=True, slots=True)
class Approval:
    """A person approves the draft of a planned cut."""

    at_s: float
    ref: str


@dataclass(frozen=True, slots=True)
class NewsPlan:
    """Everything of one run; the outages' points follow one another from first_point on."""

    first_point: int
    point_count: int
    statements: list[Statement]
    approvals: list[Approval]
    texts: list[Text]


@dataclass(slots=True)
class _Draft:
    """An outage while its versions are made up."""

    draw: random.Random
    ref: str
    kind: str
    first: int
    at_s: float
    off_at_s: float
    off: tuple[int, ...]
    version: int = 0
    etr_h: float | None = None
    etr_set_s: float | None = None
    back: tuple[tuple[int, float], ...] = ()

    def state(self, state: str = "CONFIRMED", after_s: float = 0.0) -> Statement:
        """The next version, so many seconds later; some come twice, some after the next one."""
        self.at_s += after_s
        self.version += 1
        chance = self.draw.random()
        late_s = self.draw.uniform(*LATE_S)
        posts = {
            chance < 0.15: (self.at_s + late_s,),
            0.15 <= chance < 0.3: (self.at_s, self.at_s + late_s),
        }.get(True, (self.at_s,))
        return Statement(
            self.ref,
            self.version,
            self.kind,
            state,
            self.at_s,
            posts,
            self.first,
            self.off_at_s,
            self.off,
            dict(self.back),
            self.etr_h,
            self.etr_set_s,
        )

    def restore(self, after_s: float, *places: int) -> Statement:
        """The next version: these have power again, or all of them."""
        known = dict(self.back)
        now = [place for place in places or self.off if place not in known]
        self.back += tuple((place, self.at_s + after_s) for place in now)
        return self.state(after_s=after_s)

    def estimate(self, after_s: float, etr_h: float) -> Statement:
        """The next version: an estimate."""
        self.etr_h, self.etr_set_s = etr_h, self.at_s + after_s
        return self.state(after_s=after_s)


def make_news(seed: int, duration_s: float, after_point: int) -> NewsPlan:
    """Faults, planned cuts and texts for as long as the run lasts, on points of their own."""
    draw = random.Random(f"news {seed}")  # noqa: S311 - the same seed has to mean the same run.
    step = FIRST_POINT_AFTER
    first_point = (after_point // step + 1) * step + 1
    statements: list[Statement] = []
    approvals: list[Approval] = []
    number = 0

    def draft(kind: str, at_s: float, ago_s: float) -> _Draft:
        nonlocal number
        number += 1
        first = first_point + (number - 1) * POINTS_PER_OUTAGE
        places = tuple(range(POINTS_PER_OUTAGE))
        return _Draft(draw, f"{kind[0]}-{number}", kind, first, at_s, at_s - ago_s, places)

    deck: list[str] = []
    for place in range(max(1, int(duration_s / FAULT_EVERY_S))):
        if not deck:
            deck = list(FAULTS)
            draw.shuffle(deck)
        story = deck.pop()
        ago_s = BRIEF_AGO_S if story == "brief" else LONG_AGO_S
        statements += FAULTS[story](draft("FAULT", place * FAULT_EVERY_S, ago_s))
    for place in range(max(1, int(duration_s / CUT_EVERY_S))):
        cut = draft("PLANNED", place * CUT_EVERY_S, 0.0)
        statements.append(cut.state())
        approvals.append(Approval(cut.at_s + 1.5, cut.ref))
        if place % 3 != 2:
            statements.append(cut.state("CANCELLED", draw.uniform(3.0, 9.0)))
    return NewsPlan(
        first_point,
        number * POINTS_PER_OUTAGE,
        sorted(statements, key=lambda one: one.at_s),
        approvals,
        list(_texts(draw, duration_s)),
    )


def _texts(draw: random.Random, duration_s: float) -> Iterator[Text]:
    for number in range(max(1, int(duration_s / TEXT_EVERY_S))):
        stops = number % 3 != 2
        words = STOP_WORDS if stops else OTHER_WORDS
        yield Text((number + draw.random()) * TEXT_EVERY_S, draw.choice(words), stops)


def _whole(fault: _Draft) -> Iterator[Statement]:
    yield fault.state()
    yield fault.restore(fault.draw.uniform(3, 8))
    yield fault.state("CLOSED", 1.0)


def _with_estimates(fault: _Draft) -> Iterator[Statement]:
    yield fault.state()
    yield fault.estimate(fault.draw.uniform(1, 3), fault.draw.choice((2.0, 3.0)))
    yield fault.estimate(fault.draw.uniform(0.5, 3), fault.draw.choice((5.0, 6.0)))
    yield fault.restore(fault.draw.uniform(2, 6))


def _in_parts(fault: _Draft) -> Iterator[Statement]:
    yield fault.state()
    yield fault.restore(fault.draw.uniform(3, 5), 0, 1)
    yield fault.restore(fault.draw.uniform(1, 5))


def _growing(fault: _Draft) -> Iterator[Statement]:
    everywhere, fault.off = fault.off, fault.off[:2]
    yield fault.state()
    fault.off = everywhere
    yield fault.state(after_s=fault.draw.uniform(1, 4))
    yield fault.restore(fault.draw.uniform(3, 6))


def _false(fault: _Draft) -> Iterator[Statement]:
    yield fault.state()
    yield fault.state("FALSE_ALARM", fault.draw.uniform(2, 7))


def _open(fault: _Draft) -> Iterator[Statement]:
    yield fault.state()
    yield fault.estimate(fault.draw.uniform(2, 4), 4.0)


def _brief(fault: _Draft) -> Iterator[Statement]:
    yield fault.state()
    yield fault.restore(fault.draw.uniform(1, 4))


FAULTS: Mapping[str, Callable[[_Draft], Iterator[Statement]]] = {
    "whole": _whole,
    "whole again": _whole,
    "with estimates": _with_estimates,
    "in parts": _in_parts,
    "growing": _growing,
    "false": _false,
    "open": _open,
    "brief": _brief,
}
