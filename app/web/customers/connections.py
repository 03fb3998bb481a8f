"""The customer's own connection orders: where they stand, what comes next, what was told.

Takes the ids of the customers that the visitor may act for; who that is, is the log-in's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from flask import abort, render_template

from app.db import db
from app.queries.connection_story import stories_of
from app.web.agents.messages import notice_views
from app.web.connection_view import connection_view


def connections_page(
    customer_ids: Sequence[str], now: datetime, connection_href: Callable[[str], str]
) -> str:
    """All orders of these customers; somebody without any gets a page that says so.

    connection_href: where the page of one order is mounted.
    """
    stories = stories_of(db.session(), customer_ids)
    return render_template(
        "customers/connections.html",
        connection_href=connection_href,
        views=[connection_view(story, now, for_customer=True) for story in stories],
    )


def connection_page(
    customer_ids: Sequence[str], order_no: str, now: datetime, list_href: str
) -> str:
    """One order; another customer's order does not exist for this one.

    list_href: where the list of orders is mounted.
    """
    story = next(
        (one for one in stories_of(db.session(), customer_ids) if one.order.order_no == order_no),
        None,
    )
    if story is None:
        abort(404)
    # What was held back or not sent is not the customer's business.
    sent = [notice for notice in story.notices if notice.sent_at is not None]
    return render_template(
        "customers/connection.html",
        view=connection_view(story, now, for_customer=True),
        messages=notice_views(sent),
        list_href=list_href,
    )
