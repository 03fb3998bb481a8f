"""The charts of the rollout's page: the same numbers as its tables, laid out for the eye."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flask_babel import format_date

from app.domain.municipalities import municipality_names
from app.queries.rollout_figures import AreaPoint
from app.web.charts import (
    Tick,
    arc_of,
    area_of,
    levels,
    month_starts,
    nice_top,
    path_of,
    place_of,
)
from app.web.country_map import Country
from app.web.formats import quantity
from app.web.i18n import current_language
from app.web.operators.rollout_view import Number, PlaceRow, Week

# More words than this do not fit below a chart on a phone.
_MONTHS_MOST = 6
# The map shows at least this much of the country's height, so that one town is still on a map.
_MAP_LEAST = 260.0
# The side of the map, and the radius of the least and of the greatest municipality on it.
_MAP = 400.0
_BUBBLE = (7.0, 22.0)
# Room for one line of words, in the larger size that phones get, and where else it may go.
_WORD_HIGH, _LETTER_WIDE = 18.0, 8.4
_WORD_MOVES = (0.0, *(sign * step * 9.0 for step in range(1, 9) for sign in (1, -1)))
_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """Plan against work; today_at in per cent from the left."""

    planned: str
    installed: str
    ground: str
    today_at: float
    values: list[Tick]
    months: list[Tick]


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's bar, in per cent of the box."""

    left: float
    width: float
    top: float
    height: float
    today: bool


@dataclass(frozen=True, slots=True)
class Bars:
    """Installations a day with the line of the pace that is needed, where there is one."""

    bars: list[Bar]
    needed_at: float | None
    values: list[Tick]
    days: list[Tick]


@dataclass(frozen=True, slots=True)
class Bubble:
    """A municipality on the map: its circle, how much of the ring is done, and where its words are.

    left_of: the words end at word_x instead of beginning there.
    """

    area: str
    name: str
    x: float
    y: float
    radius: float
    arc: str
    percent: float | None
    word_x: float
    word_y: float
    left_of: bool


@dataclass(frozen=True, slots=True)
class Map:
    """A square part of the country with its municipalities; move brings the outline there."""

    size: float
    path: str
    move: str
    bubbles: list[Bubble]


def curve(weeks: Sequence[Week], today: date) -> Curve | None:
    """The S-curve; None when there is nothing to draw."""
    if len(weeks) < 2:
        return None
    first, last = weeks[0].day, weeks[-1].day
    done = [(week.day, week.installed.count) for week in weeks if week.installed is not None]
    most = max([week.planned for week in weeks] + [count for _, count in done])
    top, step = nice_top(most)

    def at(day: date, count: int) -> tuple[float, float]:
        return place_of(day, first, last), 100 - 100 * count / top

    installed = [at(day, count) for day, count in done]
    planned = [at(week.day, week.planned) for week in weeks] if weeks[-1].planned else []
    return Curve(
        path_of(planned),
        path_of(installed),
        area_of(installed),
        place_of(today, first, last),
        [Tick(height, quantity(value)) for height, value in levels(top, step)],
        [
            Tick(place_of(month, first, last), _month(month))
            for month in month_starts(first, last, _MONTHS_MOST)
            if place_of(month, first, last) < 93
        ],
    )


def bars(days: Sequence[Number], needed: int | None, today: date) -> Bars:
    """A bar for each day; days of which each is a choice of one day."""
    top, step = nice_top(max([number.count for number in days] + [needed or 0, 4]))
    width = 100 / max(len(days), 1)
    drawn, words = [], []
    for place, number in enumerate(days):
        day = number.choice.to_day
        height = 100 * number.count / top
        drawn.append(
            Bar(place * width + width * 0.12, width * 0.76, 100 - height, height, day == today)
        )
        if day is not None and place % 7 == 0 and place < len(days) - 3:
            words.append(Tick(place * width + width / 2, _day(day)))
    return Bars(
        drawn,
        None if not needed else 100 - 100 * needed / top,
        [Tick(height, quantity(value)) for height, value in levels(top, step)],
        words,
    )


def area_map(country: Country, rows: Sequence[PlaceRow], points: Sequence[AreaPoint]) -> Map | None:
    """The municipalities that have orders or a plan, where our own metering points are."""
    places = {point.area: country.place(point.lat, point.lon) for point in points}
    shown = [row for row in rows if row.name in places]
    if not shown:
        return None
    left, top, size = _window([places[row.name or ""] for row in shown], country)
    scale = _MAP / size
    most = max(max(row.planned, row.orders.count) for row in shown) or 1
    circles: list[tuple[PlaceRow, float, float, float]] = []
    for row in sorted(shown, key=lambda row: -max(row.planned, row.orders.count)):
        on_map = places[row.name or ""]
        share = max(row.planned, row.orders.count) / most
        radius = _BUBBLE[0] + (_BUBBLE[1] - _BUBBLE[0]) * math.sqrt(share)
        circles.append((row, (on_map[0] - left) * scale, (on_map[1] - top) * scale, radius))
    names = [
        municipality_names(row.name or "").in_language(current_language()) for row, *_ in circles
    ]
    words = _place_words(
        [(x, y, radius) for _, x, y, radius in circles], [len(name) + 7 for name in names]
    )
    bubbles = [
        Bubble(
            row.name or "",
            name,
            x,
            y,
            radius,
            arc_of(x, y, radius, (row.percent or 0) / 100),
            row.percent,
            *where,
        )
        for (row, x, y, radius), name, where in zip(circles, names, words, strict=True)
    ]
    move = f"scale({scale:.5f}) translate({-left:.2f} {-top:.2f})"
    return Map(_MAP, country.path, move, bubbles)


def _place_words(
    circles: Sequence[tuple[float, float, float]], lengths: Sequence[int]
) -> list[tuple[float, float, bool]]:
    """Where the words of each circle stand: beside it, moved until they lie on nothing else.

    Where everything is full they stand beside their circle all the same; the list has them too.
    """
    rings = [(x - r - 3, y - r - 3, x + r + 3, y + r + 3) for x, y, r in circles]
    found: list[tuple[float, float, bool]] = []
    taken: list[_Box] = []
    for place, ((x, y, radius), length) in enumerate(zip(circles, lengths, strict=True)):
        others = taken + rings[:place] + rings[place + 1 :]
        choices = [
            _Words.beside(x, y + move, radius, length, left_of=left_of)
            for move in _WORD_MOVES
            for left_of in (False, True)
        ]
        best = next((each for each in choices if each.is_free(others)), choices[0])
        taken.append(best.box)
        found.append((best.x, best.y, best.left_of))
    return found


@dataclass(frozen=True, slots=True)
class _Words:
    """Words that may stand somewhere; box is the room that they take."""

    x: float
    y: float
    left_of: bool
    box: _Box

    @classmethod
    def beside(cls, x: float, y: float, radius: float, length: int, *, left_of: bool) -> _Words:
        wide = length * _LETTER_WIDE
        at = x - radius - 8 if left_of else x + radius + 8
        left = at - wide if left_of else at
        half = _WORD_HIGH / 2
        return cls(at, y, left_of, (left, y - half, left + wide, y + half))

    def is_free(self, others: Sequence[_Box]) -> bool:
        left, top, right, foot = self.box
        inside = left > 2 and top > 2 and right < _MAP - 2 and foot < _MAP - 2
        return inside and not any(
            left < other[2] and other[0] < right and top < other[3] and other[1] < foot
            for other in others
        )


def _window(places: Sequence[tuple[float, float]], country: Country) -> tuple[float, float, float]:
    """The square that shows all places with room around them."""
    xs, ys = [x for x, _ in places], [y for _, y in places]
    size = max(max(xs) - min(xs), max(ys) - min(ys)) * 1.5
    size = min(max(size, _MAP_LEAST), country.height * 1.04)
    return (max(xs) + min(xs) - size) / 2, (max(ys) + min(ys) - size) / 2, size


def _month(day: date) -> str:
    return str(format_date(day, "LLL yy"))


def _day(day: date) -> str:
    return str(format_date(day, "d MMM" if current_language() == "en" else "d.M."))
