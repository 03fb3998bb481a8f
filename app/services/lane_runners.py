"""Runners of other zones: their leases, what they are handed, and what they tell of it.

A runner holds one lease for all that it has claimed; each word from it makes the lease longer. A
lease that runs out ends for good: what was handed out under it goes back or is in doubt, and the
runner gets another number, under which it must not begin what it had before (I3). What it tells
late is still the truth about its attempt: it settles the doubt, or keeps a repetition from leaving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Row, insert, select, text
from sqlalchemy.orm import Session

from app.db import plain_array
from app.domain.lanes import Mode
from app.models.drainer import Drainer
from app.models.lane import Lane
from app.models.zone import LaneRunner, RunnerClaim
from app.services import lanes, outbox, runs, sending_plan, sending_slices, sending_stops
from app.services.lanes import OpenLane
from app.services.outbox import Claimed, Settlement
from app.services.sending_slices import Begun
from app.services.unknowns import NEVER
from app.settings import Settings
from integrations.outcomes import plain
from integrations.runner_api.types import ClaimAsked, Heartbeat

# The last look at opt-outs and newer news is made when an item is handed over; a message to a person
# may begin so much later and no more.
ONCE_WITHIN_S = 30.0


class RunnerRefused(Exception):
    """The runner may not do this; code is RUNNER_UNKNOWN (beat first), RUNNER_ELSEWHERE (its journal
    belongs to another zone), RUNNER_REPLACED (another process has its journal) or FOLDER_ELSEWHERE
    (no partner of its zone lays such files down).
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Handed:
    """One item as it is handed over; begin_until: None means as long as the lease lasts."""

    item: Claimed
    attempt_id: UUID
    route: str | None
    begin_until: datetime | None


@dataclass(frozen=True, slots=True)
class ZoneLane:
    """A lane of a zone as its runners see it; due: something of it may leave now.

    paused: nobody may begin anything of it, or its channel is stopped altogether.
    """

    name: str
    mode: str
    width: int
    due: bool
    paused: bool


def beat(
    session: Session, zone: str, told: Heartbeat, settings: Settings, now: datetime
) -> LaneRunner:
    """Note that a runner is there; its first word makes it known. Raises: RunnerRefused."""
    row = session.get(LaneRunner, told.runner, with_for_update=True, populate_existing=True)
    if row is None:
        row = LaneRunner(
            id=told.runner,
            zone_code=zone,
            boot=told.boot,
            lease=_new_lease(session, zone, plain(told.host), now),
            lease_until=now,
            clock_offset_ms=0,
        )
        row.lease_until = now + timedelta(seconds=settings.runner_lease_s)
        session.add(row)
    elif row.zone_code != zone:
        raise RunnerRefused("RUNNER_ELSEWHERE")
    elif told.first:
        row.boot = told.boot
    elif row.boot != told.boot:
        raise RunnerRefused("RUNNER_REPLACED")
    row.host, row.version = plain(told.host), plain(told.version)
    row.started_at = told.started_at
    row.clock_offset_ms = told.clock_offset_ms
    row.open_count, row.unreported_count = told.open, told.unreported
    row.missing_lanes = [plain(one) for one in told.missing]
    row.last_error = plain(told.error) if told.error else None
    row.ended_at = now if told.ended else None
    _renew(session, row, settings, now)
    session.flush()
    return row


def speaks(
    session: Session, zone: str, runner: UUID, boot: UUID | None, settings: Settings, now: datetime
) -> LaneRunner:
    """The runner that speaks, with its lease made longer; boot None lets also an older process speak.

    Raises: RunnerRefused.
    """
    row = session.get(LaneRunner, runner, with_for_update=True, populate_existing=True)
    if row is None:
        raise RunnerRefused("RUNNER_UNKNOWN")
    if row.zone_code != zone:
        raise RunnerRefused("RUNNER_ELSEWHERE")
    if boot is not None and row.boot != boot:
        raise RunnerRefused("RUNNER_REPLACED")
    _renew(session, row, settings, now)
    return row


def lanes_of(session: Session, zone: str, now: datetime) -> list[ZoneLane]:
    """Every lane of a zone."""
    due = set(outbox.lanes_with_work(session, now, zone))
    rows = session.execute(
        select(Lane.name, Lane.mode, Lane.in_flight_count, Lane.paused)
        .where(Lane.zone == zone, Lane.sends)
        .order_by(Lane.name)
    ).all()
    return [
        ZoneLane(
            row.name,
            row.mode,
            row.in_flight_count,
            row.name in due,
            row.paused or not sending_stops.allowed(session, row.name)[0],
        )
        for row in rows
    ]


_HANDED = text(
    """
    SELECT item.id, item.kind, item.business_key, item.gsrn, item.version, item.dedupe_key,
        item.payload, item.payload_hash, item.attempts, item.created_at, item.route, item.priority,
        c.attempt_id, c.route AS taken, c.claimed_at, item.mode, c.settled_at IS NULL
            AND item.state = 'CLAIMED' AND item.lease = :lease AND c.lease = :lease AS stands
    FROM runner_claim c JOIN outbox_item item ON item.id = c.outbox_item_id
    WHERE c.claim_id = :claim AND c.runner_id = :runner
    ORDER BY item.priority, item.id
    """
)


def claim(
    session: Session, row: LaneRunner, asked: ClaimAsked, settings: Settings, now: datetime
) -> list[Handed]:
    """Hand over up to `most` items of a lane of the runner's zone, each after the last look.

    An answer that was lost is given again: the same claim is handed the same items, as far as they
    are still the runner's.
    """
    again = session.execute(
        _HANDED, {"claim": asked.claim, "runner": row.id, "lease": row.lease}
    ).all()
    if again:
        return [
            Handed(
                Claimed(*one[:12]),
                one.attempt_id,
                one.taken,
                _until(one.mode, one.claimed_at, None),
            )
            for one in again
            if one.stands
        ]
    lane = lanes.get_open_lane(session, plain(asked.lane), now, row.zone_code)
    if lane is None:
        return []
    # What has to begin soon after the last look is no stock.
    stock = None if lane.mode is Mode.ONCE else asked.most
    plan = sending_plan.make_plan(session, lane, settings, now, stock)
    if plan is None:
        return []
    plan.limit = min(plan.limit, asked.most)
    items, routes = sending_plan.claim(session, lane, plan, row.lease, settings, now)
    ready = [item for item in items if item.id in routes]
    begun, refused = sending_slices.begin(
        session, lane.mode, row.lease, ready, routes, settings, now
    )
    left = {item.id for item in items} - {one.item.id for one in begun}
    left -= {one.item.id for one in refused}
    back = [_untouched(item, now) for item in items if item.id in left]
    if refused or back:
        run_id = _start_run(session, row, lane.name, now)
        sending_slices.record(
            session, lane.name, row.lease, [*refused, *back], run_id, now, settings.unknown_grace_s
        )
        counts = {"SKIPPED": len(refused), "NOT_BEGUN": len(back)}
        runs.finish_run(session, run_id, "OK", now, counts=counts)
    _note_handed(session, row, lane, asked.claim, begun, now)
    return [
        Handed(one.item, one.attempt_id, one.route, _until(lane.mode, now, lane.closes_at))
        for one in begun
    ]


def expire(session: Session, settings: Settings, now: datetime) -> list[tuple[UUID, int, int]]:
    """End the leases of runners that were away too long: (runner, given back, unknown) of each."""
    ids = session.execute(
        select(LaneRunner.id).where(
            LaneRunner.lease_until < now,
            select(Drainer.id)
            .where(Drainer.id == LaneRunner.lease, Drainer.ended_at.is_(None))
            .exists(),
        )
    ).scalars()
    ended = []
    for runner in list(ids):
        row = session.get(LaneRunner, runner, with_for_update=True, populate_existing=True)
        # It may have spoken while we waited for the row.
        if row is None or row.lease_until >= now:
            continue
        back, unknown = _end_lease(session, row, settings, now)
        if back or unknown:
            ended.append((runner, back, unknown))
    return ended


def doubts_stay(session: Session, lease: int) -> None:
    """Nobody else is asked about a call of a runner: it tells, or a person finds out (I2)."""
    session.execute(
        text(
            "UPDATE attempt SET next_lookup_at = :never"
            " WHERE lease = :lease AND outcome = 'UNKNOWN' AND resolved_by IS NULL"
            " AND next_lookup_at IS NOT NULL AND next_lookup_at < :never"
        ),
        {"lease": lease, "never": NEVER},
    )


def start_run(session: Session, row: LaneRunner, lane: str, now: datetime) -> int:
    """The run under which the ends of a runner's calls are recorded."""
    return _start_run(session, row, lane, now)


def _start_run(session: Session, row: LaneRunner, lane: str, now: datetime) -> int:
    return runs.start_run(
        session, f"drain {lane}", f"runner {row.zone_code}", now, subject=row.host
    )


def _renew(session: Session, row: LaneRunner, settings: Settings, now: datetime) -> None:
    if row.lease_until < now:
        _end_lease(session, row, settings, now)
        row.lease = _new_lease(session, row.zone_code, row.host, now)
    row.heartbeat_at = now
    row.lease_until = now + timedelta(seconds=settings.runner_lease_s)


def _end_lease(
    session: Session, row: LaneRunner, settings: Settings, now: datetime
) -> tuple[int, int]:
    back, unknown = outbox.give_back(session, row.lease, now, settings.unknown_grace_s)
    if unknown:
        doubts_stay(session, row.lease)
    session.execute(
        text("UPDATE drainer SET ended_at = :now WHERE id = :lease AND ended_at IS NULL"),
        {"now": now, "lease": row.lease},
    )
    return back, unknown


def _new_lease(session: Session, zone: str, host: str, now: datetime) -> int:
    statement = (
        insert(Drainer)
        .values(lane=f"zone {zone}", host=host, pid=0, started_at=now)
        .returning(Drainer.id)
    )
    return session.execute(statement).scalar_one()


def _note_handed(
    session: Session,
    row: LaneRunner,
    lane: OpenLane,
    claim_id: UUID,
    begun: Sequence[Begun],
    now: datetime,
) -> None:
    if not begun:
        return
    session.execute(
        insert(RunnerClaim),
        [
            {
                "attempt_id": one.attempt_id,
                "claim_id": claim_id,
                "runner_id": row.id,
                "zone_code": row.zone_code,
                "lane": lane.name,
                "outbox_item_id": one.item.id,
                "lease": row.lease,
                "route": one.route,
                "cost_millicents": one.cost_millicents,
                "probe": lane.half_open,
                "claimed_at": now,
            }
            for one in begun
        ],
    )
    session.execute(
        text("UPDATE outbox_item SET lease_until = :until WHERE id = ANY(CAST(:ids AS bigint[]))"),
        {"until": row.lease_until, "ids": plain_array(one.item.id for one in begun)},
    )


def _until(mode: str, claimed_at: datetime, closes_at: datetime | None) -> datetime | None:
    bounds = [] if closes_at is None else [closes_at]
    if mode == Mode.ONCE:
        bounds.append(claimed_at + timedelta(seconds=ONCE_WITHIN_S))
    return min(bounds, default=None)


def _untouched(item: Claimed, now: datetime) -> Settlement:
    return Settlement(
        item,
        None,
        "NOT_SENT",
        "READY",
        now,
        now,
        next_at=now,
        error_class="NotBegun",
        error="no way was free",
    )


def find_claims(
    session: Session, zone: str, attempts: Sequence[UUID]
) -> Sequence[Row[tuple[object, ...]]]:
    """The items behind attempts of this zone, locked until the commit."""
    return session.execute(_FOUND, {"ids": plain_array(attempts), "zone": zone}).all()


_FOUND = text(
    """
    SELECT item.id, item.kind, item.business_key, item.gsrn, item.version, item.dedupe_key,
        item.payload, item.payload_hash, item.attempts, item.created_at, item.route, item.priority,
        c.attempt_id, c.lane, c.lease, c.route AS taken, c.cost_millicents, c.probe, c.claimed_at,
        c.settled_at, item.mode, item.state, item.lease AS item_lease, l.max_attempts
    FROM runner_claim c
    JOIN outbox_item item ON item.id = c.outbox_item_id
    JOIN lane l ON l.name = c.lane
    WHERE c.attempt_id = ANY(CAST(:ids AS uuid[])) AND c.zone_code = :zone
    ORDER BY item.id
    FOR UPDATE OF c, item
    """
)
