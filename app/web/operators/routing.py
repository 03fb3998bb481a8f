"""Routing rules: the ones in force, their versions, the test bench, and what a version would change."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import db
from app.domain.roles import Permission
from app.domain.routing import CompiledRules, RouteFacts, compile_rules, decide_route, try_rules
from app.domain.rule_diff import compare_rules
from app.models.code_list import MeterModel
from app.models.partner import FEED, Partner
from app.models.route_rule import RuleSet
from app.queries import order_types, parked_orders
from app.queries import routing as routing_queries
from app.services import code_lists, rule_sets
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.i18n import current_language
from app.web.operators.blueprint import blueprint
from app.web.operators.routing_forms import read_areas

VERSION_ROWS = 30
RULE_ROWS_TRIED = 200


@blueprint.get("/routing")
@role_required(Permission.OPERATE)
def routing() -> ResponseReturnValue:
    """The rules in force, what is odd about them, and every version."""
    session = db.session()
    number = code_lists.active_set_number(session)
    return render_template(
        "operators/routing.html",
        version=routing_queries.find_set(session, number),
        open_number=routing_queries.open_number(session),
        versions=routing_queries.versions(session, VERSION_ROWS),
        no_route=parked_orders.count_parked(session)["NO_ROUTE"],
        **facts_of(session, number),
    )


@blueprint.get("/routing/<int:number>")
@role_required(Permission.OPERATE)
def routing_version(number: int) -> ResponseReturnValue:
    """One version: its rules, what is odd about them, what differs from those in force."""
    session = db.session()
    version = get_version(session, number)
    active = code_lists.active_set_number(session)
    facts = facts_of(session, number)
    in_force = code_lists.load_rule_set(session, active)
    return render_template(
        "operators/routing_version.html",
        version=version,
        active=active,
        open_number=routing_queries.open_number(session),
        diffs=compare_rules(in_force.in_order, facts["rules"].in_order),
        me=actor(),
        **facts,
    )


@blueprint.get("/routing/<int:number>/impact")
@role_required(Permission.OPERATE)
def routing_impact(number: int) -> ResponseReturnValue:
    """What a version would decide otherwise about all orders that are open."""
    session = db.session()
    version = get_version(session, number)
    rules = working_rules(session, number)
    impact = routing_queries.impact(session, rules, now())
    return render_template(
        "operators/routing_impact.html",
        version=version,
        impact=impact,
        rules=rules,
        changes_most=routing_queries.CHANGES_MOST,
        partners=partners_of(session),
    )


@blueprint.get("/routing/<int:number>/bench")
@role_required(Permission.OPERATE)
def routing_bench(number: int) -> ResponseReturnValue:
    """Which rule takes an order, and why, and why not the ones before it."""
    session = db.session()
    version = get_version(session, number)
    rules = working_rules(session, number)
    order_id = request.args.get("order", "").strip()[:80]
    order = routing_queries.find_order(session, order_id) if order_id else None
    facts = order.facts if order is not None else _asked_facts()
    moment = now()
    tries = try_rules(facts, rules, moment) if facts is not None else ()
    if order_id and order is None:
        flash(gettext("There is no order %(order)s.", order=order_id), "fail")
    return render_template(
        "operators/routing_bench.html",
        version=version,
        order_id=order_id,
        order=order,
        facts=facts,
        decision=decide_route(facts, rules, moment) if facts is not None else None,
        winner=next((one.rule for one in tries if not one.misses), None),
        tries=tries[:RULE_ROWS_TRIED],
        partners=partners_of(session),
        type_names=order_types.names(session, current_language()),
        models=models_of(session),
        area=request.args.get("area", ""),
    )


def get_version(session: Session, number: int) -> RuleSet:
    """A version, or 404."""
    version = routing_queries.find_set(session, number)
    if version is None:
        abort(404)
    return version


def working_rules(session: Session, number: int) -> CompiledRules:
    """The rules of a version that would count: those of partners in use."""
    idle = code_lists.idle_partners(session)
    rules = code_lists.load_rule_set(session, number)
    return compile_rules((rule for rule in rules.in_order if rule.partner_code not in idle), number)


def facts_of(session: Session, number: int) -> dict[str, Any]:
    """What every page that lists the rules of a version shows."""
    rules = code_lists.load_rule_set(session, number)
    moment = now()
    return {
        "rules": rules,
        "by_id": {rule.id: rule for rule in rules.in_order},
        "findings": rule_sets.findings_of(session, number, moment),
        "partners": partners_of(session),
        "type_names": order_types.names(session, current_language()),
        "now": moment,
    }


def partners_of(session: Session) -> dict[str, str]:
    """Code to name of those who may get orders."""
    rows = session.execute(
        select(Partner.code, Partner.name).where(Partner.transport != FEED).order_by(Partner.name)
    )
    return {row.code: row.name for row in rows}


def models_of(session: Session) -> list[str]:
    """The meter models that may be ordered."""
    statement = select(MeterModel.model).where(MeterModel.active).order_by(MeterModel.model)
    return list(session.execute(statement).scalars())


def see_routing(number: int) -> ResponseReturnValue:
    """Back to a version."""
    return redirect(url_for(".routing_version", number=number))


def _asked_facts() -> RouteFacts | None:
    """An order that nobody has sent, as the person describes it."""
    kind = request.args.get("type", "")[:20]
    if not kind:
        return None
    areas, unknown = read_areas(request.args.get("area", "")[:200])
    if unknown or len(areas) > 1:
        flash(gettext("Name one municipality, by its code or its name."), "fail")
        return None
    return RouteFacts(
        kind,
        areas[0] if areas else None,
        request.args.get("model", "")[:40] or None,
        request.args.get("mass") == "1",
    )
