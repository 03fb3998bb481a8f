"""The main menu and the pages of its open section, by what the person may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from flask import Flask, request, url_for
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape
from sqlalchemy.orm import Session

from app.db import db
from app.domain.roles import Permission
from app.queries import (
    alarm_list,
    bundle_list,
    difference_list,
    environment_imports,
    inbox,
    mass_list,
    meter_stock,
    replay_list,
    rollout_plans,
    routing,
)
from app.web.access import may


@dataclass(frozen=True, slots=True)
class _Page:
    """One page of the menu; under: the endpoints that belong to it, by how they begin."""

    endpoint: str
    text: LazyString
    under: tuple[str, ...]
    permission: Permission
    count: Callable[[Session], int] | None = None


@dataclass(frozen=True, slots=True)
class _Section:
    """Pages that belong together; one page alone needs no name of its own."""

    text: LazyString | None
    pages: tuple[_Page, ...]


_OPERATE = Permission.OPERATE
# In the order of a working day.
_SECTIONS: Sequence[_Section] = (
    _Section(
        None,
        (
            _Page(
                "agents.search",
                _l("Search"),
                ("agents.search", "agents.point", "agents.customer", "agents.notice"),
                Permission.LOOKUP,
            ),
        ),
    ),
    _Section(
        _l("Customers"),
        (
            _Page(
                "agents.inbox",
                _l("Inbox"),
                ("agents.inbox",),
                Permission.ANSWER_CUSTOMERS,
                inbox.count_waiting,
            ),
            _Page("agents.calls", _l("Call list"), ("agents.call",), Permission.LOOKUP),
            _Page(
                "agents.contact_queue",
                _l("Contacts to check"),
                ("agents.contact_queue",),
                Permission.LOOKUP,
            ),
        ),
    ),
    _Section(
        _l("Network"),
        (
            _Page("operators.outages", _l("Outages"), ("operators.outage",), _OPERATE),
            _Page("operators.planned", _l("Planned cuts"), ("operators.planned",), _OPERATE),
            _Page("operators.storms", _l("Storms"), ("operators.storm",), _OPERATE),
            _Page(
                "operators.connections",
                _l("Connections"),
                ("operators.connections", "agents.connection"),
                _OPERATE,
            ),
        ),
    ),
    _Section(
        _l("Rollout"),
        (
            _Page("operators.rollout", _l("Overview"), ("operators.rollout",), _OPERATE),
            _Page(
                "operators.mass_orders_list",
                _l("Mass orders"),
                ("operators.mass_",),
                _OPERATE,
                mass_list.count_waiting,
            ),
            _Page(
                "operators.plan_versions",
                _l("Rollout plan"),
                ("operators.plan_",),
                _OPERATE,
                rollout_plans.count_waiting,
            ),
        ),
    ),
    _Section(
        _l("Messages"),
        (
            _Page(
                "operators.announcements",
                _l("Announcements"),
                ("operators.announcement",),
                _OPERATE,
            ),
            _Page("texts.kinds", _l("Texts"), ("texts.",), Permission.EDIT_TEXTS),
            _Page("operators.sending", _l("Sending"), ("operators.sending",), _OPERATE),
            _Page("operators.letters_owed", _l("Letters"), ("operators.letters",), _OPERATE),
            _Page("operators.doubts", _l("Unknown outcomes"), ("operators.doubts",), _OPERATE),
        ),
    ),
    _Section(
        _l("Machinery"),
        (
            _Page("operators.runs", _l("Runs"), ("operators.run", "operators.payload"), _OPERATE),
            _Page("operators.processes", _l("Processes"), ("operators.process",), _OPERATE),
            _Page(
                "operators.lanes",
                _l("Lanes"),
                ("operators.lane", "operators.replay"),
                _OPERATE,
                replay_list.count_waiting,
            ),
            _Page(
                "operators.routing",
                _l("Routing"),
                ("operators.routing",),
                _OPERATE,
                routing.count_waiting,
            ),
            _Page(
                "operators.bundles",
                _l("Mappings"),
                ("operators.bundle",),
                _OPERATE,
                bundle_list.count_waiting,
            ),
            _Page("operators.zones", _l("Zones"), ("operators.zone",), _OPERATE),
            _Page("operators.orders", _l("Parked orders"), ("operators.order",), _OPERATE),
            _Page(
                "operators.stock",
                _l("Meter stock"),
                ("operators.stock", "operators.meter"),
                _OPERATE,
            ),
            _Page(
                "operators.mismatches",
                _l("Serial mismatches"),
                ("operators.mismatch",),
                _OPERATE,
                meter_stock.count_mismatches,
            ),
            _Page("operators.inbound", _l("Inbound"), ("operators.inbound",), _OPERATE),
            _Page(
                "operators.reconciliation_list",
                _l("Reconciliation"),
                ("operators.reconciliation",),
                _OPERATE,
                difference_list.count_open,
            ),
            _Page(
                "operators.retention_report", _l("Retention"), ("operators.retention",), _OPERATE
            ),
            _Page(
                "operators.environment",
                _l("Environment"),
                ("operators.environment",),
                _OPERATE,
                environment_imports.count_waiting,
            ),
        ),
    ),
    _Section(
        _l("Alarms"),
        (
            _Page(
                "operators.alarms",
                _l("Alarms"),
                ("operators.alarms",),
                _OPERATE,
                alarm_list.count_open,
            ),
            _Page("operators.alarm_rules", _l("Alarm rules"), ("operators.alarm_rule",), _OPERATE),
        ),
    ),
    _Section(None, (_Page("staff.accounts", _l("Staff"), ("staff.",), Permission.MANAGE_STAFF),)),
)


def init(app: Flask) -> None:
    """Give the templates `navigation()` and `section_pages()`."""
    app.add_template_global(navigation, "navigation")
    app.add_template_global(section_pages, "section_pages")


def navigation() -> list[dict[str, object]]:
    """One entry for each section of which this person may open a page."""
    return [
        _entry(
            section.text if section.text is not None and len(pages) > 1 else pages[0].text,
            pages[0].endpoint,
            current=len(pages) == 1 and request.endpoint == pages[0].endpoint,
            active=any(map(_is_open, pages)),
            count=sum(page.count(db.session()) for page in pages if page.count is not None),
        )
        for section, pages in _allowed()
    ]


def section_pages() -> list[dict[str, object]]:
    """The pages of the open section; nothing when it has only one."""
    for _, pages in _allowed():
        if len(pages) > 1 and any(map(_is_open, pages)):
            return [
                _entry(
                    page.text,
                    page.endpoint,
                    current=request.endpoint == page.endpoint,
                    active=_is_open(page),
                    count=page.count(db.session()) if page.count is not None else 0,
                )
                for page in pages
            ]
    return []


def _allowed() -> Iterator[tuple[_Section, list[_Page]]]:
    for section in _SECTIONS:
        pages = [page for page in section.pages if may(page.permission)]
        if pages:
            yield section, pages


def _is_open(page: _Page) -> bool:
    return (request.endpoint or "").startswith(page.under)


def _entry(
    text: LazyString, endpoint: str, *, current: bool, active: bool, count: int
) -> dict[str, object]:
    words = Markup('{} <span class="td-count">{}</span>')
    return {
        "text": str(text),
        "href": url_for(endpoint),
        "current": current,
        "active": active,
        **({"html": words.format(escape(str(text)), count)} if count else {}),
    }
