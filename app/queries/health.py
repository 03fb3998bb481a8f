"""How the product is doing, in few cheap queries: for health pages and for the metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.models.inbound_message import LANE_OF_KIND
from app.models.outbox_item import WAITS_ITS_TIME
from app.queries.doubts import how_ended, open_doubts

_LEADER = text(
    """
    SELECT EXISTS (
        SELECT 1 FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND classid = 7403003 AND objid = 1
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    """
)


@dataclass(frozen=True, slots=True)
class LaneDepth:
    """Items of one lane in one state; oldest_at is since when the oldest has been due."""

    lane: str
    state: str
    count: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Vitals:
    """What one scrape tells."""

    depths: list[LaneDepth]
    unknown_attempts: int
    notices: dict[str, int]
    alarms: dict[str, int]
    drainers: dict[str, int]
    failed_runs: dict[str, int]
    doubts: dict[str, int]
    doubts_ended: dict[str, int]
    doubt_oldest_at: datetime | None
    stopped: dict[str, int]
    letters: dict[str, int]


# One branch per partial index. An item that waits its time is due from its next_at on: what is held back
# until the morning does not wait: its state is LATER.
_DEPTHS = text(
    f"""
    SELECT lane, state, count(*), min(due_at) FROM (
        SELECT lane, CASE WHEN {WAITS_ITS_TIME} AND next_at > now() + interval '15 minutes'
            THEN 'LATER' ELSE state END, CASE WHEN {WAITS_ITS_TIME}
            THEN greatest(created_at, next_at) ELSE created_at END AS due_at
        FROM outbox_item item WHERE state = 'READY'
        UNION ALL
        SELECT lane, state, created_at FROM outbox_item WHERE state = 'CLAIMED'
        UNION ALL
        SELECT lane, state, created_at FROM outbox_item WHERE state IN ('UNKNOWN', 'DEAD', 'HELD')
        UNION ALL
        SELECT {LANE_OF_KIND}, 'STORED', greatest(received_at, next_at)
        FROM inbound_message WHERE state = 'STORED'
        UNION ALL
        SELECT 'receipts', 'WAITING', received_at FROM delivery_receipt WHERE verdict = 'WAITING'
        UNION ALL
        SELECT 'replies', 'WAITING', greatest(received_at, next_at)
        FROM inbound_sms WHERE state = 'WAITING'
        UNION ALL
        SELECT 'notices', 'WAITING', greatest(created_at, not_before_at) FROM announcement
        WHERE state = 'PENDING'
    ) AS waiting (lane, state, due_at)
    GROUP BY lane, state ORDER BY lane, state
    """  # noqa: S608 - our own text.
)

_COUNTS = text(
    """
    SELECT 'alarm' AS what, kind AS name, count(*) AS count FROM alarm
    WHERE closed_at IS NULL GROUP BY kind
    UNION ALL
    SELECT 'drainer', lane, count(*) FROM drainer WHERE ended_at IS NULL GROUP BY lane
    UNION ALL
    SELECT 'run', process, count(*) FROM run
    WHERE state IN ('FAILED', 'KILLED') AND started_at > :since GROUP BY process
    UNION ALL
    SELECT 'notice', state, count(*) FROM notice WHERE created_at > :since GROUP BY state
    UNION ALL
    SELECT 'stop', channel, 1 FROM sending_stop
    UNION ALL
    SELECT 'letter', state, count(*) FROM letter WHERE state IN ('DUE', 'PRINTED') GROUP BY state
    UNION ALL
    SELECT 'unknown', '', count(*) FROM attempt
    WHERE next_lookup_at IS NOT NULL AND resolved_by IS NULL
    """
)


def read_vitals(session: Session, now: datetime) -> Vitals:
    """Everything that is counted; notices and failed runs are those of the last hour."""
    depths = [LaneDepth(*row) for row in session.execute(_DEPTHS)]
    counts: dict[str, dict[str, int]] = {}
    for what, name, count in session.execute(_COUNTS, {"since": now - timedelta(hours=1)}):
        counts.setdefault(what, {})[name] = count
    open_now = open_doubts(session)
    return Vitals(
        depths=depths,
        unknown_attempts=counts.get("unknown", {}).get("", 0),
        notices=counts.get("notice", {}),
        alarms=counts.get("alarm", {}),
        drainers=counts.get("drainer", {}),
        failed_runs=counts.get("run", {}),
        doubts={one.lane: one.count for one in open_now},
        doubts_ended=how_ended(session, now, days=1),
        doubt_oldest_at=min((one.oldest_at for one in open_now), default=None),
        stopped=counts.get("stop", {}),
        letters=counts.get("letter", {}),
    )


def dispatcher_leads(session: Session) -> bool:
    """Whether some dispatcher holds the leader's lock right now."""
    return bool(session.scalar(_LEADER))
