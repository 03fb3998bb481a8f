"""What was done of a wave in the weeks before today, so that a rehearsal has a past to show.

The reports come when the order does, but tell of times in the past: as those of a contractor would
whose own system was connected late.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from simulators.installer.plan import BEFORE_START, Plan

HELSINKI = ZoneInfo("Europe/Helsinki")
DAYS = 45
_SATURDAY = 5
# What becomes of how many; the rest has been taken over and waits for a time.
_DONE, _SECOND_VISIT, _FAILED, _BOOKED, _SILENT = 0.62, 0.08, 0.06, 0.10, 0.05


def make_past_plan(seed: int, key: str, now: datetime) -> Plan:
    """The steps of an order of the past wave, each with the time that its report tells."""
    draw = random.Random(f"past {seed} {key}")
    chance = draw.random()
    reason = draw.choice([code for code in BEFORE_START if code != "LOG_STOCK"])
    begun = _working_time(draw, now, draw.triangular(1, DAYS, 6))
    taken = ("ACCEPTED", begun - timedelta(days=4))
    if chance < _DONE:
        return _plan([taken, *_work(begun, draw)], None)
    chance -= _DONE
    if chance < _SECOND_VISIT:
        first = _working_time(draw, now, (now - begun) / timedelta(days=1) + 3)
        return _plan(
            [("ACCEPTED", first - timedelta(days=4)), ("FAILED", first), *_work(begun, draw)],
            reason,
        )
    chance -= _SECOND_VISIT
    if chance < _FAILED:
        return _plan([taken, ("FAILED", begun)], reason)
    chance -= _FAILED
    if chance < _BOOKED:
        # One in ten is a visit that nobody told the end of.
        agreed = begun - timedelta(days=3) if draw.random() < 0.1 else now - timedelta(hours=3)
        return _plan([taken, ("SCHEDULED", max(agreed, taken[1]))], None)
    if chance < _BOOKED + _SILENT:
        return _plan([], None)
    return _plan([taken], None)


def _work(begun: datetime, draw: random.Random) -> list[tuple[str, datetime]]:
    return [("STARTED", begun), ("COMPLETED", begun + timedelta(minutes=draw.randrange(12, 40)))]


def _working_time(draw: random.Random, now: datetime, days_ago: float) -> datetime:
    """A time at work on a day from Monday to Friday, before today."""
    day = now.astimezone(HELSINKI).date() - timedelta(days=max(round(days_ago), 1))
    while day.weekday() >= _SATURDAY:
        day -= timedelta(days=1)
    clock = time(draw.randrange(8, 15), draw.randrange(60))
    return datetime.combine(day, clock, HELSINKI).astimezone(UTC)


def _plan(steps: list[tuple[str, datetime]], reason: str | None) -> Plan:
    told: list[dict[str, Any]] = [
        {"type": kind, "after_s": 1.0 + place / 2, "told_at": at.isoformat(timespec="seconds")}
        for place, (kind, at) in enumerate(steps)
    ]
    return {"steps": told, "reason": reason}
