"""An operator's hand on a lane: stop it, or let it run again."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.doorbell import ring_after_commit
from app.models.lane import Lane


def set_paused(session: Session, name: str, paused: bool) -> bool:
    """Pause or resume a lane; False when there is none of that name.

    Resuming also closes a broken circuit: whoever presses it believes that the receiver is back.
    """
    statement = update(Lane).where(Lane.name == name).values(paused=paused)
    if not paused:
        statement = statement.values(failures=0, opened_at=None, open_until=None)
    found = session.execute(statement.returning(Lane.name)).scalar_one_or_none()
    if found is not None and not paused:
        ring_after_commit(name)
    return found is not None
