"""What may be done with a version of the routing rules: begin, edit, submit, activate, take back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.clock import helsinki_day
from app.domain.roles import Permission
from app.domain.routing import RouteRule
from app.domain.states import RuleSetState
from app.queries import order_types
from app.services import code_lists, rerouting, rule_sets
from app.services.rule_sets import RulesRefused
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.i18n import current_language
from app.web.operators.blueprint import blueprint
from app.web.operators.routing import get_version, models_of, partners_of, see_routing
from app.web.operators.routing_forms import RuleForm

_NOTE_MOST = 300


@blueprint.post("/routing/draft")
@role_required(Permission.OPERATE)
def routing_draft() -> ResponseReturnValue:
    """Begin a version with the rules in force."""
    try:
        with transaction() as session:
            number = rule_sets.begin_draft(session, by=actor(), now=now()).number
    except RulesRefused as refused:
        flash(_refusal(refused.code), "fail")
        return redirect(url_for(".routing"))
    flash(gettext("Version %(number)s is a draft. Nothing changes yet.", number=number), "ok")
    return see_routing(number)


@blueprint.post("/routing/look-again")
@role_required(Permission.OPERATE)
def routing_look_again() -> ResponseReturnValue:
    """Have all orders without a route looked at anew; who asked for it is recorded."""
    with transaction() as session:
        count = rerouting.look_again(session, by=actor(), now=now())
    flash(
        ngettext("%(num)d order is looked at again.", "%(num)d orders are looked at again.", count),
        "ok",
    )
    return redirect(url_for(".routing"))


@blueprint.route("/routing/<int:number>/rules/new", methods=["GET", "POST"])
@role_required(Permission.OPERATE)
def routing_rule_new(number: int) -> ResponseReturnValue:
    """Add a rule to a draft."""
    return _rule_page(number, None)


@blueprint.route("/routing/<int:number>/rules/<int:rule_id>", methods=["GET", "POST"])
@role_required(Permission.OPERATE)
def routing_rule(number: int, rule_id: int) -> ResponseReturnValue:
    """Change a rule of a draft."""
    get_version(db.session(), number)
    rules = code_lists.load_rule_set(db.session(), number)
    rule = next((one for one in rules.in_order if one.id == rule_id), None)
    if rule is None:
        abort(404)
    return _rule_page(number, rule)


@blueprint.post("/routing/<int:number>/rules/<int:rule_id>/remove")
@role_required(Permission.OPERATE)
def routing_rule_remove(number: int, rule_id: int) -> ResponseReturnValue:
    """Take a rule out of a draft."""
    return _do(
        number,
        gettext("The rule is out of the draft."),
        lambda s: rule_sets.remove_rule(s, number, rule_id, by=actor(), now=now()),
    )


@blueprint.post("/routing/<int:number>/roll-back")
@role_required(Permission.OPERATE)
def routing_roll_back(number: int) -> ResponseReturnValue:
    """Propose an older version again; somebody else activates it."""
    note = _note()
    if not note:
        flash(gettext("Say why."), "fail")
        return see_routing(number)
    try:
        with transaction() as session:
            made = rule_sets.roll_back(session, number, note, by=actor(), now=now()).number
    except RulesRefused as refused:
        flash(_refusal(refused.code), "fail")
        return see_routing(number)
    flash(
        gettext(
            "Version %(number)s equals version %(old)s and waits for a second person.",
            number=made,
            old=number,
        ),
        "ok",
    )
    return see_routing(made)


@blueprint.post("/routing/<int:number>/<act>")
@role_required(Permission.OPERATE)
def routing_act(number: int, act: str) -> ResponseReturnValue:
    """Submit, take back, reject or activate a version."""
    who, moment, note = actor(), now(), _note()
    acts: dict[str, tuple[str, Callable[[Session], None]]] = {
        "submit": (
            gettext("Version %(number)s waits for a second person.", number=number),
            lambda s: rule_sets.submit(s, number, note, by=who, now=moment),
        ),
        "take-back": (
            gettext("Version %(number)s is a draft again.", number=number),
            lambda s: rule_sets.take_back(s, number, by=who, now=moment),
        ),
        "reject": (
            gettext("Version %(number)s is rejected.", number=number),
            lambda s: rule_sets.reject(s, number, note, by=who, now=moment),
        ),
        "activate": (
            gettext(
                "Version %(number)s decides from now on. Orders without a route are looked at"
                " again; what a contractor has stays there.",
                number=number,
            ),
            lambda s: rule_sets.activate(s, number, by=who, now=moment, seen_at=_seen_at()),
        ),
    }
    if act not in acts:
        abort(404)
    if act == "submit" and not note:
        flash(gettext("Say why."), "fail")
        return see_routing(number)
    return _do(number, *acts[act])


def _rule_page(number: int, rule: RouteRule | None) -> ResponseReturnValue:
    session = db.session()
    version = get_version(session, number)
    if version.state != RuleSetState.DRAFT:
        flash(_refusal("CHANGED_MEANWHILE"), "fail")
        return see_routing(number)
    form = RuleForm()
    types, models = order_types.names(session, current_language()), models_of(session)
    if rule is not None:
        # What the rule names already stays in it unless somebody takes it out, also what is in use
        # no more or nobody knows.
        types = dict.fromkeys(sorted(rule.order_type_codes), "") | types
        models = sorted({*models, *rule.models})
    form.offer(partners_of(session), types, models)
    if request.method == "GET":
        if rule is not None:
            form.show(rule)
        else:
            form.from_on.data = helsinki_day(now())
    elif form.validate_on_submit() and (values := form.values(rule)) is not None:
        try:
            with transaction() as writing:
                rule_sets.save_rule(
                    writing, number, rule.id if rule else None, values, by=actor(), now=now()
                )
        except RulesRefused as refused:
            if refused.code != "NAME_TAKEN":
                flash(_refusal(refused.code), "fail")
                return see_routing(number)
            form.name.errors = [_refusal(refused.code)]
        else:
            flash(gettext("The rule is in the draft. Nothing changes yet."), "ok")
            return see_routing(number)
    page = render_template("operators/routing_rule.html", version=version, rule=rule, form=form)
    return page, 422 if form.errors else 200


def _do(number: int, done: str, change: Callable[[Session], None]) -> ResponseReturnValue:
    get_version(db.session(), number)
    try:
        with transaction() as session:
            change(session)
    except RulesRefused as refused:
        flash(_refusal(refused.code), "fail")
    else:
        flash(done, "ok")
    return see_routing(number)


def _refusal(code: str) -> str:
    words = {
        "CHANGED_MEANWHILE": gettext("Somebody else was quicker. This is how it is now."),
        "SAME_PERSON": gettext("Somebody who has not worked on it has to activate it."),
        "NO_RULES": gettext("Without a rule no order would have a route."),
        "OPEN_VERSION": gettext("Another version is being worked on. Finish that one first."),
        "NAME_TAKEN": gettext("Another rule has this name"),
        "BAD_PERIOD": gettext("The last day is before the first one"),
        "PARTNER_UNKNOWN": gettext("There is no such contractor."),
    }
    return words.get(code, code)


def _seen_at() -> datetime:
    """When what stood on the page was submitted."""
    try:
        return datetime.fromisoformat(request.form.get("seen", ""))
    except ValueError:
        abort(400)


def _note() -> str:
    return " ".join(request.form.get("note", "").split())[:_NOTE_MOST]
