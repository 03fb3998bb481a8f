"""The lease of a worker process: a row, and an advisory lock that dies with the process.

The dispatcher sees that a worker is gone when it can take the worker's lock, and gives back what
the worker held within seconds instead of waiting for a lease to run out.
"""

from __future__ import annotations

import os
import socket
from datetime import datetime

import structlog
from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import DBAPIError

from app.db import db, release_session_lock, transaction, try_session_lock
from app.models.drainer import Drainer
from app.services.leases import DRAINER_SPACE

log = structlog.get_logger()


class Holder:
    """Holds one lease for as long as the connection of its lock lives.

    When PostgreSQL restarts, the lock is gone and others may take what was held; the holder then
    registers anew under another number, so that its old number can never settle anything again.
    """

    def __init__(self, lane: str) -> None:
        self.lane = lane
        self._connection: Connection | None = None
        self._lease = 0

    def lease(self, now: datetime) -> int:
        """The number under which to claim now; raises DBAPIError while the database is away."""
        if self._connection is not None:
            try:
                self._connection.execute(text("SELECT 1"))
            except DBAPIError:
                log.warning("lease_lost", lane=self.lane, lease=self._lease)
                self._drop()
            else:
                return self._lease
        connection = db.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            self._lease = _take(connection, self.lane, now)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        self._connection = connection
        return self._lease

    def close(self) -> None:
        """Let go of the lock, so that the dispatcher can close the row at once."""
        if self._connection is not None:
            try:
                release_session_lock(self._connection, DRAINER_SPACE, self._lease)
            except DBAPIError:
                log.warning("lease_lost", lane=self.lane, lease=self._lease)
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            # A pooled connection would keep the lock alive after close().
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def _take(connection: Connection, lane: str, now: datetime) -> int:
    """A new lease, locked before anybody sees it: whoever looks for the dead takes what nobody holds."""
    with transaction() as session:
        lease: int = session.execute(
            insert(Drainer)
            .values(lane=lane, host=socket.gethostname(), pid=os.getpid(), started_at=now)
            .returning(Drainer.id)
        ).scalar_one()
        if not try_session_lock(connection, DRAINER_SPACE, lease):
            raise RuntimeError("the lock of a new lease is taken")
    return lease
