"""Work orders: the only writer of their rows, of their states and of the history of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import copy_rows, text_array
from app.domain.states import WORK_ORDER_MOVES, WorkOrderState, check_move
from app.models.work_order import WorkOrder
from app.services.outbox import ORDER_KIND, Settlement

KIND = ORDER_KIND


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an order: the states entered, in order, and why."""

    order_id: str
    revision: int
    from_state: str | None
    states: tuple[str, ...]
    cause: str


def get_for_update(session: Session, order_id: str) -> WorkOrder | None:
    """The order, locked until the commit, so that its facts are weighed one at a time."""
    return session.execute(
        select(WorkOrder)
        .where(WorkOrder.order_id == order_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def move(
    session: Session,
    order: WorkOrder,
    to_state: str,
    cause: str,
    now: datetime,
    run_id: int | None = None,
) -> None:
    """Move one order along its table and write down why; staying where it is, is no move."""
    if order.state == to_state:
        return
    check_move(WORK_ORDER_MOVES, order.state, to_state)
    record_changes(
        session,
        [Change(order.order_id, order.revision, order.state, (to_state,), cause)],
        now,
        run_id,
    )
    order.state = to_state
    order.state_at = now
    order.updated_at = now


def record_changes(
    session: Session, changes: Iterable[Change], now: datetime, run_id: int | None = None
) -> None:
    """Append to the history of orders."""
    copy_rows(
        session,
        "work_order_change",
        ("order_id", "revision", "at", "from_state", "states", "cause", "run_id"),
        (
            (c.order_id, c.revision, now, c.from_state, text_array(c.states), c.cause, run_id)
            for c in changes
        ),
    )


# base_state is where an order stands before any acknowledgement is weighed. What the partner had
# refused, and has taken now that it was sent again, is with it after all.
_MARK_SENT = text(
    """
    WITH told AS (
        SELECT o.order_id, o.revision, o.state AS from_state, s.ref,
            o.state = 'ROUTED' OR o.state = 'PARTNER_REJECTED' AND o.base_state = o.state AS moves
        FROM work_order o
        JOIN unnest(CAST(:ids AS text[]), CAST(:versions AS int[]), CAST(:refs AS text[]))
            AS s (order_id, revision, ref) ON s.order_id = o.order_id AND s.revision = o.revision
        WHERE o.partner_code = :partner
        ORDER BY o.order_id FOR UPDATE OF o)
    UPDATE work_order o
    SET base_state = CASE WHEN o.base_state IN ('ROUTED', 'PARTNER_REJECTED') THEN 'SENT'
            ELSE o.base_state END,
        state = CASE WHEN told.moves THEN 'SENT' ELSE o.state END,
        state_at = CASE WHEN told.moves THEN CAST(:now AS timestamptz) ELSE o.state_at END,
        partner_ref = coalesce(told.ref, o.partner_ref), updated_at = :now
    FROM told WHERE o.order_id = told.order_id
    RETURNING o.order_id, o.revision, told.from_state, told.moves
    """
)


def note_settled(
    session: Session, partner_code: str, settled: Sequence[Settlement], now: datetime
) -> None:
    """The partner has, or has refused, these revisions; an older revision than ours moves nothing.

    Neither does what a partner says that has lost the order to another one: it only heard that it
    is called off.
    """
    sent = [s for s in settled if s.state == "SENT"]
    if sent:
        rows = session.execute(
            _MARK_SENT,
            {
                "now": now,
                "partner": partner_code,
                "ids": [s.item.business_key for s in sent],
                "versions": [s.item.version for s in sent],
                "refs": [s.ref for s in sent],
            },
        ).all()
        record_changes(
            session,
            (
                Change(
                    row.order_id,
                    row.revision,
                    row.from_state,
                    (WorkOrderState.SENT,),
                    "partner has it",
                )
                for row in rows
                if row.moves
            ),
            now,
        )
    for refused in (s for s in settled if s.outcome == "REJECTED"):
        order = get_for_update(session, refused.item.business_key)
        if order is None or order.partner_code != partner_code:
            continue
        if order.revision != refused.item.version:
            continue
        told = "; ".join(f"{path}: {code} {words}" for path, code, words in refused.findings)
        if order.base_state in (WorkOrderState.ROUTED, WorkOrderState.SENT):
            order.base_state = WorkOrderState.PARTNER_REJECTED
        if order.state in (WorkOrderState.ROUTED, WorkOrderState.SENT):
            move(
                session,
                order,
                WorkOrderState.PARTNER_REJECTED,
                f"partner refused it: {told or refused.error}"[:1000],
                now,
            )
