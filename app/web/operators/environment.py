"""This environment: take its rules and texts away as a signed file, and let in those of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from flask import Response, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain import environment_diff
from app.domain.environment_diff import Change, Standing
from app.domain.roles import Permission
from app.domain.states import ImportState
from app.models.environment_import import EnvironmentImport
from app.queries import environment_imports
from app.services.environments import imports, signed_export
from app.services.environments.imports import ImportRefused
from app.services.environments.signed_export import FILE_MOST_BYTES, FileRefused
from app.settings import Settings
from app.web.access import actor, role_required, takes_files
from app.web.clock import now
from app.web.environment_words import refusal
from app.web.operators.blueprint import blueprint

LIST_ROWS = 30


@blueprint.get("/environment")
@role_required(Permission.OPERATE)
def environment() -> ResponseReturnValue:
    """What may be taken away, and what was brought."""
    settings = _settings()
    rows = environment_imports.newest(db.session(), LIST_ROWS)
    return render_template(
        "operators/environment.html",
        environment=settings.environment,
        key=signed_export.public_key(settings),
        trusted=sorted(settings.environment_trust),
        rows=rows,
        counts={row.id: _counts(environment_diff.from_rows(row.difference)) for row in rows},
        now=now(),
    )


@blueprint.post("/environment/export")
@role_required(Permission.OPERATE)
def environment_export() -> ResponseReturnValue:
    """The signed file; who took it is recorded."""
    moment = now()
    with transaction() as session:
        body = imports.export(session, _settings(), moment, by=actor())
    name = f"tiedolla-{_settings().environment}-{moment:%Y%m%d-%H%M}.json"
    head = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(body, mimetype="application/json", headers=head)


@blueprint.post("/environment/imports")
@takes_files(FILE_MOST_BYTES)
@role_required(Permission.OPERATE)
def environment_import_new() -> ResponseReturnValue:
    """Bring a file: keep it for a second person, or say why it is not taken."""
    upload = request.files.get("file")
    body = upload.read(FILE_MOST_BYTES + 1) if upload is not None else b""
    if not body:
        flash(gettext("Choose a file."), "fail")
        return redirect(url_for(".environment"))
    try:
        with transaction() as session:
            brought = imports.bring(session, _settings(), body, now(), by=actor())
    except FileRefused as refused:
        with transaction() as session:
            imports.note_refused(session, body, refused, now(), by=actor())
        flash(refusal(refused.code), "fail")
        return redirect(url_for(".environment"))
    if brought.import_id is None:
        flash(gettext("Nothing of it is due: everything in it is here already."), "ok")
        return redirect(url_for(".environment"))
    return redirect(url_for(".environment_import", import_id=brought.import_id))


@blueprint.get("/environment/imports/<int:import_id>")
@role_required(Permission.OPERATE)
def environment_import(import_id: int) -> ResponseReturnValue:
    """One file: what it would change now, or what it changed."""
    session = db.session()
    row = _get(session, import_id)
    why = None
    changes = environment_diff.from_rows(row.difference)
    if row.state == ImportState.WAITING:
        try:
            changes = imports.look(session, _settings(), row)
        except FileRefused as refused:
            why = refusal(refused.code)
    blocked = [one for one in changes if one.standing == Standing.BLOCKED]
    due = [one for one in changes if one.standing == Standing.DUE]
    return render_template(
        "operators/environment_import.html",
        row=row,
        groups=_groups(changes),
        seen=environment_diff.fingerprint(changes),
        why=why,
        blocked=blocked,
        may_approve=row.state == ImportState.WAITING
        and row.brought_by != actor()
        and bool(due)
        and not blocked
        and why is None,
        me=actor(),
        due=due,
        newer_at=environment_imports.newer_let_in(session, row),
        now=now(),
    )


@blueprint.post("/environment/imports/<int:import_id>/<act>")
@role_required(Permission.OPERATE)
def environment_import_act(import_id: int, act: str) -> ResponseReturnValue:
    """Let a file in as a second person, or not."""
    note = " ".join(request.form.get("note", "").split())
    seen = request.form.get("seen", "")[:64]
    settings, who, moment = _settings(), actor(), now()
    acts: dict[str, tuple[str, Callable[[Session], object]]] = {
        "approve": (
            gettext("It is let in. Rules and texts are drafts until somebody publishes them."),
            lambda s: imports.approve(s, settings, import_id, seen, moment, by=who),
        ),
        "reject": (
            gettext("It is rejected; nothing has changed."),
            lambda s: imports.reject(s, import_id, note, moment, by=who),
        ),
    }
    if act not in acts:
        abort(404)
    done, change = acts[act]
    try:
        with transaction() as session:
            change(session)
    except ImportRefused as refused:
        if refused.code == "NO_IMPORT":
            abort(404)
        words = refusal(refused.code)
        flash(f"{refused.about}: {words}" if refused.about else words, "fail")
    except FileRefused as refused:
        flash(refusal(refused.code), "fail")
    else:
        flash(done, "ok")
    return redirect(url_for(".environment_import", import_id=import_id))


def _groups(changes: Sequence[Change]) -> dict[str, list[Change]]:
    """The changes by kind, in the order in which they are let in."""
    groups: dict[str, list[Change]] = {}
    for one in changes:
        groups.setdefault(one.kind, []).append(one)
    return groups


def _counts(changes: Sequence[Change]) -> Counter[str]:
    return Counter(one.what for one in changes if one.standing != Standing.SKIPPED)


def _get(session: Session, import_id: int) -> EnvironmentImport:
    row = environment_imports.find(session, import_id)
    if row is None:
        abort(404)
    return row


def _settings() -> Settings:
    settings: Settings = current_app.extensions["tiedolla_settings"]
    return settings
