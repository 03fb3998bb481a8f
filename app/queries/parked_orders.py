"""Work orders that wait for a person: no route, rejected, refused, or held back after a check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

# Orders of a mass order that somebody has paused are counted there, not here.
PARKED_STATES = ("NO_ROUTE", "REJECTED", "PARTNER_REJECTED", "RETURNED", "ASKED", "HELD")


@dataclass(frozen=True, slots=True)
class ParkedOrder:
    """One order that waits, since when and why; findings as {code, text, severity, path}."""

    order_id: str
    revision: int
    order_type_code: str
    state: str
    since_at: datetime
    gsrn: str
    partner_code: str | None
    route_reason: str | None
    hold_reason: str | None
    findings: list[dict[str, Any]]


# An order counts as held when one of its reports to other systems waits for a decision, and as
# asked while what the CIS wants of it waits for the end of a visit.
_PARKED = text(
    """
    WITH parked AS (
        SELECT order_id, state, state_at AS since_at, CAST(NULL AS text) AS hold_reason
        FROM work_order WHERE state IN ('NO_ROUTE', 'REJECTED', 'PARTNER_REJECTED', 'RETURNED')
        UNION ALL
        SELECT order_id, 'ASKED', min(asked_at), NULL FROM order_request
        WHERE state = 'WAITING' GROUP BY order_id
        UNION ALL
        SELECT business_key, 'HELD', min(created_at), string_agg(DISTINCT hold_reason, ', ')
        FROM outbox_item
        WHERE state = 'HELD' AND lane NOT IN ('sms', 'email')
          AND hold_reason <> 'MASS_PAUSED' GROUP BY business_key)
    SELECT o.order_id, o.revision, o.order_type_code, p.state, p.since_at, o.gsrn, o.partner_code,
        o.route_reason, p.hold_reason,
        coalesce((
            SELECT jsonb_agg(jsonb_build_object('code', f.code, 'text', f.text,
                'severity', f.severity, 'path', f.path) ORDER BY f.id)
            FROM (SELECT * FROM inbound_finding f WHERE f.order_id = o.order_id
                  ORDER BY f.id DESC LIMIT 5) f), '[]') AS findings
    FROM parked p JOIN work_order o ON o.order_id = p.order_id
    WHERE (CAST(:state AS text) IS NULL OR p.state = :state)
    ORDER BY p.since_at, o.order_id
    LIMIT :limit OFFSET :offset
    """
)

_COUNTS = text(
    """
    SELECT state, count(*) FROM work_order
    WHERE state IN ('NO_ROUTE', 'REJECTED', 'PARTNER_REJECTED', 'RETURNED') GROUP BY state
    UNION ALL
    SELECT 'ASKED', count(DISTINCT order_id) FROM order_request WHERE state = 'WAITING'
    UNION ALL
    SELECT 'HELD', count(DISTINCT business_key) FROM outbox_item
    WHERE state = 'HELD' AND lane NOT IN ('sms', 'email')
          AND hold_reason <> 'MASS_PAUSED'
    """
)


def find_parked(
    session: Session, limit: int, offset: int = 0, state: str | None = None
) -> list[ParkedOrder]:
    """Orders that wait for a person, those that waited longest first."""
    rows = session.execute(_PARKED, {"limit": limit, "offset": offset, "state": state})
    return [ParkedOrder(*row) for row in rows]


def count_parked(session: Session) -> dict[str, int]:
    """How many orders wait in each of PARKED_STATES."""
    counts = {row[0]: row[1] for row in session.execute(_COUNTS)}
    return {state: counts.get(state, 0) for state in PARKED_STATES}
