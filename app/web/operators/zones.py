"""Zones: which lanes are drained where, and how the runners there do."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.db import db
from app.domain.roles import Permission
from app.queries import zone_list
from app.web.access import role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint


@blueprint.get("/zones")
@role_required(Permission.OPERATE)
def zones() -> ResponseReturnValue:
    """Every zone with its lanes and runners; a part of the page when it renews itself."""
    moment = now()
    facts = {"zones": zone_list.zones(db.session(), moment), "now": moment}
    if request.headers.get("HX-Request") == "true":
        return render_template("operators/zones_part.html", **facts)
    return render_template("operators/zones.html", live=request.args.get("live") != "0", **facts)
