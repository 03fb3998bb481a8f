"""Leases of worker processes: which of them belong to the dead."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from app.db import release_session_lock, try_session_lock
from app.domain.lock_spaces import LockSpace
from app.services import runs

# The same space as the lock that each worker holds on its lease number.
DRAINER_SPACE = LockSpace.DRAINERS


def dead(connection: Connection, own: int) -> list[int]:
    """Leases whose lock nobody holds any more; each is locked by us now, see let_go()."""
    open_leases = connection.execute(
        # Lane runners hold no lock here: theirs end by the clock, see lane_runners.py.
        text(
            "SELECT id FROM drainer WHERE ended_at IS NULL AND id <> :own"
            " AND NOT EXISTS (SELECT 1 FROM lane_runner r WHERE r.lease = drainer.id) ORDER BY id"
        ),
        {"own": own},
    ).scalars()
    return [lease for lease in open_leases if try_session_lock(connection, DRAINER_SPACE, lease)]


def close(session: Session, lease: int, now: datetime) -> int:
    """Record the end of a lease and of the runs under it; returns how many runs were killed."""
    session.execute(
        text("UPDATE drainer SET ended_at = :now WHERE id = :lease"), {"now": now, "lease": lease}
    )
    return runs.close_killed_runs(session, [lease], now)


def let_go(connection: Connection, lease: int) -> None:
    """Release the lock that dead() took."""
    release_session_lock(connection, DRAINER_SPACE, lease)
