"""Announcements: what was to be told to many, whom it reached, and whom it did not and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.states import AnnouncementState, NoticeState
from app.models.announcement import Announcement

# A notice in one of these has reached its reader, or is on its way there.
_REACHED = (
    NoticeState.QUEUED,
    NoticeState.HELD,
    NoticeState.SENDING,
    NoticeState.SENT,
    NoticeState.RESENT,
    NoticeState.DELIVERED,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many notices of an announcement stand in one state, for one reason."""

    state: str
    reason: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Addressee:
    """One contact of an announcement, or somebody without one."""

    id: int
    customer_id: str | None
    gsrn: str
    point_count: int
    channel: str | None
    state: str
    reason: str | None
    state_at: datetime


@dataclass(frozen=True, slots=True)
class Unaddressed:
    """A point of the outage about which nothing was decided this time.

    told_before: the number of an earlier notice about the same outage to somebody at the point.
    """

    gsrn: str
    told_before: int | None


def list_announcements(
    session: Session,
    limit: int,
    *,
    before: int | None = None,
    after: int | None = None,
    state: str | None = None,
) -> Sequence[Announcement]:
    """Announcements, newest first, beside the one with the given number."""
    statement = select(Announcement)
    if state is not None:
        statement = statement.where(Announcement.state == state)
    if after is not None:
        newer = statement.where(Announcement.id > after).order_by(Announcement.id).limit(limit)
        return list(session.scalars(newer))[::-1]
    if before is not None:
        statement = statement.where(Announcement.id < before)
    return list(session.scalars(statement.order_by(Announcement.id.desc()).limit(limit)))


def held_announcements(session: Session) -> Sequence[Announcement]:
    """Those that wait for a second person, the longest waiting first."""
    statement = select(Announcement).where(Announcement.state == AnnouncementState.HELD)
    return list(session.scalars(statement.order_by(Announcement.created_at)))


def find_announcement(session: Session, announcement_id: int) -> Announcement | None:
    """One announcement, or None."""
    return session.get(Announcement, announcement_id)


_OUTCOMES = text(
    """
    SELECT state, suppress_reason, count(*) FROM notice WHERE announcement_id = :id
    GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
    """
)


def outcomes_of(session: Session, announcement_id: int) -> list[Outcome]:
    """What became of an announcement's notices, the most frequent first."""
    return [Outcome(*row) for row in session.execute(_OUTCOMES, {"id": announcement_id})]


_ADDRESSEES = text(
    """
    SELECT id, customer_id, gsrn, point_count, channel, state, suppress_reason, state_at
    FROM notice
    WHERE announcement_id = :id AND id > :after
      AND (:which = 'ALL' OR (state = ANY(:reached)) = (:which = 'REACHED'))
    ORDER BY id LIMIT :limit
    """
)


def addressees_of(
    session: Session, announcement_id: int, which: str, limit: int, after: int = 0
) -> list[Addressee]:
    """Notices of an announcement in the order of their numbers; which: ALL, REACHED or MISSED."""
    rows = session.execute(
        _ADDRESSEES,
        {
            "id": announcement_id,
            "which": which,
            "after": after,
            "limit": limit,
            "reached": [str(state) for state in _REACHED],
        },
    )
    return [Addressee(*row) for row in rows]


# A contact with several points has one notice, so the points are looked up on both sides.
_UNADDRESSED = text(
    """
    WITH about AS (
        SELECT n.id, n.announcement_id, n.gsrn FROM notice n WHERE n.outage_id = :outage
        UNION ALL
        SELECT n.id, n.announcement_id, np.gsrn FROM notice n
        JOIN notice_point np ON np.notice_id = n.id WHERE n.outage_id = :outage)
    SELECT p.gsrn, (SELECT max(a.id) FROM about a WHERE a.gsrn = p.gsrn)
    FROM outage_point p
    WHERE p.outage_id = :outage AND NOT EXISTS (
        SELECT 1 FROM about a WHERE a.gsrn = p.gsrn AND a.announcement_id = :id)
    ORDER BY p.gsrn LIMIT :limit
    """
)


def unaddressed_by(session: Session, announcement: Announcement, limit: int) -> list[Unaddressed]:
    """Points of the outage for which the announcement left no notice: told before, or missed."""
    if announcement.outage_id is None or announcement.state != AnnouncementState.DONE:
        return []
    values = {"outage": announcement.outage_id, "id": announcement.id, "limit": limit}
    return [Unaddressed(*row) for row in session.execute(_UNADDRESSED, values)]
