"""Reconciliation: how each system stands, its differences, and what is done about them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from flask import abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.reconciliation import DifferenceKind, SystemUnknown, is_repairable, list_name
from app.domain.roles import Permission
from app.domain.states import DifferenceState
from app.queries import difference_list
from app.queries.difference_list import NOT_OVER, Sought
from app.services import difference_acts, processes, reconciliation
from app.services.difference_acts import DifferenceRefused
from app.services.process_starts import ProcessUnknown
from app.services.processes import ProcessRefused
from app.services.replays import ReplayRefused
from app.settings import Settings
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint

PAGE_ROWS = 50
LIST_ROWS = 10
_REPAIR_MOST = 1_000_000
_NONCE = re.compile(r"[0-9a-f]{16}", re.ASCII)


@blueprint.get("/reconciliation")
@role_required(Permission.OPERATE)
def reconciliation_list() -> ResponseReturnValue:
    """How every system stands, and the differences that are sought."""
    session = db.session()
    sought, page = _sought(), _page_number()
    rows = difference_list.differences(session, sought, PAGE_ROWS + 1, (page - 1) * PAGE_ROWS)
    systems = difference_list.systems(session, reconciliation.systems_of(session, _settings()))
    return render_template(
        "operators/reconciliation.html",
        systems=systems,
        rows=rows[:PAGE_ROWS],
        repairs=difference_list.repairs_of(session, [row.id for row in rows]),
        total=difference_list.count(session, sought),
        more=len(rows) > PAGE_ROWS,
        page=page,
        sought=sought,
        filtered=sought != Sought(),
        kinds=list(DifferenceKind),
        states=[NOT_OVER, *DifferenceState],
        owners=difference_list.owners(session),
        nonce=secrets.token_hex(8),
        now=now(),
    )


@blueprint.get("/reconciliation/systems/<system>")
@role_required(Permission.OPERATE)
def reconciliation_system(system: str) -> ResponseReturnValue:
    """The last lists of one system."""
    session = db.session()
    known = difference_list.systems(session, reconciliation.systems_of(session, _settings()))
    row = next((one for one in known if one.system == system), None)
    if row is None:
        abort(404)
    return render_template(
        "operators/reconciliation_system.html",
        row=row,
        lists=difference_list.snapshots(session, system, LIST_ROWS),
        nonce=secrets.token_hex(8),
        now=now(),
    )


@blueprint.get("/reconciliation/<int:difference_id>")
@role_required(Permission.OPERATE)
def reconciliation_difference(difference_id: int) -> ResponseReturnValue:
    """One difference: both sides of it, what was sent, and its history."""
    session = db.session()
    row = difference_list.find(session, difference_id)
    if row is None:
        abort(404)
    item = difference_list.item_of(session, row)
    return render_template(
        "operators/reconciliation_difference.html",
        row=row,
        item=item,
        changes=difference_list.changes_of(session, difference_id),
        repair=difference_list.repairs_of(session, [difference_id]).get(difference_id),
        is_over=row.state == DifferenceState.RESOLVED,
        may_repair=row.state == DifferenceState.OPEN
        and is_repairable(row.kind, row.reason, row.outbox_item_id),
        may_accept=row.state in difference_list.OPEN_STATES,
        me=actor().removeprefix("staff:"),
        now=now(),
    )


@blueprint.post("/reconciliation/run")
@role_required(Permission.OPERATE)
def reconciliation_run() -> ResponseReturnValue:
    """Compare now: one system, or all of them."""
    system = request.form.get("system", "")[:80]
    given = request.form.get("nonce", "")
    # The button pressed twice starts it once; without a number each press is one of its own.
    nonce = given if _NONCE.fullmatch(given) else secrets.token_hex(8)
    params = {"system": system} if system else {}
    try:
        if system:
            list_name(system)
        with transaction() as session:
            asked = processes.start(
                session, reconciliation.PROCESS, nonce, now(), by=actor(), params=params
            )
    except (SystemUnknown, ProcessUnknown):
        abort(404)
    except ProcessRefused:
        flash(gettext("The comparison is stopped; its process says by whom."), "fail")
    else:
        if asked.state == "SKIPPED":
            flash(gettext("It was not started: an earlier start is not over."), "fail")
        else:
            flash(gettext("It was started. What it finds appears here."), "ok")
    return redirect(url_for(".reconciliation_list"))


@blueprint.post("/reconciliation/repair")
@role_required(Permission.REPLAY)
def reconciliation_repair() -> ResponseReturnValue:
    """Everything of one system that sending again can end: looked at first, then decided on."""
    system = request.form.get("system", "")[:80]
    try:
        with transaction() as session:
            ids = difference_acts.repairable_ids(session, system, _REPAIR_MOST)
            made = difference_acts.preview_repair(session, system, ids, now(), by=actor())
    except DifferenceRefused as refused:
        flash(_refusal(refused.code), "fail")
        return redirect(url_for(".reconciliation_list", system=system))
    except ReplayRefused as refused:
        flash(_refusal(refused.code), "fail")
        return redirect(url_for(".reconciliation_list", system=system))
    return redirect(url_for(".replay", replay_id=made.id))


@blueprint.post("/reconciliation/<int:difference_id>/<act>")
@role_required(Permission.OPERATE)
def reconciliation_act(difference_id: int, act: str) -> ResponseReturnValue:
    """Hand one over, accept it, or have what is missing sent again."""
    moment, who = now(), actor()
    note = " ".join(request.form.get("note", "").split())
    acts: dict[str, tuple[str, Callable[[Session], None]]] = {
        "hand-over": (
            gettext("It has another owner now."),
            lambda s: difference_acts.hand_over(s, difference_id, note, moment, by=who),
        ),
        "accept": (
            gettext("It is accepted, under your name. Should it change, it is open again."),
            lambda s: difference_acts.accept(s, difference_id, note, moment, by=who),
        ),
        "repair": (
            gettext("It is on its way again, under its original key."),
            lambda s: difference_acts.repair(s, difference_id, moment, by=who),
        ),
    }
    if act not in acts:
        abort(404)
    done, change = acts[act]
    try:
        with transaction() as session:
            change(session)
    except DifferenceRefused as refused:
        if refused.code == "NO_DIFFERENCE":
            abort(404)
        flash(_refusal(refused.code), "fail")
    else:
        flash(done, "ok")
    return redirect(url_for(".reconciliation_difference", difference_id=difference_id))


def _refusal(code: str) -> str:
    words = {
        "WRONG_STATE": gettext("Somebody else has done that already, or it is too late for it."),
        "NO_REASON": gettext("Say why."),
        "NOT_REPAIRABLE": gettext("Sending again would not end it."),
        "NOTHING": gettext("There is nothing to send again."),
        "ON_ITS_WAY": gettext("It is on its way already, or something newer is."),
        "TOO_MANY": gettext(
            "You have had a hundred repaired within an hour. Repair the rest together, so that a"
            " second person confirms it."
        ),
        "PAYLOAD_GONE": gettext("What was sent is not kept any more, so it cannot be sent again."),
    }
    return words.get(code, code)


def _sought() -> Sought:
    args = request.args
    state = args.get("state", NOT_OVER)
    kind = args.get("kind", "")
    return Sought(
        system=args.get("system", "")[:80],
        kind=kind if kind in DifferenceKind.__members__ else "",
        state=state if state in ("", *DifferenceState.__members__) else NOT_OVER,
        owner=args.get("owner", "")[:80],
        key=args.get("key", "").strip()[:120],
    )


def _settings() -> Settings:
    known: Settings = current_app.extensions["tiedolla_settings"]
    return known


def _page_number() -> int:
    number = request.args.get("page", "1")
    page = int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else 1
    return max(1, page)
