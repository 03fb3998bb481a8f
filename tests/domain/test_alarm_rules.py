"""Alarm rules: which can be stored, when they look, and that they are raised and cleared once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest

from app.domain.alarm_rules import (
    Days,
    Direction,
    Measure,
    Rule,
    RuleKind,
    Standing,
    Value,
    check_rule,
    decide,
    is_awake,
)

# "Fewer than 100 orders in an hour between 7 and 16 on working days."
RULE = Rule(
    RuleKind.RATE,
    Measure.ORDERS,
    Direction.BELOW,
    window_min=60,
    limit=100,
    clear_limit=150,
    raise_after=2,
    clear_after=2,
    days=Days.WORKING,
    from_time=time(7),
    to_time=time(16),
)
INDEPENDENCE_DAY = date(2027, 12, 6)


@pytest.mark.parametrize(
    ("at", "awake"),
    [
        # A Friday in winter, two hours ahead of UTC: the first whole hour ends at 8.00.
        ("2027-01-15 05:59", False),
        ("2027-01-15 06:00", True),
        ("2027-01-15 14:00", True),
        ("2027-01-15 14:01", False),
        # Saturday, and a holiday on a Monday.
        ("2027-01-16 08:00", False),
        ("2027-12-06 08:00", False),
        # In summer three hours ahead.
        ("2027-07-15 04:59", False),
        ("2027-07-15 05:00", True),
        # The Monday after the clock was moved.
        ("2027-03-29 04:59", False),
        ("2027-03-29 05:00", True),
    ],
)
def test_the_whole_window_lies_in_the_hours_of_its_days(at: str, awake: bool) -> None:
    assert is_awake(RULE, _utc(at), {INDEPENDENCE_DAY}) is awake


def test_hours_of_the_night_count_the_time_that_passed_when_the_clock_is_moved() -> None:
    night = replace(RULE, days=Days.EVERY, from_time=time(2), to_time=time(6))
    # 2.30 to 4.30 on the wall is one hour in spring: from 2.00 an hour has passed at 4.00.
    assert not is_awake(night, _utc("2027-03-28 00:59"), set())
    assert is_awake(night, _utc("2027-03-28 01:00"), set())
    # And in autumn the hour from 2.00 is over when the clock shows 3.00 for the first time.
    assert is_awake(night, _utc("2027-10-31 00:00"), set())
    assert is_awake(night, _utc("2027-10-31 04:00"), set())
    assert not is_awake(night, _utc("2027-10-31 04:01"), set())


@pytest.mark.parametrize(
    ("window_min", "at", "awake"),
    [
        # A Monday in winter: at half past midnight half of the hour was on Sunday.
        (60, "2027-01-17 22:30", False),
        (60, "2027-01-17 23:00", True),
        # A whole day has passed since the weekend only on Tuesday.
        (1440, "2027-01-18 08:00", False),
        (1440, "2027-01-18 22:00", True),
        # After a holiday, which is a Monday.
        (60, "2027-12-06 22:30", False),
        # A window of days has days off in it anyway.
        (3 * 1440, "2027-01-18 08:00", True),
    ],
)
def test_on_working_days_a_window_does_not_count_the_weekend_before(
    window_min: int, at: str, awake: bool
) -> None:
    rule = replace(RULE, window_min=window_min, from_time=None, to_time=None)
    assert is_awake(rule, _utc(at), {INDEPENDENCE_DAY}) is awake
    age = replace(rule, kind=RuleKind.LATENESS, measure=Measure.LANE_AGE, subject="cis")
    assert is_awake(age, _utc("2027-01-18 08:00"), {INDEPENDENCE_DAY})


def test_a_value_that_swings_about_the_limit_raises_and_clears_once() -> None:
    standing, raised = Standing(False, 0), []
    for number in (200, 99, 120, 99, 99, 120, 99, 149, 151, 149, 151, 151, 99, 200):
        standing = decide(RULE, standing, Value(number))
        raised.append(standing.raised)
    # Two bad ones in a row raise it, two beyond the second limit in a row clear it.
    assert raised == [False] * 4 + [True] * 7 + [False] * 3


def test_a_share_of_too_few_tells_nothing_either_way() -> None:
    rule = replace(
        RULE,
        kind=RuleKind.RATIO,
        measure=Measure.RUNS_BAD,
        direction=Direction.ABOVE,
        limit=10,
        clear_limit=5,
        least_count=20,
        raise_after=1,
    )
    assert decide(rule, Standing(False, 0), Value(100.0, 19)) == Standing(False, 0)
    assert decide(rule, Standing(False, 0), Value(11.0, 20)) == Standing(True, 0)
    assert decide(rule, Standing(True, 1), Value(None, 0)) == Standing(True, 1)
    assert decide(rule, Standing(True, 1), Value(5.0, 20)) == Standing(False, 0)


def test_an_absence_ends_with_the_first_that_comes() -> None:
    rule = replace(
        RULE, kind=RuleKind.ABSENCE, limit=1, clear_limit=1, raise_after=1, clear_after=1
    )
    assert decide(rule, Standing(False, 0), Value(0.0)).raised
    assert not decide(rule, Standing(True, 0), Value(1.0)).raised


def test_a_lateness_is_beyond_its_minutes() -> None:
    rule = replace(
        RULE,
        kind=RuleKind.LATENESS,
        measure=Measure.LANE_AGE,
        subject="cis",
        direction=Direction.ABOVE,
        limit=30,
        clear_limit=10,
        raise_after=1,
    )
    assert not decide(rule, Standing(False, 0), Value(30.0)).raised
    assert decide(rule, Standing(False, 0), Value(30.1)).raised
    assert decide(rule, Standing(True, 1), Value(10.1)) == Standing(True, 0)


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"measure": Measure.LANE_AGE}, "measure", "MEASURE_NOT_FOR_KIND"),
        ({"kind": RuleKind.LATENESS, "measure": Measure.LANE_AGE}, "subject", "SUBJECT_MISSING"),
        ({"window_min": 0}, "window_min", "OUT_OF_RANGE"),
        ({"limit": 0.0, "clear_limit": 0.0}, "limit", "NEVER_TRUE"),
        ({"clear_limit": 99}, "clear_limit", "CLEARS_TOO_EARLY"),
        ({"raise_after": 0}, "raise_after", "OUT_OF_RANGE"),
        ({"clear_after": 101}, "clear_after", "OUT_OF_RANGE"),
        ({"to_time": None}, "to_time", "HALF_A_SPAN"),
        ({"to_time": time(7)}, "to_time", "ENDS_BEFORE_IT_BEGINS"),
        ({"window_min": 541}, "window_min", "LONGER_THAN_THE_HOURS"),
        (
            {"kind": RuleKind.RATIO, "measure": Measure.RUNS_BAD, "limit": 101, "clear_limit": 101},
            "limit",
            "OUT_OF_RANGE",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_its_field(
    change: dict[str, object], field: str, code: str
) -> None:
    assert list(check_rule(RULE)) == []
    assert (field, code) in [(one.field, one.code) for one in check_rule(replace(RULE, **change))]  # type: ignore[arg-type]


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
