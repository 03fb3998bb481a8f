"""Alarm rules that staff write: what is measured, when it is looked at, and when it is an alarm.

A rule raises once and clears once: its value has to be bad for so many looks in a row, and good
again, beyond a second limit, for so many.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from app.domain.clock import HELSINKI, helsinki_day
from app.domain.working_days import is_working_day


class RuleKind(StrEnum):
    """ABSENCE: nothing came in the window. LATENESS: the oldest is older than the limit, in
    minutes. RATE: fewer or more than the limit came in the window. RATIO: the bad ones' share of
    the window, in per cent.
    """

    ABSENCE = "ABSENCE"
    LATENESS = "LATENESS"
    RATE = "RATE"
    RATIO = "RATIO"


class Measure(StrEnum):
    """What can be measured; each knows which kinds of rules make sense of it."""

    ORDERS = "ORDERS"
    CIS_FILES = "CIS_FILES"
    ACKS = "ACKS"
    VISITS = "VISITS"
    PROCESS_RUNS = "PROCESS_RUNS"
    NOTICES = "NOTICES"
    LANE_AGE = "LANE_AGE"
    PROCESS_AGE = "PROCESS_AGE"
    RUNS_BAD = "RUNS_BAD"
    NOTICES_BAD = "NOTICES_BAD"
    VISITS_BAD = "VISITS_BAD"


class Days(StrEnum):
    """On which days a rule looks."""

    EVERY = "EVERY"
    WORKING = "WORKING"


class Direction(StrEnum):
    """On which side of the limit the bad values lie."""

    BELOW = "BELOW"
    ABOVE = "ABOVE"


_COUNTED = (
    Measure.ORDERS,
    Measure.CIS_FILES,
    Measure.ACKS,
    Measure.VISITS,
    Measure.PROCESS_RUNS,
    Measure.NOTICES,
)
MEASURES_OF: dict[RuleKind, tuple[Measure, ...]] = {
    RuleKind.ABSENCE: _COUNTED,
    RuleKind.RATE: _COUNTED,
    RuleKind.LATENESS: (Measure.LANE_AGE, Measure.PROCESS_AGE),
    RuleKind.RATIO: (Measure.RUNS_BAD, Measure.NOTICES_BAD, Measure.VISITS_BAD),
}
# Measures that are about one lane or one process each.
NEEDS_SUBJECT = frozenset({Measure.LANE_AGE, Measure.PROCESS_AGE})

CODE_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{1,39}", re.ASCII)
_DAY_MIN = 24 * 60
WINDOW_MOST_MIN = 7 * _DAY_MIN


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as the evaluation needs it; limits in the unit of its kind."""

    kind: RuleKind
    measure: Measure
    direction: Direction
    window_min: int
    limit: float
    clear_limit: float
    raise_after: int
    clear_after: int
    days: Days
    from_time: time | None
    to_time: time | None
    subject: str | None = None
    least_count: int = 0


@dataclass(frozen=True, slots=True)
class Value:
    """What was measured; of how many, where it is a share. number None: nothing to measure."""

    number: float | None
    of_count: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rule stands: raised or not, and how many looks in a row spoke against that."""

    raised: bool
    streak: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What keeps a rule from being stored: the field, and a code."""

    field: str
    code: str


def check_rule(rule: Rule) -> Iterator[Fault]:
    """What is wrong with a rule; nothing when it may be stored."""
    if rule.measure not in MEASURES_OF[rule.kind]:
        yield Fault("measure", "MEASURE_NOT_FOR_KIND")
    if rule.measure in NEEDS_SUBJECT and not rule.subject:
        yield Fault("subject", "SUBJECT_MISSING")
    if not 1 <= rule.window_min <= WINDOW_MOST_MIN:
        yield Fault("window_min", "OUT_OF_RANGE")
    if rule.limit < 0 or (rule.kind is RuleKind.RATIO and rule.limit > 100):
        yield Fault("limit", "OUT_OF_RANGE")
    if rule.kind is RuleKind.RATE and rule.direction is Direction.BELOW and rule.limit < 1:
        yield Fault("limit", "NEVER_TRUE")
    easier = (
        rule.clear_limit < rule.limit
        if rule.direction is Direction.BELOW
        else rule.clear_limit > rule.limit
    )
    if easier:
        yield Fault("clear_limit", "CLEARS_TOO_EARLY")
    if not 1 <= rule.raise_after <= 100:
        yield Fault("raise_after", "OUT_OF_RANGE")
    if not 1 <= rule.clear_after <= 100:
        yield Fault("clear_after", "OUT_OF_RANGE")
    if (rule.from_time is None) != (rule.to_time is None):
        yield Fault("to_time", "HALF_A_SPAN")
    elif rule.from_time is not None and rule.to_time is not None:
        if rule.from_time >= rule.to_time:
            yield Fault("to_time", "ENDS_BEFORE_IT_BEGINS")
        elif _minutes(rule.to_time) - _minutes(rule.from_time) < _asked_for_min(rule):
            yield Fault("window_min", "LONGER_THAN_THE_HOURS")


def is_awake(rule: Rule, now: datetime, days_off: Collection[date]) -> bool:
    """Whether the rule looks now: the whole window lies in its hours, on a day of its own.

    "In an hour between 7 and 16" is asked at 8.00 first and at 16.00 last. Hours are those of the
    wall clock; a window over the change of the clock is as long as it says. On working days a window
    of up to a day begins on one, too: little comes on a Sunday, and that is no alarm on Monday. What
    is longer than a day has days off in it anyway.
    """
    local = now.astimezone(HELSINKI)
    if rule.days is Days.WORKING:
        looks_back = _asked_for_min(rule)
        begins_on = helsinki_day(now - timedelta(minutes=looks_back))
        days = {local.date(), begins_on} if looks_back <= _DAY_MIN else {local.date()}
        if not all(is_working_day(day, days_off) for day in days):
            return False
    if rule.from_time is None or rule.to_time is None:
        return True
    begins = datetime.combine(local.date(), rule.from_time, HELSINKI)
    ends = datetime.combine(local.date(), rule.to_time, HELSINKI)
    return (
        begins.timestamp() + _asked_for_min(rule) * 60 <= now.timestamp()
        and now.timestamp() <= ends.timestamp()
    )


def is_bad(rule: Rule, value: Value) -> bool | None:
    """Whether the value is beyond the limit; None where it tells nothing."""
    if value.number is None:
        return None
    if rule.kind is RuleKind.RATIO and (value.of_count or 0) < max(rule.least_count, 1):
        return None
    if rule.kind is RuleKind.ABSENCE:
        return value.number == 0
    if rule.direction is Direction.BELOW:
        return value.number < rule.limit
    return value.number > rule.limit


def is_good(rule: Rule, value: Value) -> bool:
    """Whether the value is back beyond the second limit, so that a raised rule may clear."""
    if value.number is None:
        return False
    if rule.kind is RuleKind.ABSENCE:
        return value.number > 0
    if rule.direction is Direction.BELOW:
        return value.number >= rule.clear_limit
    return value.number <= rule.clear_limit


def decide(rule: Rule, standing: Standing, value: Value) -> Standing:
    """How the rule stands after this look; raised changes only after enough looks in a row."""
    bad = is_bad(rule, value)
    if bad is None:
        return standing
    speaks_against = is_good(rule, value) if standing.raised else bad
    if not speaks_against:
        return Standing(standing.raised, 0)
    streak = standing.streak + 1
    enough = rule.clear_after if standing.raised else rule.raise_after
    return (
        Standing(not standing.raised, 0) if streak >= enough else Standing(standing.raised, streak)
    )


def window_of(rule: Rule, now: datetime) -> tuple[datetime, datetime]:
    """The span that is counted, both ends in UTC."""
    return now - timedelta(minutes=rule.window_min), now


def _asked_for_min(rule: Rule) -> int:
    """How much of its hours must have passed; an age looks back at nothing."""
    return 0 if rule.kind is RuleKind.LATENESS else rule.window_min


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute
