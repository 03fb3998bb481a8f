"""What must not stay in the dark: old, dead and doubtful items raise alarms and end them (I5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.models.inbound_message import LANE_OF_KIND
from app.models.outbox_item import WAITS_ITS_TIME
from app.services import alarms

LANE_OLD = "LANE_OLD"
ITEMS_DEAD = "ITEMS_DEAD"
OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
INBOUND_HELD = "INBOUND_HELD"
PARTNER_SILENT = "PARTNER_SILENT"

_OLD_AFTER = timedelta(minutes=15)
_UNKNOWN_AFTER = timedelta(hours=1)
_SILENT_AFTER_S = 86_400.0
# Partners are sometimes faster than the CIS's files, but not by a day.
_ORDER_MISSING_AFTER = timedelta(days=1)

# What waits its time is due from its next_at on: a notice held for the night is not late, and
# neither is what waits for a receiver to open.
_OLD = text(
    f"""
    SELECT lane, count(*), min(due_at) FROM (
        SELECT item.lane, greatest(lane.rests_until, item.created_at,
            CASE WHEN {WAITS_ITS_TIME} THEN item.next_at END) AS due_at
        FROM outbox_item item LEFT JOIN lane ON lane.name = item.lane WHERE item.state = 'READY'
        UNION ALL
        SELECT {LANE_OF_KIND}, received_at
        FROM inbound_message WHERE state = 'STORED'
        UNION ALL
        SELECT 'receipts', received_at FROM delivery_receipt WHERE verdict = 'WAITING'
        UNION ALL
        SELECT 'replies', received_at FROM inbound_sms WHERE state = 'WAITING'
        UNION ALL
        SELECT 'notices', greatest(created_at, not_before_at) FROM announcement
        WHERE state = 'PENDING'
        UNION ALL
        SELECT 'processes', s.created_at FROM process_start s
        JOIN process p ON p.code = s.process_code
        WHERE s.state = 'WAITING' AND p.stopped_at IS NULL
    ) AS waiting (lane, due_at)
    WHERE due_at < :before GROUP BY lane
    """  # noqa: S608 - our own text.
)
_DEAD = text("SELECT lane, count(*) FROM outbox_item WHERE state = 'DEAD' GROUP BY lane")
_UNKNOWN = text(
    """
    SELECT item.lane, count(*) FROM attempt a JOIN outbox_item item ON item.id = a.outbox_item_id
    WHERE a.next_lookup_at IS NOT NULL AND a.resolved_by IS NULL AND a.started_at < :before
    GROUP BY item.lane
    """
)
# What failed by our own fault waits for a person at once.
_HELD = text(
    f"""
    SELECT {LANE_OF_KIND}, count(*), min(id)
    FROM inbound_message
    WHERE state = 'HELD' AND (reason_code LIKE 'INTERNAL%' OR received_at < :before)
    GROUP BY 1
    """  # noqa: S608 - our own text.
)
# A partner that takes orders and says nothing about them: nobody else would notice.
_SILENT = text(
    """
    SELECT 'partner.' || o.partner_code, count(*), min(o.state_at) FROM work_order o
    LEFT JOIN unnest(CAST(:codes AS text[]), CAST(:befores AS timestamptz[])) AS own (code, before)
        ON own.code = o.partner_code
    WHERE o.state = 'SENT' AND o.state_at < :latest
      AND o.state_at < coalesce(own.before, :before)
    GROUP BY o.partner_code
    """
)
# How long each partner may be silent, by the bundle that counts: that of its reports, else of orders.
_PATIENCE = text(
    """
    SELECT DISTINCT ON (partner_code) partner_code,
        -- A later release may have written something else there, which is no reason to watch nobody.
        CASE WHEN jsonb_typeof(content->'acks'->'expected_within_h') = 'number'
            THEN CAST(content->'acks'->>'expected_within_h' AS float8) END AS hours
    FROM partner_bundle
    WHERE state = 'ACTIVE' AND valid_from <= :now
      AND (document, direction) IN (('ack', 'in'), ('order', 'out'))
    ORDER BY partner_code, document, valid_from DESC, activated_at DESC, id DESC
    """
)


def raise_alarms(session: Session, now: datetime, silent_after_s: float = _SILENT_AFTER_S) -> None:
    """Open an alarm for each lane that needs somebody, and close those that need nobody any more.

    silent_after_s: how long a partner may have an order without a word about it, where its bundle
    does not say so.
    """
    silent = _silent(session, now, silent_after_s)
    old = {
        row[0]: f"{row[1]} wait, the oldest since {row[2]:%Y-%m-%d %H:%M} UTC."
        for row in session.execute(_OLD, {"before": now - _OLD_AFTER})
    }
    dead = {row[0]: f"{row[1]} will not be tried again." for row in session.execute(_DEAD)}
    unknown = {
        row[0]: f"Of {row[1]} calls nobody knows whether they reached the receiver."
        for row in session.execute(_UNKNOWN, {"before": now - _UNKNOWN_AFTER})
    }
    held = {
        row[0]: f"{row[1]} received messages wait for a person, the first is number {row[2]}."
        for row in session.execute(_HELD, {"before": now - _ORDER_MISSING_AFTER})
    }
    are_open(session, PARTNER_SILENT, silent, now)
    are_open(session, INBOUND_HELD, held, now)
    are_open(session, LANE_OLD, old, now)
    are_open(session, ITEMS_DEAD, dead, now)
    are_open(session, OUTCOME_UNKNOWN, unknown, now)


def _silent(session: Session, now: datetime, silent_after_s: float) -> dict[str, str]:
    before = now - timedelta(seconds=silent_after_s)
    own = {
        row.partner_code: now - timedelta(hours=row.hours)
        for row in session.execute(_PATIENCE, {"now": now})
        if row.hours is not None
    }
    values = {
        "codes": list(own),
        "befores": list(own.values()),
        "before": before,
        "latest": max(before, *own.values()) if own else before,
    }
    return {
        row[0]: f"{row[1]} orders are sent and not acknowledged, "
        f"the oldest since {row[2]:%Y-%m-%d %H:%M} UTC."
        for row in session.execute(_SILENT, values)
    }


def are_open(session: Session, kind: str, found: Mapping[str, str], now: datetime) -> None:
    """Exactly these alarms of the kind are open."""
    for lane, detail in found.items():
        alarms.open_alarm(session, kind, lane, detail, now)
    is_open = session.execute(
        text("SELECT subject FROM alarm WHERE kind = :kind AND closed_at IS NULL"), {"kind": kind}
    ).scalars()
    for lane in set(is_open) - found.keys():
        alarms.close_alarm(session, kind, lane, now)
