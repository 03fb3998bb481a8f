"""Outages: the cuts that meter swaps make, one per order, exact per metering point."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.states import SwapOutageState
from app.services import alarms

SOURCE = "ACK"
KIND = "METER_SWAP"
STALE_ALARM = "SWAP_OUTAGE_STALE"
# A swap takes twenty minutes; somebody has forgotten to report when the power came back (REQ-19).
STALE_AFTER = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Cut:
    """The cut of an order's latest visit; a closed one without on_at left the power off."""

    off_at: datetime
    on_at: datetime | None
    state: SwapOutageState


_KNOWN = text(
    "SELECT o.id, o.state, o.started_at, p.off_at, p.on_at FROM outage o"
    " JOIN outage_point p ON p.outage_id = o.id AND p.gsrn = :gsrn"
    " WHERE o.source = :source AND o.source_ref = :order_id FOR UPDATE OF o"
)
_ADD = text(
    """
    WITH added AS (
        INSERT INTO outage (source, source_ref, kind, state, version, started_at, restored_at,
            created_at, updated_at)
        VALUES (:source, :order_id, :kind, :state, 1, :off_at, :on_at, :now, :now) RETURNING id)
    INSERT INTO outage_point (outage_id, gsrn, off_at, on_at)
    SELECT id, :gsrn, :off_at, :on_at FROM added
    """
)
_CHANGE = text(
    """
    WITH changed AS (
        UPDATE outage SET state = :state, version = version + 1, started_at = :off_at,
            restored_at = :on_at, updated_at = :now
        WHERE id = :id RETURNING id)
    UPDATE outage_point p SET off_at = :off_at, on_at = :on_at
    FROM changed WHERE p.outage_id = changed.id AND p.gsrn = :gsrn
    """
)


def record_swap(session: Session, order_id: str, gsrn: str, cut: Cut | None, now: datetime) -> None:
    """Make the order's outage say what its acknowledgements amount to; unchanged, nothing moves.

    A cut that turns out never to have been is closed at its beginning rather than erased: somebody
    may have been told of it.
    """
    known = session.execute(
        _KNOWN, {"source": SOURCE, "order_id": order_id, "gsrn": gsrn}
    ).one_or_none()
    if cut is None:
        if known is None or known.state == SwapOutageState.CLOSED:
            return
        cut = Cut(known.off_at, known.off_at, SwapOutageState.CLOSED)
    values = {
        "source": SOURCE,
        "kind": KIND,
        "order_id": order_id,
        "gsrn": gsrn,
        "off_at": cut.off_at,
        "on_at": cut.on_at,
        "state": cut.state,
        "now": now,
    }
    if known is None:
        session.execute(_ADD, values)
        return
    is_stale = known.state == SwapOutageState.STALE
    if is_stale and cut.state is SwapOutageState.OPEN and known.off_at == cut.off_at:
        # Only the end of the work, or a new visit, answers the watchdog.
        values["state"] = SwapOutageState.STALE
    if (known.state, known.off_at, known.on_at) == (values["state"], cut.off_at, cut.on_at):
        return
    session.execute(_CHANGE, {**values, "id": known.id})
    if is_stale and values["state"] != SwapOutageState.STALE:
        alarms.close_alarm(session, STALE_ALARM, order_id, now)


_MARK_STALE = text(
    "UPDATE outage SET state = 'STALE', version = version + 1, updated_at = :now"
    " WHERE source = :source AND kind = :kind AND state = 'OPEN' AND started_at < :before"
    " RETURNING source_ref, started_at"
)


def mark_stale(session: Session, now: datetime) -> int:
    """Raise an alarm for each swap whose power nobody has reported back in time; returns how many.

    Nobody is told that the power is back: that would be a guess (REQ-19).
    """
    stale = session.execute(
        _MARK_STALE,
        {"source": SOURCE, "kind": KIND, "before": now - STALE_AFTER, "now": now},
    ).all()
    for row in stale:
        text_ = (
            f"The power is off since {row.started_at:%Y-%m-%d %H:%M} UTC and no end was reported."
        )
        alarms.open_alarm(session, STALE_ALARM, row.source_ref, text_, now)
    return len(stale)
