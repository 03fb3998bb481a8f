"""Orders looked at again: without a route, under new rules or once a rule has begun to count.

Each keeps which version looked at it last, so a death in the middle costs nothing and nobody has to
remember what was activated when. Orders that a partner has are not touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import plain_array, text_array
from app.domain.lanes import UPKEEP, partner_lane
from app.domain.routing import RouteDecision, RouteFacts, begun_at, decide_route
from app.domain.states import WORK_ORDER_MOVES, WorkOrderState, check_move
from app.doorbell import ring_after_commit
from app.services import audit, intake, mass_files, outbox, runs, work_orders
from app.services.outbox import NewItem
from app.services.partner_orders import Outgoing, partner_item
from app.services.slices import Lists, MassContext
from app.services.work_orders import Change
from integrations.cis.types import CisWorkOrder

SLICE_ROWS = 500
_decoder = msgspec.json.Decoder(CisWorkOrder)

_FIND = text(
    """
    SELECT order_id, mass_id FROM (
        (SELECT order_id, mass_id FROM work_order
         WHERE state = 'NO_ROUTE' AND route_set_number < :number
         ORDER BY route_set_number, routed_at LIMIT :limit)
        UNION ALL
        (SELECT order_id, mass_id FROM work_order
         WHERE state = 'NO_ROUTE' AND route_set_number = :number AND routed_at < :begun
         ORDER BY route_set_number, routed_at LIMIT :limit)) waiting
    LIMIT :limit
    """
)
# Locked in the one sequence in which everybody locks orders, and looked at once more.
_LOCK = text(
    """
    SELECT order_id, revision, order_type_code, municipality_code, required_model, mass_id,
        CAST(facts AS text) AS facts, key_info, state, partner_code
    FROM work_order WHERE order_id = ANY(:ids) AND state = :state
    ORDER BY order_id FOR UPDATE
    """
)
# No version has this number, so whichever is in force has not looked at them yet.
_ASK_AGAIN = text(
    """
    WITH waiting AS (
        SELECT order_id FROM work_order WHERE state = 'NO_ROUTE' ORDER BY order_id FOR UPDATE)
    UPDATE work_order o SET route_set_number = 0 FROM waiting
    WHERE o.order_id = waiting.order_id RETURNING o.order_id
    """
)
_WRITE = text(
    """
    UPDATE work_order o
    SET state = n.state, base_state = n.state, partner_code = n.partner_code,
        state_at = CASE WHEN n.state = o.state THEN o.state_at ELSE CAST(:now AS timestamptz) END,
        route_rule_id = n.rule_id, route_reason = n.reason, route_set_number = :number,
        routed_at = :now, updated_at = :now
    FROM unnest(CAST(:ids AS text[]), CAST(:states AS text[]), CAST(:partners AS text[]),
        CAST(:rules AS bigint[]), CAST(:reasons AS text[]))
        AS n (order_id, state, partner_code, rule_id, reason)
    WHERE o.order_id = n.order_id
    """
)
# A partner ignores what is no newer than what it has heard, also if that was the calling off.
_WRITTEN = text(
    """
    SELECT item.business_key, item.lane, item.state <> 'CANCELLED' OR item.attempts > 0 AS heard
    FROM unnest(CAST(:ids AS text[]), CAST(:versions AS bigint[])) AS n (order_id, version)
    JOIN outbox_item item ON item.business_key = n.order_id
    WHERE item.kind = :kind AND item.version >= n.version
    """
)


@dataclass(frozen=True, slots=True)
class _Looked:
    row: Any
    route: RouteDecision
    # Something about this very revision has been written for a partner before.
    again: bool
    order: CisWorkOrder | None = None
    made: Outgoing | None = None


def look_again(session: Session, *, by: str, now: datetime) -> int:
    """Have every order without a route looked at anew; returns how many.

    For what the rules do not tell of: a partner that is in use again, or a form that can be sent.
    """
    found = session.execute(_ASK_AGAIN).all()
    if found:
        audit.record(session, by, "NO_ROUTE_LOOKED_AGAIN", "rules", {"count": len(found)}, now)
        ring_after_commit(UPKEEP)
    return len(found)


def is_due(session: Session, lists: Lists, now: datetime) -> bool:
    """Whether any order waits to be looked at again."""
    return bool(_find(session, lists, now, 1))


def reroute_slice(session: Session, lists: Lists, run_id: int, now: datetime) -> Counter[str]:
    """Look at the next orders again: ROUTED, or still NO_ROUTE; nothing when none is left."""
    found = _find(session, lists, now, SLICE_ROWS)
    if not found:
        return Counter()
    masses, rows = _locked(session, found, WorkOrderState.NO_ROUTE)
    looked = _weighed(session, rows, lists, masses, now)
    if looked:
        _write(session, looked, lists, now)
    routed = [one for one in looked if one.route.partner_code is not None]
    if routed:
        _tell(session, routed, masses, run_id, now)
        lists.tally.flush(session, now)
    counts = Counter({"ROUTED": len(routed), "NO_ROUTE": len(looked) - len(routed)})
    # Rows that somebody else has moved meanwhile are looked at no more, which is progress too.
    counts["GONE"] = len(found) - len(looked)
    return +counts


def decide_anew(
    session: Session,
    found: Sequence[Any],
    lists: Lists,
    run_id: int,
    now: datetime,
    take_back: Callable[[Session, Sequence[str], datetime], set[str]],
) -> tuple[int, int]:
    """Give orders that wait for a partner to whom the rules choose now: how many were looked at, moved.

    found: rows with order_id and mass_id. take_back keeps what waits from leaving, and says of which
    orders: only these move. Where no rule, or no form, leads elsewhere an order stays where it is.
    """
    masses, rows = _locked(session, found, WorkOrderState.ROUTED)
    before = {row.order_id: row.partner_code for row in rows}
    looked = _weighed(session, rows, lists, masses, now)
    elsewhere = [
        one for one in looked if one.route.partner_code not in (None, before[one.row.order_id])
    ]
    free = take_back(session, [one.row.order_id for one in elsewhere], now) if elsewhere else set()
    moved = [one for one in elsewhere if one.row.order_id in free]
    if moved:
        _write(session, moved, lists, now)
        _tell(session, moved, masses, run_id, now)
        lists.tally.flush(session, now)
    return len(found), len(moved)


def _locked(
    session: Session, found: Sequence[Any], state: WorkOrderState
) -> tuple[dict[str, MassContext], Sequence[Any]]:
    """The orders that are still in this state, locked, and what has to be known of their mass orders."""
    # Before the orders, as whoever pauses or calls off a mass order does.
    masses = {
        mass_id: mass_files.context_of(session, mass_id)
        for mass_id in sorted({row.mass_id for row in found if row.mass_id is not None})
    }
    ids = [row.order_id for row in found]
    return masses, session.execute(_LOCK, {"ids": ids, "state": state}).all()


def _weighed(
    session: Session,
    rows: Sequence[Any],
    lists: Lists,
    masses: Mapping[str, MassContext],
    now: datetime,
) -> list[_Looked]:
    """What the rules say about each, and the form in which its partner would get it."""
    written = _written(session, rows)
    looked = [_decide(row, lists, written, now) for row in rows]
    orders = [one.order for one in looked if one.order is not None]
    banned = intake.banned_among(session, orders, now)
    return _in_their_form(looked, lists, masses, banned)


def _find(session: Session, lists: Lists, now: datetime, limit: int) -> Sequence[Any]:
    begun = begun_at(lists.rules, now)
    values = {"number": lists.rules.set_number, "begun": begun, "limit": limit}
    return session.execute(_FIND, values).all()


def _decide(
    row: Any, lists: Lists, written: Mapping[str, frozenset[str]], now: datetime
) -> _Looked:
    facts = RouteFacts(
        row.order_type_code, row.municipality_code, row.required_model, row.mass_id is not None
    )
    route = decide_route(facts, lists.rules, now)
    again = row.order_id in written
    if route.partner_code and partner_lane(route.partner_code) in written.get(row.order_id, ()):
        why = (
            f"{route.reason} But {route.partner_code} has been told of this revision that it is"
            " called off, and would ignore it: the CIS has to send a new revision."
        )
        route = RouteDecision(None, None, why, route.set_number)
    if route.partner_code is None:
        return _Looked(row, route, again)
    try:
        return _Looked(row, route, again, _order_of(row))
    except msgspec.DecodeError:
        # It must not stand before all others; whoever sends a new revision mends it.
        why = f"{route.reason} But what is stored of it cannot be read by this program."
        return _Looked(row, RouteDecision(None, None, why, route.set_number), again)


def _in_their_form(
    looked: Sequence[_Looked],
    lists: Lists,
    masses: Mapping[str, MassContext],
    banned: set[str],
) -> list[_Looked]:
    """Each as its partner would get it; one that the partner cannot be sent stays without a route."""
    done = []
    for one in looked:
        if one.order is None:
            done.append(one)
            continue
        order = intake.guarded(one.order, banned)
        mass = masses.get(one.row.mass_id) if one.row.mass_id is not None else None
        route, made = intake.in_their_form(
            order, one.route, lists, mass, suffix=_suffix(one, one.route)
        )
        done.append(replace(one, route=route, order=order, made=made))
    return done


def _suffix(one: _Looked, route: RouteDecision) -> str:
    """The calling off at an earlier partner has the plain key of this revision."""
    return f"-rules{route.set_number}" if one.again else ""


def _written(session: Session, rows: Sequence[Any]) -> dict[str, frozenset[str]]:
    """Of each order about which something of this revision was written: the lanes that heard it."""
    found = session.execute(
        _WRITTEN,
        {
            "ids": text_array([row.order_id for row in rows]),
            "versions": plain_array(row.revision for row in rows),
            "kind": work_orders.KIND,
        },
    )
    lanes: dict[str, frozenset[str]] = {}
    for row in found:
        heard = {row.lane} if row.heard else set()
        lanes[row.business_key] = lanes.get(row.business_key, frozenset()) | heard
    return lanes


def _write(session: Session, looked: Sequence[_Looked], lists: Lists, now: datetime) -> None:
    session.execute(
        _WRITE,
        {
            "now": now,
            "number": lists.rules.set_number,
            "ids": text_array([one.row.order_id for one in looked]),
            "states": text_array(
                ["ROUTED" if one.route.partner_code else "NO_ROUTE" for one in looked]
            ),
            "partners": text_array([one.route.partner_code for one in looked]),
            "rules": plain_array(one.route.rule_id for one in looked),
            "reasons": text_array([one.route.reason for one in looked]),
        },
    )


def _tell(
    session: Session,
    routed: Sequence[_Looked],
    masses: Mapping[str, MassContext],
    run_id: int,
    now: datetime,
) -> None:
    """Write down the moves, and put what the partners have to hear."""
    path = (WorkOrderState.VALIDATED, WorkOrderState.ROUTED)
    for state in {one.row.state for one in routed}:
        check_move(WORK_ORDER_MOVES, state, path[0])
    check_move(WORK_ORDER_MOVES, *path)
    work_orders.record_changes(
        session,
        (
            Change(
                one.row.order_id,
                one.row.revision,
                one.row.state,
                path,
                f"rules {one.route.set_number}: {one.route.reason}",
            )
            for one in routed
        ),
        now,
        run_id,
    )
    outbox.put(session, [_item(one, masses) for one in routed], now)
    runs.add_steps(session, run_id, (_step(one, now) for one in routed))


def _item(one: _Looked, masses: Mapping[str, MassContext]) -> NewItem:
    mass_id, partner = one.row.mass_id, one.route.partner_code
    assert partner is not None and one.order is not None and one.made is not None  # noqa: S101, PT018 - only routed orders come here.
    return partner_item(
        one.order,
        partner,
        "NEW",
        one.made,
        suffix=_suffix(one, one.route),
        mass=masses[mass_id] if mass_id is not None else None,
    )


def _order_of(row: Any) -> CisWorkOrder:
    order = _decoder.decode(row.facts)
    return msgspec.structs.replace(order, key_info=row.key_info) if row.key_info else order


def _step(one: _Looked, now: datetime) -> runs.StepRow:
    return runs.StepRow(
        name="work order",
        state="ROUTED",
        keys=(one.row.order_id,),
        started_at=now,
        detail=one.route.reason,
    )
