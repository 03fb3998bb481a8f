"""One metering point: how things are, what happened, what the customer was told."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db, transaction
from app.domain.cause_codes import cause_shown
from app.domain.clock import helsinki_day
from app.domain.roles import Permission
from app.queries import order_types
from app.queries.meter_trace import MeterTrace, find_trace
from app.services import audit
from app.web.access import actor, role_required
from app.web.agents.blueprint import blueprint
from app.web.agents.messages import message_views
from app.web.agents.situation import situation
from app.web.agents.timeline import timeline
from app.web.clock import now
from app.web.i18n import current_language

# A revealed address is hidden again when the page is next opened.
_REVEALED = "revealed"


@blueprint.get("/points/<gsrn>")
@role_required(Permission.LOOKUP)
def point(gsrn: str) -> ResponseReturnValue:
    """The page that answers the caller without a second click."""
    moment = now()
    trace = _trace(gsrn)
    revealed = session.pop(_REVEALED, None)
    hidden = trace.safety_ban and revealed != f"address:{gsrn}"
    names = order_types.names(db.session(), current_language())
    return render_template(
        "agents/point.html",
        trace=trace,
        now=moment,
        situation=situation(trace, names, moment),
        days=timeline(trace, names, moment),
        messages=message_views(trace, hidden=hidden),
        type_names=names,
        cause_name=lambda code: cause_shown(code).in_language(current_language()),
        hidden=hidden,
        key_info=trace.point.key_info if revealed == f"key:{gsrn}" else None,
    )


@blueprint.post("/points/<gsrn>/address")
@role_required(Permission.SEE_KEY_INFO)
def reveal_address(gsrn: str) -> ResponseReturnValue:
    """Show the address of somebody under a safety ban, once; who looked is recorded first."""
    return _reveal(gsrn, "address", "ADDRESS_SEEN")


@blueprint.post("/points/<gsrn>/key-info")
@role_required(Permission.SEE_KEY_INFO)
def reveal_key_info(gsrn: str) -> ResponseReturnValue:
    """Show how to get to the meter, once; who looked is recorded first."""
    return _reveal(gsrn, "key", "KEY_INFO_SEEN")


def _reveal(gsrn: str, what: str, action: str) -> ResponseReturnValue:
    _trace(gsrn)
    with transaction() as db_session:
        audit.record(db_session, actor(), action, f"point:{gsrn}", {}, now())
    session[_REVEALED] = f"{what}:{gsrn}"
    flash(gettext("Shown this once. That you looked has been recorded."), "info")
    return redirect(url_for(".point", gsrn=gsrn))


def _trace(gsrn: str) -> MeterTrace:
    trace = find_trace(db.session(), gsrn, helsinki_day(now()))
    if trace is None:
        abort(404)
    return trace
