"""The customer's own connection orders: where they stand, what comes next, what was told."""

from __future__ import annotations

from flask import abort, render_template
from flask.typing import ResponseReturnValue

from app.db import db
from app.queries.connection_story import find_story, stories_of
from app.web.clock import now
from app.web.connection_view import connection_view
from app.web.customers.blueprint import blueprint
from app.web.customers.points import customer_view
from app.web.customers.session import here, owner_required


@blueprint.get("/connections")
@owner_required
def connections() -> ResponseReturnValue:
    """All orders of the customer; somebody without any gets a page that says so."""
    stories = stories_of(db.session(), [here().customer_id])
    return render_template(
        "customers/connections.html",
        views=[connection_view(story, now(), for_customer=True) for story in stories],
    )


@blueprint.get("/connections/<name:order_no>")
@owner_required
def connection(order_no: str) -> ResponseReturnValue:
    """One order; another customer's order does not exist for this one."""
    story = find_story(db.session(), order_no)
    if story is None or story.order.customer_id != here().customer_id:
        abort(404)
    # What was held back or not sent is not the customer's business.
    sent = [notice for notice in story.notices if notice.sent_at is not None]
    return render_template(
        "customers/connection.html",
        view=connection_view(story, now(), for_customer=True),
        messages=[customer_view(notice) for notice in sent],
    )
