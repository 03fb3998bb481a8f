"""What the orders of a mass order do after a decision about the whole: hold, go on, be called off.

Slice by slice, so that no transaction is long and a death costs one slice.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.revisions import Action
from app.domain.states import MassOrderState
from app.doorbell import ring_after_commit
from app.models.mass_order import MassOrder
from app.services import intake, mass_orders
from app.services.mass_orders import PAUSE_REASON, Todo
from app.services.slices import Lists, MassContext, Slice
from app.services.work_orders import KIND
from integrations.cis.types import CisWorkOrder, ParsedOrder

FAILED_ALARM = "MASS_FOLLOW_FAILED"
HOLD_ROWS = 5_000
CANCEL_ROWS = 250


def waiting(session: Session) -> list[str]:
    """Mass orders whose orders have something to follow."""
    statement = text("SELECT mass_id FROM mass_order WHERE todo IS NOT NULL ORDER BY mass_id")
    return list(session.execute(statement).scalars())


def follow_slice(session: Session, mass_id: str, lists: Lists, run_id: int, now: datetime) -> int:
    """Let a slice of orders follow; 0 when all have, and then there is nothing left to do."""
    order = mass_orders.get_for_update(session, mass_id)
    if order is None or order.todo is None:
        return 0
    values = {"mass_id": mass_id, "reason": PAUSE_REASON, "kind": KIND, "limit": HOLD_ROWS}
    if order.todo == Todo.HOLD:
        count = len(session.execute(_HOLD, values).all())
    elif order.todo == Todo.RELEASE:
        lanes = session.execute(_RELEASE, {**values, "now": now}).scalars().all()
        for lane in set(lanes):
            ring_after_commit(lane)
        count = len(lanes)
    else:
        count = _call_off(session, order, lists, run_id, now)
    if not count:
        # What work that has begun still has to hear may be held since a pause.
        left_over = order.todo == Todo.CANCEL and order.state != MassOrderState.PAUSED
        order.todo = Todo.RELEASE if left_over else None
        mass_orders.refresh(session, mass_id, now)
        return int(left_over)
    return count


# What is on the wire goes on, and so does what tells a former partner that it has lost an order. What
# was tried before is held when its turn comes (order_pauses.py).
_HOLD = text(
    """
    UPDATE outbox_item SET state = 'HELD', hold_reason = :reason
    WHERE id IN (
        SELECT item.id FROM work_order o JOIN outbox_item item ON item.business_key = o.order_id
        WHERE o.mass_id = :mass_id AND o.state = 'ROUTED' AND item.state = 'READY'
          AND item.kind = :kind AND item.attempts = 0 AND item.lane = 'partner.' || o.partner_code
        LIMIT :limit FOR UPDATE OF item SKIP LOCKED)
      AND state = 'READY'
    RETURNING id
    """
)
_RELEASE = text(
    """
    UPDATE outbox_item SET state = 'READY', hold_reason = NULL, next_at = :now
    WHERE id IN (
        SELECT item.id FROM work_order o JOIN outbox_item item ON item.business_key = o.order_id
        WHERE o.mass_id = :mass_id AND item.state = 'HELD' AND item.kind = :kind
          AND item.hold_reason = :reason
        LIMIT :limit FOR UPDATE OF item)
      AND state = 'HELD'
    RETURNING lane
    """
)
# What is over stays as it is; whoever is at work is asked to stop.
_TO_CALL_OFF = text(
    """
    SELECT order_id, order_type_code, gsrn, greatest(revision, (
        SELECT max(r.revision) FROM order_request r
        WHERE r.order_id = work_order.order_id AND r.state = 'WAITING')) AS revision
    FROM work_order
    WHERE mass_id = :mass_id AND (state IN ('RECEIVED', 'VALIDATED', 'NO_ROUTE', 'ROUTED', 'SENT',
        'ACCEPTED', 'PARTNER_REJECTED', 'SCHEDULED', 'RESCHEDULED', 'FAILED', 'RETURNED')
        OR state = 'STARTED' AND base_state <> 'CANCELLED')
    ORDER BY order_id LIMIT :limit
    """
)


def _call_off(session: Session, order: MassOrder, lists: Lists, run_id: int, now: datetime) -> int:
    rows = session.execute(_TO_CALL_OFF, {"mass_id": order.mass_id, "limit": CANCEL_ROWS}).all()
    mass = MassContext(order.mass_id, order.wave, frozenset(order.allowed_models))
    part = Slice(order.inbound_message_id, run_id, now, lists, mass)
    wanted = [
        CisWorkOrder(
            order_id=row.order_id,
            revision=row.revision + 1,
            action=Action.CANCEL,
            order_type_code=row.order_type_code,
            gsrn=row.gsrn,
        )
        for row in rows
    ]
    parsed = [ParsedOrder(0, one, one.order_id) for one in wanted]
    intake.take_slice(session, part, parsed)
    return len(rows)
