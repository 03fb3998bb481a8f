"""Small words that many pages share: what processes, counts and codes are called, where keys lead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from app.domain.codes import REJECT_CODES, RejectCode
from app.domain.gsrn import is_valid_gsrn
from app.web.formats import quantity
from app.web.i18n import current_language
from app.web.labels import lane_name

_TRIGGER = {
    "doorbell": _l("A ring"),
    "schedule": _l("The schedule"),
    "operator": _l("An operator"),
    "dispatcher": _l("The dispatcher, without Redis"),
}

_COUNT = {
    "SENT": _l("sent"),
    "NOT_SENT": _l("not sent"),
    "REJECTED": _l("rejected"),
    "UNKNOWN": _l("unknown"),
    "SKIPPED": _l("skipped"),
}


def init(app: Flask) -> None:
    """Give the templates these words."""
    for word in (
        process_name,
        trigger_name,
        kind_name,
        counts_line,
        code_text,
        key_href,
        subject_link,
        here,
    ):
        app.add_template_global(word)


def process_name(process: str) -> str:
    """A process by what it does; a drain by where it sends."""
    if process.startswith("drain "):
        return gettext("Sending: %(lane)s", lane=lane_name(process.removeprefix("drain ")))
    return lane_name(process)


def trigger_name(trigger: str) -> str:
    """What made a run begin."""
    return str(_TRIGGER.get(trigger, trigger))


def kind_name(kind: str) -> str:
    """What an outbox item carries."""
    return kind.replace("_", " ").capitalize()


def counts_line(counts: Mapping[str, Any]) -> str:
    """How many of what, in one line; what did not happen is left out."""
    parts = [
        f"{quantity(count)} {_COUNT.get(name, name.replace('_', ' ').lower())}"
        for name, count in counts.items()
        if isinstance(count, int) and count
    ]
    return ", ".join(parts)


def code_text(code: str) -> str:
    """What one of our codes means, in the reader's language."""
    try:
        return REJECT_CODES[RejectCode(code)].text.in_language(current_language())
    except (ValueError, KeyError):
        return code


def key_href(key: str) -> str:
    """Where a business key leads: a metering point to its page, the rest to their runs."""
    if is_valid_gsrn(key):
        return url_for("agents.point", gsrn=key)
    return url_for("operators.runs", key=key)


def subject_link(subject: str) -> Markup:
    """An alarm's subject with a link where there is a page for it."""
    name, text = subject, subject
    if name.startswith("lane:"):
        name = name.removeprefix("lane:")
        text = lane_name(name)
        href = url_for("operators.lane", name=name)
    elif is_valid_gsrn(name):
        href = url_for("agents.point", gsrn=name)
    else:
        return escape(text)
    return Markup('<a class="govuk-link" href="{}">{}</a>').format(href, text)


def here(**changes: object) -> str:
    """This page's address with some of its parts changed; None takes a part away."""
    args: dict[str, Any] = {**request.args.to_dict(), **(request.view_args or {}), **changes}
    for name in ("poll", "lang"):
        if name not in changes:
            args.pop(name, None)
    kept = {name: value for name, value in args.items() if value is not None}
    return url_for(request.endpoint or "agents.search", **kept)
