"""Announcements: what many were told, what waits for a second person, and taking back an error."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.roles import Permission
from app.domain.states import AnnouncementState
from app.models import Announcement
from app.queries import announcement_list
from app.services import blast_guard, corrections
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint
from app.web.paging import page_of, place

PAGE_ROWS = 50
_WHICH = ("MISSED", "REACHED", "ALL")
# More would say nothing that the first few do not.
_UNADDRESSED_ROWS = 20


@blueprint.get("/announcements")
@role_required(Permission.OPERATE)
def announcements() -> ResponseReturnValue:
    """Those that wait for a second person, then all of them, newest first."""
    session = db.session()
    here = place()
    state = request.args.get("state", "")
    if state not in AnnouncementState.__members__:
        state = ""
    rows = announcement_list.list_announcements(
        session, PAGE_ROWS + 1, before=here.before, after=here.after, state=state or None
    )
    return render_template(
        "operators/announcements.html",
        held=announcement_list.held_announcements(session),
        page=page_of(rows, PAGE_ROWS),
        state=state,
        states=list(AnnouncementState),
        now=now(),
    )


@blueprint.get("/announcements/<int:number>")
@role_required(Permission.OPERATE)
def announcement(number: int) -> ResponseReturnValue:
    """One announcement: whom it reached, whom it did not, and why."""
    session = db.session()
    found = announcement_list.find_announcement(session, number)
    if found is None:
        abort(404)
    which = request.args.get("which", "MISSED")
    if which not in _WHICH:
        which = "MISSED"
    people = announcement_list.addressees_of(
        session, number, which, PAGE_ROWS + 1, place().after or 0
    )
    more = len(people) > PAGE_ROWS
    people = people[:PAGE_ROWS]
    return render_template(
        "operators/announcement.html",
        item=found,
        outcomes=announcement_list.outcomes_of(session, number),
        which=which,
        people=people,
        next_href=url_for(".announcement", number=number, which=which, after=people[-1].id)
        if more
        else None,
        unaddressed=announcement_list.unaddressed_by(session, found, _UNADDRESSED_ROWS),
        may_decide=found.state == AnnouncementState.HELD and found.created_by != actor(),
        correctable=found.topic in corrections.CORRECTABLE and found.corrects_id is None,
        now=now(),
    )


@blueprint.post("/announcements/<int:number>/decide")
@role_required(Permission.OPERATE)
def announcement_decide(number: int) -> ResponseReturnValue:
    """Let a held announcement go, or withdraw it; whoever caused it cannot."""
    let_go = request.form.get("decision") == "let_go"
    with transaction() as session:
        found = _locked(session, number)
        if not blast_guard.decide(session, found, let_go=let_go, by=actor(), now=now()):
            flash(gettext("Somebody else has to decide, or has decided already."), "warn")
        elif let_go:
            flash(gettext("The announcement is on its way."), "ok")
        else:
            flash(gettext("The announcement was withdrawn. Nobody was told."), "ok")
    return redirect(url_for(".announcement", number=number))


@blueprint.post("/announcements/<int:number>/correct")
@role_required(Permission.OPERATE)
def announcement_correct(number: int) -> ResponseReturnValue:
    """Tell exactly those who got it that it was wrong, and stop what has not left."""
    kind = request.form.get("kind")
    if kind not in ("normal", "still_off"):
        abort(400)
    with transaction() as session:
        correction = corrections.correct(
            session,
            _locked(session, number),
            still_off=kind == "still_off",
            by=actor(),
            now=now(),
        )
    if correction is None:
        flash(gettext("This has been corrected before."), "warn")
        return redirect(url_for(".announcement", number=number))
    flash(gettext("The correction is on its way to those who got the wrong message."), "ok")
    return redirect(url_for(".announcement", number=correction))


def _locked(session: Session, number: int) -> Announcement:
    found = session.scalars(
        select(Announcement)
        .where(Announcement.id == number)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        abort(404)
    return found
