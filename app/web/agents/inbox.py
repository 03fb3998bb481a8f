"""The inbox: what customers wrote and only a person can answer."""

from __future__ import annotations

import uuid

from flask import abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from flask_login import current_user

from app.db import db, transaction
from app.domain.agent_text import weigh
from app.domain.clock import helsinki_day
from app.domain.roles import Permission
from app.models.reply import ReplyCase
from app.queries import inbox as inbox_query
from app.services import audit, reply_cases
from app.services.reply_cases import CaseOutcome, CaseProblem
from app.services.reply_people import find_person
from app.settings import Settings
from app.web.access import actor, role_required
from app.web.agents.blueprint import blueprint
from app.web.clock import now
from app.web.labels import CASE_OUTCOME, label

PAGE_ROWS = 50
NOTE_MAX_CHARS = 500


@blueprint.get("/inbox")
@role_required(Permission.ANSWER_CUSTOMERS)
def inbox() -> ResponseReturnValue:
    """The cases of one view."""
    view = request.args.get("view", "open")
    if view not in inbox_query.VIEWS:
        view = "open"
    number = request.args.get("page", "1")
    page = int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else 1
    page = max(1, page)
    session = db.session()
    rows = inbox_query.find_cases(
        session, view, current_user.username, PAGE_ROWS + 1, (page - 1) * PAGE_ROWS
    )
    return render_template(
        "agents/inbox.html",
        cases=rows[:PAGE_ROWS],
        more=len(rows) > PAGE_ROWS,
        page=page,
        view=view,
        views=inbox_query.VIEWS,
        counts=inbox_query.count_cases(session, current_user.username),
        now=now(),
    )


@blueprint.get("/inbox/<int:case_id>")
@role_required(Permission.ANSWER_CUSTOMERS)
def inbox_case(case_id: int) -> ResponseReturnValue:
    """One case with its talk; who looked is recorded, since the whole number is shown."""
    case = _case(case_id)
    with transaction() as session:
        audit.record(session, actor(), "CASE_SEEN", f"case:{case_id}", {}, now())
    return _page(case)


@blueprint.post("/inbox/<int:case_id>/take")
@role_required(Permission.ANSWER_CUSTOMERS)
def inbox_take(case_id: int) -> ResponseReturnValue:
    """Make the case one's own."""
    try:
        with transaction() as session:
            reply_cases.take(session, case_id, current_user.username, now())
    except CaseProblem as problem:
        return _refused(case_id, problem)
    flash(gettext("The case is yours."), "ok")
    return redirect(url_for(".inbox_case", case_id=case_id))


@blueprint.post("/inbox/<int:case_id>/give-back")
@role_required(Permission.ANSWER_CUSTOMERS)
def inbox_give_back(case_id: int) -> ResponseReturnValue:
    """Let others take the case."""
    try:
        with transaction() as session:
            reply_cases.give_back(session, case_id, current_user.username, now())
    except CaseProblem as problem:
        return _refused(case_id, problem)
    flash(gettext("Others can take the case now."), "ok")
    return redirect(url_for(".inbox"))


@blueprint.post("/inbox/<int:case_id>/answer")
@role_required(Permission.ANSWER_CUSTOMERS)
def inbox_answer(case_id: int) -> ResponseReturnValue:
    """Send a text message in one's own words."""
    words = request.form.get("words", "")
    once = request.form.get("once", "")[:40] or uuid.uuid4().hex
    try:
        with transaction() as session:
            reply_cases.answer(
                session, case_id, words, current_user.username, _settings(), now(), once=once
            )
    except CaseProblem as problem:
        case = _case(case_id)
        if problem.code == "CLOSED":
            return _refused(case_id, problem)
        return _page(case, words=words, problem=problem.code), 422
    flash(gettext("The answer is on its way."), "ok")
    return redirect(url_for(".inbox_case", case_id=case_id))


@blueprint.post("/inbox/<int:case_id>/size")
@role_required(Permission.ANSWER_CUSTOMERS)
def inbox_size(case_id: int) -> ResponseReturnValue:
    """How long the answer would be, while somebody types."""
    return _size(_case(case_id), request.form.get("words", ""))


@blueprint.post("/inbox/<int:case_id>/link")
@role_required(Permission.ANSWER_CUSTOMERS)
def inbox_link(case_id: int) -> ResponseReturnValue:
    """Say which metering point the case is about."""
    gsrn = request.form.get("gsrn", "").strip()
    try:
        with transaction() as session:
            known = reply_cases.link(session, case_id, gsrn, current_user.username, now())
    except CaseProblem as problem:
        return _refused(case_id, problem)
    if not known:
        return _page(_case(case_id), gsrn=gsrn, problem="NO_SUCH_POINT"), 422
    flash(gettext("The case belongs to this metering point now."), "ok")
    return redirect(url_for(".inbox_case", case_id=case_id))


@blueprint.post("/inbox/<int:case_id>/close")
@role_required(Permission.ANSWER_CUSTOMERS)
def inbox_close(case_id: int) -> ResponseReturnValue:
    """End the case and say how."""
    outcome = request.form.get("outcome", "")
    if outcome not in CASE_OUTCOME:
        return _page(_case(case_id), problem="NO_OUTCOME"), 422
    note = request.form.get("note", "")[:NOTE_MAX_CHARS]
    try:
        with transaction() as session:
            reply_cases.close(
                session, case_id, CaseOutcome(outcome), note, current_user.username, now()
            )
    except CaseProblem as problem:
        return _refused(case_id, problem)
    flash(gettext("The case is closed."), "ok")
    return redirect(url_for(".inbox"))


def _page(case: ReplyCase, *, words: str = "", gsrn: str = "", problem: str | None = None) -> str:
    session = db.session()
    moment = now()
    person = find_person(session, case.number, helsinki_day(moment))
    frame = reply_cases.frame_of(session, case, _settings(), moment)
    return render_template(
        "agents/case.html",
        case=case,
        talk=inbox_query.talk_of(session, case),
        writer=person,
        names=inbox_query.names_of(session, person.customer_ids),
        frame=frame,
        words=words,
        gsrn=gsrn,
        problem=problem,
        size=_size(case, words),
        once=uuid.uuid4().hex,
        outcomes=CASE_OUTCOME,
        mine=case.assigned_to == current_user.username,
        answerable=case.number.startswith("+"),
        now=moment,
    )


def _size(case: ReplyCase, words: str) -> str:
    frame = reply_cases.frame_of(db.session(), case, _settings(), now())
    size = weigh(words, frame.words)
    parts = ngettext("%(num)d SMS part", "%(num)d SMS parts", size.parts)
    return gettext(
        "%(count)s characters with the beginning, %(parts)s, %(encoding)s",
        count=size.units,
        parts=parts,
        encoding=str(size.encoding),
    )


def _case(case_id: int) -> ReplyCase:
    found = inbox_query.find_case(db.session(), case_id)
    if found is None:
        abort(404)
    return found


def _refused(case_id: int, problem: CaseProblem) -> ResponseReturnValue:
    """Somebody else was faster; the page shows how things are now."""
    _case(case_id)
    flash(str(label("case_problem", problem.code).text), "fail")
    return redirect(url_for(".inbox_case", case_id=case_id))


def _settings() -> Settings:
    settings: Settings = current_app.extensions["tiedolla_settings"]
    return settings
