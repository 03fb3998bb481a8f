"""The part of upkeep that counts the hours for the public figures and renews their snapshot."""

from __future__ import annotations

from datetime import datetime

from app.db import transaction
from app.services import service_level, status_snapshot
from app.settings import Settings


def publish_service_level(settings: Settings, now: datetime) -> int:
    """Count the hours that are due, each in its own transaction; returns how many.

    The snapshot is written when something was counted. A folder that cannot be written raises
    OSError: upkeep makes an alarm of it.
    """
    with transaction() as session:
        due = service_level.due_hours(session, now)
    for hour_at in due:
        with transaction() as session:
            service_level.count_hour(session, hour_at, now)
    if due:
        with transaction() as session:
            body = service_level.snapshot(session, now)
        status_snapshot.publish(body, settings.status_folder, service_level.FILE_NAME)
    return len(due)
