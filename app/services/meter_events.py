"""Meter events: a last gasp may be a fault that nobody knows yet, a restore is the end of a cut."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services import fault_candidates, faults, network_points
from integrations.head_end.events import CODES
from integrations.head_end.types import MeterEvent

BY = "system:head-end"
LAST_GASP = "LAST_GASP"
RESTORE = "RESTORE"

# An event that comes later than this is history: it ends cuts, but suspects none.
_FRESH = timedelta(hours=6)

_PUT = text(
    """
    INSERT INTO meter_event (gsrn, meter_number, code, at, verdict, received_at, inbound_message_id)
    VALUES (:gsrn, :meter, :code, :at, 'APPLIED', :now, :message_id)
    ON CONFLICT (gsrn, code, at) DO NOTHING RETURNING id
    """
)
_SET_VERDICT = text("UPDATE meter_event SET verdict = :verdict WHERE id = :id")
_TOUCHED = text(
    """
    SELECT o.id FROM outage_point p JOIN outage o ON o.id = p.outage_id
    WHERE p.gsrn = :gsrn AND o.kind = 'FAULT' AND o.state NOT IN ('FALSE_ALARM', 'CLOSED')
      AND p.off_at <= :at AND (p.on_at IS NULL OR p.on_at > :at)
    ORDER BY o.id
    """
)


def take_events(
    session: Session, message_id: int, events: list[MeterEvent], now: datetime
) -> Counter[str]:
    """Take events in the order in which they happened; counts what became of them.

    Promise: the same event again does nothing.
    """
    counts: Counter[str] = Counter()
    faults.take_pen(session)
    known = network_points.known(session, (event.gsrn for event in events))
    for event in sorted(events, key=lambda one: (one.at, one.gsrn)):
        if event.gsrn not in known:
            counts["REJECTED"] += 1
            continue
        counts[_take(session, message_id, event, now)] += 1
    return counts


def _take(session: Session, message_id: int, event: MeterEvent, now: datetime) -> str:
    code = CODES[event.event_code]
    values = {
        "gsrn": event.gsrn,
        "meter": event.meter,
        "code": code,
        "at": event.at,
        "now": now,
        "message_id": message_id,
    }
    event_id = session.execute(_PUT, values).scalar_one_or_none()
    if event_id is None:
        return "DUPLICATE"
    verdict = _restored(session, event, now) if code == RESTORE else _gasped(session, event, now)
    session.execute(_SET_VERDICT, {"id": event_id, "verdict": verdict})
    return verdict


def _restored(session: Session, event: MeterEvent, now: datetime) -> str:
    touched = session.execute(_TOUCHED, {"gsrn": event.gsrn, "at": event.at}).scalars().all()
    for outage_id in touched:
        faults.refresh(session, outage_id, now, by=BY)
    return "APPLIED" if touched else "KNOWN"


def _gasped(session: Session, event: MeterEvent, now: datetime) -> str:
    """A cut that is known, or expected, explains it; whether it is over follows from the restores."""
    if fault_candidates.is_expected(session, event.gsrn):
        return "EXPECTED"
    if faults.open_points(session, [event.gsrn]):
        return "KNOWN"
    if now - event.at > _FRESH:
        return "KNOWN"
    fault_candidates.suspect(
        session, event.gsrn, event.at, now, source=fault_candidates.METER, by=BY
    )
    return "APPLIED"
