"""Connection orders under way: by stage, delayed, on hold, and for how long."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.db import db
from app.domain.roles import Permission
from app.domain.states import ConnectionStage
from app.queries import connection_list
from app.web.access import role_required
from app.web.clock import now
from app.web.connection_view import week_name
from app.web.operators.blueprint import blueprint

PAGE_ROWS = 50
_CHOICES = (connection_list.OPEN, connection_list.DELAYED, *ConnectionStage)


@blueprint.get("/connections")
@role_required(Permission.OPERATE)
def connections() -> ResponseReturnValue:
    """The orders, those that have been in their stage longest first."""
    session = db.session()
    which = request.args.get("which", "")
    if which not in _CHOICES:
        which = connection_list.OPEN
    number = request.args.get("page", "1")
    page = int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else 1
    page = max(1, page)
    rows = connection_list.find_connections(
        session, PAGE_ROWS + 1, (page - 1) * PAGE_ROWS, str(which)
    )
    counts = connection_list.count_connections(session)
    return render_template(
        "operators/connections.html",
        rows=rows[:PAGE_ROWS],
        more=len(rows) > PAGE_ROWS,
        page=page,
        which=str(which),
        choices=[(str(choice), counts.get(choice, 0)) for choice in _CHOICES],
        week_name=week_name,
        now=now(),
    )
