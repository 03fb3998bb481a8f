"""The clean-up queue: contact data of the CIS that a person has to decide about, or ask for."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db, transaction
from app.domain.clock import helsinki_day
from app.domain.roles import Permission
from app.queries import contact_issues as queue
from app.services import contact_issues
from app.services.contact_issues import ALLOWED, Resolution
from app.services.contacts import Origin
from app.web.access import actor, role_required
from app.web.agents.blueprint import blueprint
from app.web.clock import now

PAGE_ROWS = 50


@blueprint.get("/contacts-to-check")
@role_required(Permission.LOOKUP)
def contact_queue() -> ResponseReturnValue:
    """What waits of one kind, the longest waiting first."""
    kind = request.args.get("kind", "CONFLICT")
    if kind not in queue.KINDS:
        kind = "CONFLICT"
    number = request.args.get("page", "1")
    page = int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else 1
    page = max(1, page)
    rows = queue.find_issues(
        db.session(),
        kind,
        helsinki_day(now()),
        limit=PAGE_ROWS + 1,
        offset=(page - 1) * PAGE_ROWS,
    )
    return render_template(
        "agents/contact_queue.html",
        rows=rows[:PAGE_ROWS],
        more=len(rows) > PAGE_ROWS,
        page=page,
        kind=kind,
        kinds=queue.KINDS,
        counts=queue.count_issues(db.session()),
        resolutions=ALLOWED,
    )


@blueprint.post("/contacts-to-check/<int:issue_id>")
@role_required(Permission.CHANGE_WISHES)
def settle_issue(issue_id: int) -> ResponseReturnValue:
    """Carry out what was decided."""
    try:
        resolution = Resolution(request.form.get("resolution", ""))
    except ValueError:
        abort(400)
    with transaction() as session:
        done = contact_issues.settle(session, issue_id, resolution, Origin("AGENT", actor(), now()))
    if done:
        flash(gettext("Settled."), "ok")
    else:
        flash(gettext("Somebody has settled this already."), "info")
    return redirect(url_for(".contact_queue", kind=request.form.get("kind")), 303)
