"""The blast guard: what would reach very many people waits for a second person (REQ-34)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.notice_types import Topic
from app.domain.states import ANNOUNCEMENT_MOVES, AnnouncementState, check_move
from app.models.announcement import Announcement
from app.services import alarms
from app.services.audit import record
from app.settings import Settings

ALARM = "ANNOUNCEMENT_HELD"
_MANY = "MANY_RECIPIENTS"
_LARGE_SHARE = "LARGE_SHARE_OF_AREA"
# A share says nothing where only a handful of people live.
_SHARE_COUNTS_FROM = 1000

_POINTS = text("SELECT count(*) FROM outage_point WHERE outage_id = :id AND on_at IS NULL")
_POINTS_OF_STORM = text(
    """
    SELECT count(DISTINCT p.gsrn) FROM outage_point p JOIN outage o ON o.id = p.outage_id
    JOIN metering_point m ON m.gsrn = p.gsrn
    WHERE p.on_at IS NULL AND o.kind = 'FAULT' AND m.municipality_code = :municipality
      AND o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')
    """
)
_RECEIVERS = text(
    "SELECT count(*) FROM notice WHERE announcement_id = :id AND state <> 'SUPPRESSED'"
)
_LARGEST_SHARE = text(
    """
    WITH hit AS (
        SELECT m.municipality_code, count(*) AS points FROM outage_point p
        JOIN metering_point m ON m.gsrn = p.gsrn
        WHERE p.outage_id = :id AND p.on_at IS NULL AND m.municipality_code IS NOT NULL
        GROUP BY 1 HAVING count(*) >= :least)
    SELECT coalesce(max(100.0 * hit.points / (
        SELECT count(*) FROM metering_point m WHERE m.municipality_code = hit.municipality_code)), 0)
    FROM hit
    """
)


def holds(session: Session, announcement: Announcement, settings: Settings, now: datetime) -> bool:
    """Hold the announcement, with an alarm, if it reaches too many and nobody has let it go yet.

    What saves lives does not wait for anybody.
    """
    if announcement.decided_by is not None or announcement.topic == Topic.SAFETY:
        return False
    announcement.expected_count = _expected(session, announcement)
    reason = _reason(session, announcement, settings)
    if reason is None:
        return False
    check_move(ANNOUNCEMENT_MOVES, announcement.state, AnnouncementState.HELD)
    announcement.state = AnnouncementState.HELD
    announcement.state_reason = reason
    words = (
        f"{announcement.type} about {announcement.subject} would reach about"
        f" {announcement.expected_count} metering points and waits for a second person."
    )
    alarms.open_alarm(session, ALARM, str(announcement.id), words, now)
    return True


def decide(
    session: Session, announcement: Announcement, *, let_go: bool, by: str, now: datetime
) -> bool:
    """Let a held announcement go or withdraw it; False if it is not held or `by` created it."""
    if announcement.state != AnnouncementState.HELD or announcement.created_by == by:
        return False
    state = AnnouncementState.PENDING if let_go else AnnouncementState.WITHDRAWN
    check_move(ANNOUNCEMENT_MOVES, announcement.state, state)
    announcement.state = state
    announcement.decided_by, announcement.decided_at = by, now
    alarms.close_alarm(session, ALARM, str(announcement.id), now)
    action = "let announcement go" if let_go else "withdraw announcement"
    record(session, by, action, f"announcement:{announcement.id}", {"type": announcement.type}, now)
    return True


_SUBSCRIBERS = text(
    "SELECT count(*) FROM area_subscription"
    " WHERE municipality_code = :municipality AND stopped_at IS NULL"
)


def _expected(session: Session, announcement: Announcement) -> int:
    if announcement.corrects_id is not None:
        found = session.execute(_RECEIVERS, {"id": announcement.corrects_id})
    elif announcement.outage_id is not None:
        found = session.execute(_POINTS, {"id": announcement.outage_id})
    elif announcement.subject.startswith("storm:"):
        _, _, municipality = announcement.subject.partition("/")
        found = session.execute(_POINTS_OF_STORM, {"municipality": municipality})
        points = int(found.scalar_one())
        return points + _subscribers(session, municipality)
    elif announcement.subject.startswith("area:"):
        return _subscribers(session, announcement.subject.removeprefix("area:"))
    else:
        # About one customer.
        return 0
    return int(found.scalar_one())


def _subscribers(session: Session, municipality: str) -> int:
    found = session.execute(_SUBSCRIBERS, {"municipality": municipality})
    return int(found.scalar_one())


def _reason(session: Session, announcement: Announcement, settings: Settings) -> str | None:
    count = announcement.expected_count or 0
    if count > settings.blast_guard_count:
        return _MANY
    if announcement.outage_id is None or count < _SHARE_COUNTS_FROM:
        return None
    values = {"id": announcement.outage_id, "least": _SHARE_COUNTS_FROM}
    share = float(session.execute(_LARGEST_SHARE, values).scalar_one())
    return _LARGE_SHARE if share > settings.blast_guard_area_percent else None
