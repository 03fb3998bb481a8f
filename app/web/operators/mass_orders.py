"""Mass orders: how far each is, what a held file waits for, and the proof that everybody knows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from flask import Response, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.mass_course import SYSTEMS
from app.domain.roles import Permission
from app.domain.states import MASS_ORDER_MOVES, MassOrderState, WorkOrderState
from app.queries import mass_list, mass_proof, mass_watch
from app.services import audit, mass_orders, mass_waivers, signed_files
from app.services.mass_orders import MassRefused
from app.settings import Settings
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators import mass_export
from app.web.operators.blueprint import blueprint

PAGE_ROWS = 20
ITEM_ROWS = 50
_NOTE_MOST = 300


@blueprint.get("/mass-orders")
@role_required(Permission.OPERATE)
def mass_orders_list() -> ResponseReturnValue:
    """Every mass order with its bar, those that wait for somebody first."""
    page = _page_number()
    rows = mass_list.mass_orders(db.session(), PAGE_ROWS + 1, (page - 1) * PAGE_ROWS)
    return render_template(
        "operators/mass_orders.html",
        rows=rows[:PAGE_ROWS],
        more=len(rows) > PAGE_ROWS,
        page=page,
        now=now(),
    )


@blueprint.get("/mass-orders/<name:mass_id>")
@role_required(Permission.OPERATE)
def mass_order(mass_id: str) -> ResponseReturnValue:
    """One mass order: its files, its items by state, what may be done."""
    session = db.session()
    row = _row(session, mass_id)
    files = mass_list.files_of(session, mass_id)
    under_way = {
        file.inbound_message_id: mass_watch.look(session, file.inbound_message_id)
        for file in files
        if file.state in ("READING", "READY")
    }
    if request.headers.get("HX-Request") == "true":
        # How far it is renews itself, and nothing else of the page.
        return render_template(
            "operators/mass_progress_part.html", row=row, under_way=under_way, now=now()
        )
    state = request.args.get("state")
    if state not in WorkOrderState.__members__:
        state = None
    after = request.args.get("after", "")[:80]
    items = mass_list.items_of(session, mass_id, state, ITEM_ROWS + 1, after)
    moves = bool(under_way or row.todo)
    more = len(items) > ITEM_ROWS
    items = items[:ITEM_ROWS]
    return render_template(
        "operators/mass_order.html",
        row=row,
        files=files,
        under_way=under_way,
        moves=moves,
        live=moves and request.args.get("live") != "0",
        held=[file for file in files if file.state == "HELD"],
        findings={
            file.inbound_message_id: mass_list.findings_of(session, file.inbound_message_id)
            for file in files[:3]
        },
        items=items,
        state=state,
        next_href=url_for(".mass_order", mass_id=mass_id, state=state, after=items[-1].order_id)
        if more
        else None,
        me=actor(),
        may_pause=MASS_ORDER_MOVES.allow(row.state, MassOrderState.PAUSED) and not row.todo,
        may_resume=row.state == MassOrderState.PAUSED and not row.todo,
        may_call_off=row.cancelled_by is None
        and row.state not in ("RECEIVED", "HELD", "REJECTED", "CANCELLED"),
        now=now(),
    )


@blueprint.get("/mass-orders/<name:mass_id>/proof")
@role_required(Permission.OPERATE)
def mass_order_proof(mass_id: str) -> ResponseReturnValue:
    """N of N: what each system was due to hear, and has confirmed."""
    session = db.session()
    row = _row(session, mass_id)
    cells = mass_proof.table(session, mass_id)
    system = request.args.get("system")
    if system not in SYSTEMS:
        system = None
    return render_template(
        "operators/mass_proof.html",
        row=row,
        cells=cells,
        system=system,
        lacking=mass_proof.open_orders(session, mass_id, system, ITEM_ROWS) if system else [],
        waivers=list(mass_proof.waivers(session, mass_id, ITEM_ROWS)),
        # What still waits to be read, or for people, belongs to the batch as well.
        green=bool(row.total) and not row.is_open and all(cell.final for cell in cells),
        is_open=row.is_open,
        manifest=mass_proof.manifest(session, mass_id),
        now=now(),
    )


@blueprint.get("/mass-orders/<name:mass_id>/proof.<kind>")
@role_required(Permission.OPERATE)
def mass_order_proof_file(mass_id: str, kind: str) -> ResponseReturnValue:
    """The proof as a signed file; who took it is recorded."""
    if kind not in ("csv", "xlsx"):
        abort(404)
    _row(db.session(), mass_id)
    moment = now()
    with transaction() as session:
        audit.record(
            session, actor(), "MASS_PROOF_TAKEN", f"mass:{mass_id}", {"kind": kind}, moment
        )
    key = _key()
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in mass_id)
    head = {"Content-Disposition": f'attachment; filename="{safe}-proof.{kind}"'}
    if kind == "csv":
        return Response(
            _csv(db.engine, mass_id, key, moment), mimetype="text/csv; charset=utf-8", headers=head
        )
    # It lives until the last piece of it has left.
    file = tempfile.TemporaryFile()  # noqa: SIM115
    with _one_picture(db.engine) as reading:
        mass_export.write_xlsx(reading, mass_id, key, moment, file)
    file.seek(0)
    answer = Response(
        iter(lambda: file.read(1 << 16), b""),
        mimetype="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        headers=head,
    )
    answer.call_on_close(file.close)
    return answer


@blueprint.post("/mass-orders/<name:mass_id>/proof/waive")
@role_required(Permission.OPERATE)
def mass_order_waive(mass_id: str) -> ResponseReturnValue:
    """Waive what one system need not confirm of one order, with a reason."""
    order_id = request.form.get("order", "").strip()[:80]
    system = request.form.get("system", "")
    try:
        with transaction() as session:
            mass_waivers.waive(session, mass_id, order_id, system, _note(), now(), by=actor())
    except MassRefused as refused:
        flash(_refusal(refused.code), "fail")
    else:
        flash(gettext("It is waived, under your name."), "ok")
    return redirect(url_for(".mass_order_proof", mass_id=mass_id))


@blueprint.post("/mass-orders/<name:mass_id>/<act>")
@role_required(Permission.OPERATE)
def mass_order_act(mass_id: str, act: str) -> ResponseReturnValue:
    """Pause, resume or call off the whole."""
    acts: dict[str, tuple[Callable[..., None], str]] = {
        "pause": (mass_orders.pause, gettext("Nothing more of it leaves.")),
        "resume": (mass_orders.resume, gettext("It goes on.")),
        "call-off": (mass_orders.call_off, gettext("Its orders are being called off.")),
    }
    if act not in acts:
        abort(404)
    change, done = acts[act]
    return _do(mass_id, done, lambda session: change(session, mass_id, now(), by=actor()))


@blueprint.post("/mass-orders/<name:mass_id>/files/<int:message_id>/<act>")
@role_required(Permission.OPERATE)
def mass_file_act(mass_id: str, message_id: int, act: str) -> ResponseReturnValue:
    """Decide about a held file: propose, release as a second person, or reject."""
    note = _note()
    moment, who = now(), actor()
    if act in ("propose", "reject") and not note:
        flash(gettext("Say why."), "fail")
        return redirect(url_for(".mass_order", mass_id=mass_id))
    if act == "propose":
        done = gettext("Proposed. A second person has to confirm it.")
        return _do(
            mass_id,
            done,
            lambda s: mass_orders.propose_release(s, message_id, note, moment, by=who),
        )
    if act == "release":
        done = gettext("Released. Its orders are being made.")
        return _do(mass_id, done, lambda s: mass_orders.release(s, message_id, moment, by=who))
    if act == "reject":
        done = gettext("Rejected. Nothing of the file was taken.")
        return _do(mass_id, done, lambda s: mass_orders.reject(s, message_id, note, moment, by=who))
    abort(404)


def _do(mass_id: str, done: str, change: Callable[[Session], None]) -> ResponseReturnValue:
    try:
        with transaction() as session:
            change(session)
    except MassRefused as refused:
        flash(_refusal(refused.code), "fail")
    else:
        flash(done, "ok")
    return redirect(url_for(".mass_order", mass_id=mass_id))


def _refusal(code: str) -> str:
    words = {
        "WRONG_STATE": gettext("Somebody else has done that already, or it is too late for it."),
        "SAME_PERSON": gettext("Somebody else than the one who proposed it has to confirm it."),
        "NO_REASON": gettext("Say why."),
        "NO_ORDER": gettext("There is no such order in this mass order, or it is waived already."),
    }
    return words.get(code, code)


def _row(session: Session, mass_id: str) -> mass_list.MassRow:
    row = mass_list.find_mass_order(session, mass_id)
    if row is None:
        abort(404)
    return row


def _note() -> str:
    return " ".join(request.form.get("note", "").split())[:_NOTE_MOST]


def _key() -> bytes:
    known: Settings = current_app.extensions["tiedolla_settings"]
    return signed_files.key_of(known.secret_key.get_secret_value())


def _csv(engine: Engine, mass_id: str, key: bytes, moment: datetime) -> Iterator[bytes]:
    with _one_picture(engine) as session:
        yield from mass_export.csv_proof(session, mass_id, key, moment)


@contextmanager
def _one_picture(engine: Engine) -> Iterator[Session]:
    """A session that sees one moment: what is signed must not contradict itself."""
    with Session(engine) as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


def _page_number() -> int:
    number = request.args.get("page", "1")
    page = int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else 1
    return max(1, page)
