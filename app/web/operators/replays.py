"""Sending again: choose, look, ask or confirm; each recorded, and more than a hundred by two people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.clock import helsinki_day
from app.domain.roles import Permission
from app.domain.states import ReplayState
from app.models.replay import Replay
from app.queries import lane_board, replay_list
from app.services import replays
from app.services.replay_choice import Choice
from app.services.replays import ReplayRefused
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint
from app.web.operators.lane_forms import ReplayForm

SAMPLE_ROWS = 20
_NOTE_MOST = 300


@blueprint.route("/lanes/<name>/replay", methods=["GET", "POST"])
@role_required(Permission.REPLAY)
def replay_new(name: str) -> ResponseReturnValue:
    """Choose what to send again; the next page says how many that is."""
    lane = lane_board.find_lane(db.session(), name)
    if lane is None or not lane.sends:
        abort(404)
    reasons = lane_board.dead_reasons(db.session(), name)
    form = ReplayForm(error=request.args.get("error", "")[:80]) if _is_get() else ReplayForm()
    form.offer([one.error_class for one in reasons if one.error_class])
    if form.validate_on_submit():
        choice, keys = form.choice()
        try:
            with transaction() as session:
                made = replays.preview(session, name, choice, by=actor(), now=now(), keys=keys)
        except ReplayRefused as refused:
            form.wanted.errors = [_refusal(refused.code)]
        else:
            return redirect(url_for(".replay", replay_id=made.id))
    page = render_template(
        "operators/replay_new.html",
        lane=lane,
        form=form,
    )
    return page, 422 if form.errors else 200


@blueprint.post("/lanes/<name>/retry")
@role_required(Permission.REPLAY)
def lane_retry(name: str) -> ResponseReturnValue:
    """Try items again that were given up, under their original keys: one at once, all after a look."""
    given = [text for text in request.form.getlist("item") if _is_number(text)]
    choice = Choice(item_ids=tuple(int(text) for text in given)) if given else Choice()
    try:
        with transaction() as session:
            made = replays.preview(session, name, choice, by=actor(), now=now())
            replay_id = made.id
            if given:
                reason = gettext("Tried again from the list")
                made = replays.ask(session, replay_id, reason, by=actor(), now=now())
    except ReplayRefused as refused:
        flash(_refusal(refused.code), "fail")
        return redirect(url_for(".lane", name=name, state="DEAD"))
    if made.state != ReplayState.DONE:
        return redirect(url_for(".replay", replay_id=replay_id))
    _tell_done(made)
    return redirect(url_for(".lane", name=name, state="DEAD"))


@blueprint.get("/replays/<int:replay_id>")
@role_required(Permission.OPERATE)
def replay(replay_id: int) -> ResponseReturnValue:
    """What a replay is about, and what has become of it."""
    session = db.session()
    found = replay_list.find_replay(session, replay_id)
    if found is None:
        abort(404)
    moment = now()
    choice = msgspec.convert(found.choice, Choice)
    return render_template(
        "operators/replay.html",
        replay=found,
        # The days that the person chose, on the calendar in Finland.
        first_on=choice.since and helsinki_day(choice.since),
        last_on=choice.until and helsinki_day(choice.until - timedelta(seconds=1)),
        items=replay_list.items_in(session, found.item_ids[:SAMPLE_ROWS]),
        sample_rows=SAMPLE_ROWS,
        needs_second=found.state == ReplayState.PREVIEWED
        and replays.needs_second(session, found, moment),
        alone_most=replays.ALONE_MOST,
        me=actor(),
        now=moment,
    )


@blueprint.post("/replays/<int:replay_id>/<act>")
@role_required(Permission.REPLAY)
def replay_act(replay_id: int, act: str) -> ResponseReturnValue:
    """Ask for it, confirm it as a second person, or drop it."""
    note = " ".join(request.form.get("note", "").split())[:_NOTE_MOST]
    who, moment = actor(), now()
    acts: dict[str, Callable[[Session], Replay]] = {
        "ask": lambda s: replays.ask(s, replay_id, note, by=who, now=moment),
        "confirm": lambda s: replays.confirm(s, replay_id, by=who, now=moment),
        "drop": lambda s: replays.drop(s, replay_id, by=who, now=moment),
    }
    if act not in acts:
        abort(404)
    if replay_list.find_replay(db.session(), replay_id) is None:
        abort(404)
    try:
        with transaction() as session:
            found = acts[act](session)
    except ReplayRefused as refused:
        flash(_refusal(refused.code), "fail")
        return redirect(url_for(".replay", replay_id=replay_id))
    if found.state == ReplayState.PROPOSED:
        flash(gettext("Proposed. A second person has to confirm it."), "ok")
    elif found.state == ReplayState.DROPPED:
        flash(gettext("Dropped. Nothing of it is sent again."), "ok")
    elif found.state == ReplayState.APPROVED:
        flash(gettext("Confirmed. The items become due one after the other."), "ok")
    else:
        _tell_done(found)
    return redirect(url_for(".replay", replay_id=replay_id))


def _tell_done(found: Replay) -> None:
    text = ngettext(
        "%(num)d item will be tried again.",
        "%(num)d items will be tried again.",
        found.queued_count,
    )
    flash(text, "ok")


def _is_get() -> bool:
    return request.method == "GET"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _refusal(code: str) -> str:
    words = {
        "WRONG_STATE": gettext("Somebody else has done that already, or it is too late for it."),
        "SAME_PERSON": gettext("Somebody else than the one who proposed it has to confirm it."),
        "NO_REASON": gettext("Say why."),
        "NOTHING": gettext("There is nothing to send again."),
        "UNDER_WAY": gettext("Somebody else is repairing that already."),
        "TOO_WIDE": gettext(
            "What has arrived can be sent again only to other systems, and only by order, mass"
            " order, file or day."
        ),
    }
    return words.get(code, code)
