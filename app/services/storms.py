"""Storms: while damage is not assessed, areas get bulletins and single faults no estimates (REQ-08)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.municipalities import municipality_names
from app.domain.notice_types import NoticeType
from app.models.outage import Outage, Storm
from app.services import announcements, audit, faults, storm_areas, storm_estimates
from app.services.announcements import SYSTEM, Telling, about_storm

# Oftener than once an hour nobody wants to read the same (the policy holds to it as well).
CADENCE_LEAST_S = 3600.0


class StormRefused(Exception):
    """The storm cannot be opened or moved so; code is NO_AREA, TAKEN or WRONG_STATE."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def open_storm(
    session: Session,
    name: str,
    municipality_codes: Sequence[str],
    now: datetime,
    *,
    by: str,
    bulletin_every_s: float = CADENCE_LEAST_S,
) -> int:
    """Begin a storm in these municipalities: their faults keep their estimates back from now on.

    Raises: StormRefused (no area, or another storm is under way in one of them).
    """
    codes = sorted(set(municipality_codes))
    if not codes:
        raise StormRefused("NO_AREA")
    faults.take_pen(session)
    taken = session.execute(
        select(Storm.id).where(Storm.ended_at.is_(None), Storm.municipality_codes.overlap(codes))
    ).first()
    if taken is not None:
        raise StormRefused("TAKEN")
    storm = Storm(
        name=name,
        municipality_codes=codes,
        bulletin_every_s=max(bulletin_every_s, CADENCE_LEAST_S),
        started_at=now,
        opened_by=by,
        created_at=now,
    )
    session.add(storm)
    session.flush()
    for outage_id in session.execute(_CURRENT_IN, {"codes": codes}).scalars().all():
        outage = session.get_one(Outage, outage_id, with_for_update=True, populate_existing=True)
        storm_areas.attach(session, outage)
        storm_estimates.keep_back(Telling(session, outage, now, by))
    audit.record(session, by, "STORM_OPENED", f"storm:{storm.id}", {"municipalities": codes}, now)
    send_bulletins(session, storm, now, by=by)
    return storm.id


def assess(session: Session, storm_id: int, now: datetime, *, by: str) -> None:
    """Damage is known: every fault's own estimate may be told. Raises: StormRefused."""
    storm = _locked(session, storm_id)
    if storm.assessed_at is not None or storm.ended_at is not None:
        raise StormRefused("WRONG_STATE")
    storm.assessed_at = now
    audit.record(session, by, "STORM_ASSESSED", f"storm:{storm_id}", {}, now)
    _release(session, storm, now, by)


def end(session: Session, storm_id: int, now: datetime, *, by: str) -> None:
    """The storm is over; faults that are left are faults like others. Raises: StormRefused."""
    storm = _locked(session, storm_id)
    if storm.ended_at is not None:
        raise StormRefused("WRONG_STATE")
    storm.ended_at = now
    audit.record(session, by, "STORM_ENDED", f"storm:{storm_id}", {}, now)
    _release(session, storm, now, by)


def send_bulletins(session: Session, storm: Storm, now: datetime, *, by: str = SYSTEM) -> list[int]:
    """Announce how things are in each municipality that has faults and is due; returns the ids.

    Promise: two bulletins of one municipality are never closer than the storm's cadence.
    """
    if storm.assessed_at is not None or storm.ended_at is not None:
        return []
    announced = []
    codes = storm.municipality_codes
    rows = session.execute(_FAULTS_IN, {"codes": codes})
    counts: dict[str, int] = {row[0]: row[1] for row in rows}
    for code in codes:
        about = about_storm(storm.id, code)
        last = session.execute(_LAST_BULLETIN, {"subject": about.subject}).scalar_one_or_none()
        waits = last is not None and now - last < timedelta(seconds=storm.bulletin_every_s)
        if not counts.get(code) or waits:
            continue
        names = municipality_names(code)
        announcement_id = announcements.announce(
            session,
            NoticeType.STORM_BULLETIN,
            about,
            occurrence=now.isoformat(timespec="seconds"),
            event_at=now,
            facts={"area": names._asdict(), "count": counts[code], "event_at": now.isoformat()},
            now=now,
            by=by,
        )
        if announcement_id is not None:
            announced.append(announcement_id)
    return announced


def unassessed(session: Session) -> list[Storm]:
    """Storms that are under way and whose damage is not assessed."""
    return list(
        session.execute(
            select(Storm)
            .where(Storm.ended_at.is_(None), Storm.assessed_at.is_(None))
            .order_by(Storm.id)
        ).scalars()
    )


_CURRENT_IN = text(
    """
    SELECT DISTINCT o.id FROM outage o JOIN outage_point p ON p.outage_id = o.id
    JOIN metering_point m ON m.gsrn = p.gsrn
    WHERE o.kind = 'FAULT' AND p.on_at IS NULL AND m.municipality_code = ANY(:codes)
      AND o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM', 'RESTORED')
    ORDER BY o.id
    """
)
_FAULTS_IN = text(
    """
    SELECT m.municipality_code, count(DISTINCT o.id)
    FROM outage o JOIN outage_point p ON p.outage_id = o.id JOIN metering_point m ON m.gsrn = p.gsrn
    WHERE o.kind = 'FAULT' AND p.on_at IS NULL AND m.municipality_code = ANY(:codes)
      AND o.confirmed_at IS NOT NULL
      AND o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM', 'RESTORED')
    GROUP BY m.municipality_code
    """
)
_LAST_BULLETIN = text(
    """
    SELECT max(event_at) FROM announcement
    WHERE type = 'STORM_BULLETIN' AND subject = :subject AND state <> 'WITHDRAWN'
    """
)
_OF_STORM = text(
    """
    SELECT id FROM outage WHERE storm_id = :id AND kind = 'FAULT'
      AND state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM', 'RESTORED') ORDER BY id
    """
)


def _locked(session: Session, storm_id: int) -> Storm:
    faults.take_pen(session)
    storm = session.get(Storm, storm_id, with_for_update=True, populate_existing=True)
    if storm is None:
        raise StormRefused("WRONG_STATE")
    return storm


def _release(session: Session, storm: Storm, now: datetime, by: str) -> None:
    """Bulletins that have not left are old news; single estimates are told now."""
    for code in storm.municipality_codes:
        announcements.withdraw(
            session,
            about_storm(storm.id, code),
            (NoticeType.STORM_BULLETIN,),
            now,
            reason="Single estimates are told now.",
            by=by,
        )
    session.flush()
    for outage_id in session.execute(_OF_STORM, {"id": storm.id}).scalars().all():
        faults.refresh(session, outage_id, now, by=by)
        outage = session.get_one(Outage, outage_id)
        storm_estimates.tell_after_all(session, outage, storm.started_at, now, by)
