"""What became of everything announced in a stretch of time: decisions, reasons, money and speed.

For a report after a storm or a rehearsal; the pages have queries of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class HandOver:
    """How long news of one kind took from its arrival to the provider, in seconds of the clock.

    count: notices that nothing held on purpose. p50, p99, worst: from the message that brought the
    news, or from the moment at which it was due to be told if that was later.
    """

    kind: str
    count: int
    p50_s: float
    p99_s: float
    worst_s: float


@dataclass(frozen=True, slots=True)
class StormFigures:
    """Counts by state and reason, and what it cost."""

    outages: dict[str, int]
    announcements: dict[str, int]
    notices: dict[str, int]
    suppressed: dict[str, int]
    held_count: int
    resent_count: int
    unknown_count: int
    sms_parts: int
    emails: int
    cost_cents: float
    hand_over: list[HandOver]


_COUNTS = text(
    """
    SELECT 'outage' AS what, state AS name, count(*) AS number FROM outage
    WHERE created_at >= :since AND kind = 'FAULT' GROUP BY state
    UNION ALL
    SELECT 'announcement', type || ' ' || state, count(*) FROM announcement
    WHERE created_at >= :since GROUP BY type, state
    UNION ALL
    SELECT 'notice', state, count(*) FROM notice
    WHERE created_at >= :since AND announcement_id IS NOT NULL GROUP BY state
    UNION ALL
    SELECT 'suppressed', type || ' ' || coalesce(suppress_reason, state), count(*) FROM notice
    WHERE created_at >= :since AND announcement_id IS NOT NULL
      AND state IN ('SUPPRESSED', 'SUPERSEDED', 'EXPIRED', 'FAILED')
    GROUP BY type, coalesce(suppress_reason, state)
    """
)
_SUMS = text(
    """
    SELECT count(*) FILTER (WHERE not_before_at IS NOT NULL) AS held,
        coalesce(sum(resent_count), 0) AS resent,
        count(*) FILTER (WHERE state = 'UNKNOWN') AS unknown,
        coalesce(sum(segments) FILTER (WHERE channel = 'SMS' AND sent_at IS NOT NULL), 0) AS parts,
        count(*) FILTER (WHERE channel = 'EMAIL' AND sent_at IS NOT NULL) AS emails,
        coalesce(sum(cost_millicents), 0) / 1000.0 AS cents
    FROM notice WHERE created_at >= :since AND announcement_id IS NOT NULL
    """
)
# A statement of the DMS and the announcements that it caused carry the same time of interpretation;
# the message that brought it had arrived before.
_HAND_OVER = text(
    """
    WITH cause AS (
        SELECT a.id, greatest(min(coalesce(m.received_at, a.created_at)), a.not_before_at) AS due_at
        FROM announcement a
        LEFT JOIN dms_statement s ON s.outage_id = a.outage_id AND s.received_at = a.created_at
        LEFT JOIN inbound_message m ON m.id = s.inbound_message_id
        WHERE a.created_at >= :since GROUP BY a.id),
    took AS (
        SELECT n.type, extract(epoch FROM n.sent_at - cause.due_at) AS seconds
        FROM notice n JOIN cause ON cause.id = n.announcement_id
        WHERE n.created_at >= :since AND n.sent_at IS NOT NULL AND n.not_before_at IS NULL)
    SELECT type, count(*) AS number,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
        percentile_disc(0.99) WITHIN GROUP (ORDER BY seconds) AS p99, max(seconds) AS worst
    FROM took GROUP BY type ORDER BY type
    """
)


_READINGS = text(
    """
    SELECT source_ref, version, min(received_at) AS read_at FROM dms_statement
    WHERE received_at >= :since AND verdict IN ('APPLIED', 'STALE')
    GROUP BY source_ref, version ORDER BY read_at
    """
)


def readings_since(session: Session, since: datetime) -> list[tuple[str, int, datetime]]:
    """When each version that the DMS stated was read: (name, version, moment)."""
    return [tuple(row) for row in session.execute(_READINGS, {"since": since})]


def figures_since(session: Session, since: datetime) -> StormFigures:
    """Everything that was announced from this moment on."""
    counts: dict[str, dict[str, int]] = {}
    for what, name, number in session.execute(_COUNTS, {"since": since}):
        counts.setdefault(what, {})[name] = number
    sums = session.execute(_SUMS, {"since": since}).one()
    return StormFigures(
        outages=counts.get("outage", {}),
        announcements=counts.get("announcement", {}),
        notices=counts.get("notice", {}),
        suppressed=counts.get("suppressed", {}),
        held_count=sums.held,
        resent_count=sums.resent,
        unknown_count=sums.unknown,
        sms_parts=sums.parts,
        emails=sums.emails,
        cost_cents=float(sums.cents),
        hand_over=[
            HandOver(row.type, row.number, float(row.p50), float(row.p99), float(row.worst))
            for row in session.execute(_HAND_OVER, {"since": since})
        ],
    )
