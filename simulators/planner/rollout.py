"""The plan of a rollout as the planner's spreadsheet writes it: waves by municipality."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from simulators.cis.world import make_points


@dataclass(frozen=True, slots=True)
class Wave:
    """The points numbered first, first + 1, … are to have new meters between two days."""

    name: str
    first: int
    count: int
    from_on: date
    to_on: date


def make_rollout_plan(seed: int, waves: Sequence[Wave]) -> str:
    """The whole plan; the municipalities are those in which the points of the wave are."""
    text = io.StringIO()
    sheet = csv.writer(text, delimiter=";", lineterminator="\r\n")
    sheet.writerow(("wave", "municipality", "from", "to", "meters", "crews"))
    for wave in waves:
        points = make_points(seed, wave.first, wave.count)
        counts = Counter(point.municipality for point in points)
        for code, count in sorted(counts.items()):
            sheet.writerow(
                (wave.name, code, wave.from_on, wave.to_on, count, max(1, round(count / 60)))
            )
    return text.getvalue()
