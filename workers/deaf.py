"""What a worker does while it hears no bell: it looks for itself whether its lane is due.

Each worker looks after its own lane only, so that one that is stuck slows no other, with Redis or
without it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import DBAPIError

from app.db import db, transaction
from app.doorbell import ring
from app.services import schedules
from workers import jobs

log = structlog.get_logger()

TRIGGER = "no Redis"
# A worker that hears Redis looks all the same every so often: the dispatcher may be deaf alone.
_LOOK_EVERY_S = 30.0


class OwnLook:
    """Looks after one lane; remembers when it looked last, since the clock moves on without us."""

    def __init__(self, lane: str, now: datetime) -> None:
        self._lane = lane
        self._looked_at = now
        self._looked = time.monotonic()

    def was_rung(self) -> None:
        """A bell was heard: what the clock said until now is about to be done."""
        self._looked_at = datetime.now(UTC)

    def work_if_due(self) -> None:
        """Do what waits; what goes wrong is in the log, and the next look tries again."""
        if not self._is_due():
            return
        try:
            jobs.work(self._lane, TRIGGER)
        except jobs.JobFailed as failed:
            log.warning("unrung_job_failed", lane=self._lane, error=str(failed))

    def ring_if_due(self) -> None:
        """Ring our own bell when the lane has been due for a while and nobody has rung it."""
        if time.monotonic() - self._looked >= _LOOK_EVERY_S and self._is_due():
            ring(self._lane)

    def _is_due(self) -> bool:
        now = datetime.now(UTC)
        self._looked = time.monotonic()
        try:
            with transaction() as session:
                due = schedules.lane_is_due(session, self._lane, self._looked_at, now)
        except DBAPIError as error:
            log.warning("database_away", lane=self._lane, error=type(error.orig or error).__name__)
            return False
        finally:
            db.session.remove()
        self._looked_at = now
        return due
