"""Metering points that an order names before the CIS has sent their master data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.work_order_checks import PointFacts
from app.models.metering_point import MeteringPoint
from app.services import search_index
from integrations.cis.types import CisWorkOrder

# Any version of the master data replaces what an order said.
_PROVISIONAL_VERSION = 0
# What the order did not say stays visibly unsaid until the master data comes.
_UNKNOWN = "UNKNOWN"


def add_unknown(
    session: Session,
    orders: Sequence[CisWorkOrder],
    known: Mapping[str, PointFacts],
    now: datetime,
) -> None:
    """Add points that nobody knew, so that staff find them by the order's address."""
    rows = {
        order.gsrn: {
            "gsrn": order.gsrn,
            "version": _PROVISIONAL_VERSION,
            "dso_code": order.local_code,
            "status": order.physical_status or _UNKNOWN,
            "type": order.point_type or _UNKNOWN,
            "subtype": order.point_subtype,
            "street_name": order.street_name,
            "house_number": order.house_number,
            "staircase": order.staircase,
            "apartment": order.apartment,
            "postal_code": order.postal_code,
            "post_office": order.post_office,
            "municipality_code": order.municipality_code,
            "lat": order.lat,
            "lon": order.lon,
            "phases": order.phases,
            "main_fuse_a": order.main_fuse_a,
            "meter_place": order.meter_place,
            "access_note": order.access_note,
            "key_info": order.key_info,
            "updated_at": now,
        }
        for order in orders
        if order.gsrn not in known
    }
    if not rows:
        return
    session.execute(insert(MeteringPoint).on_conflict_do_nothing(), list(rows.values()))
    search_index.rebuild(session, list(rows), now)
