"""The part of upkeep that renews what the public sees of outages, and tells who follows an area."""

from __future__ import annotations

from datetime import datetime

import structlog

from app.db import transaction
from app.services import alarms, area_digests, status_snapshot
from app.settings import Settings

log = structlog.get_logger()

STATUS_NOT_WRITTEN = "STATUS_NOT_WRITTEN"


def publish_status(settings: Settings, now: datetime) -> None:
    """Renew the snapshot and announce digests; where the folder cannot be written, somebody has to know."""
    with transaction() as session:
        body = status_snapshot.take(session, now)
        area_digests.announce_digests(session, now)
    try:
        status_snapshot.publish(body, settings.status_folder)
    except OSError as error:
        log.exception("status_not_written")
        detail = f"The public status cannot be written: {error.strerror}."
        with transaction() as session:
            alarms.open_alarm(session, STATUS_NOT_WRITTEN, "public", detail, now)
    else:
        with transaction() as session:
            alarms.close_alarm(session, STATUS_NOT_WRITTEN, "public", now)
