"""Faults and planned cuts as the public sees them: counted per outage and area, without points."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.public_status import DAYS_AHEAD, Cut, StormArea
from app.models.outage import Storm

# Only what somebody has confirmed, and only points that are still out or will be.
_FAULTS = text(
    """
    SELECT o.id, coalesce(m.municipality_code, ''), coalesce(m.postal_code, ''),
        coalesce(max(m.post_office), ''), count(*), o.cause_code, min(p.off_at), o.updated_at, o.etr_at,
        false
    FROM outage o JOIN outage_point p ON p.outage_id = o.id AND p.on_at IS NULL
    JOIN metering_point m ON m.gsrn = p.gsrn
    WHERE o.kind = 'FAULT'
      AND o.state NOT IN ('DETECTED', 'RESTORED', 'CLOSED', 'MERGED', 'FALSE_ALARM')
      AND NOT (o.state = 'REOPENED' AND o.confirmed_at IS NULL)
    GROUP BY o.id, m.municipality_code, m.postal_code
    ORDER BY 1, 2, 3
    """
)
_PLANNED = text(
    """
    SELECT o.id, coalesce(m.municipality_code, ''), coalesce(m.postal_code, ''),
        coalesce(max(m.post_office), ''), count(*), o.cause_code,
        o.planned_from_at, o.updated_at,
        CASE WHEN o.etr_at > o.planned_to_at THEN o.etr_at ELSE o.planned_to_at END,
        true, o.state = 'OVERRUN'
    FROM outage o JOIN outage_point p ON p.outage_id = o.id AND p.on_at IS NULL
    JOIN metering_point m ON m.gsrn = p.gsrn
    WHERE o.kind = 'PLANNED'
      AND o.state IN ('ANNOUNCED', 'RESCHEDULED', 'REMINDED', 'ONGOING', 'OVERRUN')
      AND o.planned_from_at < :before AND (o.planned_to_at > :after OR o.state = 'OVERRUN')
    GROUP BY o.id, m.municipality_code, m.postal_code
    ORDER BY 1, 2, 3
    """
)


def find_cuts(session: Session, now: datetime) -> list[Cut]:
    """Every current fault and every announced cut of the days ahead, per area."""
    days = {"after": now - timedelta(days=1), "before": now + timedelta(days=DAYS_AHEAD + 2)}
    return [
        *(Cut(*row) for row in session.execute(_FAULTS)),
        *(Cut(*row) for row in session.execute(_PLANNED, days)),
    ]


def find_storms(session: Session) -> list[StormArea]:
    """Storms that are under way."""
    rows = session.scalars(select(Storm).where(Storm.ended_at.is_(None)).order_by(Storm.id))
    return [
        StormArea(one.name, one.municipality_codes, one.started_at, one.assessed_at is not None)
        for one in rows
    ]
