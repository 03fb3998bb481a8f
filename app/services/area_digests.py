"""Planned cuts of the coming week to whoever follows a municipality: new ones only, once a day."""

from __future__ import annotations

from datetime import datetime, time

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.clock import HELSINKI
from app.domain.municipalities import municipality_names
from app.domain.notice_types import NoticeType
from app.services.announcements import about_area, announce

# Nobody wants a list before breakfast, and what was announced until then is in it.
NOT_BEFORE = time(9)

# Cuts that the public may know of and that begin within a week, in followed municipalities; `told`
# are those that an earlier digest has named. A cut that moved is another one.
_CUTS = text(
    """
    WITH followed AS (
        SELECT DISTINCT municipality_code FROM area_subscription WHERE stopped_at IS NULL),
    coming AS (
        SELECT DISTINCT f.municipality_code, o.id, o.planned_from_at
        FROM outage o JOIN outage_point p ON p.outage_id = o.id
        JOIN metering_point m ON m.gsrn = p.gsrn
        JOIN followed f ON f.municipality_code = m.municipality_code
        WHERE o.kind = 'PLANNED' AND o.state IN ('ANNOUNCED', 'RESCHEDULED', 'REMINDED')
          AND o.planned_from_at > :now AND o.planned_from_at < CAST(:now AS timestamptz) + interval '7 days')
    SELECT c.municipality_code, count(*) AS cuts, min(c.planned_from_at) AS first_at,
        array_agg(c.id || '@' || extract(epoch FROM c.planned_from_at)::bigint ORDER BY c.id) AS keys_
    FROM coming c GROUP BY c.municipality_code ORDER BY c.municipality_code
    """
)
_TOLD = text(
    """
    SELECT jsonb_array_elements_text(facts -> 'cuts') FROM announcement
    WHERE type = 'AREA_PLANNED' AND subject = :subject
      AND created_at > CAST(:now AS timestamptz) - interval '9 days'
    """
)


def announce_digests(session: Session, now: datetime) -> int:
    """Announce what followers have not been told of yet; returns how many municipalities.

    Promise: at most one digest a day per municipality, and none with nothing new in it.
    """
    local = now.astimezone(HELSINKI)
    if local.time() < NOT_BEFORE:
        return 0
    announced = 0
    for row in session.execute(_CUTS, {"now": now}).all():
        about = about_area(row.municipality_code)
        told = set(session.execute(_TOLD, {"subject": about.subject, "now": now}).scalars())
        if told.issuperset(row.keys_):
            continue
        number = announce(
            session,
            NoticeType.AREA_PLANNED,
            about,
            occurrence=local.date().isoformat(),
            event_at=now,
            facts={
                "area": municipality_names(row.municipality_code)._asdict(),
                "count": row.cuts,
                "from_at": row.first_at.isoformat(),
                "cuts": row.keys_,
            },
            now=now,
        )
        announced += number is not None
    return announced
