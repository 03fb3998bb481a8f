"""Orders that no contractor has heard of, given to whom the rules in force choose."""

from __future__ import annotations

from collections.abc import Callable

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.roles import Permission
from app.domain.states import RouteMoveState
from app.queries import route_move_list
from app.services import code_lists, route_moves
from app.services.route_moves import MoveRefused
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint
from app.web.operators.routing import partners_of

MOVE_ROWS = 20
_NOTE_MOST = 300


@blueprint.get("/routing/moves")
@role_required(Permission.OPERATE)
def routing_moves() -> ResponseReturnValue:
    """How many would move from whom to whom, and what became of earlier moves."""
    session = db.session()
    rules = code_lists.load_rules(session, now())
    ways = route_moves.movable(session, rules, now())
    made = route_move_list.moves(session, MOVE_ROWS)
    return render_template(
        "operators/routing_moves.html",
        number=rules.set_number,
        ways=ways,
        count=sum(one.count for one in ways),
        moves=made,
        is_open=any(one.state in ("PROPOSED", "APPROVED") for one in made),
        partners=partners_of(session),
        alone_most=route_moves.ALONE_MOST,
        me=actor(),
    )


@blueprint.post("/routing/moves")
@role_required(Permission.OPERATE)
def routing_move_ask() -> ResponseReturnValue:
    """Want the orders moved that stood on the page; many only when a second person agrees."""
    note = " ".join(request.form.get("note", "").split())[:_NOTE_MOST]
    seen = request.form.get("seen", "")
    seen_count = int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 10 else 0

    def act(session: Session) -> str:
        rules = code_lists.load_rules(session, now())
        made = route_moves.ask(session, rules, seen_count, note, by=actor(), now=now())
        if made.state == RouteMoveState.PROPOSED:
            return gettext("Proposed. A second person has to confirm it.")
        return ngettext(
            "%(num)d order goes to another contractor.",
            "%(num)d orders go to another contractor.",
            made.expected_count,
        )

    return _do(act)


@blueprint.post("/routing/moves/<int:move_id>/<any(confirm, drop):act>")
@role_required(Permission.OPERATE)
def routing_move_act(move_id: int, act: str) -> ResponseReturnValue:
    """Confirm a move as the second person, or drop it."""

    def confirm(session: Session) -> str:
        route_moves.confirm(session, move_id, by=actor(), now=now())
        return gettext("Confirmed. The orders go to the other contractor one after the other.")

    def drop(session: Session) -> str:
        route_moves.drop(session, move_id, by=actor(), now=now())
        return gettext("Dropped. No order moves.")

    return _do(confirm if act == "confirm" else drop)


def _do(act: Callable[[Session], str]) -> ResponseReturnValue:
    try:
        with transaction() as session:
            done = act(session)
    except MoveRefused as refused:
        flash(_refusal(refused.code), "fail")
    else:
        flash(done, "ok")
    return redirect(url_for(".routing_moves"))


def _refusal(code: str) -> str:
    words = {
        "NOTHING": gettext("No order would move."),
        "NO_REASON": gettext("Say why."),
        "OPEN_MOVE": gettext("Another move is not over yet."),
        "SAME_PERSON": gettext("Somebody else than the one who proposed it has to confirm it."),
        "CHANGED_MEANWHILE": gettext("Somebody else was quicker. This is how it is now."),
    }
    return words.get(code, code)
