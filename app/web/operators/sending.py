"""Sending: the stop, the routes of the providers, the rates, and the money."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from flask import abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, IntegerField, RadioField, SelectChoice, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from app.db import db, transaction
from app.domain.lanes import NOTICE_LANES
from app.domain.notice_types import Channel
from app.domain.roles import Permission
from app.queries import letter_list, sending_board
from app.queries.doubts import open_doubts
from app.services import audit, budget, lanes, provider_routes, sending_stops
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.labels import lane_name
from app.web.operators.blueprint import blueprint

HISTORY_ROWS = 20
RATE_MOST = 100_000
# A slip of the finger should not let a month's money go.
RAISE_MOST_CENTS = 10_000_000


class StopForm(FlaskForm):
    """Which channels are to stop, and why."""

    channel = RadioField(
        _l("What stops"),
        default="ALL",
        choices=[
            SelectChoice("ALL", _l("All messages")),
            SelectChoice("SMS", _l("Text messages only")),
            SelectChoice("EMAIL", _l("E-mails only")),
        ],
    )
    keep_service = BooleanField(_l("Codes and replies that people wait for may still leave"))
    reason = StringField(_l("Reason"), [InputRequired(_l("Enter a reason")), Length(max=200)])


class RouteForm(FlaskForm):
    """How a route is set."""

    weight = IntegerField(
        _l("Weight"),
        [NumberRange(0, 1000, _l("Use a number from 0 to 1000"))],
        description=_l("Its share among the routes that work; 0 stands by for the others."),
    )
    rate_per_s = IntegerField(
        _l("Messages a second at most"),
        [Optional(), NumberRange(1, RATE_MOST, _l("Use a number from 1 on, or leave it empty"))],
    )
    active = BooleanField(_l("In use"))
    reason = StringField(_l("Reason"), [InputRequired(_l("Enter a reason")), Length(max=200)])


@blueprint.get("/sending")
@role_required(Permission.OPERATE)
def sending() -> ResponseReturnValue:
    """What leaves, by which ways, how fast and for how much."""
    return _page(StopForm())


@blueprint.post("/sending/stop")
@role_required(Permission.OPERATE)
def sending_stop() -> ResponseReturnValue:
    """Stop everything, or one channel, before the next slice of any process."""
    form = StopForm()
    if not form.validate_on_submit():
        return _page(form), 422
    channels = list(Channel) if form.channel.data == "ALL" else [Channel(form.channel.data)]
    with transaction() as session:
        sending_stops.stop(
            session,
            channels,
            keep_service=bool(form.keep_service.data),
            reason=form.reason.data or "",
            by=actor(),
            now=now(),
        )
    flash(gettext("Sending is stopped."), "ok")
    return redirect(url_for(".sending"))


@blueprint.post("/sending/start")
@role_required(Permission.OPERATE)
def sending_start() -> ResponseReturnValue:
    """Let a channel send again."""
    channel = request.form.get("channel", "")
    if channel not in Channel.__members__:
        abort(400)
    with transaction() as session:
        started = sending_stops.start(session, [Channel(channel)], reason="", by=actor(), now=now())
    if started:
        flash(gettext("Messages leave again."), "ok")
    return redirect(url_for(".sending"))


@blueprint.post("/sending/rate")
@role_required(Permission.OPERATE)
def sending_rate() -> ResponseReturnValue:
    """Bound how many messages of a channel leave in a second, over all processes."""
    lane, given = request.form.get("lane", ""), request.form.get("rate", "").strip()
    if lane not in NOTICE_LANES or not (given == "" or (given.isdecimal() and len(given) <= 6)):
        abort(400)
    rate = min(int(given), RATE_MOST) if given and int(given) else None
    with transaction() as session:
        lanes.set_rate(session, lane, rate)
        audit.record(session, actor(), "LANE_RATE_SET", f"lane:{lane}", {"rate_per_s": rate}, now())
    flash(gettext("The limit of %(lane)s was changed.", lane=lane_name(lane)), "ok")
    return redirect(url_for(".sending"))


@blueprint.post("/sending/budget")
@role_required(Permission.OPERATE)
def sending_budget() -> ResponseReturnValue:
    """Add money to today's limits."""
    cents = _cents(request.form.get("euros", ""))
    reason = request.form.get("reason", "").strip()[:200]
    if cents is None or not reason:
        flash(gettext("Enter a sum in euros and a reason."), "fail")
        return redirect(url_for(".sending"))
    with transaction() as session:
        budget.add_for_today(session, cents, reason=reason, by=actor(), now=now())
    flash(gettext("Today's limits were raised."), "ok")
    return redirect(url_for(".sending"))


@blueprint.route("/sending/routes/<code>", methods=["GET", "POST"])
@role_required(Permission.OPERATE)
def sending_route(code: str) -> ResponseReturnValue:
    """Set one route anew, with a reason; what it was before stays on record."""
    session = db.session()
    route = sending_board.find_route(session, code)
    if route is None:
        abort(404)
    form = RouteForm(obj=route) if request.method == "GET" else RouteForm()
    if form.validate_on_submit():
        with transaction() as writing:
            provider_routes.change(
                writing,
                code,
                weight=form.weight.data or 0,
                active=bool(form.active.data),
                rate_per_s=form.rate_per_s.data,
                reason=form.reason.data or "",
                by=actor(),
                now=now(),
            )
        flash(gettext("The route %(route)s was changed.", route=code), "ok")
        return redirect(url_for(".sending"))
    page = render_template(
        "operators/sending_route.html",
        route=route,
        form=form,
        history=sending_board.changes_of(session, code, HISTORY_ROWS),
        now=now(),
    )
    return page, 422 if form.errors else 200


def _page(form: StopForm) -> str:
    session, moment = db.session(), now()
    settings = current_app.extensions["tiedolla_settings"]
    return render_template(
        "operators/sending.html",
        form=form,
        stops=sending_stops.current(session),
        routes=sending_board.all_routes(session),
        rates=sending_board.lane_rates(session),
        budget=budget.read(session, settings, moment),
        raises=sending_board.budget_raises(session, HISTORY_ROWS),
        doubts=sum(one.count for one in open_doubts(session)),
        letters=letter_list.count_letters(session),
        now=moment,
    )


def _cents(euros: str) -> int | None:
    """Whole cents from what a person writes: 100, 99,50 or 99.50."""
    try:
        cents = int(Decimal(euros.strip().replace(",", ".")) * 100)
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return cents if 0 < cents <= RAISE_MOST_CENTS else None
