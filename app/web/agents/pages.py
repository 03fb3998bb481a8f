"""Knows every page of customer service, so that importing this one registers them all."""

from app.web.agents import (
    calls,
    connection,
    contact_issues,
    customer,
    inbox,
    point,
    search,
    why,
)
from app.web.agents.blueprint import blueprint

__all__ = [
    "blueprint",
    "calls",
    "connection",
    "contact_issues",
    "customer",
    "inbox",
    "point",
    "search",
    "why",
]
