"""What alarm rules measure: counts of a window, ages, and shares of what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.alarm_rules import Measure, Rule, Value, window_of
from app.domain.processes import runs_of
from app.models.outbox_item import WAITS_ITS_TIME
from app.queries import lane_board

_RUN_OF = " AND (CAST(:subject AS text) IS NULL OR r.process = ANY(:runs))"
_ORDER_OF = (
    " AND (CAST(:subject AS text) IS NULL OR (SELECT order_type_code FROM work_order o"
    " WHERE o.order_id = a.order_id) = :subject)"
)
_VISITS = "a.type IN ('COMPLETED', 'FAILED') AND a.verdict = 'APPLIED' AND a.occurred_at > :since"
# Each gives two numbers: how many count, and of how many.
_COUNTS: Mapping[Measure, str] = {
    Measure.ORDERS: "SELECT count(*), 0 FROM work_order WHERE created_at > :since"
    " AND created_at <= :until AND (CAST(:subject AS text) IS NULL OR order_type_code = :subject)",
    Measure.CIS_FILES: "SELECT count(*), 0 FROM inbound_message WHERE received_at > :since"
    " AND received_at <= :until AND kind = 'CIS_FILE'"
    " AND (CAST(:subject AS text) IS NULL OR source = :subject)",
    Measure.ACKS: "SELECT count(*), 0 FROM inbound_message WHERE received_at > :since"
    " AND received_at <= :until AND kind = 'ACK'"
    " AND (CAST(:subject AS text) IS NULL OR source = 'ack:' || :subject)",
    Measure.VISITS: f"SELECT count(*), 0 FROM ack a WHERE {_VISITS}"  # noqa: S608 - our own text.
    f" AND a.occurred_at <= :until{_ORDER_OF}",
    Measure.PROCESS_RUNS: "SELECT count(*), 0 FROM run r WHERE r.started_at > :since"  # noqa: S608
    f" AND r.started_at <= :until{_RUN_OF}",
    Measure.NOTICES: "SELECT count(*), 0 FROM notice WHERE created_at > :since"
    " AND created_at <= :until AND NOT to_staff"
    " AND (CAST(:subject AS text) IS NULL OR topic = :subject)",
    Measure.RUNS_BAD: "SELECT count(*) FILTER (WHERE r.state IN ('PARTLY', 'FAILED', 'KILLED')),"  # noqa: S608
    " count(*) FILTER (WHERE r.state <> 'RUNNING') FROM run r WHERE r.started_at > :since"
    f" AND r.started_at <= :until{_RUN_OF}",
    Measure.NOTICES_BAD: "SELECT count(*) FILTER (WHERE state IN ('FAILED', 'UNDELIVERED',"
    " 'FALLBACK', 'EXPIRED')), count(*) FILTER (WHERE state IN ('SENT', 'DELIVERED', 'FAILED',"
    " 'UNDELIVERED', 'FALLBACK', 'EXPIRED')) FROM notice WHERE created_at > :since"
    " AND created_at <= :until AND NOT to_staff"
    " AND (CAST(:subject AS text) IS NULL OR topic = :subject)",
    Measure.VISITS_BAD: "SELECT count(*) FILTER (WHERE a.type = 'FAILED'), count(*)"  # noqa: S608
    f" FROM ack a WHERE {_VISITS} AND a.occurred_at <= :until{_ORDER_OF}",
}
# What is held for the morning, or waits for its receiver to open, is not late before that.
_DUE_SINCE = text(
    f"""
    SELECT min(greatest(lane.rests_until, item.created_at,
        CASE WHEN {WAITS_ITS_TIME} THEN item.next_at END))
    FROM outbox_item item JOIN lane ON lane.name = item.lane
    WHERE item.lane = :lane AND item.state IN ('READY', 'CLAIMED')
    """  # noqa: S608 - made of our own constants only.
)
_LAST_GOOD = text(
    "SELECT max(r.started_at) FROM run r WHERE r.process = ANY(:runs) AND r.state = 'OK'"
)
_PROCESS = text("SELECT run_name, created_at FROM process WHERE code = :subject")


def measure(session: Session, rule: Rule, now: datetime) -> Value:
    """The value of a rule at this moment: a count, minutes, or per cent of how many."""
    if rule.measure is Measure.LANE_AGE:
        lane = lane_board.find_lane(session, rule.subject or "")
        if lane is None:
            return Value(None)
        since = lane.oldest_at
        if lane.sends:
            since = session.execute(_DUE_SINCE, {"lane": lane.name}).scalar_one()
        return Value(_minutes(now, since) if since else 0.0)
    if rule.measure is Measure.PROCESS_AGE:
        process = session.execute(_PROCESS, {"subject": rule.subject}).one_or_none()
        if process is None:
            return Value(None)
        runs = {"runs": runs_of(process.run_name)}
        # One that never ran well has been late since it exists.
        last = session.execute(_LAST_GOOD, runs).scalar_one() or process.created_at
        return Value(_minutes(now, last))
    since, until = window_of(rule, now)
    values: dict[str, Any] = {"since": since, "until": until, "subject": rule.subject}
    if rule.measure in (Measure.PROCESS_RUNS, Measure.RUNS_BAD):
        process = session.execute(_PROCESS, {"subject": rule.subject}).one_or_none()
        values["runs"] = runs_of(process.run_name) if process is not None else []
    count, of_count = session.execute(text(_COUNTS[rule.measure]), values).one()
    if rule.measure in (Measure.RUNS_BAD, Measure.NOTICES_BAD, Measure.VISITS_BAD):
        return Value(100 * count / of_count if of_count else None, of_count)
    return Value(float(count))


def _minutes(now: datetime, since: datetime) -> float:
    return max((now - since).total_seconds() / 60, 0.0)
