"""Alarm rules: what is watched, how it stands, and who is told; written and changed here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from typing import Any

from flask import abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.alarm_rules import (
    MEASURES_OF,
    Days,
    Direction,
    Fault,
    Measure,
    Rule,
    RuleKind,
)
from app.domain.roles import Permission
from app.models.alarm_rule import AlarmRule
from app.queries import alarm_rule_list, process_list
from app.queries.alarm_measures import measure
from app.services import alarm_rules as service
from app.services import alarm_telling
from app.services.alarm_rules import RuleFaulty, Written
from app.settings import Settings
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint

# 7.00 as in Finnish, 07:00 as browsers have it.
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3])[.:]([0-5][0-9])", re.ASCII)

# What a new rule begins with: the customer's own example.
_FRESH: Mapping[str, Any] = {
    "code": "",
    "name": "",
    "kind": "RATE",
    "measure": "ORDERS",
    "subject": "",
    "direction": "BELOW",
    "window_min": "60",
    "limit": "",
    "clear_limit": "",
    "raise_after": "1",
    "clear_after": "2",
    "least_count": "0",
    "days": "WORKING",
    "from_time": "07:00",
    "to_time": "16:00",
    "every_s": "300",
    "owner": "operations",
    "recipients": (),
    "to_webhook": False,
    "active": True,
}


@blueprint.get("/alarm-rules")
@role_required(Permission.OPERATE)
def alarm_rules() -> ResponseReturnValue:
    """Every rule and how it stands."""
    return render_template(
        "operators/alarm_rules.html", rows=alarm_rule_list.alarm_rules(db.session()), now=now()
    )


@blueprint.get("/alarm-rules/new")
@role_required(Permission.OPERATE)
def alarm_rule_new() -> ResponseReturnValue:
    """An empty rule to fill in."""
    return _page(dict(_FRESH), None, [])


@blueprint.get("/alarm-rules/<code>")
@role_required(Permission.OPERATE)
def alarm_rule(code: str) -> ResponseReturnValue:
    """One rule, as it is and with what it would measure now."""
    row = _get(db.session(), code)
    return _page(_shown(row), row, [])


@blueprint.post("/alarm-rules/new")
@role_required(Permission.OPERATE)
def alarm_rule_add() -> ResponseReturnValue:
    """Store a new rule."""
    return _save(request.form.get("code", "").strip().lower(), None)


@blueprint.post("/alarm-rules/<code>")
@role_required(Permission.OPERATE)
def alarm_rule_save(code: str) -> ResponseReturnValue:
    """Change a rule."""
    return _save(code, _get(db.session(), code))


def _save(code: str, row: AlarmRule | None) -> ResponseReturnValue:
    given, faults = _given(), []
    try:
        written = _written(given)
        with transaction() as session:
            service.save(session, _settings(), code, written, now(), by=actor(), new=row is None)
    except RuleFaulty as error:
        faults = error.faults
    if faults:
        return _page(given | {"code": code}, row, faults), 422
    flash(gettext("The rule is stored and looks anew."), "ok")
    return redirect(url_for(".alarm_rules"))


def _page(shown: dict[str, Any], row: AlarmRule | None, faults: list[Fault]) -> str:
    session = db.session()
    value = measure(session, service.rule_of(row), now()) if row is not None else None
    return render_template(
        "operators/alarm_rule.html",
        row=row,
        shown=shown,
        value=value,
        faults={one.field: _fault_text(one.code) for one in faults},
        kinds=list(RuleKind),
        measures=MEASURES_OF,
        directions=list(Direction),
        days=list(Days),
        staff=alarm_telling.reachable_staff(session),
        processes=process_list.processes(session),
        has_webhook=bool(_settings().alarm_webhook_url),
        now=now(),
    )


def _given() -> dict[str, Any]:
    """What the form says, as it was typed."""
    form = request.form
    found: dict[str, Any] = {
        name: " ".join(form.get(name, "").split())[:200]
        for name, fresh in _FRESH.items()
        if isinstance(fresh, str)
    }
    found["recipients"] = tuple(form.getlist("recipients"))
    found["to_webhook"] = form.get("to_webhook") == "y"
    found["active"] = form.get("active") == "y"
    return found


def _written(given: Mapping[str, Any]) -> Written:
    """The rule that was typed. Raises: RuleFaulty with everything that cannot be read."""
    faults: list[Fault] = []

    def number(field: str, empty: float | None = None) -> float:
        text = str(given[field]).replace(",", ".")
        if not text and empty is not None:
            return empty
        try:
            read = float(text)
        except ValueError:
            read = float("nan")
        # Neither text nor infinity nor what no column can hold.
        if not -1e9 < read < 1e9:
            faults.append(Fault(field, "NOT_A_NUMBER"))
            return 1.0
        return read

    def chosen(field: str, values: Any) -> Any:
        if given[field] in values.__members__:
            return values(given[field])
        faults.append(Fault(field, "VALUE_UNKNOWN"))
        return next(iter(values))

    def clock(field: str) -> time | None:
        if not given[field]:
            return None
        found = _CLOCK.fullmatch(str(given[field]))
        if found is None:
            faults.append(Fault(field, "NOT_A_TIME"))
            return None
        return time(int(found[1]), int(found[2]))

    kind = chosen("kind", RuleKind)
    absence = kind is RuleKind.ABSENCE
    limit = 1.0 if absence else number("limit")
    rule = Rule(
        kind,
        chosen("measure", Measure),
        # Of an absence only too little is bad, of an age or a share only too much.
        chosen("direction", Direction)
        if kind is RuleKind.RATE
        else (Direction.BELOW if absence else Direction.ABOVE),
        int(number("window_min", 60)),
        limit,
        limit if absence else number("clear_limit", limit),
        int(number("raise_after", 1)),
        int(number("clear_after", 1)),
        chosen("days", Days),
        clock("from_time"),
        clock("to_time"),
        given["subject"] or None,
        int(number("least_count", 0)),
    )
    every_s = int(number("every_s", 300))
    if faults:
        raise RuleFaulty(faults)
    return Written(
        str(given["name"]),
        rule,
        every_s,
        str(given["owner"]),
        tuple(given["recipients"]),
        bool(given["to_webhook"]),
        bool(given["active"]),
    )


def _shown(row: AlarmRule) -> dict[str, Any]:
    return {
        "code": row.code,
        "name": row.name,
        "kind": row.kind,
        "measure": row.measure,
        "subject": row.subject or "",
        "direction": row.direction,
        "window_min": str(row.window_min),
        "limit": f"{row.limit_value:g}",
        "clear_limit": f"{row.clear_value:g}",
        "raise_after": str(row.raise_after),
        "clear_after": str(row.clear_after),
        "least_count": str(row.least_count),
        "days": row.days,
        "from_time": f"{row.from_time:%H:%M}" if row.from_time else "",
        "to_time": f"{row.to_time:%H:%M}" if row.to_time else "",
        "every_s": str(row.every_s),
        "owner": row.owner,
        "recipients": tuple(row.recipients),
        "to_webhook": row.to_webhook,
        "active": row.active,
    }


def _get(session: Session, code: str) -> AlarmRule:
    row = alarm_rule_list.find_rule(session, code)
    if row is None:
        abort(404)
    return row


def _settings() -> Settings:
    settings: Settings = current_app.extensions["tiedolla_settings"]
    return settings


def _fault_text(code: str) -> str:
    words = {
        "CODE_INVALID": gettext("Use 2 to 40 small letters, digits and hyphens."),
        "CODE_KNOWN": gettext("There is a rule of this code already."),
        "CODE_UNKNOWN": gettext("The rule is gone."),
        "FIELD_MISSING": gettext("Fill this in."),
        "TOO_LONG": gettext("This is too long."),
        "NOT_A_NUMBER": gettext("Enter a number."),
        "NOT_A_TIME": gettext("Enter a time, as 7.00."),
        "VALUE_UNKNOWN": gettext("Choose one of these."),
        "MEASURE_NOT_FOR_KIND": gettext("This cannot be measured for a rule of this kind."),
        "SUBJECT_MISSING": gettext("Say which lane or process it is about."),
        "SUBJECT_UNKNOWN": gettext("There is no lane, process, order type or topic of this name."),
        "OUT_OF_RANGE": gettext("The number is out of range."),
        "NEVER_TRUE": gettext("Nothing can be fewer than none: the rule would never be broken."),
        "CLEARS_TOO_EARLY": gettext("It would end while the value is still bad."),
        "HALF_A_SPAN": gettext("Both times are needed, or neither."),
        "ENDS_BEFORE_IT_BEGINS": gettext("It ends before it begins."),
        "LONGER_THAN_THE_HOURS": gettext(
            "The window is longer than the hours: it would never look."
        ),
        "NO_WEBHOOK": gettext("No webhook is set up in this installation."),
        "NO_PROVEN_ADDRESS": gettext("Somebody of these has not proved an e-mail address."),
    }
    return words.get(code, code)
