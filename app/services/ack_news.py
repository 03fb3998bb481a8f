"""One more acknowledgement of an order: what all of them say without it, and with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.acks import Derived, derive_order_state
from app.models.work_order import WorkOrder
from app.services.completion import Reported
from app.services.order_facts import Surroundings

Reports = Mapping[str, Reported]


@dataclass(frozen=True, slots=True)
class News:
    """One more acknowledgement of an order that is locked.

    before and after are what all acknowledgements amount to without and with it; reports holds all
    of them by name, name is the new one's. around: the rows around the order, where the checks
    needed them. cause goes into the order's history.
    """

    order: WorkOrder
    cause: str
    before: Derived
    after: Derived
    name: str
    reports: Reports
    around: Surroundings | None
    now: datetime


def derive(order: WorkOrder, reports: Reports) -> Derived:
    """What all acknowledgements of the order amount to."""
    return derive_order_state(
        order.base_state,
        (one.fact for one in reports.values()),
        revision=order.revision,
        partner_code=order.partner_code,
    )
