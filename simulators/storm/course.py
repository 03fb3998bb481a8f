"""One fault of a storm: what happens to it, and the versions in which the DMS states that.

All times are seconds since the storm began. A version is a whole snapshot, as on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

PointTimes = tuple[int, float, float | None]


@dataclass(frozen=True, slots=True)
class Statement:
    """One version of one fault; at_s: when the DMS makes and sends it; points: (number, off, on)."""

    at_s: float
    ref: str
    version: int
    state: str
    started_s: float
    points: tuple[PointTimes, ...]
    cause: str | None = None
    etr_s: float | None = None
    etr_set_s: float | None = None
    confidence: str | None = None
    parent: str | None = None
    split_from: str | None = None

    @property
    def off(self) -> frozenset[int]:
        """The points that have no power, as far as this version says."""
        if self.state == "FALSE_ALARM":
            return frozenset()
        return frozenset(number for number, _, on_s in self.points if on_s is None)


@dataclass(slots=True)
class Fault:
    """A fault under way; its story changes it and lets it be stated after each change."""

    ref: str
    started_s: float
    points: dict[int, list[float | None]] = field(default_factory=dict)
    state: str = "CONFIRMED"
    cause: str | None = None
    etr_s: float | None = None
    etr_set_s: float | None = None
    confidence: str | None = None
    parent: str | None = None
    split_from: str | None = None
    statements: list[Statement] = field(default_factory=list)

    def lose(self, numbers: Iterable[int], at_s: float) -> None:
        """These points have no power from now on."""
        for number in numbers:
            if number in self.points:
                self.points[number][1] = None
            else:
                self.points[number] = [at_s, None]

    def bring_back(self, numbers: Iterable[int], at_s: float) -> None:
        """These points have power again."""
        for number in numbers:
            self.points[number][1] = at_s

    def estimate(self, etr_s: float, at_s: float, confidence: str = "MEDIUM") -> None:
        """Somebody says when it will be over."""
        self.etr_s, self.etr_set_s, self.confidence = etr_s, at_s, confidence

    def still_off(self) -> list[int]:
        """The points without power."""
        return [number for number, (_, on_s) in self.points.items() if on_s is None]

    def say(self, at_s: float) -> None:
        """The DMS states the fault as it stands."""
        self.statements.append(
            Statement(
                at_s=at_s,
                ref=self.ref,
                version=len(self.statements) + 1,
                state=self.state,
                started_s=self.started_s,
                points=tuple(
                    (number, off_s or 0.0, on_s) for number, (off_s, on_s) in self.points.items()
                ),
                cause=self.cause,
                etr_s=self.etr_s,
                etr_set_s=self.etr_set_s,
                confidence=self.confidence,
                parent=self.parent,
                split_from=self.split_from,
            )
        )


Step = tuple[float, Callable[[float], None]]


def play_out(fault: Fault, steps: Iterable[Step]) -> None:
    """Let the steps happen in their order and state the fault after each.

    Versions are at least a second apart, so that their order is never in doubt.
    """
    last_s = -1.0
    for at_s, step in sorted(steps, key=lambda one: one[0]):
        step(at_s)
        last_s = max(at_s, last_s + 1.0)
        fault.say(last_s)
