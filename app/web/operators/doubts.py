"""Unknown outcomes: how many, how old, how they ended, each with its notice."""

from __future__ import annotations

from uuid import UUID

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db, transaction
from app.domain.roles import Permission
from app.domain.unknown_policy import UnknownAction
from app.queries import doubts as doubt_list
from app.services import doubt_verdicts
from app.web.access import actor, role_required
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


@blueprint.post("/doubts/<uuid:attempt_id>")
@role_required(Permission.OPERATE)
def doubt_end(attempt_id: UUID) -> ResponseReturnValue:
    """Record what somebody found at the provider."""
    found = request.form.get("found")
    if found not in ("arrived", "not_arrived"):
        abort(400)
    with transaction() as session:
        outcome = doubt_verdicts.end_doubt(
            session, attempt_id, arrived=found == "arrived", by=actor(), now=now()
        )
    if outcome is None:
        flash(gettext("This doubt has ended already."), "warn")
    elif outcome == doubt_verdicts.ARRIVED:
        flash(gettext("The message counts as sent."), "ok")
    elif outcome == UnknownAction.RESEND:
        flash(gettext("The message is sent again."), "ok")
    else:
        flash(gettext("The message is not worth sending any more and was given up."), "warn")
    return redirect(url_for(".doubts"), 303)
