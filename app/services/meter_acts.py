"""What staff say about one meter: that it is back, faulty, lost, scrapped, or usable again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.states import METER_MOVES, MeterState, check_move
from app.models.meter import Meter
from app.services import audit

# Hanging and taking down is what orders report; the rest somebody sees in a warehouse.
BY_HAND = (
    MeterState.DELIVERED,
    MeterState.RETURNED,
    MeterState.FAULTY,
    MeterState.LOST,
    MeterState.SCRAPPED,
)


class MeterRefused(Exception):
    """It cannot be done; code is WRONG_STATE or NO_REASON."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def may_become(state: str) -> list[MeterState]:
    """Where somebody may move a meter that is in this state."""
    return [target for target in BY_HAND if METER_MOVES.allow(state, target)]


def set_state(
    session: Session, number: str, target: str, reason: str, now: datetime, *, by: str
) -> None:
    """Move one meter along its table, with a reason. Raises: MeterRefused.

    A meter that comes back into use lies in our own stock.
    """
    if not reason:
        raise MeterRefused("NO_REASON")
    meter = session.get(Meter, number, with_for_update=True, populate_existing=True)
    if meter is None or target not in may_become(meter.state):
        raise MeterRefused("WRONG_STATE")
    before = meter.state
    check_move(METER_MOVES, before, target)
    meter.state, meter.updated_at = target, now
    meter.version = max(meter.version, 1)
    if target == MeterState.DELIVERED:
        meter.stock_code, meter.stock_at = None, now
    detail = {"from": before, "to": target, "reason": reason}
    audit.record(session, by, "METER_MOVED", f"meter:{number}", detail, now)
