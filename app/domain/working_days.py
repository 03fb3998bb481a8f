"""Working days in Finland, and how late a planned cut may be announced (REQ-15).

Which days nobody works is given from outside as a set; app/services/holiday_calendar.py knows it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

from app.domain.clock import HELSINKI
from app.domain.quiet_hours import quiet_until

NOTICE_WORKING_DAYS = 2
_SATURDAY = 5


def is_working_day(day: date, days_off: Collection[date]) -> bool:
    """Monday to Friday, unless it is one of the days off."""
    return day.weekday() < _SATURDAY and day not in days_off


def working_days_before(day: date, count: int, days_off: Collection[date]) -> date:
    """The day from which `count` working days lead up to `day`: it is a working day itself."""
    while count > 0:
        day -= timedelta(days=1)
        if is_working_day(day, days_off):
            count -= 1
    return day


def latest_notice_at(from_at: datetime, days_off: Collection[date]) -> datetime:
    """The last moment at which a cut that begins at from_at may be announced, in UTC.

    Two working days back on the calendar and the same time on the wall clock; where that time comes
    twice or not at all because the clock is moved, the earlier reading.
    """
    local = from_at.astimezone(HELSINKI)
    day = working_days_before(local.date(), NOTICE_WORKING_DAYS, days_off)
    readings = (
        datetime.combine(day, local.time().replace(fold=fold), HELSINKI).astimezone(UTC)
        for fold in (0, 1)
    )
    return min(readings)


def is_in_time(from_at: datetime, at: datetime, days_off: Collection[date]) -> bool:
    """Whether people can be told at `at`, or when the night after it ends, early enough."""
    return (quiet_until(at, None, None) or at) <= latest_notice_at(from_at, days_off)
