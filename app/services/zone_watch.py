"""What must not stay in the dark about zones: nobody drains one, or a runner that holds items is gone."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.zones import CENTRAL, SILENT_AFTER
from app.services import watch

ZONE_SILENT = "ZONE_SILENT"
RUNNER_SILENT = "RUNNER_SILENT"

_ZONES = text(
    """
    SELECT z.code, max(r.heartbeat_at) AS heard_at FROM zone z
    LEFT JOIN lane_runner r ON r.zone_code = z.code
    WHERE z.code <> :central AND EXISTS (SELECT 1 FROM lane WHERE lane.zone = z.code)
    GROUP BY z.code
    HAVING NOT coalesce(bool_or(r.ended_at IS NULL AND r.heartbeat_at > :since), false)
    """
)
_RUNNERS = text(
    """
    SELECT r.zone_code || '/' || r.host || '/' || left(r.id::text, 8) AS name, r.heartbeat_at,
        count(*) AS held
    FROM lane_runner r JOIN runner_claim c ON c.runner_id = r.id AND c.settled_at IS NULL
    JOIN outbox_item i ON i.id = c.outbox_item_id
    -- What went back and was sent by somebody else, or decided by a person, waits for no journal.
    WHERE r.heartbeat_at <= :since AND (i.state = 'CLAIMED' AND i.lease = c.lease
        OR i.state = 'UNKNOWN' AND i.attempt_id = c.attempt_id)
    GROUP BY r.id
    """
)


def raise_alarms(session: Session, now: datetime) -> None:
    """Open an alarm for each zone and runner that needs somebody, and close the others."""
    since = now - SILENT_AFTER
    silent = {
        row.code: "No runner drains this zone."
        if row.heard_at is None
        else f"No runner of this zone was heard of since {row.heard_at:%Y-%m-%d %H:%M} UTC."
        for row in session.execute(_ZONES, {"central": CENTRAL, "since": since})
    }
    gone = {
        row.name: f"It holds {row.held} items and was heard of last at"
        f" {row.heartbeat_at:%Y-%m-%d %H:%M} UTC; only its journal knows what became of them."
        for row in session.execute(_RUNNERS, {"since": since})
    }
    watch.are_open(session, ZONE_SILENT, silent, now)
    watch.are_open(session, RUNNER_SILENT, gone, now)
