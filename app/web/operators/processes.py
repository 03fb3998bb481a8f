"""Processes: what runs, what starts it, how it went, when it runs next."""

from __future__ import annotations

import secrets
from typing import Any

from flask import abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from app.db import db
from app.domain.processes import CHANGE_TABLES, SET_UP_KINDS, Ended, LogLevel, Overlap
from app.domain.roles import Permission
from app.models.partner import Partner
from app.queries import process_list
from app.queries.process_list import ProcessRow
from app.settings import Settings
from app.web.access import role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint
from app.web.paging import place
from app.web.process_words import process_about, process_title, trigger_text

START_ROWS = 30


@blueprint.get("/processes")
@role_required(Permission.OPERATE)
def processes() -> ResponseReturnValue:
    """Every process, found by its words and filtered by zone and environment."""
    rows = process_list.processes(db.session())
    words = request.args.get("q", "").strip()
    zone, environment = request.args.get("zone", ""), request.args.get("environment", "")
    found = [
        row
        for row in rows
        if (not zone or row.zone == zone)
        and (not environment or row.environment == environment)
        and _fits(row, words)
    ]
    facts: dict[str, Any] = {
        "rows": found,
        "filtered": bool(words or zone or environment),
        "now": now(),
        "nonce": secrets.token_hex(8),
    }
    if request.headers.get("HX-Request") == "true":
        return render_template("operators/processes_part.html", **facts)
    return render_template(
        "operators/processes.html",
        q=words,
        zone=zone,
        environment=environment,
        zones=sorted({row.zone for row in rows}),
        environments=sorted({row.environment for row in rows}),
        live=request.args.get("live") != "0",
        **facts,
    )


@blueprint.get("/processes/<code>")
@role_required(Permission.OPERATE)
def process(code: str) -> ResponseReturnValue:
    """One process: its triggers, its starts, and how it may run."""
    session = db.session()
    row = process_list.find_process(session, code)
    if row is None:
        abort(404)
    starts = process_list.starts_of(session, code, START_ROWS + 1, place().before)
    more = len(starts) > START_ROWS
    starts = starts[:START_ROWS]
    settings: Settings = current_app.extensions["tiedolla_settings"]
    return render_template(
        "operators/process.html",
        row=row,
        starts=starts,
        next_href=url_for(".process", code=code, before=starts[-1].id) if more else None,
        nonce=secrets.token_hex(8),
        kinds=SET_UP_KINDS,
        overlaps=list(Overlap),
        levels=list(LogLevel),
        ends=list(Ended),
        tables=sorted(CHANGE_TABLES),
        partners=session.execute(select(Partner.code).order_by(Partner.code)).scalars().all(),
        mailboxes=sorted(settings.mailboxes),
        others=[one for one in process_list.processes(session) if one.code != code],
        now=now(),
    )


def _fits(row: ProcessRow, words: str) -> bool:
    """Whether every word is somewhere in what the page shows of the process."""
    shown = " ".join(
        (
            row.code,
            process_title(row),
            process_about(row),
            row.owner,
            *(trigger_text(one) for one in row.triggers),
        )
    ).casefold()
    shown = shown.replace("\xa0", " ")
    return all(word in shown for word in words.casefold().split())
