"""The drain of a sending lane: claim, commit, call (many at once), settle in one commit.

A death at any line leaves either claimed rows without an attempt, which go back at once, or
attempts without an outcome, which become unknown (mode once) or are called again under the same
key (mode idempotent).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.clients import channel_for, client_for
from app.db import db, transaction
from app.services import (
    lanes,
    outbox,
    provider_routes,
    runs,
    sending_plan,
    sending_slices,
)
from app.services.lanes import OpenLane
from app.services.outbox import Claimed, Settlement
from app.services.sending_plan import Plan
from app.settings import Settings
from integrations.outcomes import CallError, Client
from workers.calls import Call, call_all
from workers.run_end import end_run

log = structlog.get_logger()

# How long to go on trying to record outcomes that are known while the database is away.
_SETTLE_PATIENCE_S = 30.0
_SETTLE_PAUSE_S = 0.5


@dataclass(slots=True)
class Drain:
    """What one drain needs: who it is, how to call, and when to stop taking more."""

    lane: str
    lease: int
    settings: Settings
    loop: asyncio.AbstractEventLoop
    trigger: str = "doorbell"
    # Asked between slices: a worker that has to stop gives back what it has not begun.
    stopping: Callable[[], bool] = lambda: False
    # Ends after so many claims although more waits.
    batches: int | None = None


def drain(work: Drain) -> Counter[str]:
    """Send what is due in the lane until nothing is left; returns how many ended how."""
    counts: Counter[str] = Counter()
    run_id: int | None = None
    error: str | None = None
    try:
        for _ in itertools.count() if work.batches is None else range(work.batches):
            now = datetime.now(UTC)
            with transaction() as session:
                lane = lanes.get_open_lane(session, work.lane, now)
                if lane is None or work.stopping():
                    break
                plan = sending_plan.make_plan(session, lane, work.settings, now)
                if plan is None:
                    break
                items, routes = sending_plan.claim(
                    session, lane, plan, work.lease, work.settings, now
                )
                if not items:
                    break
                if run_id is None:
                    run_id = runs.start_run(
                        session, f"drain {work.lane}", work.trigger, now, lease=work.lease
                    )
            batch = _Batch(lane, [i for i in items if i.id in routes], routes, {}, now, run_id)
            if not _find_clients(work, batch, plan):
                error = "LaneDown"
                break
            before = counts.total()
            _send_batch(work, batch, counts)
            if len(batch.items) < len(items):
                _give_back(work, untouched=True)
            if counts.total() == before:
                # Nothing could be begun, so trying at once again would only turn in circles.
                break
    except Exception as caught:
        error = f"{type(caught).__name__}"
        # Only a connection may be gone and not our lease, which would run out in vain.
        _give_back(work)
        raise
    finally:
        if run_id is not None:
            _finish(work, run_id, counts, error)
    return counts


@dataclass(slots=True)
class _Batch:
    """One claim on its way: its items, the route of each, and a client for each route."""

    lane: OpenLane
    items: list[Claimed]
    routes: Mapping[int, str | None]
    clients: dict[str | None, Client]
    claimed_at: datetime
    run_id: int


def _find_clients(work: Drain, batch: _Batch, plan: Plan) -> bool:
    """A client for each route that is taken; without any, what was claimed goes back.

    What is missing is a setting, so trying at once again would only make runs and no progress.
    """
    missing: dict[str | None, str] = {}
    for code in dict.fromkeys(batch.routes.values()):
        route = plan.routes.get(code) if code is not None else None
        try:
            batch.clients[code] = (
                client_for(work.lane, work.settings, work.loop)
                if route is None
                else channel_for(route.adapter, route.account, work.settings, work.loop)
            )
        except CallError as error:
            missing[code] = error.why
    if not missing:
        return True
    now = datetime.now(UTC)
    batch.items = [item for item in batch.items if batch.routes[item.id] in batch.clients]
    with transaction() as session:
        for code, why in missing.items():
            if code is None:
                lanes.note_down(session, work.lane, why, now)
            else:
                provider_routes.note_down(session, work.lane, code, why, now)
            log.warning("lane_without_client", lane=work.lane, route=code, why=why)
        if not batch.items:
            outbox.give_back(
                session, work.lease, now, work.settings.unknown_grace_s, untouched=True
            )
    return bool(batch.items)


def _send_batch(work: Drain, batch: _Batch, counts: Counter[str]) -> None:
    """Send one claimed batch slice by slice; each commit settles one slice and begins the next.

    No slice begins in the second half of the lease, so that slow receivers cannot make it run out
    under a call; what is left goes back and is claimed anew.
    """
    lane, items = batch.lane, batch.items
    done: list[Settlement] = []
    closed: frozenset[str | None] = frozenset()
    left_behind = False
    width = lane.in_flight_count
    slices = [items[at : at + width] for at in range(0, len(items), width)]
    for number, part in enumerate([*slices, []]):
        now = datetime.now(UTC)
        is_in_time = (now - batch.claimed_at).total_seconds() < work.settings.lease_s / 2
        is_in_time = is_in_time and (lane.closes_at is None or now < lane.closes_at)
        try:
            with transaction() as session:
                closed |= _settle(session, work, lane, done, batch.run_id, now)
                wanted = [item for item in part if batch.routes[item.id] not in closed]
                goes_on = is_in_time and bool(wanted) and not work.stopping()
                goes_on = goes_on and sending_plan.may_go_on(
                    session, lane, wanted, now, first=number == 0
                )
                calls, refused = _gate(session, work, batch, wanted if goes_on else [], now)
                left_behind |= len(calls) + len(refused) < len(part)
                if left_behind and not goes_on:
                    # The rest goes back untouched; the circuit or the next worker decides.
                    outbox.give_back(
                        session, work.lease, now, work.settings.unknown_grace_s, untouched=True
                    )
        except DBAPIError:
            # Whether the commit went through is not known, so nothing more is begun; but the
            # outcomes of the calls are known, and recording them again changes nothing.
            _settle_surely(work, lane, done, batch.run_id)
            counts.update(s.outcome for s in done)
            raise
        counts.update(s.outcome for s in done)
        if not goes_on:
            return
        done = refused
        if calls:
            # Whom a probe of a receiver that is down takes along is not to blame for it.
            tries = None if lane.half_open else lane.max_attempts
            done += work.loop.run_until_complete(call_all(calls, lane.mode, tries))


def _settle_surely(work: Drain, lane: OpenLane, done: list[Settlement], run_id: int) -> None:
    """Record known outcomes although the database went away: it is back within seconds."""
    deadline = time.monotonic() + _SETTLE_PATIENCE_S
    while done and time.monotonic() < deadline:
        db.session.remove()
        try:
            with transaction() as session:
                _settle(session, work, lane, done, run_id, datetime.now(UTC))
            return
        except DBAPIError as error:
            log.warning("settle_again", lane=work.lane, error=type(error.orig or error).__name__)
            time.sleep(_SETTLE_PAUSE_S)


def _give_back(work: Drain, *, untouched: bool = False) -> None:
    try:
        db.session.remove()
        with transaction() as session:
            outbox.give_back(
                session,
                work.lease,
                datetime.now(UTC),
                work.settings.unknown_grace_s,
                untouched=untouched,
            )
    except DBAPIError as error:
        # The dispatcher gives it back: our lease is gone with the database, or runs out.
        log.warning("not_given_back", lane=work.lane, error=type(error.orig or error).__name__)


def _gate(
    session: Session, work: Drain, batch: _Batch, items: Sequence[Claimed], now: datetime
) -> tuple[list[Call], list[Settlement]]:
    """Last look before the wire: still ours, still true, still wanted; then the attempts."""
    begun, refused = sending_slices.begin(
        session, batch.lane.mode, work.lease, items, batch.routes, work.settings, now
    )
    return [
        Call(one.item, one.attempt_id, batch.clients[one.route], one.route, one.cost_millicents)
        for one in begun
    ], refused


def _settle(
    session: Session,
    work: Drain,
    lane: OpenLane,
    done: list[Settlement],
    run_id: int,
    now: datetime,
) -> frozenset[str | None]:
    """Record a slice with all its effects; returns the routes whose circuits have opened."""
    return sending_slices.settle(
        session, lane.name, work.lease, done, run_id, now, work.settings.unknown_grace_s
    )


def _finish(work: Drain, run_id: int, counts: Counter[str], error: str | None) -> None:
    bad = counts["REJECTED"] + counts["UNKNOWN"]
    late = counts["NOT_SENT"]
    state = "FAILED" if error else "PARTLY" if bad or late else "OK"
    end_run(run_id, state, counts, error)
