"""The main menu, by what the person may do."""

from __future__ import annotations

from flask import Flask, request, url_for
from flask_babel import gettext
from markupsafe import Markup, escape

from app.db import db
from app.domain.roles import Permission
from app.queries import alarm_list, inbox
from app.web.access import may

# What is found by searching, and what is opened from there.
_SEARCHED = ("agents.search", "agents.point", "agents.customer", "agents.why")


def init(app: Flask) -> None:
    """Give the templates `navigation()`."""
    app.add_template_global(navigation, "navigation")


def navigation() -> list[dict[str, object]]:
    """The entries that this person may open, in the order of a working day."""
    entries: list[dict[str, object]] = []
    if may(Permission.LOOKUP):
        entries.append(_entry("agents.search", gettext("Search"), _SEARCHED))
        entries.append(
            _entry("agents.contact_queue", gettext("Contacts"), ("agents.contact_queue",))
        )
        entries.append(_entry("agents.calls", gettext("Call list"), ("agents.call",)))
    if may(Permission.ANSWER_CUSTOMERS):
        entries.append(_inbox())
    if may(Permission.OPERATE):
        entries += [
            _entry(
                "operators.announcements",
                gettext("Announcements"),
                ("operators.announcement",),
            ),
            _entry("operators.outages", gettext("Outages"), ("operators.outage",)),
            _entry("operators.storms", gettext("Storms"), ("operators.storm",)),
            _entry("operators.runs", gettext("Runs"), ("operators.runs", "operators.run")),
            _entry("operators.lanes", gettext("Lanes"), ("operators.lane",)),
            _entry(
                "operators.sending",
                gettext("Sending"),
                ("operators.sending", "operators.letters", "operators.doubts"),
            ),
            _entry("operators.orders", gettext("Parked orders"), ("operators.orders",)),
            _entry("operators.connections", gettext("Connections"), ("operators.connections",)),
            _entry("operators.inbound", gettext("Inbound"), ("operators.inbound",)),
            _entry("operators.planned", gettext("Planned cuts"), ("operators.planned",)),
            _alarms(),
        ]
    if may(Permission.EDIT_TEXTS):
        entries.append(_entry("texts.kinds", gettext("Texts"), ("texts.",)))
    if may(Permission.MANAGE_STAFF):
        entries.append(_entry("staff.accounts", gettext("Staff"), ("staff.",)))
    return entries


def _entry(endpoint: str, text: str, active: tuple[str, ...]) -> dict[str, object]:
    here = request.endpoint or ""
    return {
        "text": text,
        "href": url_for(endpoint),
        "current": here == endpoint,
        "active": here.startswith(active),
    }


def _inbox() -> dict[str, object]:
    entry = _entry("agents.inbox", gettext("Inbox"), ("agents.inbox",))
    return _counted(entry, inbox.count_waiting(db.session()))


def _alarms() -> dict[str, object]:
    entry = _entry("operators.alarms", gettext("Alarms"), ("operators.alarms",))
    return _counted(entry, alarm_list.count_open(db.session()))


def _counted(entry: dict[str, object], count: int) -> dict[str, object]:
    if count:
        words = Markup('{} <span class="td-count">{}</span>')
        entry["html"] = words.format(escape(str(entry["text"])), count)
    return entry
