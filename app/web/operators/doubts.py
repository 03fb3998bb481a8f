"""Unknown outcomes: how many, how old, how they ended, each with its notice."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from app.db import db
from app.domain.roles import Permission
from app.queries import doubts as doubt_list
from app.web.access import role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint

DAYS = 30
LIST_ROWS = 200


@blueprint.get("/doubts")
@role_required(Permission.OPERATE)
def doubts() -> ResponseReturnValue:
    """Calls of which nobody could tell whether they reached the provider."""
    session, moment = db.session(), now()
    return render_template(
        "operators/doubts.html",
        open_now=doubt_list.open_doubts(session),
        ended=doubt_list.how_ended(session, moment, DAYS),
        waiting=doubt_list.waiting_doubts(session, LIST_ROWS),
        settled=doubt_list.settled_doubts(session, moment, DAYS, LIST_ROWS),
        days=DAYS,
        now=moment,
    )
