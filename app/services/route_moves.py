"""Orders that wait for a partner, given to whom the rules in force choose.

Only those move of which no partner has heard: the messages about them were never tried, so nobody
has to be called off and nothing is done twice. What a partner has, or may have, needs a new revision
of the CIS. More than a hundred need a second person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import text_array
from app.domain.lanes import UPKEEP
from app.domain.routing import CompiledRules, RouteFacts, decide_route
from app.domain.states import ROUTE_MOVE_MOVES, RouteMoveState, check_move
from app.doorbell import ring_after_commit
from app.models.route_move import RouteMove
from app.services import audit, rerouting
from app.services.outbox import ORDER_KIND
from app.services.slices import Lists

# So many one person may move alone.
ALONE_MOST = 100
SLICE_ROWS = 500
_OPEN = (RouteMoveState.PROPOSED, RouteMoveState.APPROVED)


class MoveRefused(Exception):
    """An act that the state of things does not allow; code says why, for the page to put in words.

    NOTHING: no order would move. CHANGED_MEANWHILE: other rules are in force, more orders would move
    than somebody saw, or somebody else was quicker. OPEN_MOVE: one is not over. SAME_PERSON: a second
    person has to confirm. NO_REASON.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Movable:
    """Orders that would go from one partner to another."""

    before: str
    after: str
    count: int
    example: str


# Of the orders that only wait, those whose messages nobody has begun to send. Rules older than those
# in force decided about them.
_UNTOLD = """
    o.state = 'ROUTED' AND o.route_set_number < :number AND o.partner_code IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM outbox_item told WHERE told.business_key = o.order_id
        AND told.kind = :kind
        AND (told.state NOT IN ('READY', 'HELD', 'CANCELLED') OR told.attempts > 0))
"""
_COUNT = text(
    f"""
    SELECT o.order_type_code, o.municipality_code, o.required_model, o.mass_id IS NOT NULL AS mass,
        o.partner_code, count(*) AS number, min(o.order_id) AS example
    FROM work_order o WHERE {_UNTOLD} GROUP BY 1, 2, 3, 4, 5
    """  # noqa: S608 - our own text, here and below.
)
_FIND = text(
    f"""
    SELECT o.order_id, o.mass_id FROM work_order o
    WHERE {_UNTOLD} AND o.order_id > :after ORDER BY o.order_id LIMIT :limit
    """  # noqa: S608
)
# Looked at once more: what a sender has taken meanwhile stays where it is.
_TAKE_BACK = text(
    """
    UPDATE outbox_item item SET state = 'CANCELLED', settled_at = :now,
        last_error = 'superseded before it left'
    WHERE item.business_key = ANY(CAST(:ids AS text[])) AND item.kind = :kind
        AND item.state IN ('READY', 'HELD') AND item.attempts = 0
        AND NOT EXISTS (SELECT 1 FROM outbox_item told
            WHERE told.business_key = item.business_key AND told.kind = item.kind
                AND (told.state NOT IN ('READY', 'HELD', 'CANCELLED') OR told.attempts > 0))
    RETURNING item.business_key
    """
)


def movable(session: Session, rules: CompiledRules, at: datetime) -> list[Movable]:
    """What would move under these rules, the most first; nothing is changed."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    values = {"number": rules.set_number, "kind": ORDER_KIND}
    for row in session.execute(_COUNT, values):
        facts = RouteFacts(row.order_type_code, row.municipality_code, row.required_model, row.mass)
        after = decide_route(facts, rules, at).partner_code
        if after is None or after == row.partner_code:
            continue
        way = (row.partner_code, after)
        counts[way] += row.number
        examples[way] = min(examples.get(way, row.example), row.example)
    return [Movable(*way, count, examples[way]) for way, count in counts.most_common()]


def ask(
    session: Session,
    rules: CompiledRules,
    seen_count: int,
    reason: str,
    *,
    by: str,
    now: datetime,
) -> RouteMove:
    """Want the orders moved that somebody has seen: at once if they are few. Raises: MoveRefused."""
    _lock(session)
    if not reason:
        raise MoveRefused("NO_REASON")
    if session.execute(select(RouteMove.id).where(RouteMove.state.in_(_OPEN))).first():
        raise MoveRefused("OPEN_MOVE")
    count = sum(one.count for one in movable(session, rules, now))
    if not count:
        raise MoveRefused("NOTHING")
    if count > seen_count:
        raise MoveRefused("CHANGED_MEANWHILE")
    assert rules.set_number is not None  # noqa: S101 - compiled from a version.
    made = RouteMove(
        set_number=rules.set_number,
        state=RouteMoveState.PROPOSED,
        reason=reason,
        expected_count=count,
        asked_by=by,
        asked_at=now,
    )
    session.add(made)
    session.flush()
    if count > ALONE_MOST:
        _record(session, made, "ROUTE_MOVE_PROPOSED", by, now)
    else:
        _approve(session, made, by, now)
    return made


def confirm(session: Session, move_id: int, *, by: str, now: datetime) -> None:
    """A second person lets the orders move. Raises: MoveRefused."""
    found = _get(session, move_id)
    if found.asked_by == by:
        raise MoveRefused("SAME_PERSON")
    _approve(session, found, by, now)


def drop(session: Session, move_id: int, *, by: str, now: datetime) -> None:
    """Nothing of it is moved; one person may decide that. Raises: MoveRefused."""
    found = _get(session, move_id)
    _move(found, RouteMoveState.DROPPED)
    found.decided_by, found.decided_at = by, now
    _record(session, found, "ROUTE_MOVE_DROPPED", by, now)


def is_due(session: Session) -> bool:
    """Whether orders are to be moved."""
    statement = select(RouteMove.id).where(RouteMove.state == RouteMoveState.APPROVED)
    return session.execute(statement).first() is not None


def move_slice(session: Session, lists: Lists, run_id: int, now: datetime) -> Counter[str]:
    """Look at the next orders; empty when none is left. What was done is in the same commit.

    Where other rules are in force than somebody decided by, nothing more is moved.
    """
    found = session.execute(
        select(RouteMove).where(RouteMove.state == RouteMoveState.APPROVED).with_for_update()
    ).scalar_one_or_none()
    if found is None:
        return Counter()
    values = {"number": found.set_number, "kind": ORDER_KIND, "after": found.after_order_id}
    rows: Sequence[Any] = ()
    if lists.rules.set_number == found.set_number:
        rows = session.execute(_FIND, {**values, "limit": SLICE_ROWS}).all()
    if not rows:
        _move(found, RouteMoveState.DONE)
        found.done_at = now
        return Counter()
    looked, moved = rerouting.decide_anew(session, rows, lists, run_id, now, _take_back)
    found.after_order_id = rows[-1].order_id
    found.moved_count += moved
    found.kept_count += looked - moved
    return Counter({"ROUTED": moved, "LOOKED_AT": looked})


def _take_back(session: Session, order_ids: Sequence[str], now: datetime) -> set[str]:
    """Keep what waits from leaving; only these orders may go elsewhere."""
    values = {"ids": text_array(order_ids), "kind": ORDER_KIND, "now": now}
    return set(session.execute(_TAKE_BACK, values).scalars())


def _get(session: Session, move_id: int) -> RouteMove:
    _lock(session)
    found = session.get(RouteMove, move_id, with_for_update=True, populate_existing=True)
    if found is None or found.state != RouteMoveState.PROPOSED:
        raise MoveRefused("CHANGED_MEANWHILE")
    return found


def _approve(session: Session, found: RouteMove, by: str, now: datetime) -> None:
    _move(found, RouteMoveState.APPROVED)
    found.decided_by, found.decided_at = by, now
    _record(session, found, "ROUTE_MOVE_APPROVED", by, now)
    ring_after_commit(UPKEEP)


def _move(found: RouteMove, state: RouteMoveState) -> None:
    check_move(ROUTE_MOVE_MOVES, found.state, state)
    found.state = state


def _lock(session: Session) -> None:
    """One at a time asks or decides; also not while a version comes into force."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('rule sets', 0))"))


def _record(session: Session, found: RouteMove, action: str, by: str, now: datetime) -> None:
    detail = {"move": found.id, "count": found.expected_count, "reason": found.reason}
    audit.record(session, by, action, f"rules:{found.set_number}", detail, now)
