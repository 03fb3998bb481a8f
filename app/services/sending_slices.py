"""A slice of claimed items: the last look before its calls, and the record of how they ended.

Our own drains and the runners of other zones go through the same two doors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from app.domain.lanes import NOTICE_LANES, Mode
from app.models.outbox_item import QUIET_HOURS
from app.services import (
    budget,
    lanes,
    last_look,
    notices,
    order_pauses,
    outbox,
    provider_routes,
    runs,
    sending_plan,
    settlement,
)
from app.services.budget import Prices
from app.services.mass_orders import PAUSE_REASON
from app.services.outbox import Claimed, Settlement
from app.settings import Settings

# What stands for the route of a lane that knows one receiver only.
THE_ONE: frozenset[str | None] = frozenset({None})
# When to look again at what somebody was deciding about.
_LOOK_AGAIN = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Begun:
    """An item that may leave now, under which attempt, by which route, at what cost."""

    item: Claimed
    attempt_id: UUID
    route: str | None
    cost_millicents: int


def begin(
    session: Session,
    mode: Mode,
    lease: int,
    items: Sequence[Claimed],
    routes: Mapping[int, str | None],
    settings: Settings,
    now: datetime,
) -> tuple[list[Begun], list[Settlement]]:
    """Last look before the wire: still ours, still true, still wanted; then the attempts."""
    live, expired = outbox.lock_leased(session, [item.id for item in items], lease, now)
    refused = dict.fromkeys(expired, "EXPIRED")
    costs: Mapping[int, int] = {}
    go = [item for item in items if item.id in live]
    until: Mapping[int, datetime] = {}
    paused: set[int] = set()
    if mode is Mode.IDEMPOTENT:
        paused, undecided = order_pauses.keep_back(session, lease, go)
        until = dict.fromkeys(undecided, now + _LOOK_AGAIN)
        go = [item for item in go if item.id not in paused | undecided]
    else:
        seen = last_look.look(session, go, settings, now)
        until = seen.held
        refused |= dict.fromkeys(seen.stale, "STALE")
        go, costs = sending_plan.affordable(session, seen.go, settings, now)
        unwanted = notices.begin_sending(
            session,
            {item.id: item.payload["notice_id"] for item in go},
            now,
            Prices.of(settings),
        )
        refused |= unwanted
        go = [item for item in go if item.id not in unwanted]
    begun = [Begun(item, uuid4(), routes[item.id], costs.get(item.id, 0)) for item in go]
    if mode is Mode.ONCE:
        attempts = {one.item.id: one.attempt_id for one in begun}
        outbox.begin_attempts(session, lease, attempts, now, routes)
        budget.spend(session, sum(one.cost_millicents for one in begun), now)
    ended = [_skipped(item, refused[item.id], now) for item in items if item.id in refused]
    why = QUIET_HOURS if mode is Mode.ONCE else PAUSE_REASON
    ended += [_held(item, "HELD", None, PAUSE_REASON, now) for item in items if item.id in paused]
    ended += [_held(item, "READY", until[item.id], why, now) for item in items if item.id in until]
    return begun, ended


def settle(
    session: Session,
    lane: str,
    lease: int,
    done: Sequence[Settlement],
    run_id: int,
    now: datetime,
    unknown_grace_s: float,
) -> frozenset[str | None]:
    """Record a slice with all its effects; returns the routes whose circuits have opened."""
    if not done:
        return frozenset()
    record(session, lane, lease, done, run_id, now, unknown_grace_s)
    return note_outcomes(session, lane, done, now)


def record(
    session: Session,
    lane: str,
    lease: int,
    done: Sequence[Settlement],
    run_id: int,
    now: datetime,
    unknown_grace_s: float,
) -> set[int]:
    """Record how calls ended, and what that means for what they were about; returns what moved."""
    moved = outbox.settle(session, lease, done, now, unknown_grace_s)
    settlement.apply(session, lane, [s for s in done if s.item.id in moved], now)
    runs.add_steps(session, run_id, (step_of(s) for s in done))
    return moved


def note_outcomes(
    session: Session, lane: str, done: Sequence[Settlement], now: datetime
) -> frozenset[str | None]:
    """Let the circuit learn; returns the routes that are closed by it."""
    if lane in NOTICE_LANES:
        return provider_routes.note_outcomes(session, lane, done, now)
    return frozenset() if lanes.note_outcomes(session, lane, done, now) else THE_ONE


def step_of(s: Settlement) -> runs.StepRow:
    """The step of a run that tells of one call."""
    keys = [s.item.business_key]
    if s.item.gsrn:
        keys.append(s.item.gsrn)
    if s.ref:
        keys.append(s.ref)
    return runs.StepRow(
        name=f"send {s.item.kind}",
        state=s.outcome,
        keys=tuple(keys),
        started_at=s.started_at,
        duration_ms=round((s.finished_at - s.started_at).total_seconds() * 1000),
        detail=s.error,
        error_class=s.error_class,
        payload_hash=s.item.payload_hash,
    )


def _skipped(item: Claimed, why: str, now: datetime) -> Settlement:
    return Settlement(
        item, None, "SKIPPED", "CANCELLED", now, now, error_class="Skipped", error=why
    )


def _held(item: Claimed, state: str, until: datetime | None, why: str, now: datetime) -> Settlement:
    return Settlement(
        item,
        None,
        "SKIPPED",
        state,
        now,
        now,
        next_at=until,
        error_class="Held",
        error=why,
    )
