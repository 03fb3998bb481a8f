"""The lanes: how deep each is, how old its oldest item, what got stuck there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

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

    def circuit(self, now: datetime) -> str:
        """PAUSED, OPEN (no calls now), TRYING (one call may pass) or CLOSED (all well)."""
        if self.paused:
            return "PAUSED"
        if self.open_until is None:
            return "CLOSED"
        return "OPEN" if self.open_until > now else "TRYING"


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
    """
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
        SELECT CASE kind WHEN 'CIS_FILE' THEN 'intake' WHEN 'ACK' THEN 'acks'
            WHEN 'PARTNER_FILE' THEN 'partner_files'
                ELSE 'network' END AS lane,
            count(*) AS depth, min(received_at) AS oldest_at
        FROM inbound_message WHERE state = 'STORED' GROUP BY 1
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
        coalesce(item.held, 0) AS held
    FROM lane
    LEFT JOIN item ON item.lane = lane.name
    LEFT JOIN inbound ON inbound.lane = lane.name
    WHERE CAST(:name AS text) IS NULL OR lane.name = :name
    ORDER BY lane.sends DESC, lane.name
    """
)


def all_lanes(session: Session) -> list[LaneRow]:
    """Every lane, those that send first."""
    return [LaneRow(*row) for row in session.execute(_BOARD, {"name": None})]


def find_lane(session: Session, name: str) -> LaneRow | None:
    """One lane, or None."""
    row = session.execute(_BOARD, {"name": name}).one_or_none()
    return None if row is None else LaneRow(*row)


def items_of(session: Session, lane: str, state: str, limit: int, after: int = 0) -> list[ItemRow]:
    """Items of a lane in one state, oldest first."""
    statement = (
        select(
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
        .where(OutboxItem.lane == lane, OutboxItem.state == state, OutboxItem.id > after)
        .order_by(OutboxItem.id)
        .limit(limit)
    )
    return [ItemRow(*row) for row in session.execute(statement)]


def ids_of(session: Session, lane: str, state: str, limit: int) -> list[int]:
    """The ids of a lane's items in one state, oldest first."""
    statement = (
        select(OutboxItem.id)
        .where(OutboxItem.lane == lane, OutboxItem.state == state)
        .order_by(OutboxItem.id)
        .limit(limit)
    )
    return list(session.execute(statement).scalars())
