"""Retention: what is kept for how long, how large it is, and what has gone."""

from __future__ import annotations

from flask import current_app, render_template
from flask.typing import ResponseReturnValue

from app.db import db
from app.domain.roles import Permission
from app.queries import retention_list
from app.services import partitions, purge, retention
from app.settings import Settings
from app.web.access import role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint
from app.web.paging import place

REPORT_ROWS = 50
TABLE_ROWS = 15


@blueprint.get("/retention")
@role_required(Permission.OPERATE)
def retention_report() -> ResponseReturnValue:
    """Every class of data with its limit, the largest tables, and every removal."""
    session = db.session()
    settings: Settings = current_app.extensions["tiedolla_settings"]
    limits = {**retention.limits(settings), purge.CLASS: purge.DAYS}
    reports = retention_list.reports(session, REPORT_ROWS + 1, place().before)
    return render_template(
        "operators/retention.html",
        classes=retention_list.classes(session, limits),
        tables=retention_list.tables(session, TABLE_ROWS),
        missing=partitions.missing(session, now()),
        reports=reports[:REPORT_ROWS],
        more=len(reports) > REPORT_ROWS,
    )
