"""Counts each hour of telling customers, and makes the public figures of them.

An hour is counted again as long as its messages may still be sent or reported about, so that the
figures need no second bookkeeping: they follow from the rows that everything else goes by.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.service_level import (
    ETR_MARGIN_S,
    FORMAT,
    QUICK_S,
    SOON_S,
    HourCounts,
    add_up,
    service_level,
    step_of,
)
from app.models.service_hour import ServiceHour

FILE_NAME = "service-level.json"
DAYS = 30
# How old the counts of an hour may become, by the age of the hour; after the last they are final.
_FRESH = (
    (timedelta(hours=3), timedelta(minutes=5)),
    (timedelta(hours=72), timedelta(hours=6)),
)
# So that the first time, or after a long standstill, nobody else waits for it.
_HOURS_AT_ONCE = 24
_HOUR = timedelta(hours=1)


def due_hours(session: Session, now: datetime) -> list[datetime]:
    """The hours that are to be counted now, the newest first, a few at a time."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    rows = session.execute(_KNOWN, {"since": this_hour - timedelta(days=DAYS)})
    computed: dict[datetime, datetime] = {row.hour_at: row.computed_at for row in rows}
    hours = (this_hour - place * _HOUR for place in range(DAYS * 24 + 1))
    due = (hour for hour in hours if is_due(hour, computed.get(hour), now))
    return [hour for hour, _ in zip(due, range(_HOURS_AT_ONCE), strict=False)]


def count_hour(session: Session, hour_at: datetime, now: datetime) -> HourCounts:
    """Count one hour from the rows and keep the counts."""
    values = {"begin": hour_at, "end": hour_at + _HOUR, "now": now}
    notices = session.execute(_NOTICES, {**values, "quick": QUICK_S, "soon": SOON_S}).one()
    repairs = session.execute(_ESTIMATES, {**values, "margin": ETR_MARGIN_S}).one()
    visits = session.execute(_VISITS, values).one()
    told_after: Counter[int] = Counter()
    for seconds, count in session.execute(_TOLD_AFTER, values):
        told_after[step_of(float(seconds))] += count
    counts = HourCounts(
        **notices._asdict(), **repairs._asdict(), **visits._asdict(), told_after=told_after
    )
    statement = insert(ServiceHour).values(
        hour_at=hour_at, counts=counts.as_json(), computed_at=now
    )
    renewed = {"counts": statement.excluded.counts, "computed_at": statement.excluded.computed_at}
    session.execute(statement.on_conflict_do_update(index_elements=["hour_at"], set_=renewed))
    return counts


def snapshot(session: Session, now: datetime) -> bytes:
    """The figures of the last day and of the last 30 days, as the page reads them."""
    spans = {"day": timedelta(hours=24), "month": timedelta(days=DAYS)}
    found: dict[str, object] = {"format": FORMAT, "updated_at": now.isoformat()}
    for name, span in spans.items():
        rows = session.execute(_COUNTS, {"since": now - span}).scalars()
        found[name] = asdict(service_level(add_up(rows)))
    return json.dumps(found, separators=(",", ":")).encode()


def is_due(hour_at: datetime, computed_at: datetime | None, now: datetime) -> bool:
    """Whether an hour that was last counted then is to be counted again."""
    if computed_at is None:
        return True
    age = now - hour_at - _HOUR
    for until, fresh_for in _FRESH:
        if age < until:
            return now - computed_at >= fresh_for
    # Counted once more after the last report that is waited for, and never again.
    return computed_at < hour_at + _HOUR + _FRESH[-1][0]


_KNOWN = text("SELECT hour_at, computed_at FROM service_hour WHERE hour_at >= :since")
_COUNTS = text("SELECT counts FROM service_hour WHERE hour_at > :since ORDER BY hour_at")

# An hour's notices are those decided in it. What was held on purpose is due when the hold ends;
# what was stopped on purpose, or is for staff, was never to leave.
_NOTICES = text(
    """
    WITH made AS (
        SELECT state, sent_at, greatest(created_at, not_before_at) AS due_at,
            extract(epoch FROM sent_at - greatest(created_at, not_before_at)) AS took_s,
            not_before_at IS NULL OR not_before_at < expires_at AS could_leave
        FROM notice
        WHERE created_at >= :begin AND created_at < :end AND NOT to_staff
          AND channel IS NOT NULL AND state NOT IN ('SUPPRESSED', 'SUPERSEDED', 'FALLBACK')),
    judged AS (
        SELECT *, sent_at IS NULL AND due_at < CAST(:now AS timestamptz) - interval '30 seconds'
            AND (state IN ('CREATED', 'HELD', 'QUEUED', 'SENDING')
                 OR state = 'EXPIRED' AND could_leave) AS never
        FROM made)
    SELECT count(*) FILTER (WHERE sent_at IS NOT NULL OR never) AS due,
        count(sent_at) AS handed,
        count(*) FILTER (WHERE took_s <= :quick) AS quick,
        count(*) FILTER (WHERE took_s <= :soon) AS soon,
        count(*) FILTER (WHERE never) AS missed,
        count(*) FILTER (WHERE state IN ('UNKNOWN', 'RESENT')) AS unknown,
        count(*) FILTER (WHERE state = 'DELIVERED') AS delivered,
        count(*) FILTER (WHERE state IN ('UNDELIVERED', 'FAILED')) AS undelivered
    FROM judged
    """
)
# Text messages that nothing held, from the moment when it happened.
_TOLD_AFTER = text(
    """
    SELECT 15 * floor(extract(epoch FROM sent_at - event_at) / 15), count(*)
    FROM notice
    WHERE created_at >= :begin AND created_at < :end AND sent_at IS NOT NULL AND channel = 'SMS'
      AND not_before_at IS NULL
      AND type IN ('FAULT_STARTED', 'FAULT_ETR', 'FAULT_ETR_CHANGED', 'FAULT_RESTORED')
    GROUP BY 1
    """
)
# The estimate that customers had been told when the power came back.
_ESTIMATES = text(
    """
    SELECT count(*) AS etr,
        count(*) FILTER (WHERE abs(extract(epoch FROM told.etr_at - o.restored_at)) <= :margin)
            AS etr_hit
    FROM outage o
    CROSS JOIN LATERAL (
        SELECT CAST(a.facts ->> 'etr_at' AS timestamptz) AS etr_at FROM announcement a
        WHERE a.outage_id = o.id AND a.type IN ('FAULT_ETR', 'FAULT_ETR_CHANGED')
          AND a.told_count > 0 AND a.created_at <= o.restored_at
        ORDER BY a.id DESC LIMIT 1) told
    WHERE o.kind = 'FAULT' AND o.started_at >= CAST(:begin AS timestamptz) - interval '30 days'
      AND o.started_at < :end
      AND o.restored_at >= :begin AND o.restored_at < :end
      AND o.state NOT IN ('MERGED', 'FALSE_ALARM')
    """
)
_VISITS = text(
    """
    SELECT count(*) AS visit, count(*) FILTER (WHERE a.type = 'COMPLETED') AS visit_ok
    FROM ack a
    WHERE a.type IN ('COMPLETED', 'FAILED') AND a.verdict = 'APPLIED'
      AND a.occurred_at >= :begin AND a.occurred_at < :end
      AND NOT EXISTS (
        SELECT 1 FROM ack before
        WHERE before.order_id = a.order_id AND before.type IN ('COMPLETED', 'FAILED')
          AND before.verdict = 'APPLIED'
          AND (before.occurred_at, before.ack_id) < (a.occurred_at, a.ack_id))
    """
)
