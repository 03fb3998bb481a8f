"""The rollout's plan: its versions, a new one from a file, and which of them is in force."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db, transaction
from app.domain.roles import Permission
from app.domain.rollout_plan import PlanFault, parse_plan
from app.models.rollout import RolloutPlan
from app.queries import rollout_plans
from app.services import rollout_plan
from app.services.rollout_plan import PlanRefused, PlanUnknown
from app.services.signed_files import csv_line
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint

_FILE_BYTES = 4 << 20
_FAULTS_SHOWN = 50


@blueprint.get("/rollout/plan")
@role_required(Permission.OPERATE)
def plan_versions() -> ResponseReturnValue:
    """Every version, with the one in force marked."""
    return _page([])


@blueprint.post("/rollout/plan")
@role_required(Permission.OPERATE)
def plan_import() -> ResponseReturnValue:
    """Keep the plan in the file as a new version; a file with one fault is told all its faults."""
    file = request.files.get("file")
    content = file.read(_FILE_BYTES + 1) if file is not None else b""
    if file is None or not content:
        flash(gettext("Choose a file."), "fail")
        return redirect(url_for(".plan_versions"))
    if len(content) > _FILE_BYTES:
        flash(gettext("The file is too large to be a plan."), "fail")
        return redirect(url_for(".plan_versions"))
    rows, faults = parse_plan(content)
    if faults:
        return _page(faults, 400)
    with transaction() as session:
        number, is_new = rollout_plan.store(
            session, file.filename or "plan", rows, now(), by=actor()
        )
    if is_new:
        flash(gettext("Version %(number)s is kept. It is not in force yet.", number=number), "ok")
    else:
        flash(gettext("This plan is known already, as version %(number)s.", number=number), "info")
    return redirect(url_for(".plan_versions"))


@blueprint.post("/rollout/plan/<int:plan_id>/<any(propose, withdraw, activate):act>")
@role_required(Permission.OPERATE)
def plan_act(plan_id: int, act: str) -> ResponseReturnValue:
    """Ask a second person to put a version in force, or be that person, or take the wish back."""
    done = {
        "propose": gettext(
            "Version %(number)s waits for a second person, who puts it in force.", number=plan_id
        ),
        "withdraw": gettext("Version %(number)s is proposed no more.", number=plan_id),
        "activate": gettext("Version %(number)s is in force.", number=plan_id),
    }
    change = {
        "propose": rollout_plan.propose,
        "withdraw": rollout_plan.withdraw,
        "activate": rollout_plan.activate,
    }[act]
    try:
        with transaction() as session:
            change(session, plan_id, now(), by=actor())
    except PlanUnknown:
        abort(404)
    except PlanRefused as refused:
        flash(_refusal(refused.code), "fail")
    else:
        flash(done[act], "ok")
    return redirect(url_for(".plan_versions"))


@blueprint.get("/rollout/plan/<int:plan_id>.csv")
@role_required(Permission.OPERATE)
def plan_file(plan_id: int) -> ResponseReturnValue:
    """A version as the file that could be imported again."""
    session = db.session()
    if session.get(RolloutPlan, plan_id) is None:
        abort(404)
    head = {"Content-Disposition": f'attachment; filename="rollout-plan-{plan_id}.csv"'}
    rows = rollout_plans.rows_of(session, plan_id)

    def lines() -> Iterator[bytes]:
        yield csv_line(("wave", "municipality", "from", "to", "meters", "crews"))
        for row in rows:
            yield csv_line(
                (row.wave, row.area, row.from_on, row.to_on, row.meter_count, row.crew_count)
            )

    return Response(lines(), mimetype="text/csv; charset=utf-8", headers=head)


def _page(faults: list[PlanFault], status: int = 200) -> ResponseReturnValue:
    session = db.session()
    active = rollout_plans.find_active(session)
    page = render_template(
        "operators/rollout_plan.html",
        plans=rollout_plans.plans(session),
        active_id=active.id if active else None,
        may_activate=lambda plan: rollout_plan.may_activate(plan, actor()),
        faults=faults[:_FAULTS_SHOWN],
        fault_count=len(faults),
    )
    return page, status


def _refusal(code: str) -> str:
    words = {
        "CHANGED_MEANWHILE": gettext("Somebody else was quicker. This is how it is now."),
        "IN_FORCE": gettext("This version is in force already."),
        "SAME_PERSON": gettext(
            "Somebody who has neither imported nor proposed it has to put it in force."
        ),
    }
    return words.get(code, code)
