"""Telling the other systems of a completed order, and noticing when all of them know.

One outbox item per system that has something to hear. Each is a full picture, so an older one that has not left
yet is withdrawn when a newer one is put, and receivers pass over whatever comes late.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.domain import lanes
from app.domain.placements import Stay
from app.domain.states import WorkOrderState
from app.models.work_order import WorkOrder
from app.services import alarms, completion_messages, outbox, work_orders
from app.services.completion import Completion
from app.services.completion_messages import Facts
from app.services.meter_register import Report
from app.services.order_facts import Surroundings
from app.services.outbox import NewItem, Settlement
from app.services.work_orders import Change
from integrations.billing.codec import KIND as BILLING_KIND
from integrations.cis.completion_codec import END_KIND
from integrations.cis.completion_codec import KIND as CIS_KIND
from integrations.dms.codec import KIND as DMS_KIND
from integrations.nis.codec import KIND as NIS_KIND

TAKEN_BACK_ALARM = "COMPLETION_TAKEN_BACK"
_KINDS = (CIS_KIND, NIS_KIND, DMS_KIND, BILLING_KIND)
_ALL_KINDS = (*_KINDS, END_KIND)
_VERSION = "version"
# Others wait for these four while nobody waits at a door, so notices go first elsewhere.
_PRIORITY = 50


def tell_all(
    session: Session,
    order: WorkOrder,
    completion: Completion,
    report: Report,
    around: Surroundings,
    stays: Sequence[Stay],
    now: datetime,
) -> int:
    """Put one item per system that has to hear something; returns the version under which.

    The version grows from order to order of a metering point, because the NIS knows only the point.
    Whoever has been told the same before, of an earlier report of this order, hears nothing.
    """
    told = _newest_version(session, order.gsrn)
    version = max(completion.version, told + 1)
    facts = Facts(order, completion, report, around, stays, version)
    wanted = {
        CIS_KIND: (lanes.CIS, completion_messages.for_cis(facts), None),
        DMS_KIND: (lanes.DMS, completion_messages.for_dms(facts), None),
        NIS_KIND: (lanes.NIS, completion_messages.for_nis(facts), None),
        BILLING_KIND: (
            lanes.BILLING,
            completion_messages.for_billing(facts),
            completion.hold_reason,
        ),
    }
    known = _known(session, order.order_id) if told else {}
    items = []
    for kind, (lane, payload, hold) in wanted.items():
        before = known.get(kind)
        if before is not None and payload is not None and _says_the_same(before, payload, hold):
            continue
        if before is not None:
            outbox.cancel_waiting(session, [order.order_id], kind, now)
        if payload is not None:
            items.append(_item(order, lane, kind, version, payload, hold))
    if told:
        outbox.cancel_waiting(session, [order.order_id], END_KIND, now)
    outbox.put(session, items, now)
    return version


def tell_end(session: Session, order: WorkOrder, end: dict[str, Any], now: datetime) -> None:
    """Tell the CIS how an order ended without a completion, in place of what it has not heard yet."""
    version = _newest_version(session, order.gsrn) + 1
    outbox.cancel_waiting(session, [order.order_id], END_KIND, now)
    outbox.put(session, [_item(order, lanes.CIS, END_KIND, version, end)], now)


_KNOWN = text(
    """
    SELECT DISTINCT ON (kind) kind, state, hold_reason, payload FROM outbox_item
    WHERE business_key = :order_id AND kind = ANY(:kinds) AND state <> 'CANCELLED'
    ORDER BY kind, version DESC, id DESC
    """
)


def _known(session: Session, order_id: str) -> dict[str, Row[Any]]:
    """The last message about the order of each kind, sent or on its way."""
    rows = session.execute(_KNOWN, {"order_id": order_id, "kinds": list(_KINDS)})
    return {row.kind: row for row in rows}


def _says_the_same(before: Row[Any], payload: dict[str, Any], hold: str | None) -> bool:
    """Whether only the version differs; what is held for a doubt that is gone must go."""
    if before.state == "HELD" and before.hold_reason != hold:
        return False
    known = {name: value for name, value in before.payload.items() if name != _VERSION}
    new = msgspec.to_builtins({n: v for n, v in payload.items() if n != _VERSION})
    return bool(known == new)


def take_back(session: Session, order_id: str, now: datetime) -> None:
    """The completion did not happen: withdraw what has not left, and call somebody for the rest.

    What was tried may have arrived although its answer was lost, so it belongs to the rest.
    """
    _withdraw(session, order_id, now)
    left = session.execute(
        text(
            "SELECT string_agg(DISTINCT lane, ', ' ORDER BY lane) FROM outbox_item"
            " WHERE business_key = :order_id AND kind = ANY(:kinds)"
            " AND (state <> 'CANCELLED' OR attempts > 0)"
        ),
        {"order_id": order_id, "kinds": list(_KINDS)},
    ).scalar_one()
    if left is not None:
        detail = f"The completion was taken back after others had been told: {left}."
        alarms.open_alarm(session, TAKEN_BACK_ALARM, order_id, detail, now)


_LOCK = text(
    "SELECT order_id FROM work_order WHERE order_id = ANY(:ids) ORDER BY order_id FOR UPDATE"
)
_ALL_KNOW = text(
    """
    WITH newest AS (
        SELECT DISTINCT ON (business_key, kind) business_key, state FROM outbox_item
        WHERE business_key = ANY(:ids) AND kind = ANY(:kinds) AND state <> 'CANCELLED'
        ORDER BY business_key, kind, version DESC, id DESC),
    known AS (
        SELECT business_key FROM newest GROUP BY business_key HAVING bool_and(state = 'SENT')),
    before AS (
        SELECT o.order_id, o.state FROM work_order o JOIN known ON known.business_key = o.order_id
        WHERE o.state IN ('COMPLETED', 'CORRECTED'))
    UPDATE work_order o SET state = 'REPORTED', state_at = :now, updated_at = :now
    FROM before WHERE o.order_id = before.order_id
    RETURNING o.order_id, o.revision, before.state AS from_state
    """
)


def note_settled(session: Session, settlements: Sequence[Settlement], now: datetime) -> None:
    """Orders of which every system has the newest version are REPORTED.

    The orders are locked in a statement of their own before the items are read: of two lanes that
    settle at the same moment the second waits here and then sees what the first has committed.
    """
    ids = sorted({s.item.business_key for s in settlements if s.state == "SENT"})
    if not ids:
        return
    session.execute(_LOCK, {"ids": ids}).all()
    done = session.execute(_ALL_KNOW, {"ids": ids, "kinds": list(_KINDS), "now": now}).all()
    work_orders.record_changes(
        session,
        (
            Change(
                row.order_id,
                row.revision,
                row.from_state,
                (WorkOrderState.REPORTED,),
                "every system has been told",
            )
            for row in done
        ),
        now,
    )


def _newest_version(session: Session, gsrn: str) -> int:
    return int(
        session.execute(
            text(
                "SELECT coalesce(max(item.version), 0) FROM work_order o"
                " JOIN outbox_item item ON item.business_key = o.order_id"
                " WHERE o.gsrn = :gsrn AND item.kind = ANY(:kinds)"
            ),
            {"gsrn": gsrn, "kinds": list(_ALL_KINDS)},
        ).scalar_one()
    )


def _withdraw(session: Session, order_id: str, now: datetime) -> None:
    for kind in _ALL_KINDS:
        outbox.cancel_waiting(session, [order_id], kind, now)


def _item(
    order: WorkOrder,
    lane: str,
    kind: str,
    version: int,
    payload: dict[str, Any],
    hold_reason: str | None = None,
) -> NewItem:
    return NewItem(
        lane=lane,
        kind=kind,
        business_key=order.order_id,
        order_key=order.gsrn,
        gsrn=order.gsrn,
        version=version,
        dedupe_key=f"{lane}:{order.order_id}:{version}",
        payload=payload,
        priority=_PRIORITY,
        hold_reason=hold_reason,
    )
