"""The public figures of how well customers are told: a page in three languages, and JSON.

Served from the snapshot's file alone, as the public status is (REQ-23).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from flask import Blueprint, Response, current_app
from flask.typing import ResponseReturnValue
from flask_babel import force_locale, get_locale, gettext
from flask_babel import format_percent as percent_of

from app.domain.service_level import FORMAT
from app.services.service_level import FILE_NAME
from app.settings import Settings
from app.web.formats import moment, quantity
from app.web.public.snapshot_answer import (
    dump,
    made,
    open_to_all,
    serve,
    to_own_language,
    written,
)
from app.web.public.status_file import Made, StatusFile

blueprint = Blueprint("service_level", __name__)

_MISSING = "public/service_level_missing.html"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: what it is, how it is counted, and its value in the last day and 30 days."""

    name: str
    how: str
    day: str
    month: str


@blueprint.get("/service-level")
def front() -> ResponseReturnValue:
    """The page in the visitor's language."""
    return to_own_language("service_level.page")


@blueprint.get("/service-level/<any(fi, sv, en):language>")
def page(language: str) -> Response:
    """The figures with a sentence each on how they are counted."""

    def make(snapshot: dict[str, Any]) -> Made:
        with force_locale(language):
            figures = service_figures(snapshot)
            updated = moment(datetime.fromisoformat(snapshot["updated_at"]))
        body = written(
            "public/service_level.html",
            language,
            "service_level.page",
            figures=figures,
            updated=updated,
        )
        return made(body.encode())

    return serve(_file(), ("page", language), "text/html", make, _MISSING)


@blueprint.get("/service-level.json")
def as_json() -> Response:
    """The same for other sites and for whoever wants to keep them."""
    answer = serve(_file(), ("json",), "application/json", lambda one: made(dump(one)), _MISSING)
    return open_to_all(answer)


def service_figures(snapshot: Mapping[str, Any]) -> list[Figure]:
    """The snapshot in words."""
    day, month = snapshot["day"], snapshot["month"]

    def shares(name: str) -> tuple[str, str]:
        return _share(day[name]), _share(month[name])

    return [
        Figure(
            gettext("Handed over within 5 seconds"),
            gettext("From the decision to send until the operator or mail service has it."),
            *shares("quick"),
        ),
        Figure(
            gettext("Handed over within 30 seconds"),
            gettext("The same; what never left in time counts as late."),
            *shares("soon"),
        ),
        Figure(
            gettext("From an event to the text message"),
            gettext("Half of the messages about faults leave sooner, half later."),
            _minutes(day["median_min"]),
            _minutes(month["median_min"]),
        ),
        Figure(
            gettext("Delivered"),
            gettext("Of messages whose end the operator or mail service has reported."),
            *shares("delivered"),
        ),
        Figure(
            gettext("Repair estimate right within 30 minutes"),
            gettext("The last estimate told before the power came back, of faults that had one."),
            *shares("etr_hit"),
        ),
        Figure(
            gettext("Meter replaced at the first visit"),
            gettext("Of orders whose first visit has ended."),
            *shares("first_visit"),
        ),
        Figure(
            gettext("Messages"),
            gettext("All that were to leave."),
            quantity(day["notices"]),
            quantity(month["notices"]),
        ),
        Figure(
            gettext("In doubt"),
            gettext(
                "Calls whose end nobody has confirmed; they are in none of the shares of speed."
            ),
            quantity(day["unknown"]),
            quantity(month["unknown"]),
        ),
    ]


def _share(value: float | None) -> str:
    """Rounded down: 99.96 % is no 100 %."""
    if value is None:
        return "–"
    cut = int(value * 10_000) / 10_000
    locale = get_locale()
    return str(
        percent_of(
            cut, format="#,##0.0#\u00a0%" if locale and locale.language != "en" else "#,##0.0#%"
        )
    )


def _minutes(value: float | None) -> str:
    if value is None:
        return "–"
    return gettext("%(count)s min", count=quantity(value))


def _file() -> StatusFile:
    """The application's reader of the figures, made with the first request."""
    found = current_app.extensions.get("tiedolla_service_level")
    if found is None:
        settings: Settings = current_app.extensions["tiedolla_settings"]
        found = current_app.extensions.setdefault(
            "tiedolla_service_level",
            StatusFile(
                settings.status_folder, FILE_NAME, format=FORMAT, fresh=lambda one, _: dict(one)
            ),
        )
    return cast("StatusFile", found)
