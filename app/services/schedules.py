"""The schedule table: what is rung by the clock, and which work lanes have something waiting."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.lanes import (
    ACKS,
    INTAKE,
    NETWORK,
    NOTICES,
    PARTNER_FILES,
    PROCESSES,
    RECEIPTS,
    REPLIES,
)
from app.services import outbox, process_starts


def move_on(session: Session, now: datetime) -> list[str]:
    """Move schedules that are due to their next time and return their lanes.

    A schedule that was missed for a while rings once, not once for each time missed: a ring means
    "do what waits".
    """
    return list(
        session.execute(
            text(
                "UPDATE schedule SET last_at = :now, next_at = :now + make_interval(secs => every_s)"
                " WHERE active AND next_at <= :now RETURNING lane"
            ),
            {"now": now},
        ).scalars()
    )


def lanes_waiting(session: Session, now: datetime) -> list[str]:
    """Work lanes with stored messages, receipts, announcements or replies that nobody has looked at."""
    row = session.execute(
        text(
            """
            SELECT EXISTS (SELECT 1 FROM inbound_message WHERE state = 'STORED'
                             AND kind IN ('CIS_FILE', 'METER_DELIVERY') AND next_at <= :now)
                    OR EXISTS (SELECT 1 FROM mass_file WHERE state = 'READY'
                                 AND next_at <= :now)
                    OR EXISTS (SELECT 1 FROM mass_order WHERE todo IS NOT NULL),
                   EXISTS (SELECT 1 FROM inbound_message WHERE state = 'STORED'
                             AND kind = 'ACK' AND next_at <= :now),
                   EXISTS (SELECT 1 FROM delivery_receipt WHERE verdict = 'WAITING'),
                   EXISTS (SELECT 1 FROM announcement WHERE state = 'PENDING'
                             AND (not_before_at IS NULL OR not_before_at <= :now)),
                   EXISTS (SELECT 1 FROM inbound_sms WHERE state = 'WAITING' AND next_at <= :now),
                   EXISTS (SELECT 1 FROM inbound_message WHERE state = 'STORED'
                             AND kind IN ('DMS_OUTAGES', 'METER_EVENTS') AND next_at <= :now),
                   EXISTS (SELECT 1 FROM inbound_message WHERE state = 'STORED'
                             AND kind = 'PARTNER_FILE' AND next_at <= :now)
            """
        ),
        {"now": now},
    ).one()
    lanes = (INTAKE, ACKS, RECEIPTS, NOTICES, REPLIES, NETWORK, PARTNER_FILES)
    found = [lane for lane, waits in zip(lanes, row, strict=True) if waits]
    if process_starts.is_waiting(session):
        found.append(PROCESSES)
    return found


def lane_is_due(session: Session, lane: str, rung_after: datetime, now: datetime) -> bool:
    """What the dispatcher would ring this one lane for: the clock since then, or what waits."""
    rung = session.execute(
        text("SELECT max(last_at) FROM schedule WHERE lane = :lane AND active"), {"lane": lane}
    ).scalar_one()
    due = rung is not None and rung > rung_after
    due = due or lane in lanes_waiting(session, now)
    if due:
        return bool(without_paused(session, [lane]))
    return lane in outbox.lanes_with_work(session, now)


def without_paused(session: Session, lanes: list[str]) -> list[str]:
    """Those of the lanes that nobody has paused."""
    if not lanes:
        return lanes
    paused = set(
        session.execute(
            text("SELECT name FROM lane WHERE paused AND name = ANY(:lanes)"), {"lanes": lanes}
        ).scalars()
    )
    return [lane for lane in lanes if lane not in paused]
