"""Knows every page of customer service, so that importing this one registers them all."""

from app.web.agents import connection, inbox, point, search, why
from app.web.agents.blueprint import blueprint

__all__ = ["blueprint", "connection", "inbox", "point", "search", "why"]
