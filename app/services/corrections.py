"""Taking back what was told wrongly, from exactly those who may have read it (REQ-34)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.notice_types import NoticeType, Topic
from app.domain.states import ANNOUNCEMENT_MOVES, AnnouncementState, check_move
from app.models.announcement import Announcement
from app.services import alarms, audit, blast_guard
from app.services.announcements import about_correction, announce
from app.services.notice_items import NOT_TOLD

# What was told about these can be wrong in the way that the texts of corrections speak of.
CORRECTABLE = frozenset({Topic.FAULT, Topic.STORM, Topic.PLANNED, Topic.SAFETY})

_TOLD_AT = text(
    f"""
    SELECT min(coalesce(sent_at, created_at)) FROM notice
    WHERE announcement_id = :id AND state NOT IN {NOT_TOLD}
    """  # noqa: S608 - made of our own constants only.
)
# A storm keeps single estimates back until damage is assessed (REQ-08).
_ESTIMATE = text(
    """
    SELECT o.etr_at FROM outage o LEFT JOIN storm s ON s.id = o.storm_id
    WHERE o.id = :id AND o.etr_at > :now
      AND (s.id IS NULL OR s.assessed_at IS NOT NULL OR s.ended_at IS NOT NULL)
    """
)


def correct(
    session: Session,
    announcement: Announcement,
    *,
    still_off: bool,
    by: str,
    now: datetime,
    occurrence: str = "",
) -> int | None:
    """Announce that an announcement was wrong; None if that has been said before.

    still_off: the power is off although the wrong text said otherwise. occurrence: what
    lets it be said again to those who could not be told so at once. What has not left is stopped. The
    row must be locked, so that its planner and we come one after the other.
    """
    if announcement.topic not in CORRECTABLE:
        return None
    if announcement.state in (AnnouncementState.PENDING, AnnouncementState.HELD):
        check_move(ANNOUNCEMENT_MOVES, announcement.state, AnnouncementState.WITHDRAWN)
        announcement.state = AnnouncementState.WITHDRAWN
        announcement.state_reason = "CORRECTED"
        announcement.decided_by, announcement.decided_at = by, now
        alarms.close_alarm(session, blast_guard.ALARM, str(announcement.id), now)
    facts = _facts(session, announcement, now)
    if still_off:
        etr_at = session.execute(
            _ESTIMATE, {"id": announcement.outage_id, "now": now}
        ).scalar_one_or_none()
        if etr_at is not None:
            facts["etr_at"] = etr_at.isoformat()
    kind = NoticeType.CORRECTION_STILL_OFF if still_off else NoticeType.CORRECTION
    announcement_id = announce(
        session,
        kind,
        about_correction(announcement.id),
        occurrence=occurrence,
        event_at=now,
        facts=facts,
        now=now,
        by=by,
    )
    if announcement_id is not None:
        audit.record(
            session,
            by,
            "ANNOUNCEMENT_CORRECTED",
            f"announcement:{announcement.id}",
            {"by_announcement": announcement_id, "kind": kind},
            now,
        )
    return announcement_id


def correct_points(
    session: Session,
    announcement: Announcement,
    gsrns: Sequence[str],
    *,
    not_before: datetime,
    by: str,
    now: datetime,
) -> int | None:
    """Announce that an announcement was wrong about these points; the others' power is still off.

    Told is whoever has no other point in it, unless by then another outage has the point.
    """
    return announce(
        session,
        NoticeType.CORRECTION,
        about_correction(announcement.id),
        occurrence=f"points:{now.isoformat()}",
        event_at=now,
        facts={**_facts(session, announcement, now), "gsrns": list(gsrns)},
        now=now,
        by=by,
        not_before=not_before,
    )


def _facts(session: Session, announcement: Announcement, now: datetime) -> dict[str, Any]:
    told_at = session.execute(_TOLD_AT, {"id": announcement.id}).scalar_one()
    return {"told_at": (told_at or announcement.event_at).isoformat(), "event_at": now.isoformat()}
