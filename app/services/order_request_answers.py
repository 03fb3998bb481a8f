"""Answering what the CIS asked of orders under way, once their visit has ended.

It goes by the order's state alone, so it does not matter which report ended the visit, nor who looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.findings import Finding, find
from app.domain.reject_codes import RejectCode
from app.domain.states import (
    ORDER_REQUEST_MOVES,
    MassOrderState,
    OrderRequestState,
    WorkOrderState,
    check_move,
)
from app.models.inbound_message import InboundMessage
from app.models.mass_order import MassOrder
from app.models.order_request import OrderRequest
from app.models.work_order import WorkOrder
from app.services import inbound, intake, rejects, work_orders
from app.services.mass_orders import PAUSE_REASON
from app.services.order_requests import CANCEL
from app.services.slices import Lists, MassContext, Slice
from integrations.cis.types import CisWorkOrder, ParsedOrder

_DONE = frozenset(
    {
        WorkOrderState.COMPLETED,
        WorkOrderState.CORRECTED,
        WorkOrderState.REPORTED,
        WorkOrderState.CLOSED,
    }
)
_ENDED = text(
    """
    SELECT DISTINCT r.order_id FROM order_request r JOIN work_order o ON o.order_id = r.order_id
    WHERE r.state = 'WAITING' AND o.state <> 'STARTED' AND r.order_id > :after
    ORDER BY r.order_id LIMIT :limit
    """
)


def orders_to_answer(session: Session, limit: int, after: str = "") -> list[str]:
    """Orders whose visit has ended while something was asked of them, by name."""
    return list(session.execute(_ENDED, {"limit": limit, "after": after}).scalars())


def answer(
    session: Session, order_id: str, lists: Lists, run_id: int, now: datetime
) -> list[OrderRequestState]:
    """Answer everything that waits for the end of the order's visit; returns how, in its order."""
    order = work_orders.get_for_update(session, order_id)
    if order is None or order.state == WorkOrderState.STARTED:
        return []
    waiting = session.execute(
        select(OrderRequest)
        .where(OrderRequest.order_id == order_id, OrderRequest.state == OrderRequestState.WAITING)
        .order_by(OrderRequest.revision)
        .with_for_update()
    ).scalars()
    told = []
    for request in list(waiting):
        state = _answer(session, order, request, lists, run_id, now)
        told.append(state)
        session.refresh(order)
    return told


def _answer(
    session: Session,
    order: WorkOrder,
    request: OrderRequest,
    lists: Lists,
    run_id: int,
    now: datetime,
) -> OrderRequestState:
    if order.state in _DONE:
        return _refuse(session, order, request, now)
    if request.action == CANCEL:
        stopped = order.state == WorkOrderState.CANCELLED
        state = OrderRequestState.TAKEN if stopped else OrderRequestState.SUPERSEDED
        return _close(request, state, f"the visit ended, the order is {order.state}", now)
    if request.revision <= order.revision:
        words = f"revision {order.revision} came after it"
        return _close(request, OrderRequestState.SUPERSEDED, words, now)
    return _take(session, order, request, lists, run_id, now)


def _take(
    session: Session,
    order: WorkOrder,
    request: OrderRequest,
    lists: Lists,
    run_id: int,
    now: datetime,
) -> OrderRequestState:
    """The order is between two visits: the change is taken as any other is."""
    before = order.state
    part = Slice(request.inbound_message_id, run_id, now, lists, _mass_of(session, order))
    wanted = msgspec.convert(request.facts, CisWorkOrder, strict=False)
    if request.key_info:
        wanted = msgspec.structs.replace(wanted, key_info=request.key_info)
    result = intake.take_slice(session, part, [ParsedOrder(0, wanted, wanted.order_id)])
    if result.refusals:
        _tell(session, request, [one.finding for one in result.refusals], now)
        words = ", ".join(str(one.finding.code) for one in result.refusals)
        return _close(request, OrderRequestState.REFUSED, words, now)
    return _close(request, OrderRequestState.TAKEN, f"taken after the visit ({before})", now)


def _refuse(
    session: Session, order: WorkOrder, request: OrderRequest, now: datetime
) -> OrderRequestState:
    cancels = request.action == CANCEL
    code = RejectCode.CANCEL_TOO_LATE if cancels else RejectCode.REVISION_CONFLICT
    words = f"Revision {request.revision} arrived during the work, which was completed."
    finding = find(code, "Action" if cancels else "Revision", words)
    inbound.add_findings(session, request.inbound_message_id, [(order.order_id, finding)], now)
    _tell(session, request, [finding], now)
    return _close(request, OrderRequestState.REFUSED, "the work was completed", now)


def _tell(
    session: Session, request: OrderRequest, findings: Sequence[Finding], now: datetime
) -> None:
    """The CIS hears of it as of any refusal, in a file of its own: its own file was answered."""
    message = session.get(InboundMessage, request.inbound_message_id)
    name = f"{request.order_id}-{request.revision}"
    rejects.put_reject(
        session,
        file_name=message.name if message is not None else name,
        body_hash=hashlib.sha256(f"answer {name}".encode()).hexdigest(),
        message_id=message.message_id if message is not None else None,
        refusals=[(request.order_id, finding) for finding in findings],
        now=now,
    )


def _close(
    request: OrderRequest, state: OrderRequestState, words: str, now: datetime
) -> OrderRequestState:
    check_move(ORDER_REQUEST_MOVES, request.state, state)
    request.state, request.answer, request.answered_at = state, words, now
    # What it asked stands in the order, or in the message that brought it (REQ-36).
    request.facts, request.key_info = {}, None
    return state


def _mass_of(session: Session, order: WorkOrder) -> MassContext | None:
    if order.mass_id is None:
        return None
    mass = session.get(MassOrder, order.mass_id)
    if mass is None:
        return None
    held = PAUSE_REASON if mass.state == MassOrderState.PAUSED else None
    return MassContext(mass.mass_id, mass.wave, frozenset(mass.allowed_models), held)
