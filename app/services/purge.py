"""Removes rows that nobody will ask for again; business rows have their own periods."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

_AFTER = timedelta(days=7)

# The number of a lease must not be forgotten while something still refers to it.
_DRAINERS = text(
    """
    DELETE FROM drainer d WHERE d.ended_at < :before
      AND NOT EXISTS (SELECT 1 FROM outbox_item i WHERE i.lease = d.id AND i.state = 'CLAIMED')
    """
)
# A file that is still there is seen at every poll, so these belong to files that are gone.
_SIGHTINGS = text("DELETE FROM file_sighting WHERE unchanged_since_at < :before")


def purge(session: Session, now: datetime) -> None:
    """Remove worker registrations and file sightings that ended or stood still a week ago."""
    before = now - _AFTER
    session.execute(_DRAINERS, {"before": before})
    session.execute(_SIGHTINGS, {"before": before})
