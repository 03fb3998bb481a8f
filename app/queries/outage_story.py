"""One outage with its whole story: what happened, its points, and what was told of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.domain.compensation import compensation_cents, compensation_percent
from app.models.announcement import Announcement
from app.models.outage import Outage, OutageEvent, Storm

EVENTS_MOST = 200
POINTS_MOST = 200
TOLD_MOST = 100


@dataclass(frozen=True, slots=True)
class PointRow:
    """One metering point in the outage; address is None where it must not be shown.

    length: how long it has been, or was, without power. percent and cents: the standard
    compensation as it stands; cents is None while the yearly fee is not known.
    """

    gsrn: str
    address: str | None
    municipality_code: str | None
    off_at: datetime
    on_at: datetime | None
    length: timedelta
    percent: int
    cents: int | None
    is_priority: bool


@dataclass(frozen=True, slots=True)
class OutageStory:
    """One outage; the lists are cut at their most, the counts are whole."""

    outage: Outage
    storm: Storm | None
    parts: list[Outage]
    events: list[OutageEvent]
    points: list[PointRow]
    point_count: int
    off_count: int
    told: list[Announcement]


_POINTS = text(
    """
    SELECT p.gsrn, p.off_at, p.on_at, m.municipality_code, m.annual_fee_cents,
        nullif(concat_ws(' ', m.street_name, m.house_number, m.staircase, m.apartment), '')
            AS address,
        coalesce(bool_or(c.personal_safety_ban), false) AS banned,
        coalesce(bool_or(c.priority_flag), false) AS priority
    FROM outage_point p LEFT JOIN metering_point m ON m.gsrn = p.gsrn
    LEFT JOIN occupancy y ON y.gsrn = p.gsrn AND y.moved_in_on <= :today
        AND (y.moved_out_on IS NULL OR y.moved_out_on >= :today)
    LEFT JOIN customer c ON c.cis_id = y.customer_id AND c.active
    WHERE p.outage_id = :id AND (CAST(:gsrn AS text) IS NULL OR p.gsrn = :gsrn)
    GROUP BY p.gsrn, p.off_at, p.on_at, m.gsrn
    ORDER BY p.on_at IS NOT NULL, p.off_at, p.gsrn LIMIT :limit
    """
)
_COUNTS = text(
    """
    SELECT count(*) AS points, count(*) FILTER (WHERE on_at IS NULL) AS off
    FROM outage_point WHERE outage_id = :id
    """
)
_TOLD = text(
    """
    SELECT id FROM announcement
    WHERE outage_id = :id OR corrects_id IN (SELECT id FROM announcement WHERE outage_id = :id)
    ORDER BY id DESC LIMIT :limit
    """
)


def find_story(session: Session, outage_id: int, now: datetime) -> OutageStory | None:
    """The story of one outage, or None when there is none of this number."""
    outage = session.get(Outage, outage_id)
    if outage is None:
        return None
    counts = session.execute(_COUNTS, {"id": outage_id}).one()
    told = session.execute(_TOLD, {"id": outage_id, "limit": TOLD_MOST}).scalars().all()
    return OutageStory(
        outage=outage,
        storm=session.get(Storm, outage.storm_id) if outage.storm_id is not None else None,
        parts=_all(
            session, select(Outage).where(Outage.parent_id == outage_id).order_by(Outage.id)
        ),
        events=_all(
            session,
            select(OutageEvent)
            .where(OutageEvent.outage_id == outage_id)
            .order_by(OutageEvent.occurred_at.desc(), OutageEvent.id.desc())
            .limit(EVENTS_MOST),
        ),
        points=points_of(session, outage_id, now),
        point_count=counts.points,
        off_count=counts.off,
        told=_all(
            session,
            select(Announcement).where(Announcement.id.in_(told)).order_by(Announcement.id.desc()),
        ),
    )


def points_of(
    session: Session,
    outage_id: int,
    now: datetime,
    *,
    gsrn: str | None = None,
    limit: int = POINTS_MOST,
) -> list[PointRow]:
    """Its points with their times and what each cut would earn, those without power first."""
    values = {"id": outage_id, "gsrn": gsrn, "today": helsinki_day(now), "limit": limit}
    return [_point(row, now) for row in session.execute(_POINTS, values)]


def _point(row: Any, now: datetime) -> PointRow:
    length = max((row.on_at or now) - row.off_at, timedelta(0))
    return PointRow(
        gsrn=row.gsrn,
        address=None if row.banned else row.address,
        municipality_code=row.municipality_code,
        off_at=row.off_at,
        on_at=row.on_at,
        length=length,
        percent=compensation_percent(length),
        cents=compensation_cents(length, row.annual_fee_cents),
        is_priority=row.priority,
    )


def _all(session: Session, statement: Any) -> list[Any]:
    return list(session.execute(statement).scalars())
