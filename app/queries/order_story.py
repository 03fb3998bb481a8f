"""One work order: what the CIS asked, what became of it, and who has been told."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import (
    Ack,
    Notice,
    OrderRequest,
    OutboxItem,
    Partner,
    Visit,
    WorkOrder,
    WorkOrderChange,
)
from app.queries.meter_stock import MismatchRow, mismatch_of

# An order that goes around has a few dozen of each; more is a fault, and its beginning tells enough.
_ROWS = 200


@dataclass(frozen=True, slots=True)
class OrderStory:
    """The order; changes, acks, requests, items and notices in the order in which they came."""

    order: WorkOrder
    partner_name: str | None
    changes: list[WorkOrderChange]
    requests: list[OrderRequest]
    acks: list[Ack]
    items: list[OutboxItem]
    notices: list[Notice]
    visit: Visit | None
    mismatch: MismatchRow | None


def order_story(session: Session, order_id: str) -> OrderStory | None:
    """All that is known of one order; None when there is no such order."""
    order = session.get(WorkOrder, order_id)
    if order is None:
        return None
    partner = session.get(Partner, order.partner_code) if order.partner_code else None
    return OrderStory(
        order,
        partner.name if partner else None,
        list(
            session.scalars(
                select(WorkOrderChange)
                .where(WorkOrderChange.order_id == order_id)
                .order_by(WorkOrderChange.id)
                .limit(_ROWS)
            )
        ),
        list(
            session.scalars(
                select(OrderRequest)
                .where(OrderRequest.order_id == order_id)
                .order_by(OrderRequest.revision)
            )
        ),
        list(
            session.scalars(
                select(Ack)
                .where(Ack.order_id == order_id)
                .order_by(Ack.occurred_at, Ack.ack_id)
                .limit(_ROWS)
            )
        ),
        list(
            session.scalars(
                select(OutboxItem)
                .where(
                    OutboxItem.business_key == order_id, OutboxItem.lane.not_in(("sms", "email"))
                )
                .order_by(OutboxItem.id)
                .limit(_ROWS)
            )
        ),
        list(
            session.scalars(
                select(Notice).where(Notice.order_id == order_id).order_by(Notice.id).limit(_ROWS)
            )
        ),
        session.get(Visit, order_id),
        mismatch_of(session, order_id),
    )
