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


# Only the end of the work, or a new visit, answers the watchdog: STALE does not become OPEN again.
_RECORD = text(
    """
    WITH told AS (
        INSERT INTO outage (source, source_ref, kind, state, version, started_at, restored_at,
            created_at, updated_at)
        VALUES (:source, :order_id, :kind, :state, 1, :off_at, :on_at, :now, :now)
        ON CONFLICT (source, source_ref) DO UPDATE SET
            state = CASE WHEN outage.state = 'STALE' AND excluded.state = 'OPEN'
                          AND outage.started_at = excluded.started_at
                    THEN outage.state ELSE excluded.state END,
            version = outage.version + 1, started_at = excluded.started_at,
            restored_at = excluded.restored_at, updated_at = excluded.updated_at
        RETURNING id)
    INSERT INTO outage_point (outage_id, gsrn, off_at, on_at)
    SELECT id, :gsrn, :off_at, :on_at FROM told
    ON CONFLICT (outage_id, gsrn) DO UPDATE SET off_at = excluded.off_at, on_at = excluded.on_at
    """
)
_NEVER_WAS = text(
    """
    WITH over AS (
        UPDATE outage SET state = 'CLOSED', version = version + 1, restored_at = started_at,
            updated_at = :now
        WHERE source = :source AND source_ref = :order_id AND state <> 'CLOSED' RETURNING id)
    UPDATE outage_point p SET on_at = p.off_at FROM over WHERE p.outage_id = over.id
    """
)


def record_swap(session: Session, order_id: str, gsrn: str, cut: Cut | None, now: datetime) -> None:
    """Make the order's outage say what its acknowledgements amount to, when that has changed.

    A cut that turns out never to have been is closed at its beginning rather than erased: somebody
    may have been told of it.
    """
    values = {"source": SOURCE, "order_id": order_id, "now": now}
    if cut is None:
        session.execute(_NEVER_WAS, values)
    else:
        values |= {
            "kind": KIND,
            "gsrn": gsrn,
            "off_at": cut.off_at,
            "on_at": cut.on_at,
            "state": cut.state,
        }
        session.execute(_RECORD, values)
    is_over = cut is None or cut.state is SwapOutageState.CLOSED
    if is_over and (cut is None or now - cut.off_at > STALE_AFTER):
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
