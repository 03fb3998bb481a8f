"""Knows every page of customers, so that importing this one registers them all."""

from app.web.customers import connections, contact_pages, data, login, people, points, preferences
from app.web.customers.blueprint import blueprint

__all__ = [
    "blueprint",
    "connections",
    "contact_pages",
    "data",
    "login",
    "people",
    "points",
    "preferences",
]
