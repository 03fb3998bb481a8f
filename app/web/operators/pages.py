"""Knows every page of the operators, so that importing this one registers them all."""

from app.web.operators import alarms, announcements, inbound, lanes, orders, runs
from app.web.operators.blueprint import blueprint

__all__ = ["alarms", "announcements", "blueprint", "inbound", "lanes", "orders", "runs"]
