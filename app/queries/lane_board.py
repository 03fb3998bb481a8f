"""The lanes: how deep each is, how old its oldest item, what got stuck there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.domain.opening_hours import end_of_day, is_open, next_opening, parse_hours
from app.models.inbound_message import LANE_OF_KIND
from app.models.outbox_item import OutboxItem

STUCK_STATES = ("DEAD", "UNKNOWN", "HELD")


@dataclass(frozen=True, slots=True)
class LaneRow:
    """One lane at this moment; depth is what waits or is under way."""

    name: str
    sends: bool
    mode: str
    paused: bool
    failures: int
    open_until: datetime | None
    last_error: str | None
    last_sent_at: datetime | None
    depth: int
    oldest_at: datetime | None
    dead: int
    unknown: int
    held: int
    in_flight_count: int
    rate_per_s: int | None
    day_cap: int | None
    hours: str | None
    day_on: date | None
    day_count: int
    zone: str

    def circuit(self, now: datetime) -> str:
        """PAUSED, RESTS (closed, or the day's cap is used up), OPEN (no calls now), TRYING (one call
        may pass) or CLOSED (all well).
        """
        if self.paused:
            return "PAUSED"
        if self.rests_until(now) is not None:
            return "RESTS"
        if self.open_until is None:
            return "CLOSED"
        return "OPEN" if self.open_until > now else "TRYING"

    def used_today(self, now: datetime) -> int:
        """How many have reached the receiver today."""
        return self.day_count if self.day_on == helsinki_day(now) else 0

    def rests_until(self, now: datetime) -> datetime | None:
        """When its own bounds let it send again; None when they let it now."""
        windows = parse_hours(self.hours) if self.hours else ()
        if not is_open(windows, now):
            return next_opening(windows, now)
        if self.day_cap is not None and self.used_today(now) >= self.day_cap:
            return end_of_day(now)
        return None


@dataclass(frozen=True, slots=True)
class DeadReason:
    """Items of a lane that were given up for one reason."""

    error_class: str | None
    count: int
    oldest_at: datetime
    example: str | None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Orders that a partner has and has not said a word about."""

    count: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One outbox item that waits or got stuck."""

    id: int
    kind: str
    business_key: str
    gsrn: str | None
    state: str
    hold_reason: str | None
    attempts: int
    next_at: datetime
    created_at: datetime
    last_error_class: str | None
    last_error: str | None


# Messages to us, providers' reports and announcements wait for the lanes that work on them.
_BOARD = text(
    f"""
    WITH item AS (
        SELECT lane,
            count(*) FILTER (WHERE state IN ('READY', 'CLAIMED')) AS depth,
            min(created_at) FILTER (WHERE state IN ('READY', 'CLAIMED')) AS oldest_at,
            count(*) FILTER (WHERE state = 'DEAD') AS dead,
            count(*) FILTER (WHERE state = 'UNKNOWN') AS unknown,
            count(*) FILTER (WHERE state = 'HELD') AS held
        FROM outbox_item
        WHERE state IN ('READY', 'CLAIMED', 'DEAD', 'UNKNOWN', 'HELD')
        GROUP BY lane),
    inbound AS (
        SELECT lane, count(*) AS depth, min(waits_since) AS oldest_at FROM (
            SELECT {LANE_OF_KIND} AS lane, received_at AS waits_since
            FROM inbound_message WHERE state = 'STORED'
            UNION ALL
            SELECT 'intake', state_at FROM mass_file WHERE state = 'READY'
            UNION ALL
            SELECT 'intake', updated_at FROM mass_order WHERE todo IS NOT NULL
            UNION ALL
            SELECT 'processes', created_at FROM process_start WHERE state = 'WAITING') waiting
        GROUP BY 1
        UNION ALL
        SELECT 'receipts', count(*), min(received_at)
        FROM delivery_receipt WHERE verdict = 'WAITING'
        UNION ALL
        SELECT 'replies', count(*), min(received_at) FROM inbound_sms WHERE state = 'WAITING'
        UNION ALL
        SELECT 'notices', count(*), min(created_at) FROM announcement WHERE state = 'PENDING')
    SELECT lane.name, lane.sends, lane.mode, lane.paused, lane.failures, lane.open_until,
        lane.last_error, lane.last_sent_at,
        coalesce(item.depth, 0) + coalesce(inbound.depth, 0) AS depth,
        least(item.oldest_at, inbound.oldest_at) AS oldest_at,
        coalesce(item.dead, 0) AS dead, coalesce(item.unknown, 0) AS unknown,
        coalesce(item.held, 0) AS held, lane.in_flight_count, lane.rate_per_s, lane.day_cap,
        lane.hours, lane.day_on, lane.day_count, lane.zone
    FROM lane
    LEFT JOIN item ON item.lane = lane.name
    LEFT JOIN inbound ON inbound.lane = lane.name
    WHERE CAST(:name AS text) IS NULL OR lane.name = :name
    ORDER BY lane.sends DESC, lane.name
    """  # noqa: S608 - our own text.
)


def all_lanes(session: Session) -> list[LaneRow]:
    """Every lane, those that send first."""
    return [LaneRow(*row) for row in session.execute(_BOARD, {"name": None})]


def find_lane(session: Session, name: str) -> LaneRow | None:
    """One lane, or None."""
    row = session.execute(_BOARD, {"name": name}).one_or_none()
    return None if row is None else LaneRow(*row)


ITEM_COLUMNS = (
    OutboxItem.id,
    OutboxItem.kind,
    OutboxItem.business_key,
    OutboxItem.gsrn,
    OutboxItem.state,
    OutboxItem.hold_reason,
    OutboxItem.attempts,
    OutboxItem.next_at,
    OutboxItem.created_at,
    OutboxItem.last_error_class,
    OutboxItem.last_error,
)


def items_of(
    session: Session,
    lane: str,
    state: str,
    limit: int,
    after: int = 0,
    error_class: str | None = None,
) -> list[ItemRow]:
    """Items of a lane in one state, oldest first."""
    statement = (
        select(*ITEM_COLUMNS)
        .where(OutboxItem.lane == lane, OutboxItem.state == state, OutboxItem.id > after)
        .order_by(OutboxItem.id)
        .limit(limit)
    )
    if error_class is not None:
        statement = statement.where(OutboxItem.last_error_class == error_class)
    return [ItemRow(*row) for row in session.execute(statement)]


_DEAD_REASONS = text(
    """
    SELECT last_error_class, count(*), min(created_at), min(last_error) FROM outbox_item
    WHERE lane = :lane AND state = 'DEAD' GROUP BY 1 ORDER BY 2 DESC, 1
    """
)
_UNANSWERED = text(
    "SELECT count(*), min(state_at) FROM work_order"
    " WHERE partner_code = :partner AND state = 'SENT'"
)


def dead_reasons(session: Session, lane: str) -> list[DeadReason]:
    """What a lane has given up, by reason, the commonest first."""
    return [DeadReason(*row) for row in session.execute(_DEAD_REASONS, {"lane": lane})]


def unanswered(session: Session, partner_code: str) -> Unanswered:
    """Orders that the partner took and has said nothing about."""
    return Unanswered(*session.execute(_UNANSWERED, {"partner": partner_code}).one())
