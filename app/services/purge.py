"""Removes rows that nobody will ask for again; business rows have their own periods (retention.py)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from app.services import rate_limits, retention
from app.settings import Settings

CLASS = "technical"
DAYS = 7
_AFTER = timedelta(days=DAYS)

# The number of a lease must not be forgotten while something still refers to it.
_DRAINERS = text(
    """
    DELETE FROM drainer d WHERE d.ended_at < :before
      AND NOT EXISTS (SELECT 1 FROM outbox_item i WHERE i.lease = d.id AND i.state = 'CLAIMED')
      AND NOT EXISTS (SELECT 1 FROM lane_runner r WHERE r.lease = d.id)
    """
)
# A file that is still there is seen at every poll, so these belong to files that are gone.
_SIGHTINGS = text("DELETE FROM file_sighting WHERE unchanged_since_at < :before")


_SESSIONS = text("DELETE FROM customer_session WHERE seen_at < :before")
# Readable codes are kept until they have been masked, whatever their age.
_CODES = text(
    "DELETE FROM one_time_code WHERE created_at < :before"
    " AND (notice_id IS NULL OR redacted_at IS NOT NULL)"
)


# What a runner says again after so long is no longer asked for.
_CLAIMS = text("DELETE FROM runner_claim WHERE settled_at < :before")
# A runner that never came back with its journal: its items have long gone another way.
_LOST_CLAIMS = text(
    """
    DELETE FROM runner_claim c USING lane_runner r, outbox_item i
    WHERE c.settled_at IS NULL AND r.id = c.runner_id AND r.heartbeat_at < :before
      AND i.id = c.outbox_item_id AND i.state IN ('SENT', 'CANCELLED', 'DEAD')
    """
)
_RUNNERS = text(
    """
    DELETE FROM lane_runner r WHERE r.heartbeat_at < :before
      AND NOT EXISTS (SELECT 1 FROM runner_claim c WHERE c.runner_id = r.id)
    """
)
_RUNNERS_AFTER = timedelta(days=30)
# A cause that comes again after more than a year is a new one.
_STARTS = text("DELETE FROM process_start WHERE ended_at < :before")
_STARTS_AFTER = timedelta(days=400)


def purge(
    session: Session, settings: Settings, now: datetime, *, by: str = retention.CLOCK
) -> Counter[str]:
    """Remove what ended a week ago or stood still since, and one-time codes after their period.

    Returns how many rows of what went, and reports them.
    """
    before = now - _AFTER
    codes = now - timedelta(hours=settings.retention_code_h)
    counts: Counter[str] = Counter()
    for name, statement, limit in (
        ("drainer", _DRAINERS, before),
        ("file_sighting", _SIGHTINGS, before),
        ("customer_session", _SESSIONS, before),
        ("one_time_code", _CODES, codes),
        ("process_start", _STARTS, now - _STARTS_AFTER),
        ("runner_claim", _CLAIMS, before),
        ("runner_claim", _LOST_CLAIMS, now - _RUNNERS_AFTER),
        ("lane_runner", _RUNNERS, now - _RUNNERS_AFTER),
    ):
        found = cast("CursorResult[Any]", session.execute(statement, {"before": limit}))
        counts[name] += max(found.rowcount, 0)
    rate_limits.forget(session, now)
    retention.report(session, CLASS, None, +counts, now, by=by)
    return +counts
