"""Removes rows that nobody will ask for again; business rows have their own periods (retention.py)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services import rate_limits
from app.settings import Settings

_AFTER = timedelta(days=7)

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


def purge(session: Session, settings: Settings, now: datetime) -> None:
    """Remove what ended a week ago or stood still since, and one-time codes after their period."""
    before = now - _AFTER
    session.execute(_DRAINERS, {"before": before})
    session.execute(_SIGHTINGS, {"before": before})
    session.execute(_SESSIONS, {"before": before})
    session.execute(_CODES, {"before": now - timedelta(hours=settings.retention_code_h)})
    session.execute(_STARTS, {"before": now - _STARTS_AFTER})
    session.execute(_CLAIMS, {"before": before})
    session.execute(_RUNNERS, {"before": now - _RUNNERS_AFTER})
    rate_limits.forget(session, now)
