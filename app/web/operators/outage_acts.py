"""What operators do to faults: make one by hand, estimate, restore, reopen, merge; each recorded."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import RadioField, SelectChoice, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from app.db import transaction
from app.domain.cause_codes import FAULT_CAUSES
from app.domain.roles import Permission
from app.services import fault_actions, safety_warnings
from app.services.fault_actions import Act, ActRefused, Wanted
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.i18n import current_language
from app.web.operators.blueprint import blueprint
from app.web.operators.moment_field import local_text, read_moment

_SEPARATORS = re.compile(r"[\s,;]+")
_BY_POINTS, _BY_TRANSFORMER, _BY_FEEDER = "points", "transformer", "feeder"


class FaultForm(FlaskForm):
    """A fault that no system has stated."""

    by = RadioField(
        _l("What has no power"),
        [InputRequired(_l("Choose how you name the metering points"))],
        choices=[
            SelectChoice(_BY_TRANSFORMER, _l("Everything behind a transformer")),
            SelectChoice(_BY_FEEDER, _l("Everything on a feeder")),
            SelectChoice(_BY_POINTS, _l("Single metering points")),
        ],
    )
    network_part = StringField(_l("Transformer or feeder"), [Length(max=40)])
    points = TextAreaField(_l("Metering points, one per line"))
    started_at = StringField(_l("Off since"), [InputRequired(_l("Enter when the power went"))])
    cause = SelectField(_l("Cause"))
    etr_at = StringField(_l("Estimated to be back (leave empty if not known)"))


@blueprint.route("/outages/new", methods=["GET", "POST"])
@role_required(Permission.OPERATE)
def outage_new() -> ResponseReturnValue:
    """Make a fault by hand; its customers are told at once."""
    form = FaultForm()
    form.cause.choices = [
        SelectChoice(code, names.in_language(current_language()))
        for code, names in reversed([*FAULT_CAUSES.items()])
    ]
    if not form.is_submitted():
        form.started_at.data = local_text(now())
    if form.validate_on_submit():
        number = _create(form)
        if number is not None:
            flash(gettext("The fault was made. Its customers are being told."), "ok")
            return redirect(url_for(".outage", outage_id=number))
    return render_template("operators/outage_new.html", form=form), 422 if form.errors else 200


@blueprint.post("/outages/<int:outage_id>/confirm")
@role_required(Permission.OPERATE)
def outage_confirm(outage_id: int) -> ResponseReturnValue:
    """A suspected fault is one."""
    return _do(outage_id, fault_actions.confirm, gettext("The fault is confirmed."))


@blueprint.post("/outages/<int:outage_id>/estimate")
@role_required(Permission.OPERATE)
def outage_estimate(outage_id: int) -> ResponseReturnValue:
    """When the power will be back, or that nobody knows."""
    text = request.form.get("etr_at", "").strip()
    etr_at = read_moment(text, now()) if text else None
    if text and etr_at is None:
        return _sorry(outage_id, "TIME_UNREADABLE")
    done = gettext("The estimate is set.") if etr_at else gettext("The estimate is taken back.")
    return _do(outage_id, lambda act, one: fault_actions.set_estimate(act, one, etr_at), done)


@blueprint.post("/outages/<int:outage_id>/cause")
@role_required(Permission.OPERATE)
def outage_cause(outage_id: int) -> ResponseReturnValue:
    """Why the power went."""
    code = request.form.get("cause_code", "")
    return _do(
        outage_id,
        lambda act, one: fault_actions.set_cause(act, one, code),
        gettext("The cause is set."),
    )


@blueprint.post("/outages/<int:outage_id>/restore")
@role_required(Permission.OPERATE)
def outage_restore(outage_id: int) -> ResponseReturnValue:
    """Power is back, at the chosen points or at all."""
    return _at_points(outage_id, fault_actions.restore, gettext("The power is recorded as back."))


@blueprint.post("/outages/<int:outage_id>/reopen")
@role_required(Permission.OPERATE)
def outage_reopen(outage_id: int) -> ResponseReturnValue:
    """Power that was said to be back is not, at the chosen points or at all."""
    return _at_points(outage_id, fault_actions.reopen, gettext("The fault is open again."))


@blueprint.post("/outages/<int:outage_id>/false-alarm")
@role_required(Permission.OPERATE)
def outage_false_alarm(outage_id: int) -> ResponseReturnValue:
    """There never was a fault."""
    done = gettext("It is a false alarm. Those who were told are told so.")
    return _do(outage_id, fault_actions.false_alarm, done)


@blueprint.post("/outages/<int:outage_id>/warn")
@role_required(Permission.OPERATE)
def outage_warn(outage_id: int) -> ResponseReturnValue:
    """Lines may be down: everybody there is warned at once, at any hour."""
    if not request.form.get("sure"):
        return _sorry(outage_id, "NOT_SURE")
    done = gettext("The warning is on its way, before everything else.")
    return _do(outage_id, safety_warnings.warn, done)


@blueprint.post("/outages/<int:outage_id>/merge")
@role_required(Permission.OPERATE)
def outage_merge(outage_id: int) -> ResponseReturnValue:
    """It is part of another fault."""
    text = request.form.get("into", "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        return _sorry(outage_id, "NOT_FOUND")
    into = int(text)
    return _do(
        outage_id,
        lambda act, one: fault_actions.merge(act, one, into),
        gettext("It is part of fault %(number)s now.", number=into),
    )


@blueprint.post("/outages/<int:outage_id>/split")
@role_required(Permission.OPERATE)
def outage_split(outage_id: int) -> ResponseReturnValue:
    """It is a fault of its own again."""
    return _do(outage_id, fault_actions.split, gettext("It is a fault of its own again."))


def refusal_text(code: str) -> str:
    """Why an act was refused, and what to do about it."""
    words = {
        "NO_POINTS": gettext("No metering point is known there."),
        "POINTS_UNKNOWN": gettext("A metering point is not known here."),
        "CAUSE_UNKNOWN": gettext("Choose one of the causes."),
        "TIME_IN_FUTURE": gettext("That time is in the future."),
        "TIME_BEFORE_START": gettext("That time is before the power went."),
        "TIME_UNREADABLE": gettext("Enter a day and a time."),
        "ETR_IN_PAST": gettext("An estimate must be in the future."),
        "WRONG_STATE": gettext("That does not fit the fault as it stands now. Look at it again."),
        "NOT_FOUND": gettext("There is no fault with this number."),
        "CIRCLE": gettext("A fault cannot be part of itself."),
        "NOT_SURE": gettext("Tick that there is danger. Nobody was warned."),
        "WARNED_LATELY": gettext("They were warned less than an hour ago."),
    }
    return words.get(code, code)


_Do = Callable[[Act, int], None]


def _do(outage_id: int, do: _Do, done: str) -> ResponseReturnValue:
    try:
        with transaction() as session:
            do(Act(session, actor(), now()), outage_id)
    except ActRefused as refused:
        return _sorry(outage_id, refused.code, refused.detail)
    flash(done, "ok")
    return redirect(url_for(".outage", outage_id=outage_id))


def _at_points(
    outage_id: int, do: Callable[[Act, int, datetime, list[str]], None], done: str
) -> ResponseReturnValue:
    at = read_moment(request.form.get("at", ""), now())
    if at is None:
        return _sorry(outage_id, "TIME_UNREADABLE")
    if at <= now() < at + timedelta(minutes=1):
        # The field knows minutes only; this minute means right now.
        at = now()
    chosen = request.form.getlist("gsrn")
    if request.form.get("which") == "chosen" and not chosen:
        return _sorry(outage_id, "NO_POINTS")
    gsrns = chosen if request.form.get("which") == "chosen" else []
    return _do(outage_id, lambda act, one: do(act, one, at, gsrns), done)


def _sorry(outage_id: int, code: str, detail: str = "") -> ResponseReturnValue:
    known_number = code != "NOT_FOUND" or detail != str(outage_id)
    flash(refusal_text(code), "fail")
    where = url_for(".outage", outage_id=outage_id) if known_number else url_for(".outages")
    return redirect(where)


def _create(form: FaultForm) -> int | None:
    at = now()
    started_at = read_moment(form.started_at.data or "", at)
    etr_text = (form.etr_at.data or "").strip()
    etr_at = read_moment(etr_text, at) if etr_text else None
    if started_at is None:
        form.started_at.errors = [refusal_text("TIME_UNREADABLE")]
    if etr_text and etr_at is None:
        form.etr_at.errors = [refusal_text("TIME_UNREADABLE")]
    if started_at is None or form.errors:
        return None
    part = (form.network_part.data or "").strip() or None
    wanted = Wanted(
        started_at=started_at,
        gsrns=_numbers(form.points.data) if form.by.data == _BY_POINTS else (),
        transformer=part if form.by.data == _BY_TRANSFORMER else None,
        feeder=part if form.by.data == _BY_FEEDER else None,
        cause_code=form.cause.data,
        etr_at=etr_at,
    )
    try:
        with transaction() as session:
            return fault_actions.create(Act(session, actor(), at), wanted)
    except ActRefused as refused:
        _blame(form, refused)
        return None


def _blame(form: FaultForm, refused: ActRefused) -> None:
    """Say it at the field that is at fault."""
    by_points = form.by.data == _BY_POINTS
    fields = {
        "NO_POINTS": form.points if by_points else form.network_part,
        "POINTS_UNKNOWN": form.points,
        "ETR_IN_PAST": form.etr_at,
        "CAUSE_UNKNOWN": form.cause,
    }
    text = refusal_text(refused.code)
    field = fields.get(refused.code, form.started_at)
    field.errors = [
        f"{text} {refused.detail}".strip() if refused.code == "POINTS_UNKNOWN" else text
    ]


def _numbers(text: str | None) -> tuple[str, ...]:
    return tuple(part for part in _SEPARATORS.split(text or "") if part)
