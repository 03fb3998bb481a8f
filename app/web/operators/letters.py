"""Letters that are owed: list, print as PDF, list for a mailing house, mark as posted."""

from __future__ import annotations

import csv
from io import StringIO

from flask import Response, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from app.db import db, transaction
from app.domain.clock import helsinki_day
from app.domain.roles import Permission
from app.queries import letter_list
from app.services import letters
from app.settings import Settings
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint
from app.web.paging import place

PAGE_ROWS = 100
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@blueprint.get("/letters")
@role_required(Permission.OPERATE)
def letters_owed() -> ResponseReturnValue:
    """Letters in one state, those that are due first."""
    state = request.args.get("state", "DUE")
    if state not in letter_list.LETTER_STATES:
        state = "DUE"
    found = letter_list.letters_in(db.session(), state, PAGE_ROWS + 1, place().after or 0)
    more = len(found) > PAGE_ROWS
    found = found[:PAGE_ROWS]
    return render_template(
        "operators/letters.html",
        letters=found,
        state=state,
        states=letter_list.LETTER_STATES,
        counts=letter_list.count_letters(db.session()),
        next_href=url_for(".letters_owed", state=state, after=found[-1].id) if more else None,
        now=now(),
    )


@blueprint.post("/letters/print")
@role_required(Permission.OPERATE)
def letters_print() -> ResponseReturnValue:
    """The chosen letters, or all that are due, as one PDF; they count as printed."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    moment = now()
    with transaction() as session:
        printed = letters.print_out(session, _chosen(), by=actor(), now=moment)
    if not printed:
        return _nothing()
    sender = [line.strip() for line in settings.letter_sender_address.split("|") if line.strip()]
    # It takes megabytes that only the process which prints has to have.
    from app.services import letter_print  # noqa: PLC0415

    body = letter_print.build_pdf(printed, sender or [settings.brand], helsinki_day(moment))
    return _file(body, "application/pdf", f"letters-{helsinki_day(moment):%Y%m%d}.pdf")


@blueprint.post("/letters/list")
@role_required(Permission.OPERATE)
def letters_list() -> ResponseReturnValue:
    """The same letters as a table for a mailing house."""
    moment = now()
    with transaction() as session:
        listed = letters.list_out(session, _chosen(), by=actor(), now=moment)
    if not listed:
        return _nothing()
    out = StringIO()
    writer = csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL)
    writer.writerow(["number", "name", "street", "place", "language", "subject", "text"])
    for one in listed:
        row = [str(one.id), *one.receiver, one.language.value, one.subject, one.body]
        writer.writerow([_plain(value) for value in row])
    # The mark makes spreadsheets read å, ä and ö rightly.
    body = ("\ufeff" + out.getvalue()).encode()
    return _file(body, "text/csv", f"letters-{helsinki_day(moment):%Y%m%d}.csv")


@blueprint.post("/letters/posted")
@role_required(Permission.OPERATE)
def letters_posted() -> ResponseReturnValue:
    """Note that printed letters are in the post."""
    with transaction() as session:
        count = letters.mark_posted(session, _chosen(), by=actor(), now=now())
    flash(ngettext("%(num)d letter was posted.", "%(num)d letters were posted.", count), "ok")
    return redirect(url_for(".letters_owed", state="PRINTED"))


def _chosen() -> list[int]:
    """The letters that were ticked, or all of the list's state."""
    texts = request.form.getlist("letter")
    ticked = [int(t) for t in texts if t.isascii() and t.isdecimal() and len(t) <= 18]
    if ticked:
        return ticked
    state = "PRINTED" if request.form.get("state") == "PRINTED" else "DUE"
    return letter_list.ids_in(db.session(), state, letters.PRINT_MOST)


def _nothing() -> ResponseReturnValue:
    flash(gettext("None of these letters can be printed."), "warn")
    return redirect(url_for(".letters_owed"))


def _file(body: bytes, media_type: str, name: str) -> Response:
    answer = Response(body, mimetype=media_type)
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _plain(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value
