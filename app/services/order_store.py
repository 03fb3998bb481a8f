"""Storing weighed work orders: new ones with COPY, changed ones one by one, and their messages.

The bulk of a file is new, so that path does as little per order as it can.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.db import copy_rows
from app.domain.findings import Finding
from app.domain.lanes import ACKS
from app.domain.revisions import Known, Verdict
from app.domain.routing import RouteDecision, RouteFacts
from app.domain.states import WORK_ORDER_MOVES, WorkOrderState, check_move
from app.domain.work_order_checks import PointFacts
from app.doorbell import ring_after_commit
from app.models.work_order import WorkOrder
from app.services import inbound, order_requests, outbox, points, visit_notices, work_orders
from app.services.order_requests import Request
from app.services.partner_orders import Outgoing, outgoing, partner_item, unformed_item
from app.services.slices import Slice
from app.services.work_orders import Change
from integrations.cis.types import CisWorkOrder
from integrations.installer.types import Action

_encoder = msgspec.json.Encoder(decimal_format="string")

# The partner has heard of an order in any other state than these.
_UNHEARD = frozenset({WorkOrderState.ROUTED, WorkOrderState.NO_ROUTE, WorkOrderState.REJECTED})


@dataclass(frozen=True, slots=True)
class Existing:
    """What we knew of an order before this file."""

    known: Known
    base_state: str
    inbound_message_id: int
    partner_code: str | None
    gsrn: str
    route_facts: RouteFacts
    route: RouteDecision


class Weighed(msgspec.Struct, frozen=True):
    """One order and what was decided about it; state is None where nothing is to be written."""

    order: CisWorkOrder
    content_hash: str
    verdict: Verdict
    outcome: str
    existing: Existing | None
    findings: tuple[Finding, ...] = ()
    state: WorkOrderState | None = None
    route: RouteDecision | None = None
    # Of an item of a mass order; an order that changes by itself is no longer that item.
    source_hash: int | None = None
    # In the partner's form, as a new order.
    made: Outgoing | None = None


# Work is going on: what is asked waits for the end of the visit.
_ASKED = frozenset({Verdict.HOLD, Verdict.ASK})

_COLUMNS = (
    "order_id",
    "revision",
    "content_hash",
    "order_type_code",
    "state",
    "state_at",
    "base_state",
    "priority",
    "gsrn",
    "municipality_code",
    "customer_id",
    "old_meter_number",
    "required_model",
    "window_from",
    "window_to",
    "due_on",
    "presence_required",
    "facts",
    "key_info",
    "partner_code",
    "route_rule_id",
    "route_reason",
    "route_set_number",
    "routed_at",
    "attempts",
    "inbound_message_id",
    "created_at",
    "updated_at",
    "mass_id",
    "source_hash",
)


def write(
    session: Session,
    weighed: Sequence[Weighed],
    part: Slice,
    known_points: Mapping[str, PointFacts],
) -> None:
    """Write a round of weighed orders, their history and what has to leave because of them."""
    stored = [one for one in weighed if one.state is not None]
    fresh = [one for one in stored if one.existing is None]
    copy_rows(session, "work_order", _COLUMNS, (_row(one, part) for one in fresh))
    for one in stored:
        if one.existing is not None:
            session.execute(
                update(WorkOrder)
                .where(WorkOrder.order_id == one.order.order_id)
                .values(_changed_values(one, part))
            )
    asked = [one for one in weighed if one.outcome in _ASKED]
    if asked:
        order_requests.keep(session, [_request(one) for one in asked], part)
    work_orders.record_changes(session, (_change(one) for one in stored), part.now, part.run_id)
    points.add_unknown(
        session,
        [one.order for one in fresh if one.state is not WorkOrderState.REJECTED],
        known_points,
        part.now,
    )
    called_off = [one.order for one in stored if one.verdict is Verdict.CANCEL]
    if called_off:
        visit_notices.tell_called_off(
            session, {order.order_id: order.revision for order in called_off}, part.now
        )
    leaving = stored + [one for one in asked if one.verdict is Verdict.ASK]
    items = [item for one in leaving for item in _items(session, one, part)]
    outbox.put(session, items, part.now)
    held = inbound.reopen(
        session, "ACK", [one.order.order_id for one in fresh], "ACK_UNKNOWN_ORDER"
    )
    if held:
        ring_after_commit(ACKS)


def _row(one: Weighed, part: Slice) -> tuple[Any, ...]:
    order, route = one.order, one.route
    return (
        order.order_id,
        order.revision,
        one.content_hash,
        order.order_type_code,
        one.state,
        part.now,
        one.state,
        order.priority or 3,
        order.gsrn,
        order.municipality_code,
        order.customer_id,
        order.old_meter_number,
        order.required_model,
        order.window_from,
        order.window_to,
        order.due_on,
        bool(order.presence_required),
        facts_json(order),
        order.key_info,
        route.partner_code if route else None,
        route.rule_id if route else None,
        route.reason if route else None,
        route.set_number if route else None,
        part.now if route else None,
        0,
        part.message_id,
        part.now,
        part.now,
        part.mass.mass_id if part.mass else None,
        one.source_hash,
    )


def _changed_values(one: Weighed, part: Slice) -> dict[str, Any]:
    """A cancellation carries little, so it changes only what it says."""
    if one.verdict is Verdict.CANCEL:
        return {
            "revision": one.order.revision,
            "content_hash": one.content_hash,
            "state": WorkOrderState.CANCELLED,
            "base_state": WorkOrderState.CANCELLED,
            "state_at": part.now,
            "inbound_message_id": part.message_id,
            "updated_at": part.now,
        }
    values = dict(zip(_COLUMNS, _row(one, part), strict=True))
    values["facts"] = msgspec.json.decode(values["facts"])
    for name in ("order_id", "created_at", "attempts"):
        del values[name]
    if part.mass is None:
        # A change of one order does not take it out of its mass order.
        del values["mass_id"]
    return values


def _kept_facts(order: CisWorkOrder) -> str:
    """The order as it waits for its form: under a safety ban nobody is in it, as in any form of it."""
    if order.safety_ban:
        order = msgspec.structs.replace(
            order, customer_id=None, customer_name=None, language=None, phone=None, email=None
        )
    return facts_json(order)


def facts_json(order: CisWorkOrder) -> str:
    """What was given of the order as JSON, but for the key information.

    That has a column and a permission of its own. What was left out would double the work of
    PostgreSQL, which takes every key of it apart.
    """
    return facts_bytes(order).decode()


def facts_bytes(order: CisWorkOrder) -> bytes:
    """The same as it travels."""
    plain = msgspec.structs.replace(order, key_info=None) if order.key_info else order
    return _encoder.encode(plain)


def content_json(order: CisWorkOrder) -> bytes:
    """The whole order as JSON, with what was left out: of this its content hash is made."""
    return _encoder.encode(msgspec.structs.asdict(order))


def _request(one: Weighed) -> Request:
    return Request(
        order_id=one.order.order_id,
        revision=one.order.revision,
        cancels=one.verdict is Verdict.ASK,
        content_hash=one.content_hash,
        facts=facts_json(one.order),
        key_info=one.order.key_info,
    )


def _change(one: Weighed) -> Change:
    state = one.state
    assert state is not None  # noqa: S101 - only stored orders come here.
    begin = one.existing.known.state if one.existing else None
    if one.verdict in (Verdict.CANCEL, Verdict.CANCEL_UNKNOWN):
        path: tuple[WorkOrderState, ...] = (WorkOrderState.CANCELLED,)
        path = path if begin else (WorkOrderState.RECEIVED, *path)
    elif state is WorkOrderState.REJECTED:
        path = (state,) if begin else (WorkOrderState.RECEIVED, state)
    else:
        path = (WorkOrderState.VALIDATED, state)
        path = path if begin else (WorkOrderState.RECEIVED, *path)
    _check_path(begin, path)
    cause = (
        one.route.reason if one.route else ", ".join(f.code for f in one.findings) or one.verdict
    )
    return Change(
        one.order.order_id, one.order.revision, begin, path, f"CIS {one.verdict}: {cause}"
    )


def _check_path(begin: WorkOrderState | None, path: tuple[WorkOrderState, ...]) -> None:
    """Every step along the table; an order that was rejected and is still bad stays where it is."""
    steps = [begin, *path] if begin else list(path)
    for before, after in itertools.pairwise(steps):
        if before is not after and before is not None:
            check_move(WORK_ORDER_MOVES, before, after)


def _items(session: Session, one: Weighed, part: Slice) -> list[outbox.NewItem]:
    """What a partner has to hear about an order: that it is new, changed, or no longer theirs."""
    before = one.existing.partner_code if one.existing else None
    after = one.route.partner_code if one.route else None
    heard = False
    if one.existing is not None and before is not None:
        order_id, kind = one.order.order_id, work_orders.KIND
        outbox.cancel_waiting(
            session, [order_id], kind, part.now, untried_only=True, held_too=after is None
        )
        # An order that is only routed may be on the wire, or at the partner without our knowing.
        heard = one.existing.base_state not in _UNHEARD or outbox.may_have_left(
            session, order_id, kind
        )
    items: list[outbox.NewItem | None] = []
    if before is not None and before != after and heard:
        items.append(_item(one, before, "CANCEL", part, "-cancel" if after else ""))
    if after is not None:
        action: Action = "UPDATE" if heard and before == after else "NEW"
        items.append(_item(one, after, action, part))
    return [item for item in items if item is not None]


def _item(
    one: Weighed, partner_code: str, action: Action, part: Slice, suffix: str = ""
) -> outbox.NewItem | None:
    """None where the partner has no bundle any more, so nobody can tell it of a cancellation.

    Where its bundle is there and this program cannot run it, the message waits for its form.
    """
    order, made = one.order, one.made
    if partner_code in part.lists.unreadable:
        return unformed_item(order, partner_code, action, _kept_facts(order), suffix=suffix)
    if made is None or action != "NEW" or one.verdict is not Verdict.NEW:
        if partner_code not in part.lists.orders:
            return None
        made = outgoing(order, partner_code, action, part.lists, suffix=suffix, mass=part.mass)
    return partner_item(order, partner_code, action, made, suffix=suffix, mass=part.mass)
