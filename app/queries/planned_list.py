"""Planned cuts as staff see them: the list by week, one cut with its story, and how well we do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from app.domain.notice_types import NoticeType

LIST_LIMIT = 500
POINTS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class CutRow:
    """One line of the list."""

    id: int
    name: str
    state: str
    cause_code: str | None
    from_at: datetime
    to_at: datetime
    etr_at: datetime | None
    source: str
    points: int
    places: tuple[str, ...]
    told_at: datetime | None
    wanted_why: str | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """One thing that happened to a cut."""

    type: str
    occurred_at: datetime
    by: str
    facts: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PointRow:
    """One point of a cut; the address stays hidden where somebody has a safety ban."""

    gsrn: str
    street: str
    post_office: str
    hidden: bool
    off_at: datetime
    on_at: datetime | None


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One line of the planner's list that was not taken as it stood."""

    line: int
    given: str
    code: str


@dataclass(frozen=True, slots=True)
class Kpi:
    """One month of announcements: how many were in time, for how many points."""

    month: str
    announced: int
    in_time: int
    points: int
    points_in_time: int
    cancelled: int
    overrun: int


_LIST = """
    SELECT o.id, c.name, o.state, o.cause_code, o.planned_from_at AS from_at,
        o.planned_to_at AS to_at, o.etr_at, o.source, c.told_at, c.wanted_why,
        (SELECT count(*) FROM outage_point p WHERE p.outage_id = o.id) AS points,
        ARRAY(SELECT initcap(m.post_office) FROM outage_point p
            JOIN metering_point m ON m.gsrn = p.gsrn
            WHERE p.outage_id = o.id AND m.post_office IS NOT NULL
            GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 3) AS places
    FROM outage o JOIN planned_cut c ON c.outage_id = o.id
    WHERE o.kind = 'PLANNED' AND {where}
    ORDER BY o.planned_from_at, o.id LIMIT :limit
"""
_WEEK = text(
    _LIST.format(
        where="o.planned_from_at < :until AND o.planned_to_at >= :since"
        " AND (CAST(:state AS text) IS NULL OR o.state = :state)"
    )
)
_WAITING = text(
    _LIST.format(
        where="(o.state IN ('DRAFT', 'OVERRUN') OR c.wanted_why IS NOT NULL"
        " AND o.state NOT IN ('ENDED', 'CANCELLED')"
        " OR o.state = 'APPROVED' AND o.planned_from_at <= :now)"
    )
)


def cuts_between(
    session: Session, since: datetime, until: datetime, state: str | None
) -> list[CutRow]:
    """Cuts of a span of time, in the order in which they begin."""
    values = {"since": since, "until": until, "state": state, "limit": LIST_LIMIT}
    return [_row(row) for row in session.execute(_WEEK, values).mappings()]


def cuts_waiting(session: Session, now: datetime) -> list[CutRow]:
    """Cuts of any time for which somebody has to do something."""
    values = {"now": now, "limit": LIST_LIMIT}
    return [_row(row) for row in session.execute(_WAITING, values).mappings()]


def _row(row: RowMapping) -> CutRow:
    return CutRow(**{**row, "places": tuple(row["places"])})


def story_of(session: Session, outage_id: int) -> list[EventRow]:
    """What happened to a cut, newest first."""
    rows = session.execute(
        text(
            "SELECT type, occurred_at, by, facts, created_at FROM outage_event"
            " WHERE outage_id = :id ORDER BY id DESC LIMIT 200"
        ),
        {"id": outage_id},
    )
    return [EventRow(*row) for row in rows]


def findings_of(session: Session, outage_id: int) -> list[FindingRow]:
    """What could not be taken of the planner's latest list."""
    rows = session.execute(
        text(
            "SELECT line, given, code FROM planned_cut_finding WHERE outage_id = :id"
            " ORDER BY line, id"
        ),
        {"id": outage_id},
    )
    return [FindingRow(*row) for row in rows]


_POINTS = text(
    """
    SELECT p.gsrn, concat_ws(' ', m.street_name, m.house_number, m.staircase, m.apartment),
        coalesce(m.post_office, ''),
        EXISTS (SELECT 1 FROM occupancy o JOIN customer c ON c.cis_id = o.customer_id
            WHERE o.gsrn = p.gsrn AND c.personal_safety_ban
              AND (o.moved_out_on IS NULL OR o.moved_out_on >= :on)),
        p.off_at, p.on_at
    FROM outage_point p LEFT JOIN metering_point m ON m.gsrn = p.gsrn
    WHERE p.outage_id = :id ORDER BY m.street_name, m.house_number, p.gsrn LIMIT :limit
    """
)


def points_of(session: Session, outage_id: int, now: datetime) -> list[PointRow]:
    """The first points of a cut."""
    values = {"id": outage_id, "on": now.date(), "limit": POINTS_SHOWN}
    return [PointRow(*row) for row in session.execute(_POINTS, values)]


def all_numbers(session: Session, outage_id: int) -> list[str]:
    """The numbers of all points of a cut."""
    statement = text("SELECT gsrn FROM outage_point WHERE outage_id = :id ORDER BY gsrn")
    return list(session.execute(statement, {"id": outage_id}).scalars())


_KPI = text(
    """
    WITH told AS (
        SELECT date_trunc('month', e.occurred_at AT TIME ZONE 'Europe/Helsinki') AS month,
            e.type, (e.facts->>'in_time')::boolean AS in_time,
            (e.facts->>'points')::bigint AS points
        FROM outage_event e JOIN outage o ON o.id = e.outage_id
        WHERE o.kind = 'PLANNED' AND e.occurred_at >= :since
          AND e.type IN ('ANNOUNCED', 'RESCHEDULED', 'POINTS_ADDED', 'CANCELLED', 'OVERRUN'))
    SELECT to_char(month, 'YYYY-MM'),
        count(*) FILTER (WHERE in_time IS NOT NULL),
        count(*) FILTER (WHERE in_time),
        coalesce(sum(points) FILTER (WHERE in_time IS NOT NULL), 0),
        coalesce(sum(points) FILTER (WHERE in_time), 0),
        count(*) FILTER (WHERE type = 'CANCELLED'),
        count(*) FILTER (WHERE type = 'OVERRUN')
    FROM told GROUP BY month ORDER BY month DESC
    """
)


def kpi_by_month(session: Session, since: datetime) -> list[Kpi]:
    """Which share was announced in time (REQ-15), month by month, newest first."""
    return [Kpi(*row) for row in session.execute(_KPI, {"since": since})]


@dataclass(frozen=True, slots=True)
class Told:
    """How many notices of one kind, channel and state there are."""

    type: str
    channel: str | None
    state: str
    reason: str | None
    count: int


_TOLD = text(
    """
    SELECT type, channel, state, suppress_reason, count(*) FROM notice
    WHERE outage_id = :id GROUP BY 1, 2, 3, 4 ORDER BY min(id), 2, 3
    """
)


def told_counts(session: Session, outage_id: int) -> list[Told]:
    """Who was told of a cut, in numbers."""
    return [Told(*row) for row in session.execute(_TOLD, {"id": outage_id})]


@dataclass(frozen=True, slots=True)
class Telling:
    """How far the messages of a plan have come: notices that left, that wait for the morning, that wait
    to be sent; announcements that are being written, and that a second person has to let go."""

    left: int
    held: int
    queued: int
    being_written: int
    guarded: int


_TELLING = text(
    """
    SELECT count(n.id) FILTER (WHERE n.state IN ('SENDING', 'SENT', 'UNKNOWN', 'RESENT', 'DELIVERED',
            'UNDELIVERED', 'FALLBACK')),
        count(n.id) FILTER (WHERE n.state = 'HELD'),
        count(n.id) FILTER (WHERE n.state IN ('CREATED', 'QUEUED')),
        count(DISTINCT a.id) FILTER (WHERE a.state = 'PENDING'),
        count(DISTINCT a.id) FILTER (WHERE a.state = 'HELD')
    FROM announcement a LEFT JOIN notice n ON n.announcement_id = a.id AND n.fallback_of IS NULL
    WHERE a.outage_id = :id AND a.type = ANY(:kinds) AND a.created_at >= :since
      AND a.state <> 'WITHDRAWN'
    """
)


def telling_of(
    session: Session, outage_id: int, kinds: Sequence[NoticeType], since: datetime
) -> Telling:
    """How far these kinds of messages, announced since then, have come."""
    values = {"id": outage_id, "kinds": [str(kind) for kind in kinds], "since": since}
    return Telling(*session.execute(_TELLING, values).one())


_LETTERS = text(
    """
    SELECT count(*) FROM letter l JOIN notice n ON n.id = l.notice_id
    WHERE n.outage_id = :id AND l.state <> 'WITHDRAWN'
    """
)


def letter_count(session: Session, outage_id: int) -> int:
    """How many letters about a cut are owed, printed or in the post."""
    return int(session.execute(_LETTERS, {"id": outage_id}).scalar_one())


@dataclass(frozen=True, slots=True)
class ToldRow:
    """One notice of a cut."""

    id: int
    type: str
    gsrn: str
    point_count: int
    channel: str | None
    sent_to: str | None
    language: str
    state: str
    reason: str | None
    at: datetime


# Under a safety ban a list tells which number is meant, and no more (REQ-31).
_TOLD_ROWS = """
    SELECT n.id, n.type, n.gsrn, n.point_count, n.channel,
        CASE WHEN c.personal_safety_ban THEN '…' || right(n.sent_to, 3) ELSE n.sent_to END,
        n.language, n.state, n.suppress_reason, coalesce(n.sent_at, n.created_at)
    FROM notice n LEFT JOIN customer c ON c.cis_id = n.customer_id
    WHERE n.outage_id = :id
"""
_TOLD_LIST = text(
    f"""
    {_TOLD_ROWS} AND (CAST(:before AS bigint) IS NULL OR n.id < :before)
    ORDER BY n.id DESC LIMIT :limit
    """
)
_TOLD_AFTER = text(
    f"""
    SELECT * FROM ({_TOLD_ROWS} AND n.id > :after ORDER BY n.id LIMIT :limit) newer
    ORDER BY id DESC
    """  # noqa: S608 - made of our own constants only.
)


def told_list(
    session: Session, outage_id: int, limit: int, *, before: int | None, after: int | None
) -> list[ToldRow]:
    """The notices of a cut one by one, newest first."""
    values = {"id": outage_id, "limit": limit}
    if after is not None:
        rows = session.execute(_TOLD_AFTER, {**values, "after": after})
    else:
        rows = session.execute(_TOLD_LIST, {**values, "before": before})
    return [ToldRow(*row) for row in rows]
