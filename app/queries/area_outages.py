"""How things are in each municipality: what phone bulletins and status pages tell (REQ-22)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.languages import Names
from app.domain.municipalities import municipality_names

# What nobody has said anything about for so long may not be so any more.
STALE_AFTER = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class AreaOutages:
    """One municipality with faults under way.

    etr_at: when the last of its points is expected to have power; None while a fault in it has no
    estimate, its estimate has passed, or a storm keeps it back. updated_at: the latest word of
    anybody; is_stale: it is so old that listeners are to be told so.
    """

    municipality_code: str
    name: Names
    fault_count: int
    off_count: int
    started_at: datetime
    etr_at: datetime | None
    storm_name: str | None
    updated_at: datetime
    is_stale: bool


_AREAS = text(
    """
    SELECT m.municipality_code AS code, count(DISTINCT o.id) AS faults,
        count(DISTINCT p.gsrn) AS off_count,
        min(p.off_at) AS started_at, max(o.updated_at) AS updated_at, max(o.etr_at) AS etr_at,
        bool_and(o.etr_at > :now AND (s.id IS NULL OR s.assessed_at IS NOT NULL
                                      OR s.ended_at IS NOT NULL)) AS is_estimated,
        max(s.name) FILTER (WHERE s.assessed_at IS NULL AND s.ended_at IS NULL) AS storm_name
    FROM outage o JOIN outage_point p ON p.outage_id = o.id AND p.on_at IS NULL
    JOIN metering_point m ON m.gsrn = p.gsrn
    LEFT JOIN storm s ON s.id = o.storm_id
    WHERE o.kind = 'FAULT' AND o.confirmed_at IS NOT NULL
      AND o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM', 'RESTORED')
      AND m.municipality_code IS NOT NULL
    GROUP BY m.municipality_code ORDER BY off_count DESC, code
    """
)


def areas(session: Session, now: datetime) -> list[AreaOutages]:
    """Every municipality with a confirmed fault under way, the most affected first."""
    return [
        AreaOutages(
            municipality_code=row.code,
            name=municipality_names(row.code),
            fault_count=row.faults,
            off_count=row.off_count,
            started_at=row.started_at,
            etr_at=row.etr_at if row.is_estimated else None,
            storm_name=row.storm_name,
            updated_at=row.updated_at,
            is_stale=now - row.updated_at > STALE_AFTER,
        )
        for row in session.execute(_AREAS, {"now": now})
    ]
