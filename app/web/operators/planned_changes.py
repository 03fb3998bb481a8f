"""What people do to planned cuts: draft, edit, and everything that asks for a confirmation first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from flask import abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.planned_course import ALLOWED_IN, Action
from app.domain.roles import Permission
from app.queries import planned_list
from app.services import planned_cuts, planned_running, planned_telling
from app.services.planned_cuts import Draft, Drafted
from app.services.planned_rows import Plan, PlanRefused
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.formats import between
from app.web.operators.blueprint import blueprint
from app.web.operators.planned_acts import ACTS
from app.web.operators.planned_cuts import cut_href, get_plan, preview_of
from app.web.operators.planned_forms import (
    AnnounceForm,
    ApproveForm,
    AtForm,
    DraftForm,
    EmptyForm,
    PlanForm,
    ReasonForm,
    RescheduleForm,
    RestoreForm,
)
from app.web.operators.planned_words import refusal
from app.web.wording import suppress_text

SOURCE = "PORTAL"


@blueprint.route("/planned/new", methods=["GET", "POST"])
@role_required(Permission.OPERATE)
def planned_new() -> ResponseReturnValue:
    """Make a draft; a second click of the same form finds the first one's."""
    form = DraftForm()
    if not form.is_submitted():
        form.key.data = str(uuid4())
    if form.is_submitted() and (wish := _wish(form)) is not None:
        drafted = _try(form, lambda session: _draft(session, form, wish))
        if drafted is not None:
            _say_taken(drafted)
            return redirect(cut_href(drafted.plan.id))
    page = render_template("operators/planned_edit.html", form=form, plan=None)
    return page, 422 if form.has_errors else 200


@blueprint.route("/planned/<int:outage_id>/edit", methods=["GET", "POST"])
@role_required(Permission.OPERATE)
def planned_edit(outage_id: int) -> ResponseReturnValue:
    """Change a plan that nobody has been told of."""
    plan = get_plan(outage_id)
    if plan.state not in ALLOWED_IN[Action.EDIT]:
        return _moved_on(plan)
    form = DraftForm()
    if not form.is_submitted():
        _fill(form, plan)
    if form.is_submitted() and (wish := _wish(form)) is not None:
        drafted = _try(
            form,
            lambda session: planned_cuts.edit(
                session, outage_id, wish, by=actor(), now=now(), version=form.seen()
            ),
        )
        if drafted is not None:
            _say_taken(drafted)
            return redirect(cut_href(outage_id))
    page = render_template("operators/planned_edit.html", form=form, plan=plan)
    return page, 422 if form.has_errors else 200


@blueprint.route("/planned/<int:outage_id>/<act>", methods=["GET", "POST"])
@role_required(Permission.OPERATE)
def planned_act(outage_id: int, act: str) -> ResponseReturnValue:
    """Ask, then do: approve, announce, reschedule, cancel, begin, restore, extend, end."""
    known = ACTS.get(act)
    if known is None:
        abort(404)
    plan = get_plan(outage_id)
    waits = act == "keep" and plan.cut.wanted_why is not None
    if known.action is not None and plan.state not in ALLOWED_IN[known.action]:
        return _moved_on(plan)
    if known.action is None and not waits:
        return _moved_on(plan)
    form, do = _FORMS[act], _DO[act]
    form_here = form()
    if not form_here.is_submitted():
        form_here.version.data = str(plan.outage.version)
        _suggest(form_here, plan)
    if form_here.validate_on_submit():
        done = _try(form_here, lambda session: do(session, plan.id, form_here))
        if done is not None:
            flash(str(known.done), "ok")
            return redirect(cut_href(outage_id))
    page = render_template(
        "operators/planned_act.html",
        form=form_here,
        plan=plan,
        act=known,
        preview=preview_of(plan) if act in ("approve", "announce") else None,
        told=planned_list.told_counts(db.session(), outage_id),
        between=between,
        suppress_text=suppress_text,
    )
    return page, 422 if form_here.has_errors else 200


def _draft(session: Session, form: DraftForm, wish: Draft) -> Drafted:
    return planned_cuts.draft(
        session, wish, source=SOURCE, source_ref=_key(form), by=actor(), now=now()
    )


def _key(form: DraftForm) -> str:
    try:
        return str(UUID(form.key.data or ""))
    except ValueError:
        return str(uuid4())


def _wish(form: DraftForm) -> Draft | None:
    """What the form asks for; None when something is missing, all of which is said at once."""
    form.validate()
    from_at, to_at, wanted = form.moment_of("from"), form.moment_of("to"), form.wanted()
    if not (wanted.points.lines or wanted.points.findings or wanted.feeder or wanted.transformer):
        form.points.errors = [gettext("Name at least one metering point, feeder or transformer")]
    if from_at is None or to_at is None or form.has_errors:
        return None
    return Draft(form.name.data or "", from_at, to_at, form.cause_code.data or "", wanted)


def _fill(form: DraftForm, plan: Plan) -> None:
    form.version.data = str(plan.outage.version)
    form.name.data = plan.cut.name
    form.cause_code.data = plan.outage.cause_code
    form.feeder.data, form.transformer.data = plan.outage.feeder, plan.outage.transformer
    form.show_moment("from", plan.from_at)
    form.show_moment("to", plan.to_at)
    if not (plan.outage.feeder or plan.outage.transformer):
        form.points.data = "\n".join(planned_list.all_numbers(db.session(), plan.id))


def _suggest(form: PlanForm, plan: Plan) -> None:
    """What somebody will most likely want: the present times, those of the DMS, or now."""
    if isinstance(form, RescheduleForm):
        form.show_moment("from", plan.cut.wanted_from_at or plan.from_at)
        form.show_moment("to", plan.cut.wanted_to_at or plan.to_at)
    elif isinstance(form, AtForm):
        form.show_moment("at", now())


def _try(form: PlanForm, do: Callable[[Session], Any]) -> Any | None:
    """Do it in a transaction; what refuses it is said on the form."""
    try:
        with transaction() as session:
            return do(session)
    except _FormIncomplete:
        return None
    except PlanRefused as error:
        if error.code == "NOT_FOUND":
            abort(404)
        field = form[_FIELD_OF.get(error.code, "version")] if _has(form, error) else form.version
        field.errors = [refusal(error)]
        return None


# Where on the form a refusal belongs, if the form has that field.
_FIELD_OF = {
    "SHORT_NOTICE": "short_reason",
    "TIMES_INVALID": "to_on",
    "TOO_LONG": "to_on",
    "IN_THE_PAST": "from_on",
    "IN_THE_FUTURE": "at_on",
    "NO_POINTS": "points",
    "CAUSE_UNKNOWN": "cause_code",
}


def _has(form: PlanForm, error: PlanRefused) -> bool:
    return _FIELD_OF.get(error.code, "version") in form


class _FormIncomplete(Exception):
    """A field is missing; its error stands on the form."""


def _needed(form: PlanForm, name: str) -> datetime:
    at = form.moment_of(name)
    if at is None:
        raise _FormIncomplete
    return at


def _approve(session: Session, outage_id: int, form: ApproveForm) -> Plan:
    announce_at = _needed(form, "announce") if form.when.data == "later" else None
    return planned_cuts.approve(
        session,
        outage_id,
        by=actor(),
        now=now(),
        version=form.seen(),
        announce_at=announce_at,
        short_reason=form.short(),
    )


def _announce(session: Session, outage_id: int, form: AnnounceForm) -> Plan:
    return planned_telling.announce_now(
        session,
        outage_id,
        by=actor(),
        now=now(),
        version=form.seen(),
        short_reason=form.short(),
    )


def _reschedule(session: Session, outage_id: int, form: RescheduleForm) -> Plan:
    from_at, to_at = form.moment_of("from"), form.moment_of("to")
    if from_at is None or to_at is None:
        raise _FormIncomplete
    wanted = form.wanted()
    named = wanted.points.lines or wanted.points.findings or wanted.feeder or wanted.transformer
    return planned_telling.reschedule(
        session,
        outage_id,
        from_at,
        to_at,
        by=actor(),
        now=now(),
        version=form.seen(),
        wanted=wanted if named else None,
        short_reason=form.short(),
    )


def _cancel(session: Session, outage_id: int, form: ReasonForm) -> Plan:
    return planned_telling.cancel(
        session,
        outage_id,
        reason=(form.reason.data or "").strip(),
        by=actor(),
        now=now(),
        version=form.seen(),
    )


def _keep(session: Session, outage_id: int, form: EmptyForm) -> Plan:
    return planned_telling.keep_as_it_is(
        session, outage_id, by=actor(), now=now(), version=form.seen()
    )


def _begin(session: Session, outage_id: int, form: AtForm) -> Plan:
    at = _needed(form, "at")
    return planned_running.begin_now(
        session, outage_id, at, by=actor(), now=now(), version=form.seen()
    )


def _restore(session: Session, outage_id: int, form: RestoreForm) -> list[str]:
    at, listed = _needed(form, "at"), form.wanted().points
    return planned_running.restore_points(
        session, outage_id, list(listed.lines), at, by=actor(), now=now(), version=form.seen()
    )


def _extend(session: Session, outage_id: int, form: AtForm) -> Plan:
    at = _needed(form, "at")
    return planned_running.extend(
        session, outage_id, at, by=actor(), now=now(), version=form.seen()
    )


def _end(session: Session, outage_id: int, form: AtForm) -> Plan:
    at = _needed(form, "at")
    return planned_running.end_now(
        session, outage_id, at, by=actor(), now=now(), version=form.seen()
    )


_FORMS: dict[str, type[PlanForm]] = {
    "approve": ApproveForm,
    "announce": AnnounceForm,
    "reschedule": RescheduleForm,
    "cancel": ReasonForm,
    "keep": EmptyForm,
    "begin": AtForm,
    "restore": RestoreForm,
    "extend": AtForm,
    "end": AtForm,
}
_DO: dict[str, Callable[[Session, int, Any], Any]] = {
    "approve": _approve,
    "announce": _announce,
    "reschedule": _reschedule,
    "cancel": _cancel,
    "keep": _keep,
    "begin": _begin,
    "restore": _restore,
    "extend": _extend,
    "end": _end,
}


def _say_taken(drafted: Drafted) -> None:
    count = drafted.point_count
    taken = ngettext(
        "The draft has %(num)d metering point.", "The draft has %(num)d metering points.", count
    )
    if drafted.findings:
        found = ngettext(
            "%(num)d line deserves a look.",
            "%(num)d lines deserve a look.",
            len(drafted.findings),
        )
        flash(f"{taken} {found}", "warn")
    else:
        flash(taken, "ok")


def _moved_on(plan: Plan) -> ResponseReturnValue:
    flash(refusal(PlanRefused("NOT_IN_THIS_STATE")), "warn")
    return redirect(url_for("operators.planned_cut", outage_id=plan.id))
