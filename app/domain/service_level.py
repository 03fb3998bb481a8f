"""How well customers were told: what is counted of each hour, and the figures made of many hours.

Pure. Counts add up, shares do not: an hour keeps counts, and only the page divides. What is too
little to divide by gives no figure instead of a proud 100 %.
Source: the promise of issue 3 (99 % of notices at the provider within 5 s, 99.9 % within 30 s) and
the public numbers of docs/domain.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

FORMAT = 1
QUICK_S, SOON_S = 5, 30
# Of an estimate: how far from the real end it may be to have been right.
ETR_MARGIN_S = 1800
# From event to text message, in steps of so many seconds; the last step holds all that took longer.
STEP_S, STEPS = 15, 480


@dataclass(slots=True)
class HourCounts:
    """Counts of one hour, or of many together.

    due: notices that were to leave, of which handed reached the provider, quick and soon of those
    within 5 and 30 s, and missed never in time. unknown: calls whose end nobody knows, counted by
    themselves. delivered, undelivered: what providers reported. told_after: text messages about
    faults by how long after the event they left, in steps. etr: ends of faults with an estimate,
    of which etr_hit were within half an hour of it. visit: first visits that ended, of which
    visit_ok with a new meter.
    """

    due: int = 0
    handed: int = 0
    quick: int = 0
    soon: int = 0
    missed: int = 0
    unknown: int = 0
    delivered: int = 0
    undelivered: int = 0
    etr: int = 0
    etr_hit: int = 0
    visit: int = 0
    visit_ok: int = 0
    told_after: Counter[int] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """What is stored; empty counts are left out."""
        counts = {name: value for name in _COUNTS if (value := getattr(self, name))}
        if self.told_after:
            counts["told_after"] = {str(step): n for step, n in sorted(self.told_after.items())}
        return counts


_COUNTS = tuple(one.name for one in fields(HourCounts) if one.name != "told_after")


def add_up(hours: Iterable[Mapping[str, Any]]) -> HourCounts:
    """All hours together, from what was stored of each."""
    whole = HourCounts()
    for hour in hours:
        for name in _COUNTS:
            setattr(whole, name, getattr(whole, name) + hour.get(name, 0))
        for step, count in hour.get("told_after", {}).items():
            whole.told_after[int(step)] += count
    return whole


def step_of(seconds: float) -> int:
    """The step of a time from event to message."""
    return min(max(int(seconds // STEP_S), 0), STEPS)


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """What is published of a stretch of time; None where there was nothing to count.

    Shares are of 1. median_min: minutes from an event to the text message about it.
    """

    notices: int
    quick: float | None
    soon: float | None
    unknown: int
    median_min: float | None
    delivered: float | None
    first_visit: float | None
    etr_hit: float | None


def service_level(counts: HourCounts) -> ServiceLevel:
    """The figures of these counts."""
    return ServiceLevel(
        notices=counts.due,
        quick=_share(counts.quick, counts.due),
        soon=_share(counts.soon, counts.due),
        unknown=counts.unknown,
        median_min=_median_min(counts.told_after),
        delivered=_share(counts.delivered, counts.delivered + counts.undelivered),
        first_visit=_share(counts.visit_ok, counts.visit),
        etr_hit=_share(counts.etr_hit, counts.etr),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _median_min(steps: Counter[int]) -> float | None:
    """The middle one's minutes, at the middle of its step."""
    half = (steps.total() + 1) // 2
    if not half:
        return None
    seen = 0
    for step in sorted(steps):
        seen += steps[step]
        if seen >= half:
            return round((step + 0.5) * STEP_S / 60, 1)
    return None
