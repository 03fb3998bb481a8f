"""The call list: priority customers without power for hours, each with an owner and an outcome (REQ-32)."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.models.call_list import CallListEntry
from app.services import audit
from app.services.announcements import SYSTEM


class CallState(StrEnum):
    """OPEN: nobody calls yet. TAKEN: somebody does. DONE: with an outcome."""

    OPEN = "OPEN"
    TAKEN = "TAKEN"
    DONE = "DONE"


class CallOutcome(StrEnum):
    """What came of a call; POWER_BACK: it was not needed any more."""

    REACHED = "REACHED"
    HELP_ARRANGED = "HELP_ARRANGED"
    NOT_REACHED = "NOT_REACHED"
    POWER_BACK = "POWER_BACK"


class CallRefused(Exception):
    """The entry is not there, or another has settled it meanwhile; nothing was changed."""


_GATHER = text(
    """
    INSERT INTO call_list_entry AS e (outage_id, gsrn, customer_id, state, off_at, added_at)
    SELECT DISTINCT ON (p.gsrn, c.cis_id) o.id, p.gsrn, c.cis_id, 'OPEN', p.off_at, :now
    FROM outage_point p JOIN outage o ON o.id = p.outage_id
    JOIN occupancy y ON y.gsrn = p.gsrn AND y.moved_in_on <= CAST(:on AS date)
        AND (y.moved_out_on IS NULL OR y.moved_out_on >= CAST(:on AS date))
    JOIN customer c ON c.cis_id = y.customer_id AND c.active AND c.priority_flag
    WHERE p.on_at IS NULL AND p.off_at <= :before
      AND (o.kind = 'FAULT' AND o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')
           OR o.kind = 'PLANNED' AND o.state IN ('ONGOING', 'OVERRUN'))
      AND NOT EXISTS (SELECT 1 FROM call_list_entry other WHERE other.gsrn = p.gsrn
                      AND other.customer_id = c.cis_id AND other.state <> 'DONE')
    ORDER BY p.gsrn, c.cis_id, p.off_at, o.id
    -- The power was back before anybody called, and went again.
    ON CONFLICT (outage_id, gsrn, customer_id) DO UPDATE
        SET state = 'OPEN', owner = NULL, outcome = NULL, taken_at = NULL, done_at = NULL,
            off_at = excluded.off_at, added_at = excluded.added_at
        WHERE e.state = 'DONE' AND e.outcome = 'POWER_BACK'
    RETURNING id
    """
)
_POWER_BACK = text(
    """
    UPDATE call_list_entry e SET state = 'DONE', outcome = 'POWER_BACK', done_at = :now
    WHERE e.state = 'OPEN' AND NOT EXISTS (
        SELECT 1 FROM outage_point p JOIN outage o ON o.id = p.outage_id
        WHERE p.gsrn = e.gsrn AND p.on_at IS NULL
          AND (o.kind = 'FAULT' AND o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')
               OR o.kind = 'PLANNED' AND o.state IN ('ONGOING', 'OVERRUN')))
    RETURNING id
    """
)


def gather(session: Session, now: datetime, after: timedelta) -> int:
    """Add whoever has been without power for too long, and drop whom power came back to.

    Promise: one entry per customer, point and outage, however often this runs; it is opened again
    when the power went again after it. Returns how many were added.
    """
    session.execute(_POWER_BACK, {"now": now})
    values = {"now": now, "on": helsinki_day(now), "before": now - after}
    added = session.execute(_GATHER, values).scalars().all()
    for entry_id in added:
        audit.record(session, SYSTEM, "CALL_ADDED", f"call:{entry_id}", {}, now)
    return len(added)


def take(session: Session, entry_id: int, now: datetime, *, by: str) -> None:
    """Say that one is going to call. Raises: CallRefused."""
    entry = _get(session, entry_id)
    if entry.state == CallState.DONE:
        raise CallRefused
    entry.state, entry.owner, entry.taken_at = CallState.TAKEN, by, now
    audit.record(session, by, "CALL_TAKEN", f"call:{entry_id}", {}, now)


def finish(
    session: Session, entry_id: int, outcome: CallOutcome, now: datetime, *, by: str
) -> None:
    """Record what came of the call; whoever was not reached stays on the list. Raises: CallRefused."""
    entry = _get(session, entry_id)
    if entry.state == CallState.DONE:
        raise CallRefused
    entry.owner, entry.outcome = by, outcome
    if outcome is CallOutcome.NOT_REACHED:
        entry.state, entry.taken_at = CallState.OPEN, None
    else:
        entry.state, entry.done_at = CallState.DONE, now
    detail = {"outcome": str(outcome)}
    audit.record(session, by, "CALL_FINISHED", f"call:{entry_id}", detail, now)


def _get(session: Session, entry_id: int) -> CallListEntry:
    entry = session.get(CallListEntry, entry_id, with_for_update=True, populate_existing=True)
    if entry is None:
        raise CallRefused
    return entry
