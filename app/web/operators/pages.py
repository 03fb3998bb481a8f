"""Knows every page of the operators, so that importing this one registers them all."""

from app.web.operators import (
    alarms,
    announcements,
    connections,
    doubts,
    inbound,
    lanes,
    letters,
    mass_orders,
    meter_stock,
    orders,
    outage_acts,
    outages,
    planned_changes,
    planned_cuts,
    runs,
    sending,
    storms,
)
from app.web.operators.blueprint import blueprint

__all__ = [
    "alarms",
    "announcements",
    "blueprint",
    "connections",
    "doubts",
    "inbound",
    "lanes",
    "letters",
    "mass_orders",
    "meter_stock",
    "orders",
    "outage_acts",
    "outages",
    "planned_changes",
    "planned_cuts",
    "runs",
    "sending",
    "storms",
]
