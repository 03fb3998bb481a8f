"""The public calendar of planned cuts: a page, and a feed for calendars (iCalendar, RFC 5545)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale, gettext, ngettext
from icalendar import Calendar, Event

from app.db import db
from app.domain.cause_codes import cause_shown
from app.domain.municipalities import MUNICIPALITIES, municipality_names
from app.queries.public_cuts import PublicCut, municipalities_of, public_cuts
from app.settings import Settings
from app.web.clock import now
from app.web.formats import between, moment
from app.web.i18n import LANGUAGES, current_language

blueprint = Blueprint("planned_public", __name__)

_FEED_MAX_AGE_S = 300
_REFRESH = timedelta(hours=1)
_GONE = ("CANCELLED", "ENDED")


@blueprint.get("/planned-cuts")
def calendar() -> ResponseReturnValue:
    """What is planned, municipality by municipality."""
    code = _municipality()
    every = public_cuts(db.session(), now())
    codes = municipalities_of(every)
    shown = [cut for cut in every if code is None or cut.municipality == code]
    groups = [
        (name_of(each), [cut for cut in shown if cut.municipality == each])
        for each in sorted(municipalities_of(shown), key=name_of)
    ]
    choices = sorted(((each, name_of(each)) for each in codes), key=lambda choice: choice[1])
    feed: dict[str, Any] = {"lang": current_language(), "municipality": code}
    return render_template(
        "public/planned_cuts.html",
        groups=groups,
        choices=choices,
        code=code,
        feed_href=url_for(".feed", **feed),
        when=_when,
        cause_name=_cause_name,
        people=_people,
    )


@blueprint.get("/planned-cuts.ics")
def feed() -> Response:
    """The same for a calendar that asks again by itself; ?lang= and ?municipality= choose."""
    language = request.args.get("lang", "fi")
    with force_locale(language if language in LANGUAGES else "fi"):
        content = _calendar(
            public_cuts(db.session(), now(), municipality=_municipality(), with_over=True)
        )
    answer = Response(content, mimetype="text/calendar")
    answer.headers["Cache-Control"] = f"public, max-age={_FEED_MAX_AGE_S}"
    answer.headers["Content-Disposition"] = 'inline; filename="planned-cuts.ics"'
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer


def name_of(code: str) -> str:
    """A municipality in the reader's language."""
    return municipality_names(code).in_language(current_language())


def _municipality() -> str | None:
    code = request.args.get("municipality", "")
    return code if code in MUNICIPALITIES else None


def _calendar(cuts: list[PublicCut]) -> bytes:
    settings: Settings = current_app.extensions["tiedolla_settings"]
    host = urlsplit(settings.base_url).hostname or "tiedolla"
    page = url_for(".calendar")
    found = Calendar()
    found.add("prodid", "-//Tiedolla//Planned cuts//EN")
    found.add("version", "2.0")
    found.add("method", "PUBLISH")
    found.add("name", gettext("Planned power cuts"))
    found.add("x-wr-calname", gettext("Planned power cuts"))
    found.add("refresh-interval", _REFRESH, {"value": "DURATION"})
    for cut in cuts:
        found.add_component(_event(cut, host, f"{settings.base_url}{page}"))
    return found.to_ical()


def _event(cut: PublicCut, host: str, page: str) -> Event:
    event = Event()
    event.add("uid", f"cut-{cut.id}-{cut.municipality}@{host}")
    event.add("dtstamp", cut.updated_at)
    event.add("last-modified", cut.updated_at)
    event.add("sequence", cut.changes + (1000 if cut.state in _GONE else 0))
    event.add("dtstart", cut.from_at)
    event.add("dtend", cut.to_at)
    event.add("summary", gettext("Planned power cut, %(place)s", place=name_of(cut.municipality)))
    event.add("location", ", ".join(cut.places) or name_of(cut.municipality))
    event.add("description", f"{_cause_name(cut.cause_code)}. {_people(cut)}.")
    event.add("status", "CANCELLED" if cut.state in _GONE else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    event.add("url", page)
    return event


def _when(cut: PublicCut) -> str:
    """From when to when; an end that has passed is not shown as one to come (REQ-06)."""
    if cut.overrun and cut.to_at <= now():
        return gettext("Since %(at)s, takes longer than planned", at=moment(cut.from_at))
    return between(cut.from_at, cut.to_at)


def _people(cut: PublicCut) -> str:
    if cut.count is None:
        return gettext("Fewer than five metering points")
    return ngettext("%(num)d metering point", "%(num)d metering points", cut.count)


def _cause_name(code: str | None) -> str:
    return cause_shown(code).in_language(current_language())
