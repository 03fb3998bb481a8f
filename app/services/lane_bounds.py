"""Bounds of a lane that its receiver asks for: opening hours, a cap per day, how many at once.

A cap counts what has reached the receiver on a day in Finland, and what is claimed and may do so.
Claiming locks the lane's row, settling counts under the same lock and in the transaction that moves
the items, so the sum is exact at every moment: no process takes more, a death wastes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, select, text
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.domain.lanes import NOTICE_LANES
from app.domain.opening_hours import (
    end_of_day,
    is_open,
    next_closing,
    next_opening,
    parse_hours,
    write_hours,
)
from app.doorbell import ring_after_commit
from app.models.lane import Lane
from app.services import audit

RATE_MOST = 100_000
IN_FLIGHT_MOST = 2_000
CAP_MOST = 10_000_000

_USED = text(
    """
    SELECT CASE WHEN day_on = :today THEN day_count ELSE 0 END FROM lane
    WHERE name = :name FOR NO KEY UPDATE
    """
)
# Of all lanes only what is claimed at this moment is in that index, so it is short.
_CLAIMED = text(
    "SELECT count(*) FROM outbox_item"
    " WHERE state = 'CLAIMED' AND lease IS NOT NULL AND lane = :name"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the bounds say now; rests_until: nothing may leave before, None if something may."""

    rests_until: datetime | None
    day_room: int | None
    closes_at: datetime | None


@dataclass(frozen=True, slots=True)
class BoundValues:
    """The bounds of a lane as a person sets them; None means no such bound."""

    rate_per_s: int | None
    in_flight_count: int
    day_cap: int | None
    hours: str | None


def look(
    session: Session, name: str, hours: str | None, day_cap: int | None, now: datetime
) -> Bounds:
    """What the bounds of a lane say; with a cap, its row stays locked until the commit."""
    windows = parse_hours(hours) if hours else ()
    if not is_open(windows, now):
        return Bounds(next_opening(windows, now), None, None)
    closes_at = next_closing(windows, now)
    if day_cap is None:
        return Bounds(None, None, closes_at)
    today = helsinki_day(now)
    used = session.execute(_USED, {"name": name, "today": today}).scalar_one()
    # A statement of its own, so that it sees what was settled while we waited for the row.
    claimed = session.execute(_CLAIMED, {"name": name}).scalar_one()
    room = day_cap - used - claimed
    if used >= day_cap:
        # What is claimed may come back to us; what has arrived does not.
        return Bounds(end_of_day(now), 0, closes_at)
    return Bounds(None, max(0, room), closes_at)


def counted(reached: int, now: datetime) -> dict[str, Any]:
    """What changes in the lane's row when so many more have reached the receiver today."""
    today = helsinki_day(now)
    before = case((Lane.day_on == today, Lane.day_count), else_=0)
    return {"day_on": today, "day_count": before + reached}


def set_bounds(
    session: Session, name: str, values: BoundValues, reason: str, *, by: str, now: datetime
) -> bool:
    """Set the bounds of a lane anew; False when there is no sending lane of that name.

    Raises: HoursUnreadable. Processes follow from their next claim on.
    """
    lane = session.execute(
        select(Lane).where(Lane.name == name, Lane.sends).with_for_update()
    ).scalar_one_or_none()
    if lane is None:
        return False
    before = _facts(lane)
    lane.rate_per_s, lane.in_flight_count = values.rate_per_s, values.in_flight_count
    if name not in NOTICE_LANES:
        # Messages to customers have quiet hours and budgets of their own.
        lane.day_cap = values.day_cap
        lane.hours = write_hours(parse_hours(values.hours)) if values.hours else None
    lane.rests_until = None
    session.flush()
    detail = {"before": before, "after": _facts(lane), "reason": reason}
    audit.record(session, by, "LANE_BOUNDS_SET", f"lane:{name}", detail, now)
    ring_after_commit(name)
    return True


def _facts(lane: Lane) -> dict[str, Any]:
    return {
        "rate_per_s": lane.rate_per_s,
        "in_flight_count": lane.in_flight_count,
        "day_cap": lane.day_cap,
        "hours": lane.hours,
    }
