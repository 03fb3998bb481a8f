"""Knows every page of the operators, so that importing this one registers them all."""

from app.web.operators import (
    alarms,
    announcements,
    doubts,
    inbound,
    lanes,
    letters,
    orders,
    runs,
    sending,
)
from app.web.operators.blueprint import blueprint

__all__ = [
    "alarms",
    "announcements",
    "blueprint",
    "doubts",
    "inbound",
    "lanes",
    "letters",
    "orders",
    "runs",
    "sending",
]
