"""The plan of the rollout: waves by municipality, and how many meters ought to hang by a day."""

from __future__ import annotations

import csv
import io
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate

from app.domain.municipalities import MUNICIPALITIES
from app.domain.rollout import NONE, count_working_days

# Rows of a table made for people; more is a wrong file.
ROWS_MOST = 20_000
METERS_MOST = 10_000_000
_YEARS = (2000, 2100)


@dataclass(frozen=True, slots=True)
class PlanRow:
    """So many meters of one wave in one municipality, evenly over the working days between two."""

    wave: str
    area: str
    from_on: date
    to_on: date
    meter_count: int
    crew_count: int | None = None


@dataclass(frozen=True, slots=True)
class PlanFault:
    """Why a line cannot be taken; column is a name of COLUMNS, or empty for the whole file."""

    line: int
    column: str
    code: str
    value: str = ""


# What the columns may be called in the three languages.
COLUMNS: Mapping[str, frozenset[str]] = {
    "wave": frozenset({"wave", "aalto", "våg"}),
    "municipality": frozenset({"municipality", "area", "kunta", "kommun"}),
    "from": frozenset({"from", "start", "alkaa", "från"}),
    "to": frozenset({"to", "end", "päättyy", "till"}),
    "meters": frozenset({"meters", "count", "mittareita", "mätare"}),
    "crews": frozenset({"crews", "työryhmiä", "arbetslag"}),
}
_MUST = ("wave", "municipality", "from", "to", "meters")
_CODES = {
    name.casefold(): code for code, names in MUNICIPALITIES.items() for name in (*names, code)
}


def parse_plan(content: bytes) -> tuple[list[PlanRow], list[PlanFault]]:
    """Read a plan as spreadsheets write it: CSV with comma, semicolon or tab, UTF-8 or Windows-1252.

    The whole is judged: all faults are told, and a plan with one fault is no plan.
    """
    sheet = csv.reader(io.StringIO(_decode(content), newline=""), delimiter=_delimiter(content))
    try:
        lines = list(sheet)
    except csv.Error:
        return [], [PlanFault(sheet.line_num, "", "NOT_CSV")]
    places = _places(lines[0]) if lines else {}
    missing = [name for name in _MUST if name not in places]
    if missing:
        return [], [PlanFault(1, name, "COLUMN_MISSING") for name in missing]
    rows: list[PlanRow] = []
    faults: list[PlanFault] = []
    first_line: dict[tuple[str, str, date], int] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(rows) >= ROWS_MOST:
            faults.append(PlanFault(number, "", "TOO_MANY_ROWS"))
            break
        told = {n: cells[at].strip() if at < len(cells) else "" for n, at in places.items()}
        wrong = list(_faults_of(number, told))
        if wrong:
            faults += wrong
            continue
        row = _row(told)
        same = first_line.setdefault((row.wave, row.area, row.from_on), number)
        if same != number:
            faults.append(PlanFault(number, "wave", "ROW_TWICE", str(same)))
        rows.append(row)
    if not rows and not faults:
        faults.append(PlanFault(1, "", "EMPTY"))
    return rows, faults


def planned_by(row: PlanRow, day: date, days_off: Collection[date]) -> int:
    """How many meters of a row ought to hang when the day is over."""
    if day >= row.to_on:
        return row.meter_count
    whole = count_working_days(row.from_on, row.to_on, days_off)
    if day < row.from_on or not whole:
        return 0
    return row.meter_count * count_working_days(row.from_on, day, days_off) // whole


def planned_curve(
    rows: Sequence[PlanRow], days: Sequence[date], days_off: Collection[date]
) -> list[int]:
    """The same for all rows together, at the end of each of some days that grow.

    Exactly the sum of the rows, so that no chart differs from a table by what was rounded. Working
    days are counted once, and a row costs only as many steps as it has days among those asked for.
    """
    if not rows:
        return [0] * len(days)
    first = min(row.from_on for row in rows)
    length = (max(row.to_on for row in rows) - first).days + 1
    axis = [first + timedelta(days=n) for n in range(length)]
    before = [0, *accumulate(day.weekday() < 5 and day not in days_off for day in axis)]
    reached = [0] * len(days)
    whole_from = [0] * (len(days) + 1)
    for row in rows:
        start, end = (row.from_on - first).days, (row.to_on - first).days
        whole = before[end + 1] - before[start]
        begins, done = bisect_left(days, row.from_on), bisect_left(days, row.to_on)
        whole_from[done] += row.meter_count
        for place in range(begins, done) if whole else ():
            worked = before[(days[place] - first).days + 1] - before[start]
            reached[place] += row.meter_count * worked // whole
    return [part + whole for part, whole in zip(reached, accumulate(whole_from), strict=False)]


def _row(told: Mapping[str, str]) -> PlanRow:
    first, last = _day(told["from"]), _day(told["to"])
    assert first is not None and last is not None  # noqa: S101, PT018 - _faults_of has looked.
    return PlanRow(
        " ".join(told["wave"].split()),
        _CODES[_area_key(told["municipality"])],
        first,
        last,
        int(_digits(told["meters"])),
        int(told["crews"]) if told.get("crews") else None,
    )


def _faults_of(line: int, told: Mapping[str, str]) -> Iterator[PlanFault]:
    if told["wave"] in ("", NONE) or len(told["wave"]) > 60:
        yield PlanFault(line, "wave", "NAME", told["wave"][:60])
    if _area_key(told["municipality"]) not in _CODES:
        yield PlanFault(line, "municipality", "MUNICIPALITY_UNKNOWN", told["municipality"][:60])
    days = {name: _day(told[name]) for name in ("from", "to")}
    for name, day in days.items():
        if day is None:
            yield PlanFault(line, name, "DAY", told[name][:60])
    if days["from"] and days["to"] and days["to"] < days["from"]:
        yield PlanFault(line, "to", "ENDS_BEFORE", told["to"])
    if not _is_number(_digits(told["meters"]), METERS_MOST):
        yield PlanFault(line, "meters", "NUMBER", told["meters"][:60])
    if told.get("crews") and not _is_number(told["crews"], 10_000):
        yield PlanFault(line, "crews", "NUMBER", told["crews"][:60])


def _is_number(word: str, most: int) -> bool:
    return word.isascii() and word.isdecimal() and len(word) < 10 and 0 < int(word) <= most


def _digits(word: str) -> str:
    """Spreadsheets in Finland part thousands with a space, which may be one that does not break."""
    return "".join(word.split())


def _area_key(word: str) -> str:
    # Spreadsheets take the zeros off a code.
    word = word.strip().casefold()
    return word.zfill(3) if word.isascii() and word.isdecimal() else word


def _day(word: str) -> date | None:
    for pattern in ("%Y-%m-%d", "%d.%m.%Y"):
        try:
            day = datetime.strptime(word, pattern).date()  # noqa: DTZ007 - a day has no zone.
        except ValueError:
            continue
        return day if _YEARS[0] <= day.year < _YEARS[1] else None
    return None


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _delimiter(content: bytes) -> str:
    head = content.split(b"\n", 1)[0]
    return max(";,\t", key=lambda mark: head.count(mark.encode()))


def _places(head: Sequence[str]) -> dict[str, int]:
    words = [cell.strip().casefold() for cell in head]
    return {
        name: place
        for name, known in COLUMNS.items()
        for place, word in enumerate(words)
        if word in known
    }
