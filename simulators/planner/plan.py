"""A planned cut as the planner asks for it: a few homes of the made-up grid, some weekdays ahead."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from simulators.cis.world import make_points
from simulators.signed_post import Answer, SystemKey, post

_HELSINKI = ZoneInfo("Europe/Helsinki")
_BEGINS_H = 9
_TIMEOUT_S = 20
_SATURDAY = 5


def make_cut(
    now: datetime, *, seed: int, first: int, count: int, weekdays: int, hours: int
) -> dict[str, Any]:
    """The request, without its version; the same day and points always have the same reference."""
    day = now.astimezone(_HELSINKI).date()
    while weekdays > 0:
        day += timedelta(days=1)
        weekdays -= day.weekday() < _SATURDAY
    from_at = datetime(day.year, day.month, day.day, _BEGINS_H, tzinfo=_HELSINKI)
    points = list(make_points(seed, first, count))
    return {
        "reference": f"WORK-{day:%y%m%d}-{first}",
        "name": f"Muuntamon huolto, {points[0].street}",
        "from": from_at.isoformat(),
        "to": (from_at + timedelta(hours=hours)).isoformat(),
        "causeCode": "MAINTENANCE",
        "points": [point.gsrn for point in points],
    }


def send_cut(base_url: str, key: SystemKey, cut: dict[str, Any]) -> Answer:
    """Ask for the cut. Raises: OSError when nobody answers."""
    return post(f"{base_url}/api/v1/planned-cuts", key, cut, _TIMEOUT_S)
