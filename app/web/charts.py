"""Geometry of charts that are drawn on the server: scales, ticks and paths, in per cent of a box.

A chart is an SVG without a scale of its own: shapes are drawn into an inner box that stretches, and
words stand beside it in the size of the page's text, so that both stay readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Tick:
    """A word beside an axis; at is per cent of the box, from its left or from its top."""

    at: float
    text: str


def nice_top(most: float, steps: int = 4) -> tuple[int, int]:
    """The top of an axis that shows `most` with whole round steps, and the step."""
    rough = max(most, 1) / steps
    size = 10 ** math.floor(math.log10(rough))
    step = next(
        (int(size * part) for part in (1, 2, 5, 10) if size * part >= max(rough, 1)), 10 * int(size)
    )
    step = max(step, 1)
    return step * max(math.ceil(most / step), 1), step


def levels(top: int, step: int) -> list[tuple[float, int]]:
    """The lines of an axis from its foot to its top: where, and what they mean."""
    return [(100 - value * 100 / top, value) for value in range(0, top + 1, step)]


def path_of(points: Sequence[Point]) -> str:
    """A line through points of the box."""
    return "".join(f"{'L' if place else 'M'}{x:.2f} {y:.2f}" for place, (x, y) in enumerate(points))


def area_of(points: Sequence[Point]) -> str:
    """The ground below a line."""
    if not points:
        return ""
    return f"{path_of(points)}L{points[-1][0]:.2f} 100L{points[0][0]:.2f} 100Z"


def arc_of(x: float, y: float, radius: float, share: float) -> str:
    """A part of a ring, from the top and clockwise; share from 0 to 1."""
    share = min(max(share, 0.0), 0.9999)
    angle = 2 * math.pi * share
    to_x, to_y = x + radius * math.sin(angle), y - radius * math.cos(angle)
    large = int(share > 0.5)
    return f"M{x:.2f} {y - radius:.2f}A{radius:.2f} {radius:.2f} 0 {large} 1 {to_x:.2f} {to_y:.2f}"


def place_of(day: date, first: date, last: date) -> float:
    """Where a day is between two, in per cent."""
    return 100 * (day - first).days / max((last - first).days, 1)


def month_starts(first: date, last: date, most: int) -> list[date]:
    """First days of months between two days, thinned out evenly to at most `most`."""
    months: list[date] = []
    day = date(first.year, first.month, 1)
    while day <= last:
        if day >= first:
            months.append(day)
        day = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    every = max(math.ceil(len(months) / most), 1)
    # A year has halves, thirds and quarters, but no fifths.
    every = next((size for size in (1, 2, 3, 4, 6, 12, 24) if size >= every), every)
    return [month for month in months if (month.year * 12 + month.month - 1) % every == 0]
