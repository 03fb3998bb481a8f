"""Alarms: what an operator has to know now, and what ended lately."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.db import db
from app.domain.roles import Permission
from app.queries import alarm_list
from app.web.access import role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint

CLOSED_ROWS = 20


@blueprint.get("/alarms")
@role_required(Permission.OPERATE)
def alarms() -> ResponseReturnValue:
    """Open alarms and the last that ended; a part of the page when it renews itself."""
    session = db.session()
    facts = {
        "open_alarms": alarm_list.open_alarms(session),
        "closed_alarms": alarm_list.closed_alarms(session, CLOSED_ROWS),
        "now": now(),
    }
    if request.headers.get("HX-Request") == "true":
        return render_template("operators/alarms_part.html", **facts)
    return render_template("operators/alarms.html", live=request.args.get("live") != "0", **facts)
