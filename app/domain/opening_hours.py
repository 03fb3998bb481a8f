"""Opening hours of a receiver, on the clock on the wall in Finland.

Written as `1-5 07:00-16:00; 6 09:00-14:00`: days from 1 (Monday) to 7, then from and to. A window
that ends before it begins goes on into the next day; 24:00 is the end of a day. On the night on
which the clocks go back, an hour that comes twice counts twice; on the other one, an hour that does
not exist opens nothing. No hours at all means always open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from app.domain.clock import HELSINKI, helsinki_day
from app.domain.wall_clock import instants_of

_PART = re.compile(
    r"(?P<days>[1-7](?:[-,][1-7])*)\s+(?P<opens>\d{1,2}:\d{2})\s*-\s*(?P<closes>\d{1,2}:\d{2})",
    re.ASCII,
)
_MIDNIGHT = time(0)
_PARTS_MOST = 14
# A window is at most a week away, or two where the clocks skip the only one of a week.
_DAYS_AHEAD = 16
# In the European Union all clocks change at 01.00 UTC, which may open or close a window.
_CLOCKS_CHANGE = time(1, tzinfo=UTC)


class HoursUnreadable(ValueError):
    """Opening hours that cannot be understood; the message is the part that is wrong."""


@dataclass(frozen=True, slots=True)
class Window:
    """One window; closes at 00:00 is the end of the day. closes <= opens goes on into the next."""

    days: frozenset[int]
    opens: time
    closes: time


def parse_hours(text: str) -> tuple[Window, ...]:
    """Read opening hours as people write them.

    Raises: HoursUnreadable -> show the part that is wrong.
    """
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if len(parts) > _PARTS_MOST:
        raise HoursUnreadable(parts[_PARTS_MOST])
    return tuple(_window(part) for part in parts)


def write_hours(windows: Sequence[Window]) -> str:
    """The one way in which the same hours are always written."""
    return "; ".join(
        f"{_days_text(window.days)} {window.opens:%H:%M}-{_closing_text(window.closes)}"
        for window in windows
    )


def is_open(windows: Sequence[Window], at: datetime) -> bool:
    """Whether the receiver is open at an instant."""
    if not windows:
        return True
    here = at.astimezone(HELSINKI)
    clock, today = here.time(), here.isoweekday()
    yesterday = (today - 2) % 7 + 1
    return any(_covers(window, today, yesterday, clock) for window in windows)


def next_opening(windows: Sequence[Window], at: datetime) -> datetime | None:
    """The first instant from `at` on at which it is open; None if it never opens."""
    if is_open(windows, at):
        return at
    return next((one for one in _turns(windows, at) if is_open(windows, one)), None)


def next_closing(windows: Sequence[Window], at: datetime) -> datetime | None:
    """The first instant after `at` at which it is closed; None if it is never closed."""
    if not windows:
        return None
    return next((one for one in _turns(windows, at) if not is_open(windows, one)), None)


def end_of_day(at: datetime) -> datetime:
    """When the next day begins in Finland."""
    return instants_of(helsinki_day(at) + timedelta(days=1), _MIDNIGHT)[0]


def _covers(window: Window, today: int, yesterday: int, clock: time) -> bool:
    if window.opens < window.closes or window.closes == _MIDNIGHT:
        ends = window.closes == _MIDNIGHT or clock < window.closes
        return today in window.days and window.opens <= clock and ends
    return (today in window.days and clock >= window.opens) or (
        yesterday in window.days and clock < window.closes
    )


def _turns(windows: Sequence[Window], at: datetime) -> Iterator[datetime]:
    """The instants after `at` at which something may open or close, in order."""
    clocks = {clock for window in windows for clock in (window.opens, window.closes)} | {_MIDNIGHT}
    first = helsinki_day(at)
    for ahead in range(_DAYS_AHEAD):
        day = first + timedelta(days=ahead)
        yield from sorted(one for one in _turns_of(day, clocks) if one > at)


def _turns_of(day: date, clocks: set[time]) -> set[datetime]:
    found = {instant for clock in clocks for instant in instants_of(day, clock)}
    return found | {datetime.combine(day, _CLOCKS_CHANGE)}


def _window(part: str) -> Window:
    found = _PART.fullmatch(part)
    if found is None:
        raise HoursUnreadable(part)
    days = _days(found["days"], part)
    opens, closes = _clock(found["opens"], part), _clock(found["closes"], part)
    if found["opens"] == "24:00" or opens == closes != _MIDNIGHT:
        raise HoursUnreadable(part)
    return Window(days, opens, closes)


def _days(text: str, part: str) -> frozenset[int]:
    days: set[int] = set()
    for piece in text.split(","):
        first, _, last = piece.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()) or int(first) > int(
            last or first
        ):
            raise HoursUnreadable(part)
        days.update(range(int(first), int(last or first) + 1))
    return frozenset(days)


def _clock(text: str, part: str) -> time:
    hours, _, minutes = text.partition(":")
    if text == "24:00":
        return _MIDNIGHT
    try:
        return time(int(hours), int(minutes))
    except ValueError:
        raise HoursUnreadable(part) from None


def _days_text(days: frozenset[int]) -> str:
    """Neighbouring days as a range: 1-5, 1-3,6."""
    ordered = sorted(days)
    pieces: list[list[int]] = []
    for day in ordered:
        if pieces and day == pieces[-1][-1] + 1:
            pieces[-1].append(day)
        else:
            pieces.append([day])
    return ",".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in pieces)


def _closing_text(closes: time) -> str:
    return "24:00" if closes == _MIDNIGHT else f"{closes:%H:%M}"
