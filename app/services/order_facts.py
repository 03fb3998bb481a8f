"""What we know of an order, its metering point and its meters when an acknowledgement is weighed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.domain.acks import MeterFacts, OrderFacts, Reading
from app.domain.lanes import partner_lane, partner_of
from app.domain.states import MeterState, WorkOrderState
from app.models.work_order import WorkOrder
from app.services import work_orders

# The CIS gives one reading without a register: that of the energy taken from the network.
_USUAL_REGISTER = "1.8.0"
_USUAL_UNIT = "kWh"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The rows around an order: its type, its metering point, the meters concerned."""

    takes_new_meter: bool
    for_removal: bool
    new_number: str | None
    point: Row[Any]


_AROUND = text(
    """
    SELECT t.takes_new_meter, t.for_removal, p.*, reg.number AS register_number,
        nm.state AS new_state, nm.gsrn AS new_gsrn, nm.stock_code AS new_stock,
        nm.serial AS new_serial, nm.stock_at AS new_stock_at,
        nm.installed_at AS new_installed_at, pa.stock_since_at
    FROM (SELECT 1) one
    LEFT JOIN order_type t ON t.code = :order_type_code
    LEFT JOIN metering_point p ON p.gsrn = :gsrn
    LEFT JOIN LATERAL (
        SELECT number FROM meter WHERE meter.gsrn = :gsrn
        ORDER BY installed_at DESC NULLS LAST, number LIMIT 1) reg ON true
    LEFT JOIN meter nm ON nm.number = :new_number
    LEFT JOIN partner pa ON pa.code = :partner_code
    """
)


def load_surroundings(
    session: Session, order: WorkOrder, new_number: str | None, partner_code: str | None = None
) -> Surroundings:
    """Read what a report about meters is compared with; partner_code is whose report it is."""
    row = session.execute(
        _AROUND,
        {
            "order_type_code": order.order_type_code,
            "gsrn": order.gsrn,
            "new_number": new_number,
            "partner_code": partner_code,
        },
    ).one()
    return Surroundings(row.takes_new_meter is not False, bool(row.for_removal), new_number, row)


def make_order_facts(
    session: Session, order: WorkOrder, partner_code: str, around: Surroundings | None
) -> OrderFacts:
    """The order as the checks see it; without surroundings for reports that touch no meter."""
    told = order.facts
    point = around.point if around else None
    return OrderFacts(
        order_id=order.order_id,
        revision=order.revision,
        base_state=WorkOrderState(order.base_state),
        partner_code=order.partner_code,
        gsrn=order.gsrn,
        takes_new_meter=around.takes_new_meter if around else True,
        former_partner_codes=_former_partners(session, order, partner_code),
        old_meter_number=order.old_meter_number,
        register_meter_number=point.register_number if point else None,
        last_readings=_last_readings(told),
        expected_multiplier=_decimal(told.get("new_multiplier_ct") or told.get("multiplier_ct")),
        phases=told.get("phases") or (point.phases if point else None),
        main_fuse_a=told.get("main_fuse_a") or (point.main_fuse_a if point else None),
        lat=_first(told.get("lat"), point.lat if point else None),
        lon=_first(told.get("lon"), point.lon if point else None),
        new_meter=_new_meter(around),
        stock_known=bool(point and point.stock_since_at),
    )


def _former_partners(session: Session, order: WorkOrder, partner_code: str) -> frozenset[str]:
    """Partners that had the order before: one that worked then is still to be believed."""
    if partner_code == order.partner_code:
        return frozenset()
    lanes = session.execute(
        text(
            "SELECT DISTINCT lane FROM outbox_item"
            " WHERE business_key = :order_id AND kind = :kind AND lane = :lane"
        ),
        {
            "order_id": order.order_id,
            "kind": work_orders.KIND,
            "lane": partner_lane(partner_code),
        },
    ).scalars()
    return frozenset(code for lane in lanes if (code := partner_of(lane)) is not None)


def _new_meter(around: Surroundings | None) -> MeterFacts | None:
    if around is None or around.new_number is None or around.point.new_state is None:
        return None
    row = around.point
    return MeterFacts(
        around.new_number,
        MeterState(row.new_state),
        row.new_gsrn,
        row.new_stock,
        # What an installer has told of a serial number before proves nothing.
        row.new_serial if row.new_stock_at is not None else None,
        listed=row.new_stock_at is not None or not _hung_since_lists(row),
    )


def _hung_since_lists(row: Row[Any]) -> bool:
    """Whether an installer has hung it after its stock came into our register."""
    since, at = row.stock_since_at, row.new_installed_at
    return since is not None and at is not None and bool(at >= since)


def _last_readings(told: dict[str, Any]) -> tuple[Reading, ...]:
    value = _decimal(told.get("last_reading"))
    if value is None:
        return ()
    at = told.get("last_reading_at")
    read_at = datetime.fromisoformat(at) if isinstance(at, str) else None
    return (Reading(_USUAL_REGISTER, value, _USUAL_UNIT, read_at),)


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
