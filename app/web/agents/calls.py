"""The call list: which priority customers are without power, who calls them, what came of it."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db, transaction
from app.domain.roles import Permission
from app.queries import call_list as calls_found
from app.services import call_list
from app.services.call_list import CallOutcome, CallRefused
from app.web.access import actor, role_required
from app.web.agents.blueprint import blueprint
from app.web.clock import now
from app.web.labels import CALL_OUTCOME

# What a person may record; that power is back the machine sees by itself.
_OUTCOMES = (CallOutcome.REACHED, CallOutcome.HELP_ARRANGED, CallOutcome.NOT_REACHED)


@blueprint.get("/calls")
@role_required(Permission.LOOKUP)
def calls() -> ResponseReturnValue:
    """Calls to make, whoever waits longest first, and those that were settled last."""
    session, at = db.session(), now()
    return render_template(
        "agents/calls.html",
        open_calls=calls_found.open_calls(session, at),
        done_calls=calls_found.done_calls(session, at),
        outcomes={one: CALL_OUTCOME[one].text for one in _OUTCOMES},
        me=actor(),
        now=at,
    )


@blueprint.post("/calls/<int:entry_id>/take")
@role_required(Permission.LOOKUP)
def call_take(entry_id: int) -> ResponseReturnValue:
    """Say that one is going to call."""
    try:
        with transaction() as session:
            call_list.take(session, entry_id, now(), by=actor())
    except CallRefused:
        return _sorry()
    flash(gettext("The call is yours. Record what came of it."), "ok")
    return redirect(url_for(".calls"))


@blueprint.post("/calls/<int:entry_id>/finish")
@role_required(Permission.LOOKUP)
def call_finish(entry_id: int) -> ResponseReturnValue:
    """Record what came of a call."""
    outcome = request.form.get("outcome", "")
    if outcome not in _OUTCOMES:
        flash(gettext("Choose what came of the call."), "fail")
        return redirect(url_for(".calls"))
    try:
        with transaction() as session:
            call_list.finish(session, entry_id, CallOutcome(outcome), now(), by=actor())
    except CallRefused:
        return _sorry()
    flash(gettext("Recorded."), "ok")
    return redirect(url_for(".calls"))


def _sorry() -> ResponseReturnValue:
    flash(gettext("Somebody else has settled this call already."), "fail")
    return redirect(url_for(".calls"))
