"""Storms, with how many faults each has and what its areas were told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.models.outage import Storm

STORMS_MOST = 20


@dataclass(frozen=True, slots=True)
class StormRow:
    """One storm; fault_count: all of its faults, off_count: points without power now."""

    storm: Storm
    fault_count: int
    open_count: int
    off_count: int
    bulletin_count: int
    last_bulletin_at: datetime | None


_COUNTS = text(
    """
    SELECT count(DISTINCT o.id) AS faults,
        count(DISTINCT o.id) FILTER (WHERE p.on_at IS NULL AND o.state NOT IN
            ('CLOSED', 'MERGED', 'FALSE_ALARM', 'RESTORED')) AS open,
        count(DISTINCT p.gsrn) FILTER (WHERE p.on_at IS NULL AND o.state NOT IN
            ('CLOSED', 'MERGED', 'FALSE_ALARM', 'RESTORED')) AS off
    FROM outage o LEFT JOIN outage_point p ON p.outage_id = o.id WHERE o.storm_id = :id
    """
)
_BULLETINS = text(
    """
    SELECT count(*) AS number, max(event_at) AS last FROM announcement
    WHERE type = 'STORM_BULLETIN' AND subject LIKE :subjects AND state <> 'WITHDRAWN'
    """
)
_MUNICIPALITIES = text(
    """
    SELECT municipality_code, count(*) FROM metering_point
    WHERE municipality_code IS NOT NULL GROUP BY municipality_code ORDER BY municipality_code
    """
)


def storms(session: Session) -> list[StormRow]:
    """The latest storms, those under way first."""
    found = session.execute(
        select(Storm)
        .order_by(Storm.ended_at.desc().nulls_first(), Storm.id.desc())
        .limit(STORMS_MOST)
    ).scalars()
    return [_row(session, storm) for storm in found.all()]


def municipalities(session: Session) -> dict[str, int]:
    """Where the company has metering points, and how many."""
    return {row[0]: row[1] for row in session.execute(_MUNICIPALITIES)}


def _row(session: Session, storm: Storm) -> StormRow:
    counts = session.execute(_COUNTS, {"id": storm.id}).one()
    bulletins = session.execute(_BULLETINS, {"subjects": f"storm:{storm.id}/%"}).one()
    return StormRow(storm, counts.faults, counts.open, counts.off, bulletins.number, bulletins.last)
