"""When cron expressions are due on the clocks of Finland, in both nights when these are moved."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.services.cron_times import CronInvalid, check_cron, next_time

# Clocks go from 3.00 to 4.00 on 28.3.2027 (1.00 UTC), and from 4.00 back to 3.00 on 31.10.2027.
CASES = [
    # An ordinary day: Finland is two hours ahead of UTC in winter, three in summer.
    ("0 7 * * *", "2027-01-15 00:00", ["2027-01-15 05:00", "2027-01-16 05:00"]),
    ("0 7 * * *", "2027-07-15 00:00", ["2027-07-15 04:00", "2027-07-16 04:00"]),
    # The hour that spring skips is made up for right after it, once.
    ("30 3 * * *", "2027-03-27 12:00", ["2027-03-28 01:00", "2027-03-29 00:30"]),
    # What stands beside the gap is not touched.
    ("30 2 * * *", "2027-03-27 12:00", ["2027-03-28 00:30", "2027-03-28 23:30"]),
    ("30 4 * * *", "2027-03-27 12:00", ["2027-03-28 01:30", "2027-03-29 01:30"]),
    # Every hour and every quarter go on evenly through both nights.
    ("0 * * * *", "2027-03-27 23:30", ["2027-03-28 00:00", "2027-03-28 01:00", "2027-03-28 02:00"]),
    ("0 * * * *", "2027-10-30 23:30", ["2027-10-31 00:00", "2027-10-31 01:00", "2027-10-31 02:00"]),
    (
        "*/15 * * * *",
        "2027-10-31 00:40",
        ["2027-10-31 00:45", "2027-10-31 01:00", "2027-10-31 01:15"],
    ),
    # The hour that comes twice in autumn counts once, the first time.
    ("30 3 * * *", "2027-10-30 12:00", ["2027-10-31 00:30", "2027-11-01 01:30"]),
    ("0 4 * * *", "2027-10-30 12:00", ["2027-10-31 02:00", "2027-11-01 02:00"]),
    # Office hours on working days.
    ("0 7-16 * * mon-fri", "2027-03-26 13:30", ["2027-03-26 14:00", "2027-03-29 04:00"]),
    ("0 6 1 * *", "2027-10-31 12:00", ["2027-11-01 04:00", "2027-12-01 04:00"]),
    # Only leap years have the day.
    ("0 6 29 2 *", "2027-01-01 00:00", ["2028-02-29 04:00", "2032-02-29 04:00"]),
]


@pytest.mark.parametrize(("expression", "after", "expected"), CASES)
def test_the_next_times_in_utc(expression: str, after: str, expected: list[str]) -> None:
    at, found = _utc(after), []
    for _ in expected:
        at = next_time(expression, at)
        found.append(at)
    assert found == [_utc(one) for one in expected]


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "* * * * * *", "60 * * * *", "0 25 * * *", "0 0 31 2 *", "a b c d e", "@daily"],
)
def test_what_is_no_expression_or_never_due_is_refused(expression: str) -> None:
    with pytest.raises(CronInvalid):
        check_cron(expression)


def test_spaces_do_not_make_another_expression() -> None:
    assert check_cron("  0   7 * *\tmon-fri ") == "0 7 * * mon-fri"


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
