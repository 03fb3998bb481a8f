"""Zones, their lanes and their runners, as they stand now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.zones import CENTRAL, RunnerStanding, is_clock_off, standing_of
from app.models.lane import Lane
from app.models.zone import Zone

# A runner that ended, or was taken away, is history after this.
_SHOWN_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class RunnerRow:
    """One runner; held: what was handed to it and is not settled, since the oldest of it."""

    id: UUID
    zone: str
    host: str
    version: str
    started_at: datetime
    heartbeat_at: datetime
    lease_until: datetime
    clock_offset_ms: int
    open_count: int
    unreported_count: int
    missing_lanes: Sequence[str]
    last_error: str | None
    ended_at: datetime | None
    held: int
    oldest_at: datetime | None

    def standing(self, now: datetime) -> RunnerStanding:
        """How it stands."""
        return standing_of(self.heartbeat_at, self.ended_at, now)

    @property
    def clock_off(self) -> bool:
        """Whether its clock should be mended."""
        return is_clock_off(self.clock_offset_ms)


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """One zone; keys as they are named."""

    code: str
    name: str
    active: bool
    newest_key: str | None
    oldest_key: str | None
    lanes: Sequence[str]
    runners: Sequence[RunnerRow]

    def runs(self, now: datetime) -> bool:
        """Whether some runner of it was heard of just now; our own zone needs none."""
        return self.code == CENTRAL or any(
            one.standing(now) in (RunnerStanding.WELL, RunnerStanding.LATE) for one in self.runners
        )


_RUNNERS = text(
    """
    SELECT r.id, r.zone_code, r.host, r.version, r.started_at, r.heartbeat_at, r.lease_until,
        r.clock_offset_ms, r.open_count, r.unreported_count, r.missing_lanes, r.last_error,
        r.ended_at, held.count, held.oldest_at
    FROM lane_runner r
    CROSS JOIN LATERAL (
        SELECT count(*) AS count, min(c.claimed_at) AS oldest_at FROM runner_claim c
        WHERE c.runner_id = r.id AND c.settled_at IS NULL) held
    WHERE r.heartbeat_at > :since OR held.count > 0
    ORDER BY r.zone_code, r.ended_at IS NOT NULL, r.heartbeat_at DESC
    """
)


def zones(session: Session, now: datetime) -> list[ZoneRow]:
    """Every zone, our own first."""
    runners = [RunnerRow(*row) for row in session.execute(_RUNNERS, {"since": now - _SHOWN_FOR})]
    lanes: dict[str, list[str]] = {}
    for name, zone in session.execute(
        select(Lane.name, Lane.zone).where(Lane.sends).order_by(Lane.name)
    ):
        lanes.setdefault(zone, []).append(name)
    rows = session.execute(select(Zone).order_by(Zone.code != CENTRAL, Zone.code)).scalars()
    return [
        ZoneRow(
            row.code,
            row.name,
            row.active,
            None if row.code == CENTRAL else f"{row.code}.{row.key_generation}",
            None if row.code == CENTRAL else f"{row.code}.{row.oldest_key_generation}",
            lanes.get(row.code, []),
            [one for one in runners if one.zone == row.code],
        )
        for row in rows
    ]
