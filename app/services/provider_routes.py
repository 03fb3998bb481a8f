"""Routes of a channel: which may be used now, what their circuit breakers learn, and who set them.

A provider that is down closes its own route only. Its messages take another one, but for those of
which a call is in doubt: they stay with the provider that may have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from app.domain.circuit import Breaker, after_calls
from app.doorbell import ring_after_commit
from app.models.sending import ProviderRoute, ProviderRouteChange
from app.services import alarms, audit
from app.services.outbox import Settlement
from app.services.sending_stops import CHANNEL_OF, LANE_OF

ROUTE_DOWN = "ROUTE_DOWN"
LANE_DOWN = "LANE_DOWN"
# Errors that blame the receiver or the way to it, not the item that was sent.
_BLAME = frozenset({"Retryable", "UnknownOutcome", "LaneDown"})


@dataclass(frozen=True, slots=True)
class OpenRoute:
    """A route that may be used now; half_open means: one message, to see whether it is back."""

    code: str
    adapter: str
    account: str
    weight: int
    rate_per_s: int | None
    half_open: bool


def open_routes(session: Session, lane: str, now: datetime) -> list[OpenRoute]:
    """The lane's routes that may be used now, by name."""
    rows = session.execute(
        select(
            ProviderRoute.code,
            ProviderRoute.adapter,
            ProviderRoute.account,
            ProviderRoute.weight,
            ProviderRoute.rate_per_s,
            ProviderRoute.open_until,
        )
        .where(
            ProviderRoute.channel == CHANNEL_OF[lane],
            ProviderRoute.active,
            ProviderRoute.open_until.is_(None) | (ProviderRoute.open_until <= now),
        )
        .order_by(ProviderRoute.code)
    )
    return [OpenRoute(*row[:5], half_open=row.open_until is not None) for row in rows]


def note_outcomes(
    session: Session, lane: str, settlements: Sequence[Settlement], now: datetime
) -> frozenset[str]:
    """Let the breakers learn from a slice; returns the routes that are closed from here on."""
    by_route: dict[str, list[Settlement]] = {}
    for one in settlements:
        if one.attempt_id is not None and one.route is not None:
            by_route.setdefault(one.route, []).append(one)
    down = frozenset(
        code for code in sorted(by_route) if not _learn(session, code, by_route[code], now)
    )
    if by_route:
        _mirror(session, lane, any(s.state == "SENT" for s in settlements), now)
    return down


def note_down(session: Session, lane: str, code: str, why: str, now: datetime) -> None:
    """Close a route although nothing was called: there is no way to call."""
    before = _lock(session, code)
    breaker = after_calls(before, [True], now, lane_down=True)
    _write(session, code, before, breaker, why, None, now)
    _mirror(session, lane, False, now)


def change(
    session: Session,
    code: str,
    *,
    weight: int,
    active: bool,
    rate_per_s: int | None,
    reason: str,
    by: str,
    now: datetime,
) -> bool:
    """Set a route anew, with the reason for the record; False when there is none of that name.

    It also closes a broken circuit: whoever sets a route believes that it works.
    """
    values = {"weight": weight, "active": active, "rate_per_s": rate_per_s}
    channel = session.execute(
        update(ProviderRoute)
        .where(ProviderRoute.code == code)
        .values(
            **values,
            failures=0,
            opened_at=None,
            open_until=None,
            last_error=None,
            changed_by=by,
            changed_at=now,
        )
        .returning(ProviderRoute.channel)
    ).scalar_one_or_none()
    if channel is None:
        return False
    session.execute(
        insert(ProviderRouteChange).values(
            route=code, reason=reason, changed_by=by, changed_at=now, **values
        )
    )
    audit.record(session, by, "ROUTE_CHANGED", f"route:{code}", {**values, "reason": reason}, now)
    alarms.close_alarm(session, ROUTE_DOWN, code, now)
    lane = next(lane for own, lane in LANE_OF.items() if own == channel)
    _mirror(session, lane, False, now)
    ring_after_commit(lane)
    return True


def account_of(session: Session, code: str) -> Mapping[str, str] | None:
    """Which adapter and account a route stands for, whether it may be used now or not."""
    row = session.execute(
        select(ProviderRoute.adapter, ProviderRoute.account).where(ProviderRoute.code == code)
    ).one_or_none()
    return None if row is None else {"adapter": row.adapter, "account": row.account}


def _learn(session: Session, code: str, called: Sequence[Settlement], now: datetime) -> bool:
    """Whether the route stays open."""
    before = _lock(session, code)
    blamed = [s.error_class in _BLAME for s in called]
    down = next((s for s in called if s.error_class == "LaneDown"), None)
    retry_at = max(
        (s.next_at for s in called if s.error_class == "LaneDown" and s.next_at), default=None
    )
    breaker = after_calls(before, blamed, now, lane_down=down is not None, retry_at=retry_at)
    sent = any(s.state == "SENT" for s in called)
    worst = down or next((s for s, b in zip(called, blamed, strict=True) if b), None)
    if breaker != before or sent:
        why = worst.error if worst else None
        _write(session, code, before, breaker, why, now if sent else None, now)
    return breaker.open_until is None


def _lock(session: Session, code: str) -> Breaker:
    row = session.execute(
        select(ProviderRoute.failures, ProviderRoute.open_until)
        .where(ProviderRoute.code == code)
        .with_for_update()
    ).one()
    return Breaker(row.failures, row.open_until)


def _write(
    session: Session,
    code: str,
    before: Breaker,
    breaker: Breaker,
    why: str | None,
    sent_at: datetime | None,
    now: datetime,
) -> None:
    is_open = breaker.open_until is not None
    session.execute(
        update(ProviderRoute)
        .where(ProviderRoute.code == code)
        .values(
            failures=breaker.failures,
            open_until=breaker.open_until,
            opened_at=now if is_open else None,
            last_error=why if is_open else None,
            **({"last_sent_at": sent_at} if sent_at else {}),
        )
    )
    if is_open and before.open_until is None:
        detail = f"The circuit opened: {why or 'calls fail'}"
        alarms.open_alarm(session, ROUTE_DOWN, code, detail, now)
    elif not is_open and before.open_until is not None:
        alarms.close_alarm(session, ROUTE_DOWN, code, now)


_MIRROR = text(
    """
    UPDATE lane l SET open_until = r.until, failures = r.failures, last_error = r.error,
        opened_at = CASE WHEN r.until IS NOT NULL
            THEN coalesce(l.opened_at, CAST(:now AS timestamptz)) END,
        last_sent_at = CASE WHEN :sent THEN CAST(:now AS timestamptz) ELSE l.last_sent_at END
    FROM lane before,
        (SELECT CASE WHEN bool_and(open_until IS NOT NULL) THEN min(open_until) END AS until,
            coalesce(min(failures), 0) AS failures, min(last_error) AS error
         FROM provider_route WHERE channel = :channel AND active) AS r
    WHERE l.name = :lane AND before.name = l.name
      AND (:sent OR l.open_until IS DISTINCT FROM r.until OR l.failures <> r.failures)
    RETURNING r.until, r.error, before.open_until AS before
    """
)


def _mirror(session: Session, lane: str, sent: bool, now: datetime) -> None:
    """A lane is down when none of its routes is left; then nobody needs to look into it."""
    row = session.execute(
        _MIRROR, {"lane": lane, "channel": CHANNEL_OF[lane], "sent": sent, "now": now}
    ).one_or_none()
    if row is None:
        return
    if row.until is not None and row.before is None:
        detail = f"The circuit opened: {row.error or 'calls fail'}"
        alarms.open_alarm(session, LANE_DOWN, lane, detail, now)
    elif row.until is None and row.before is not None:
        alarms.close_alarm(session, LANE_DOWN, lane, now)
