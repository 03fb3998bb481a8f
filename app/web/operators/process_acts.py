"""What staff do with processes: start, stop, go on, run again, and change how they run."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.processes import SET_UP_KINDS
from app.domain.roles import Permission
from app.queries import process_list
from app.services import process_triggers
from app.services import processes as service
from app.services.process_starts import ProcessUnknown
from app.services.processes import Edited, ProcessRefused
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint
from app.web.process_words import start_reason

_NONCE = re.compile(r"[0-9a-f]{16}", re.ASCII)
_SPEC = ("cron", "source", "name", "mailbox", "sender", "subject", "partner", "table", "state")


@blueprint.post("/processes/<code>/start")
@role_required(Permission.OPERATE)
def process_start(code: str) -> ResponseReturnValue:
    """Start it now; the button pressed twice starts it once."""
    nonce = _nonce()

    def act(session: Session) -> str:
        asked = service.start(session, code, nonce, now(), by=actor())
        if asked.state == "SKIPPED":
            return gettext("It was not started: an earlier start is not over.")
        return gettext("It was started.")

    return _do(code, act)


@blueprint.post("/processes/<code>/stop")
@role_required(Permission.OPERATE)
def process_stop(code: str) -> ResponseReturnValue:
    """Let nothing more begin, and ask what runs to end."""

    def act(session: Session) -> str:
        if service.stop(session, code, now(), by=actor()):
            return gettext("It is stopped. What runs ends after the piece at hand.")
        return gettext("It is stopped.")

    return _do(code, act)


@blueprint.post("/processes/<code>/go-on")
@role_required(Permission.OPERATE)
def process_go_on(code: str) -> ResponseReturnValue:
    """Let it run again."""

    def act(session: Session) -> str:
        service.go_on(session, code, now(), by=actor())
        return gettext("It runs again from the next cause on.")

    return _do(code, act)


@blueprint.post("/processes/<code>/rerun")
@role_required(Permission.REPLAY)
def process_rerun(code: str) -> ResponseReturnValue:
    """Run a start again, the newest that is over unless another is named."""
    nonce, given = _nonce(), request.form.get("start", "")
    named = int(given) if given.isascii() and given.isdecimal() and len(given) <= 18 else None
    start_id = named or process_list.last_over(db.session(), code)

    def act(session: Session) -> str:
        asked = service.replay(session, start_id or 0, nonce, now(), by=actor())
        if asked.state == "SKIPPED":
            return gettext("It was not started: an earlier start is not over.")
        return gettext("It runs again, under its original keys.")

    return _do(code, act)


@blueprint.post("/processes/<code>/edit")
@role_required(Permission.OPERATE)
def process_edit(code: str) -> ResponseReturnValue:
    """Change its words, its owner, its place, its policy and its log."""
    form = request.form
    fields = ("name", "description", "zone", "environment", "owner", "log_level", "overlap")
    edited = Edited(**{field: " ".join(form.get(field, "").split()) for field in fields})
    pace = form.get("every_s", "").strip().replace(",", ".")

    def act(session: Session) -> str:
        service.edit(session, code, edited, now(), by=actor())
        if pace:
            service.set_pace(session, code, _number(pace), now(), by=actor())
        return gettext("Saved.")

    return _do(code, act)


@blueprint.post("/processes/<code>/triggers")
@role_required(Permission.OPERATE)
def process_trigger_add(code: str) -> ResponseReturnValue:
    """Let something more start it."""
    kind = request.form.get("kind", "")
    if kind not in SET_UP_KINDS:
        abort(400)
    spec = {part: request.form.get(f"{kind}-{part}", "") for part in _SPEC}
    spec |= {part: request.form.get(f"{kind}-{part}", "") for part in ("process", "ended")}

    def act(session: Session) -> str:
        process_triggers.add_trigger(session, code, kind, spec, now(), by=actor())
        return gettext("The trigger was added.")

    return _do(code, act)


@blueprint.post("/processes/<code>/triggers/<int:trigger_id>/<act>")
@role_required(Permission.OPERATE)
def process_trigger_act(code: str, trigger_id: int, act: str) -> ResponseReturnValue:
    """Switch a trigger on or off, or take it away."""
    if act not in ("on", "off", "remove"):
        abort(404)

    def change(session: Session) -> str:
        if act == "remove":
            process_triggers.remove_trigger(session, trigger_id, now(), by=actor())
            return gettext("The trigger was taken away.")
        process_triggers.set_trigger_active(session, trigger_id, act == "on", now(), by=actor())
        return gettext("Saved.")

    return _do(code, change)


def _do(code: str, act: Callable[[Session], str]) -> ResponseReturnValue:
    try:
        with transaction() as session:
            done = act(session)
    except ProcessUnknown:
        abort(404)
    except ProcessRefused as refused:
        flash(_refusal(refused.code), "fail")
    else:
        flash(done, "ok")
    if request.form.get("back") == "list":
        return redirect(url_for(".processes"))
    return redirect(url_for(".process", code=code))


def _nonce() -> str:
    nonce = request.form.get("nonce", "")
    if not _NONCE.fullmatch(nonce):
        abort(400)
    return nonce


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ProcessRefused("OUT_OF_RANGE") from None


def _refusal(code: str) -> str:
    words = {
        "IS_STOPPED": gettext("It is stopped: let it go on first."),
        "NOT_STOPPED": gettext("It is not stopped."),
        "ESSENTIAL": gettext("Without it nobody would hear of any trouble: it cannot be stopped."),
        "NO_START": gettext("It has never run: there is nothing to run again."),
        "NOT_OVER": gettext("It is not over yet."),
        "VALUE_UNKNOWN": gettext("One of the values is not possible."),
        "FIELD_MISSING": gettext("Zone, environment and owner are needed."),
        "OUT_OF_RANGE": gettext("The number is out of range."),
        "CRON_INVALID": gettext(
            "The schedule needs five parts: minute, hour, day, month, weekday."
        ),
        "PARTNER_UNKNOWN": gettext("There is no such partner."),
        "TABLE_UNKNOWN": gettext("Changes of this table cannot start anything."),
        "PROCESS_UNKNOWN": gettext("There is no such process."),
        "ZONE_UNKNOWN": gettext("There is no such zone."),
        "ZONE_INACTIVE": gettext("The zone is switched off."),
        "LANE_STAYS": gettext("This works inside the product and cannot move to another zone."),
        "CIRCLE": gettext("They would start one another for ever."),
        "TRIGGER_KNOWN": gettext("This trigger is there already."),
        "NO_TRIGGER": gettext("The trigger is gone."),
    }
    return words.get(code) or start_reason(code)
