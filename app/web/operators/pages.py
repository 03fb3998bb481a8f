"""Knows every page of the operators, so that importing this one registers them all."""

from app.web.operators import (
    alarms,
    announcements,
    connections,
    inbound,
    lanes,
    orders,
    planned_changes,
    planned_cuts,
    runs,
)
from app.web.operators.blueprint import blueprint

__all__ = [
    "alarms",
    "announcements",
    "blueprint",
    "connections",
    "inbound",
    "lanes",
    "orders",
    "planned_changes",
    "planned_cuts",
    "runs",
]
