"""The meter rollout in numbers: which orders are part of it, what counts as done, and the pace.

Every number on the dashboard is the count of a Choice of orders, so that the list behind the number
is chosen by the very same words.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from app.domain.states import WorkOrderState
from app.domain.working_days import is_working_day

# Orders that replace a meter: in bulk, one by one after a visit was given back, and faulty ones.
ROLLOUT_TYPES = ("MVM", "MVY", "MVV")
# The last hourly meters have to be gone by then, whatever the plan says (docs/domain.md, section 3).
LAST_DAY = date(2028, 12, 31)

_S = WorkOrderState
INSTALLED = (_S.COMPLETED, _S.CORRECTED, _S.REPORTED, _S.CLOSED)
OPEN = tuple(state for state in WorkOrderState if state not in (*INSTALLED, _S.CANCELLED))
# Nobody outside has such an order: it is ours to move on.
OURS = (_S.RECEIVED, _S.VALIDATED, _S.NO_ROUTE, _S.REJECTED, _S.ROUTED, _S.PARTNER_REJECTED)
# The contractor has it, and has agreed on a time with the customer or has yet to.
BOOKED = (_S.SCHEDULED, _S.RESCHEDULED)
UNBOOKED = (_S.SENT, _S.ACCEPTED, _S.FAILED)

# An order that we alone could move and that stood still for so long is stuck.
STUCK_AFTER = timedelta(days=1)
# A visit whose time passed so long ago ought to have been reported.
OVERDUE_AFTER = timedelta(days=1)
# How long an order has been in its state: until so many days, the last without end.
AGE_DAYS = (1, 7, 30)
AGES = (*range(len(AGE_DAYS) + 1),)
# The days of which single installations are shown, and over which the pace is taken.
RECENT_WORKING_DAYS = 30
PACE_WORKING_DAYS = 10
NONE = "-"
# Names are cut to so many characters, in the orders and in what asks for them.
WORD_CHARS = 120
# Stands for the reason of a failed visit where the contractor told none.
NO_REASON = "UNKNOWN"


class Group(StrEnum):
    """A part of the orders by their state."""

    INSTALLED = "installed"
    OPEN = "open"
    CALLED_OFF = "called-off"


GROUPS: Mapping[Group, tuple[WorkOrderState, ...]] = {
    Group.INSTALLED: INSTALLED,
    Group.OPEN: OPEN,
    Group.CALLED_OFF: (_S.CANCELLED,),
}


class Flag(StrEnum):
    """Something about an order that somebody has to look after."""

    BOOKED = "booked"
    UNBOOKED = "unbooked"
    OVERDUE = "overdue"
    SILENT = "silent"
    STUCK = "stuck"
    MISMATCH = "mismatch"
    VISITED = "visited"
    FIRST_VISIT = "first-visit"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which orders of the rollout: what is None does not matter, NONE means that there is none.

    age is an index into AGES; day, crew and reason are of the installation or the failed visit.
    from_day and to_day bound the day of installation, both included.
    """

    wave: str | None = None
    area: str | None = None
    group: str | None = None
    state: str | None = None
    age: int | None = None
    flag: str | None = None
    from_day: date | None = None
    to_day: date | None = None
    crew: str | None = None
    partner: str | None = None
    reason: str | None = None
    model: str | None = None

    def words(self) -> dict[str, Any]:
        """What it says, as texts by the parameters of an address; parse_choice reads it back."""
        said = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: str(value) for name, value in said if value is not None}


def parse_choice(words: Mapping[str, str]) -> Choice:
    """Read a choice from the parameters of an address; nonsense in one of them leaves it out."""
    return Choice(
        wave=_text(words, "wave"),
        area=_text(words, "area"),
        group=_one_of(words, "group", Group),
        state=_one_of(words, "state", WorkOrderState),
        age=_age(words),
        flag=_one_of(words, "flag", Flag),
        from_day=_day(words, "from_day"),
        to_day=_day(words, "to_day"),
        crew=_text(words, "crew"),
        partner=_text(words, "partner"),
        reason=_text(words, "reason"),
        model=_text(words, "model"),
    )


@dataclass(frozen=True, slots=True)
class Pace:
    """Installations a working day: as it is, and as it has to be to end in time.

    needed is None when no working day is left for what remains.
    """

    actual: float
    needed: int | None
    left: int
    days_left: int
    ends_on: date


def pace(
    installed_lately: int, left: int, today: date, ends_on: date, days_off: Collection[date]
) -> Pace:
    """The pace of the last PACE_WORKING_DAYS before today against what is still to be done.

    Today counts as a day on which work can still be done.
    """
    days_left = count_working_days(today, ends_on, days_off)
    needed = math.ceil(left / days_left) if days_left else (None if left else 0)
    return Pace(installed_lately / PACE_WORKING_DAYS, needed, left, days_left, ends_on)


def count_working_days(first: date, last: date, days_off: Collection[date]) -> int:
    """Working days from the first day to the last, both included."""
    days = max((last - first).days + 1, 0)
    weeks, rest = divmod(days, 7)
    count = weeks * 5 + sum(
        (first + timedelta(days=weeks * 7 + n)).weekday() < 5 for n in range(rest)
    )
    return count - sum(1 for day in days_off if first <= day <= last and day.weekday() < 5)


def last_working_days(before: date, count: int, days_off: Collection[date]) -> list[date]:
    """The last working days before a day, the earliest first."""
    found: list[date] = []
    day = before
    while len(found) < count:
        day -= timedelta(days=1)
        if is_working_day(day, days_off):
            found.append(day)
    return found[::-1]


def percent(part: int, whole: int) -> float | None:
    """The share in per cent with one decimal; None of nothing. Never 100 while one is missing."""
    if not whole:
        return None
    share = math.floor(part * 1000 / whole + 0.5) / 10
    return 99.9 if share >= 100 and part < whole else share


def _text(words: Mapping[str, str], name: str) -> str | None:
    # The database takes no zero byte in a text.
    return words.get(name, "").replace("\0", "")[:WORD_CHARS] or None


def _one_of(words: Mapping[str, str], name: str, known: type[StrEnum]) -> str | None:
    word = words.get(name, "")
    return word if word in set(known) else None


def _age(words: Mapping[str, str]) -> int | None:
    word = words.get("age", "")
    return int(word) if word in {str(age) for age in AGES} else None


def _day(words: Mapping[str, str], name: str) -> date | None:
    try:
        return date.fromisoformat(words.get(name, ""))
    except ValueError:
        return None
