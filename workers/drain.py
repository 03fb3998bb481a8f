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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.clients import client_for
from app.db import db, transaction
from app.domain.lanes import Mode
from app.services import lanes, notices, outbox, runs, settlement
from app.services.outbox import Claimed, Settlement
from app.settings import Settings
from integrations.outcomes import CallError, Client
from workers.calls import call_all
from workers.run_end import end_run

log = structlog.get_logger()

# So few slices that even one that runs into every time-out ends well before the lease does.
_SLICES_PER_CLAIM = 5
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
    # The dispatcher drains one batch at a time when Redis is gone.
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
                # A half-open circuit lets one call pass to see whether the receiver is back.
                limit = 1 if lane.half_open else lane.in_flight_count * _SLICES_PER_CLAIM
                items = outbox.claim(
                    session, work.lane, work.lease, limit, now, work.settings.lease_s
                )
                if not items:
                    break
                if run_id is None:
                    run_id = runs.start_run(
                        session, f"drain {work.lane}", work.trigger, now, lease=work.lease
                    )
            client = _client(work)
            if client is None:
                error = "LaneDown"
                break
            _send_batch(work, lane, client, items, now, run_id, counts)
    except Exception as caught:
        error = f"{type(caught).__name__}"
        # Only a connection may be gone and not our lease, which would run out in vain.
        _give_back(work)
        raise
    finally:
        if run_id is not None:
            _finish(work, run_id, counts, error)
    return counts


def _client(work: Drain) -> Client | None:
    """The lane's client; without one the circuit opens and what was claimed goes back.

    What is missing is a setting, so trying at once again would only make runs and no progress.
    """
    try:
        return client_for(work.lane, work.settings, work.loop)
    except CallError as error:
        now = datetime.now(UTC)
        with transaction() as session:
            outbox.give_back(
                session, work.lease, now, work.settings.unknown_grace_s, untouched=True
            )
            lanes.note_down(session, work.lane, error.why, now)
        log.warning("lane_without_client", lane=work.lane, why=error.why)
        return None


def _send_batch(
    work: Drain,
    lane: lanes.OpenLane,
    client: Client,
    items: list[Claimed],
    claimed_at: datetime,
    run_id: int,
    counts: Counter[str],
) -> None:
    """Send one claimed batch slice by slice; each commit settles one slice and begins the next.

    No slice begins in the second half of the lease, so that slow receivers cannot make it run out
    under a call; what is left goes back and is claimed anew.
    """
    done: list[Settlement] = []
    width = lane.in_flight_count
    slices = [items[at : at + width] for at in range(0, len(items), width)]
    for part in [*slices, []]:
        now = datetime.now(UTC)
        is_in_time = (now - claimed_at).total_seconds() < work.settings.lease_s / 2
        try:
            with transaction() as session:
                is_open = _settle(session, work, lane, done, run_id, now)
                goes_on = bool(part) and is_open and is_in_time and not work.stopping()
                if part and not goes_on:
                    # The rest goes back untouched; the circuit or the next worker decides.
                    outbox.give_back(
                        session, work.lease, now, work.settings.unknown_grace_s, untouched=True
                    )
                go, refused = _gate(session, work, lane.mode, part if goes_on else [], now)
                attempt_ids = {item.id: uuid4() for item in go}
                if lane.mode is Mode.ONCE:
                    outbox.begin_attempts(session, work.lease, attempt_ids, now)
        except DBAPIError:
            # Whether the commit went through is not known, so nothing more is begun; but the
            # outcomes of the calls are known, and recording them again changes nothing.
            _settle_surely(work, lane, done, run_id)
            counts.update(s.outcome for s in done)
            raise
        counts.update(s.outcome for s in done)
        if not goes_on:
            return
        done = refused
        if go:
            done += work.loop.run_until_complete(
                call_all(client, go, attempt_ids, lane.mode, lane.max_attempts)
            )


def _settle_surely(work: Drain, lane: lanes.OpenLane, done: list[Settlement], run_id: int) -> None:
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


def _give_back(work: Drain) -> None:
    try:
        db.session.remove()
        with transaction() as session:
            outbox.give_back(session, work.lease, datetime.now(UTC), work.settings.unknown_grace_s)
    except DBAPIError as error:
        # The dispatcher gives it back: our lease is gone with the database, or runs out.
        log.warning("not_given_back", lane=work.lane, error=type(error.orig or error).__name__)


def _gate(
    session: Session, work: Drain, mode: Mode, items: Sequence[Claimed], now: datetime
) -> tuple[list[Claimed], list[Settlement]]:
    """Last look before the wire: still ours, still true, still wanted."""
    live, expired = outbox.lock_leased(session, [item.id for item in items], work.lease, now)
    refused = dict.fromkeys(expired, "EXPIRED")
    if mode is Mode.ONCE:
        refused |= notices.begin_sending(
            session, {item.id: item.payload["notice_id"] for item in items if item.id in live}, now
        )
    go = [item for item in items if item.id in live and item.id not in refused]
    return go, [
        Settlement(
            item,
            None,
            "SKIPPED",
            "CANCELLED",
            now,
            now,
            error_class="Skipped",
            error=refused[item.id],
        )
        for item in items
        if item.id in refused
    ]


def _settle(
    session: Session,
    work: Drain,
    lane: lanes.OpenLane,
    done: list[Settlement],
    run_id: int,
    now: datetime,
) -> bool:
    """Record a slice with all its effects; False when the lane's circuit has opened."""
    if not done:
        return True
    moved = outbox.settle(session, work.lease, done, now, work.settings.unknown_grace_s)
    applied = [s for s in done if s.item.id in moved]
    settlement.apply(session, work.lane, applied, now)
    runs.add_steps(session, run_id, (_step(work.lane, s) for s in done))
    return lanes.note_outcomes(session, lane.name, done, now)


def _step(lane: str, s: Settlement) -> runs.StepRow:
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


def _finish(work: Drain, run_id: int, counts: Counter[str], error: str | None) -> None:
    bad = counts["REJECTED"] + counts["UNKNOWN"]
    late = counts["NOT_SENT"]
    state = "FAILED" if error else "PARTLY" if bad or late else "OK"
    end_run(run_id, state, counts, error)
