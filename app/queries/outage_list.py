"""Outages under way, or all of them, as operators look for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.etr import shown_etr

# Outages that nobody has to look after any more.
OVER_STATES = ("CLOSED", "MERGED", "FALSE_ALARM", "CANCELLED", "ENDED")
KINDS = ("FAULT", "PLANNED", "METER_SWAP")


@dataclass(frozen=True, slots=True)
class OutageRow:
    """One outage in the list; etr_at is None once it has passed (REQ-06)."""

    id: int
    kind: str
    state: str
    source: str
    source_ref: str
    cause_code: str | None
    started_at: datetime
    etr_at: datetime | None
    etr_expired: bool
    restored_at: datetime | None
    storm_id: int | None
    updated_at: datetime
    point_count: int
    off_count: int
    municipality_codes: list[str]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which outages are wanted; nothing given means all that are under way."""

    kind: str | None = None
    state: str | None = None
    municipality: str | None = None


_LIST = text(
    """
    SELECT o.id, o.kind, o.state, o.source, o.source_ref, o.cause_code, o.started_at, o.etr_at,
        o.restored_at, o.storm_id, o.updated_at, p.point_count, p.off_count, p.codes
    FROM outage o
    LEFT JOIN LATERAL (
        SELECT count(*) AS point_count, count(*) FILTER (WHERE q.on_at IS NULL AND o.state NOT IN ('DRAFT',
                'APPROVED', 'ANNOUNCED', 'RESCHEDULED', 'REMINDED')) AS off_count,
            array_agg(DISTINCT m.municipality_code)
                FILTER (WHERE m.municipality_code IS NOT NULL) AS codes
        FROM outage_point q LEFT JOIN metering_point m ON m.gsrn = q.gsrn
        WHERE q.outage_id = o.id) p ON true
    WHERE (CAST(:kind AS text) IS NULL OR o.kind = :kind)
      AND CASE WHEN CAST(:state AS text) IS NULL
               -- A plan that nobody has been told of is for the pages of plans.
               THEN o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM', 'CANCELLED', 'ENDED', 'DRAFT',
                   'APPROVED')
               ELSE o.state = :state END
      AND (CAST(:municipality AS text) IS NULL OR :municipality = ANY(p.codes))
    ORDER BY o.started_at DESC, o.id DESC
    LIMIT :limit OFFSET :offset
    """
)
_AREAS = text(
    """
    SELECT DISTINCT m.municipality_code FROM outage o
    JOIN outage_point q ON q.outage_id = o.id JOIN metering_point m ON m.gsrn = q.gsrn
    WHERE o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM', 'CANCELLED', 'ENDED')
      AND m.municipality_code IS NOT NULL
    """
)


def find_outages(
    session: Session, wanted: Filter, limit: int, offset: int, now: datetime
) -> list[OutageRow]:
    """The outages that fit, the newest first."""
    values = {
        "kind": wanted.kind,
        "state": wanted.state,
        "municipality": wanted.municipality,
        "limit": limit,
        "offset": offset,
    }
    return [
        OutageRow(
            id=row.id,
            kind=row.kind,
            state=row.state,
            source=row.source,
            source_ref=row.source_ref,
            cause_code=row.cause_code,
            started_at=row.started_at,
            etr_at=shown_etr(row.etr_at, now),
            etr_expired=row.etr_at is not None and row.etr_at <= now and bool(row.off_count),
            restored_at=row.restored_at,
            storm_id=row.storm_id,
            updated_at=row.updated_at,
            point_count=row.point_count or 0,
            off_count=row.off_count or 0,
            municipality_codes=sorted(row.codes or []),
        )
        for row in session.execute(_LIST, values)
    ]


def areas_in_trouble(session: Session) -> list[str]:
    """The municipalities that have an outage under way."""
    return sorted(session.execute(_AREAS).scalars())
