"""Time as an argument: where the clock comes from, and which day it is in Finland."""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

HELSINKI = ZoneInfo("Europe/Helsinki")


class Clock(Protocol):
    """Tells the time as an aware UTC instant; tests pass one that stands still."""

    def __call__(self) -> datetime: ...


def helsinki_day(at: datetime) -> date:
    """The calendar day in Finland at an instant."""
    return at.astimezone(HELSINKI).date()
