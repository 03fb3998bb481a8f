"""Lanes at work: whether one may send now, and what its circuit breaker learns from each slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.domain.circuit import Breaker, after_calls
from app.domain.lanes import NOTICE_LANES, Mode
from app.domain.zones import CENTRAL
from app.doorbell import ring_after_commit
from app.models.lane import Lane
from app.models.sending import ProviderRoute
from app.services import alarms, lane_bounds
from app.services.outbox import Settlement
from app.services.sending_stops import CHANNEL_OF

# Errors that blame the receiver or the way to it, not the item that was sent.
_BLAME_RECEIVER = frozenset({"Retryable", "UnknownOutcome", "LaneDown", "ContractBroken"})
# What uses up a day's cap: the receiver has it, or may have it.
_REACHED = frozenset({"SENT", "UNKNOWN"})


@dataclass(frozen=True, slots=True)
class OpenLane:
    """A lane that may send now; half_open means: one call, to see whether the receiver is back."""

    name: str
    mode: Mode
    in_flight_count: int
    max_attempts: int
    breaker: Breaker
    half_open: bool
    rate_per_s: int | None = None
    # How many more may reach the receiver today, and when it closes; None: no such bound.
    day_room: int | None = None
    closes_at: datetime | None = None
    zone: str = CENTRAL


def get_open_lane(
    session: Session, name: str, now: datetime, zone: str = CENTRAL
) -> OpenLane | None:
    """The lane if it may send now; None when it is paused, closed, used up or its circuit is open.

    None as well for whoever asks from another zone than the lane's.

    Asked once per claim: what one claim takes leaves within its slices, whatever the clock says.
    """
    row = session.execute(
        select(
            Lane.mode,
            Lane.in_flight_count,
            Lane.max_attempts,
            Lane.failures,
            Lane.open_until,
            Lane.paused,
            Lane.rate_per_s,
            Lane.day_cap,
            Lane.hours,
            Lane.rests_until,
        ).where(Lane.name == name, Lane.sends, Lane.zone == zone)
    ).one_or_none()
    if row is None or row.paused:
        return None
    # A lane to several providers has a circuit per route, see provider_routes.py.
    if name not in NOTICE_LANES and row.open_until is not None and row.open_until > now:
        return None
    bounds = lane_bounds.look(session, name, row.hours, row.day_cap, now)
    if bounds.rests_until is not None:
        if bounds.rests_until != row.rests_until:
            # Spares the dispatcher the bell, and tells the watch since when it may work again.
            session.execute(
                update(Lane).where(Lane.name == name).values(rests_until=bounds.rests_until)
            )
        return None
    return OpenLane(
        name=name,
        mode=Mode(row.mode),
        in_flight_count=row.in_flight_count,
        max_attempts=row.max_attempts,
        breaker=Breaker(row.failures, row.open_until),
        half_open=row.open_until is not None and name not in NOTICE_LANES,
        rate_per_s=row.rate_per_s,
        day_room=bounds.day_room,
        closes_at=bounds.closes_at,
        zone=zone,
    )


def is_paused(session: Session, name: str) -> bool:
    """Whether somebody has paused the lane; asked between two pieces of work."""
    statement = select(Lane.paused).where(Lane.name == name)
    return bool(session.execute(statement).scalar_one_or_none())


def note_outcomes(
    session: Session, name: str, settlements: Sequence[Settlement], now: datetime
) -> bool:
    """Let the lane's breaker learn from a slice; returns whether the lane may go on.

    The row is read and written under a lock, since several drainers may share a lane.
    """
    called = [s for s in settlements if s.attempt_id is not None]
    if not called:
        return True
    before = _lock(session, name)
    reached = sum(s.outcome in _REACHED for s in called)
    blamed = [s.error_class in _BLAME_RECEIVER for s in called]
    down = next((s for s in called if s.error_class == "LaneDown"), None)
    retry_at = max(
        (s.next_at for s in called if s.error_class == "LaneDown" and s.next_at), default=None
    )
    breaker = after_calls(before, blamed, now, lane_down=down is not None, retry_at=retry_at)
    sent = any(s.state == "SENT" for s in called)
    worst = down or next((s for s, b in zip(called, blamed, strict=True) if b), None)
    if breaker != before or sent:
        why = worst.error if worst else None
        _write(session, name, breaker, why, now if sent else None, now, reached)
    _alarm(session, name, before, breaker, worst.error if worst else None, now)
    return breaker.open_until is None


def note_down(session: Session, name: str, why: str, now: datetime) -> None:
    """Open the lane's circuit although nothing was called: there is no way to call."""
    before = _lock(session, name)
    breaker = after_calls(before, [True], now, lane_down=True)
    _write(session, name, breaker, why, None, now)
    _alarm(session, name, before, breaker, why, now)


def _lock(session: Session, name: str) -> Breaker:
    row = session.execute(
        select(Lane.failures, Lane.open_until).where(Lane.name == name).with_for_update()
    ).one()
    return Breaker(row.failures, row.open_until)


def _write(
    session: Session,
    name: str,
    breaker: Breaker,
    why: str | None,
    sent_at: datetime | None,
    now: datetime,
    reached: int = 0,
) -> None:
    is_open = breaker.open_until is not None
    session.execute(
        update(Lane)
        .where(Lane.name == name)
        .values(
            failures=breaker.failures,
            open_until=breaker.open_until,
            opened_at=now if is_open else None,
            last_error=why if is_open else None,
            **({"last_sent_at": sent_at} if sent_at else {}),
            **(lane_bounds.counted(reached, now) if reached else {}),
        )
    )


def _alarm(
    session: Session, name: str, before: Breaker, after: Breaker, why: str | None, now: datetime
) -> None:
    if after.open_until is not None and before.open_until is None:
        detail = f"The circuit opened: {why or 'calls fail'}"
        alarms.open_alarm(session, "LANE_DOWN", name, detail, now)
    elif after.open_until is None and before.open_until is not None:
        alarms.close_alarm(session, "LANE_DOWN", name, now)


def set_rate(session: Session, name: str, rate_per_s: int | None) -> bool:
    """Bound the items a second of a lane, None for any number; the caller audits it."""
    statement = update(Lane).where(Lane.name == name, Lane.sends).values(rate_per_s=rate_per_s)
    return session.execute(statement.returning(Lane.name)).scalar_one_or_none() is not None


def set_paused(session: Session, name: str, paused: bool) -> bool:
    """Pause or resume a lane; False when there is none of that name. The caller audits it.

    Resuming also closes a broken circuit: whoever presses it believes that the receiver is back.
    """
    statement = update(Lane).where(Lane.name == name).values(paused=paused)
    if not paused:
        statement = statement.values(failures=0, opened_at=None, open_until=None)
        channel = CHANNEL_OF.get(name)
        if channel is not None:
            session.execute(
                update(ProviderRoute)
                .where(ProviderRoute.channel == channel)
                .values(failures=0, opened_at=None, open_until=None)
            )
    found = session.execute(statement.returning(Lane.name)).scalar_one_or_none()
    if found is not None and not paused:
        ring_after_commit(name)
    return found is not None
