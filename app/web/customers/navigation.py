"""The customers' menu, and what every customers' page may ask."""

from __future__ import annotations

from flask import Flask, current_app, request, url_for
from flask_babel import gettext

from app.web.customers.session import Visit, visit


def init(app: Flask) -> None:
    """Give the templates `customer_menu()` and `customer_visit()`."""
    app.add_template_global(customer_menu, "customer_menu")
    app.add_template_global(customer_visit, "customer_visit")


def customer_visit() -> Visit | None:
    """Who is at a customers' page; nobody on staff's pages, whatever the browser keeps."""
    return visit() if (request.endpoint or "").startswith("customers.") else None


def customer_menu() -> list[dict[str, object]]:
    """The entries that this person may open."""
    found = visit()
    entries = [
        ("customers.home", gettext("My metering points"), ("customers.home", "customers.point")),
        ("customers.connections", gettext("My connections"), ("customers.connection",)),
        ("customers.messages", gettext("Messages"), ("customers.messages",)),
        ("customers.preferences_page", gettext("What I hear of"), ("customers.preferences",)),
        ("customers.contacts_page", gettext("Phones and addresses"), ("customers.contact",)),
        (
            "customers.people_page",
            gettext("People who help me"),
            ("customers.people", "customers.person"),
        ),
        ("customers.history", gettext("My data"), ("customers.history",)),
    ]
    for_owner = {"customers.people_page", "customers.connections"}
    return [
        {
            "text": text,
            "href": url_for(endpoint),
            "current": request.endpoint == endpoint,
            "active": (request.endpoint or "").startswith(active),
        }
        for endpoint, text, active in entries
        if endpoint in current_app.view_functions
        and not (found is not None and found.third_party and endpoint in for_owner)
    ]
