"""The outbox: put, claim the head of each key, settle, give back.

Holds the only SKIP LOCKED query of the product. An item is written in the transaction that made
it necessary, claimed under a lease, called outside of any transaction and settled under the same
lease, so that whoever lost the lease changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from app.db import plain_array, text_array
from app.domain.lanes import Mode, mode_of
from app.domain.zones import CENTRAL
from app.doorbell import ring_after_commit

DEFAULT_PRIORITY = 50
# What goes to partners about orders.
ORDER_KIND = "WORK_ORDER"
# Why an item is held that has no form yet, see unformed_orders.py.
UNFORMED = "BUNDLE_UNREADABLE"
# That its mass order is paused, see order_pauses.py.
MASS_PAUSED = "MASS_PAUSED"
# These end with what they wait for; nobody lets a single item go.
NOT_BY_HAND = frozenset({UNFORMED, MASS_PAUSED})
_ANY_URGENCY = (-(2**31), 2**31 - 1)


class NewItem(Struct, frozen=True):
    """Something that has to leave; dedupe_key makes writing it twice the same as once."""

    lane: str
    kind: str
    business_key: str
    order_key: str
    version: int
    dedupe_key: str
    payload: Mapping[str, Any]
    gsrn: str | None = None
    priority: int = DEFAULT_PRIORITY
    expires_at: datetime | None = None
    not_before: datetime | None = None
    hold_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """An item in the hands of one drainer until its lease ends."""

    id: int
    kind: str
    business_key: str
    gsrn: str | None
    version: int
    dedupe_key: str
    payload: dict[str, Any]
    payload_hash: str
    attempts: int
    created_at: datetime
    # The provider's route that it must take, since an earlier call by it is in doubt.
    route: str | None = None
    priority: int = DEFAULT_PRIORITY

    @property
    def wire_key(self) -> str:
        """What the receiver knows it by: of a work order always its id and revision.

        A partner hears of a revision once. What tells apart our messages about it to two partners
        (the one is called off, the other has it from now on) is no business of theirs.
        """
        return f"{self.business_key}-{self.version}" if self.kind == ORDER_KIND else self.dedupe_key


@dataclass(frozen=True, slots=True)
class Settlement:
    """How one call ended: outcome is SENT, NOT_SENT, REJECTED, UNKNOWN or SKIPPED (no call made).

    state is the item's next state; next_at is when to try again if that is READY. route: the
    provider's route that it took; cost_millicents: what the call costs if it arrived.
    """

    item: Claimed
    attempt_id: UUID | None
    outcome: str
    state: str
    started_at: datetime
    finished_at: datetime
    next_at: datetime | None = None
    error_class: str | None = None
    error: str | None = None
    ref: str | None = None
    findings: tuple[tuple[str, str, str], ...] = ()
    route: str | None = None
    cost_millicents: int = 0


# The rows travel as one JSON text: PostgreSQL takes it apart faster than the driver can escape the
# payloads into an array.
_PUT = text(
    """
    INSERT INTO outbox_item (lane, kind, business_key, order_key, gsrn, version, dedupe_key, payload,
        payload_hash, mode, priority, state, hold_reason, attempts, next_at, expires_at, created_at)
    SELECT lane, kind, business_key, order_key, gsrn, version, dedupe_key, payload,
        payload_hash, mode, priority, CASE WHEN hold_reason IS NULL THEN 'READY' ELSE 'HELD' END,
        hold_reason, 0, coalesce(not_before, :now), expires_at, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n (lane text, kind text, business_key text,
        order_key text, gsrn text, version bigint, dedupe_key text, payload jsonb,
        payload_hash text, mode text, priority int, hold_reason text, not_before timestamptz,
        expires_at timestamptz)
    ON CONFLICT (dedupe_key) DO NOTHING
    RETURNING lane
    """
)


def put(session: Session, items: Sequence[NewItem], now: datetime) -> int:
    """Write items that are not there yet and ring their lanes after the commit; returns how many."""
    if not items:
        return 0
    rows = msgspec.json.encode([_row(item) for item in items]).decode()
    lanes = list(session.execute(_PUT, {"now": now, "rows": rows}).scalars())
    for lane in set(lanes):
        ring_after_commit(lane)
    return len(lanes)


def _row(item: NewItem) -> dict[str, Any]:
    body = msgspec.json.encode(item.payload)
    return {
        "lane": item.lane,
        "kind": item.kind,
        "business_key": item.business_key,
        "order_key": item.order_key,
        "gsrn": item.gsrn,
        "version": item.version,
        "dedupe_key": item.dedupe_key,
        "payload": msgspec.Raw(body),
        "payload_hash": hashlib.sha256(body).hexdigest(),
        "mode": mode_of(item.lane).value,
        "priority": item.priority,
        "hold_reason": item.hold_reason,
        "not_before": item.not_before,
        "expires_at": item.expires_at,
    }


# OFFSET 0 keeps the look for earlier ones from being joined: it stays one index look-up per row. A
# queue is mostly analysed while it is empty, and planned with such statistics the join compared
# every row with every other (27 s instead of 2 ms for 500 of 20,000).
_CLAIM = text(
    """
    WITH head AS MATERIALIZED (
        SELECT item.id FROM outbox_item item
        WHERE item.lane = :lane AND item.state = 'READY' AND item.next_at <= :now
          AND coalesce((SELECT zone FROM lane WHERE name = :lane), :central) = :zone
          AND item.priority BETWEEN :most_urgent AND :least_urgent
          AND (item.route IS NULL OR item.route = ANY(:routes))
          AND NOT EXISTS (
            SELECT 1 FROM outbox_item earlier
            WHERE earlier.lane = item.lane AND earlier.order_key = item.order_key
              AND earlier.id < item.id AND earlier.state IN ('READY', 'CLAIMED')
            OFFSET 0)
        ORDER BY item.priority, item.id
        LIMIT :limit
        FOR UPDATE OF item SKIP LOCKED)
    UPDATE outbox_item item
    SET state = 'CLAIMED', lease = :lease, lease_until = :until
    FROM head WHERE item.id = head.id
    RETURNING item.id, item.kind, item.business_key, item.gsrn, item.version, item.dedupe_key,
        item.payload, item.payload_hash, item.attempts, item.created_at, item.route, item.priority
    """
)


def claim(
    session: Session,
    lane: str,
    lease: int,
    limit: int,
    now: datetime,
    lease_s: float,
    *,
    urgencies: tuple[int, int] | None = None,
    routes: Sequence[str] = (),
    zone: str = CENTRAL,
) -> list[Claimed]:
    """Take up to `limit` items that are due and first of their key, lowest priority number first.

    urgencies: only items between these priorities. routes: those that may be used now; an item
    that is bound to another one is left where it is. zone: of whoever claims; a lane of another
    one gives nothing.
    """
    most, least = urgencies or _ANY_URGENCY
    rows = session.execute(
        _CLAIM,
        {
            "lane": lane,
            "now": now,
            "limit": limit,
            "lease": lease,
            "until": now + timedelta(seconds=lease_s),
            "most_urgent": most,
            "least_urgent": least,
            "routes": list(routes),
            "zone": zone,
            "central": CENTRAL,
        },
    ).all()
    return [Claimed(*row) for row in sorted(rows, key=lambda row: (row.priority, row.id))]


_OVERTAKEN = text(
    """
    SELECT priority FROM outbox_item
    WHERE lane = :lane AND state = 'READY' AND priority < :than AND priority <= :least
      AND next_at <= :now
    ORDER BY priority, id LIMIT 1
    """
)


def is_overtaken(session: Session, lane: str, than: int, least: int, now: datetime) -> bool:
    """Whether something waits that is more urgent than `than`, and no less urgent than `least`."""
    values = {"lane": lane, "than": than, "least": least, "now": now}
    # In the order of the claim, so that the same index answers and not one that holds all that is due.
    return session.execute(_OVERTAKEN, values).first() is not None


_LOCK_LEASED = text(
    """
    SELECT id, (expires_at IS NOT NULL AND expires_at <= :now) AS expired FROM outbox_item
    WHERE id = ANY(CAST(:ids AS bigint[])) AND lease = :lease AND state = 'CLAIMED'
    ORDER BY id FOR NO KEY UPDATE
    """
)


def lock_leased(
    session: Session, ids: Sequence[int], lease: int, now: datetime
) -> tuple[set[int], set[int]]:
    """Which of these are still ours, split into live and expired; locked until the commit.

    The lock makes giving back (which locks first and looks for attempts second) wait for us.
    """
    rows = session.execute(
        _LOCK_LEASED, {"ids": plain_array(ids), "lease": lease, "now": now}
    ).all()
    return {row.id for row in rows if not row.expired}, {row.id for row in rows if row.expired}


_BEGIN = text(
    """
    INSERT INTO attempt (id, outbox_item_id, lease, route, started_at, lookups)
    SELECT id, item, :lease, route, :now, 0
    FROM unnest(CAST(:ids AS uuid[]), CAST(:items AS bigint[]), CAST(:routes AS text[]))
        AS n (id, item, route)
    """
)


def begin_attempts(
    session: Session,
    lease: int,
    attempts: Mapping[int, UUID],
    now: datetime,
    routes: Mapping[int, str | None] | None = None,
) -> None:
    """Record calls about to be made, so that a death during the call is seen as unknown.

    attempts: item -> attempt; routes: item -> the provider's route that it takes.
    """
    by = routes or {}
    if attempts:
        session.execute(
            _BEGIN,
            {
                "lease": lease,
                "now": now,
                "ids": plain_array(attempts.values()),
                "items": plain_array(attempts),
                "routes": text_array([by.get(item) for item in attempts]),
            },
        )


_SETTLE_ITEMS = text(
    """
    UPDATE outbox_item item
    SET state = s.state, attempts = item.attempts + s.tried, next_at = coalesce(s.next_at, item.next_at),
        lease = NULL, lease_until = NULL, attempt_id = s.attempt_id, ref = coalesce(s.ref, item.ref),
        route = coalesce(s.route, item.route),
        last_error_class = s.error_class, last_error = s.error,
        settled_at = CASE WHEN s.state IN ('SENT', 'DEAD', 'CANCELLED') THEN CAST(:now AS timestamptz) END
    FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:tried AS int[]),
        CAST(:next_at AS timestamptz[]), CAST(:attempt_id AS uuid[]), CAST(:ref AS text[]),
        CAST(:error_class AS text[]), CAST(:error AS text[]), CAST(:bound AS text[]))
        AS s (id, state, tried, next_at, attempt_id, ref, error_class, error, route)
    WHERE item.id = s.id
      AND (item.state = 'CLAIMED' AND item.lease = :lease
           OR item.state = 'UNKNOWN' AND item.attempt_id = s.attempt_id AND s.state <> 'UNKNOWN')
    RETURNING item.id
    """
)

_ENDED_CALLS = """
    unnest(CAST(:ids AS uuid[]), CAST(:items AS bigint[]), CAST(:started AS timestamptz[]),
        CAST(:finished AS timestamptz[]), CAST(:outcome AS text[]), CAST(:error_class AS text[]),
        CAST(:error AS text[]), CAST(:ref AS text[]), CAST(:look_at AS timestamptz[]),
        CAST(:route AS text[]))
        AS n (id, item, started_at, finished_at, outcome, error_class, error, ref, look_at, route)
"""
# Where an attempt was committed before the call, its row is there; a doubt that somebody has
# settled meanwhile stays settled.
_END_ATTEMPTS = text(
    f"""
    UPDATE attempt a SET finished_at = n.finished_at, outcome = n.outcome,
        error_class = n.error_class, error = n.error, ref = n.ref, next_lookup_at = n.look_at
    FROM {_ENDED_CALLS} WHERE a.id = n.id AND a.resolved_by IS NULL
    """  # noqa: S608 - our own text.
)
_ADD_ATTEMPTS = text(
    f"""
    INSERT INTO attempt (id, outbox_item_id, lease, route, started_at, finished_at, outcome,
        error_class, error, ref, lookups, next_lookup_at)
    SELECT id, item, :lease, route, started_at, finished_at, outcome, error_class, error, ref, 0,
        look_at
    FROM {_ENDED_CALLS} ON CONFLICT (id) DO NOTHING
    """  # noqa: S608 - our own text.
)

_MAY_HAVE_LEFT = ("SENT", "UNKNOWN")


def settle(
    session: Session,
    lease: int,
    settlements: Sequence[Settlement],
    now: datetime,
    unknown_grace_s: float,
) -> set[int]:
    """Record how calls ended, in few statements; returns the ids of the items that it moved.

    An item whose lease was taken away meanwhile is left alone, but for one case: the outcome of
    its attempt had been declared unknown and is known now.
    """
    if not settlements:
        return set()
    called = [s for s in settlements if s.attempt_id is not None]
    if called:
        look_at = now + timedelta(seconds=unknown_grace_s)
        ends = {
            "ids": plain_array(s.attempt_id for s in called),
            "items": plain_array(s.item.id for s in called),
            "started": plain_array(s.started_at for s in called),
            "finished": plain_array(s.finished_at for s in called),
            "outcome": text_array([s.outcome for s in called]),
            "error_class": text_array([s.error_class for s in called]),
            "error": text_array([s.error for s in called]),
            "ref": text_array([s.ref for s in called]),
            "look_at": plain_array(look_at if s.outcome == "UNKNOWN" else None for s in called),
            "route": text_array([s.route for s in called]),
        }
        ended = cast("CursorResult[Any]", session.execute(_END_ATTEMPTS, ends))
        if ended.rowcount < len(called):
            session.execute(_ADD_ATTEMPTS, {**ends, "lease": lease})
    moved = session.execute(
        _SETTLE_ITEMS,
        {
            "now": now,
            "lease": lease,
            "ids": plain_array(s.item.id for s in settlements),
            "states": text_array([s.state for s in settlements]),
            "tried": plain_array(0 if s.attempt_id is None else 1 for s in settlements),
            "next_at": plain_array(s.next_at for s in settlements),
            "attempt_id": plain_array(s.attempt_id for s in settlements),
            "ref": text_array([s.ref for s in settlements]),
            "error_class": text_array([s.error_class for s in settlements]),
            "error": text_array([s.error for s in settlements]),
            # What surely did not arrive may go another way next time.
            "bound": text_array(
                [s.route if s.outcome in _MAY_HAVE_LEFT else None for s in settlements]
            ),
        },
    ).scalars()
    return set(moved)


def give_back(
    session: Session, lease: int, now: datetime, unknown_grace_s: float, *, untouched: bool = False
) -> tuple[int, int]:
    """Take back what a dead drainer held: (given back, unknown).

    Rows without an attempt go back at once. Rows of mode *once* with an attempt become unknown,
    since the call may have reached the provider; nobody resends them blindly. The rows are locked
    in a statement of their own before attempts are looked for, so that an attempt committed
    meanwhile is seen. Rows of mode *idempotent* have no attempt before their call, so each counts
    as tried, unless a drainer that lives says that it left them untouched.
    """
    ids = list(
        session.execute(
            text(
                "SELECT id FROM outbox_item WHERE lease = :lease AND state = 'CLAIMED'"
                " ORDER BY id FOR UPDATE"
            ),
            {"lease": lease},
        ).scalars()
    )
    if not ids:
        return 0, 0
    look_at = now + timedelta(seconds=unknown_grace_s)
    unknown = session.execute(
        text(
            """
            WITH open_attempt AS (
                UPDATE attempt SET outcome = 'UNKNOWN', error_class = 'LeaseLost',
                    error = 'the sender died during the call', next_lookup_at = :look_at
                WHERE lease = :lease AND outbox_item_id = ANY(:ids) AND outcome IS NULL
                RETURNING id, outbox_item_id, route)
            UPDATE outbox_item item
            SET state = 'UNKNOWN', attempts = item.attempts + 1, attempt_id = a.id, lease = NULL,
                route = coalesce(a.route, item.route), lease_until = NULL, last_error_class = 'LeaseLost',
                last_error = 'the sender died during the call'
            FROM open_attempt a WHERE item.id = a.outbox_item_id AND item.mode = :once
            RETURNING item.id, item.lane
            """
        ),
        {"lease": lease, "ids": ids, "look_at": look_at, "once": Mode.ONCE.value},
    ).all()
    back = session.execute(
        text(
            "UPDATE outbox_item SET state = 'READY', lease = NULL, lease_until = NULL,"
            " attempts = attempts + CAST(mode <> :once AND NOT :untouched AS int)"
            " WHERE id = ANY(:ids) AND state = 'CLAIMED' RETURNING lane"
        ),
        {"ids": ids, "once": Mode.ONCE.value, "untouched": untouched},
    ).scalars()
    lanes = list(back)
    for lane in set(lanes):
        ring_after_commit(lane)
    return len(lanes), len(unknown)


def lost_leases(session: Session, now: datetime) -> list[int]:
    """Leases that have run out although nobody noticed a death: a drainer that hangs.

    What lane runners hold is not among them, see lane_runners.py.
    """
    return list(
        session.execute(
            text(
                "SELECT DISTINCT lease FROM outbox_item"
                " WHERE state = 'CLAIMED' AND lease IS NOT NULL AND lease_until < :now"
                " AND NOT EXISTS (SELECT 1 FROM lane_runner r WHERE r.lease = outbox_item.lease)"
            ),
            {"now": now},
        ).scalars()
    )


def cancel_waiting(
    session: Session,
    business_keys: Sequence[str],
    kind: str,
    now: datetime,
    *,
    lane: str | None = None,
    untried_only: bool = False,
    held_too: bool = False,
) -> int:
    """Cancel items of these keys that wait: something newer takes their place.

    lane: only what waits there. One that was tried may have arrived although its answer was lost.
    Where the receiver must then hear of the newer one as a change, only untried ones are cancelled;
    the others go first, again. held_too: so do not those that are held, which would only come after it.
    """
    result = session.execute(
        text(
            "UPDATE outbox_item SET state = 'CANCELLED', settled_at = :now,"
            " last_error = 'superseded before it left'"
            " WHERE business_key = ANY(:keys) AND kind = :kind AND state IN ('READY', 'HELD')"
            " AND (CAST(:lane AS text) IS NULL OR lane = :lane)"
            " AND (attempts = 0 OR NOT :untried_only OR :held_too AND state = 'HELD') RETURNING id"
        ),
        {
            "keys": list(business_keys),
            "kind": kind,
            "now": now,
            "lane": lane,
            "untried_only": untried_only,
            "held_too": held_too,
        },
    )
    return len(result.all())


def cancel_held(session: Session, lane: str, business_key: str, kind: str, now: datetime) -> None:
    """Cancel what is held in a lane about a key: let go later, it would come after something newer."""
    session.execute(
        text(
            "UPDATE outbox_item SET state = 'CANCELLED', settled_at = :now,"
            " last_error = 'superseded before it left' WHERE business_key = :key"
            " AND kind = :kind AND lane = :lane AND state = 'HELD'"
        ),
        {"lane": lane, "key": business_key, "kind": kind, "now": now},
    )


def may_have_left(session: Session, lane: str, business_key: str, kind: str) -> bool:
    """Whether the receiver of a lane has such an item, may have it, or is going to get it."""
    statement = text(
        "SELECT EXISTS (SELECT 1 FROM outbox_item WHERE business_key = :key AND kind = :kind"
        " AND lane = :lane AND (state <> 'CANCELLED' OR attempts > 0))"
    )
    values = {"lane": lane, "key": business_key, "kind": kind}
    return bool(session.execute(statement, values).scalar())


def lanes_with_work(session: Session, now: datetime, zone: str = CENTRAL) -> list[str]:
    """Sending lanes of a zone that have something due, are neither paused nor closed, and may call."""
    return list(
        session.execute(
            text(
                """
                SELECT name FROM lane
                WHERE sends AND zone = :zone AND NOT paused AND (open_until IS NULL OR open_until <= :now)
                  AND (rests_until IS NULL OR rests_until <= :now)
                  AND EXISTS (SELECT 1 FROM outbox_item item
                              WHERE item.lane = lane.name AND item.state = 'READY'
                                AND item.next_at <= :now)
                ORDER BY name
                """
            ),
            {"now": now, "zone": zone},
        ).scalars()
    )


def lanes_with_dead(session: Session, lane: str | None) -> list[str]:
    """Lanes that have given something up and may repeat it without harm; or the one, if it has."""
    return list(
        session.execute(
            text(
                "SELECT DISTINCT lane FROM outbox_item WHERE state = 'DEAD' AND mode <> :once"
                " AND (CAST(:lane AS text) IS NULL OR lane = :lane) ORDER BY lane"
            ),
            {"lane": lane, "once": Mode.ONCE.value},
        ).scalars()
    )


def release_held(session: Session, lane: str, ids: Sequence[int], now: datetime) -> int:
    """Let items of a lane go that a check had held; the caller records who decided it.

    What has no form yet, or is of a mass order that is paused, cannot go, whoever decides.
    """
    released = session.execute(
        text(
            "UPDATE outbox_item SET state = 'READY', next_at = :now, hold_reason = NULL"
            " WHERE id = ANY(:ids) AND lane = :lane AND state = 'HELD'"
            " AND coalesce(hold_reason, '') <> ALL(CAST(:fixed AS text[])) RETURNING id"
        ),
        {"ids": list(ids), "lane": lane, "now": now, "fixed": sorted(NOT_BY_HAND)},
    ).all()
    if released:
        ring_after_commit(lane)
    return len(released)
