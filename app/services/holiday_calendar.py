"""The days on which nobody works in Finland, from the library `holidays`."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache

import holidays

from app.domain.clock import helsinki_day

# By law they are working days, by practice and by collective agreements they are not; the library
# counts them among the holidays, and should it stop doing so they stay days off here. The other
# eves (New Year's, Maundy Thursday, the eve of May Day) are working days.
_MIDSUMMER_DAYS = range(19, 26)
_FRIDAY = 4


def days_off(around: datetime) -> frozenset[date]:
    """Holidays of that year and of its neighbours, since two working days may cross New Year."""
    return _days_off(helsinki_day(around).year)


def days_off_between(first: date, last: date) -> frozenset[date]:
    """Holidays of all years from that of the first day to that of the last."""
    return frozenset().union(*(_days_off(year) for year in range(first.year, last.year + 1)))


@lru_cache(maxsize=32)
def _days_off(year: int) -> frozenset[date]:
    years = (year - 1, year, year + 1)
    known = set(holidays.Finland(years=years))  # type: ignore[attr-defined]
    for each in years:
        known.add(date(each, 12, 24))
        known |= {
            day for number in _MIDSUMMER_DAYS if (day := date(each, 6, number)).weekday() == _FRIDAY
        }
    return frozenset(known)
