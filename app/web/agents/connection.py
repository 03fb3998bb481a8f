"""One connection order: how far it is, its dates, and what the customer was told."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db, transaction
from app.domain.roles import Permission
from app.queries.connection_story import ConnectionStory, find_story
from app.services import audit
from app.web.access import actor, role_required
from app.web.agents.blueprint import blueprint
from app.web.agents.messages import notice_views
from app.web.clock import now
from app.web.connection_view import connection_view

# A revealed address is hidden again when the page is next opened.
_REVEALED = "revealed"


@blueprint.get("/connections/<name:order_no>")
@role_required(Permission.LOOKUP)
def connection(order_no: str) -> ResponseReturnValue:
    """The page that answers a house builder on the phone."""
    story = _story(order_no)
    revealed = session.pop(_REVEALED, None)
    return render_template(
        "agents/connection.html",
        story=story,
        view=connection_view(story, now()),
        messages=notice_views(story.notices),
        hidden=story.customer.personal_safety_ban and revealed != f"connection:{order_no}",
    )


@blueprint.post("/connections/<name:order_no>/address")
@role_required(Permission.SEE_KEY_INFO)
def reveal_connection_address(order_no: str) -> ResponseReturnValue:
    """Show the site of somebody under a safety ban, once; who looked is recorded first."""
    _story(order_no)
    with transaction() as db_session:
        audit.record(db_session, actor(), "ADDRESS_SEEN", f"connection:{order_no}", {}, now())
    session[_REVEALED] = f"connection:{order_no}"
    flash(gettext("Shown this once. That you looked has been recorded."), "info")
    return redirect(url_for(".connection", order_no=order_no))


def _story(order_no: str) -> ConnectionStory:
    story = find_story(db.session(), order_no)
    if story is None:
        abort(404)
    return story
