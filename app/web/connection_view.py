"""A connection order in words: a sentence, the way through its stages, and what happened to it.

For customer service and for the customer alike, so that both read the same (REQ-21).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.domain.clock import helsinki_day
from app.domain.connection_course import ConnectionCourse, Happening, is_behind
from app.domain.delay_reasons import delay_shown
from app.domain.states import CONNECTION_PATH, ConnectionStage
from app.models import ConnectionOrder
from app.queries.connection_story import ConnectionStory
from app.services.connections import course_of_stored
from app.web.agents.timeline import Day, Entry, days_of, notice_entry
from app.web.formats import clock_time, day, moment
from app.web.i18n import current_language
from app.web.labels import label

_S = ConnectionStage
_WORDS = {
    _S.ORDERED: _l("The order has been received."),
    _S.CONTRACTED: _l("The contract has been made."),
    _S.SITE_PLANNING: _l("The site is being planned."),
    _S.BUILDING: _l("The connection is being built."),
    _S.READY: _l("The connection is ready to be switched on."),
    _S.ENERGISED: _l("The connection has been switched on."),
    _S.METERED: _l("The connection has been switched on and the meter is in place."),
    _S.COMPLETED: _l("The connection is complete and live."),
    _S.ON_HOLD: _l("The order is on hold."),
    _S.CANCELLED: _l("The order was cancelled."),
}
_SWITCHED_ON = (_S.ENERGISED, _S.METERED, _S.COMPLETED)


@dataclass(frozen=True, slots=True)
class Situation:
    """How things are, in one or two sentences."""

    text: str
    more: str
    tone: str
    icon: str


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of the way: done, now or ahead, with its day if it is known."""

    text: str
    state: str
    state_name: str
    on: date | None
    tone: str
    icon: str


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """One order as a page shows it."""

    order: ConnectionOrder
    situation: Situation
    steps: list[Step]
    dates: list[tuple[str, str]]
    days: list[Day]
    refused: list[int]


def connection_view(
    story: ConnectionStory, now: datetime, *, for_customer: bool = False
) -> ConnectionView:
    """Put one order into words; staff also see the messages and versions behind it."""
    order = story.order
    course = course_of_stored(version.facts for version in story.versions)
    return ConnectionView(
        order=order,
        situation=_situation(order, now),
        steps=_steps(order, course),
        dates=list(_dates(order)),
        days=days_of(
            list(_entries(course, for_customer=True))
            if for_customer
            else [*_entries(course), *map(notice_entry, story.notices)]
        ),
        refused=sorted(course.refused),
    )


def week_name(week: str) -> str:
    """Week 48, 2026."""
    return gettext("week %(number)s, %(year)s", number=int(week[6:]), year=week[:4])


def window_text(begin: datetime, end: datetime) -> str:
    """A day and the hours between which something happens."""
    words = {"day": day(begin), "from": clock_time(begin), "to": clock_time(end)}
    if day(begin) == day(end):
        return gettext("%(day)s between %(from)s and %(to)s", **words)
    return gettext("between %(from)s and %(to)s", **{"from": moment(begin), "to": moment(end)})


def _situation(order: ConnectionOrder, now: datetime) -> Situation:
    stage = ConnectionStage(order.stage)
    more = " ".join(_plans(order, now))
    if stage is _S.CANCELLED:
        return Situation(str(_WORDS[stage]), "", "calm", "calm")
    if stage is _S.ON_HOLD:
        return Situation(str(_WORDS[stage]), more, "warn", "held")
    if order.delayed:
        return Situation(str(_WORDS[stage]), more, "warn", "wait")
    if stage in _SWITCHED_ON:
        return Situation(str(_WORDS[stage]), more, "ok", "ok")
    return Situation(str(_WORDS[stage]), more, "info", "going")


def _plans(order: ConnectionOrder, now: datetime) -> Iterator[str]:
    """What is still to come, and what came otherwise than planned."""
    reached = ConnectionStage(order.held_stage or order.stage)
    if reached in _SWITCHED_ON:
        if order.meter_number:
            yield gettext("The meter number is %(number)s.", number=order.meter_number)
        return
    if order.visit_from_at and order.visit_to_at and order.visit_to_at > now:
        when = window_text(order.visit_from_at, order.visit_to_at)
        yield gettext("The planner visits the site %(when)s.", when=when)
    if order.energise_from_at and order.energise_to_at:
        when = window_text(order.energise_from_at, order.energise_to_at)
        if order.energise_to_at > now:
            yield gettext("It will be switched on %(when)s.", when=when)
        else:
            yield gettext(
                "It was to be switched on %(when)s; that it was has not been confirmed yet.",
                when=when,
            )
    elif order.target_week:
        yield gettext("It should be switched on in %(week)s.", week=week_name(order.target_week))
    if order.delayed:
        yield gettext("It is delayed: %(reason)s.", reason=reason_text(order.delay_reason))


def reason_text(code: str | None) -> str:
    """Why it is delayed, as the customer reads it."""
    return delay_shown(code).in_language(current_language())


def _stage_days(order: ConnectionOrder, course: ConnectionCourse) -> dict[str, date]:
    """The day of each stage as the CIS tells it, else that of the version that brought it."""
    seen = {
        str(one.value): helsinki_day(one.at)
        for one in course.happenings
        if one.what in ("STAGE", "BACK")
    }
    told = {name: date.fromisoformat(on) for name, on in order.stage_dates.items()}
    return seen | told


def _steps(order: ConnectionOrder, course: ConnectionCourse) -> list[Step]:
    stage = ConnectionStage(order.stage)
    # A cancelled order got as far as its days tell.
    reached = ConnectionStage(order.held_stage) if order.held_stage else stage
    dates = _stage_days(order, course)
    if reached not in CONNECTION_PATH:
        known = [one for one in CONNECTION_PATH if one in dates]
        reached = known[-1] if known else _S.ORDERED
    steps = []
    for one in CONNECTION_PATH:
        on = dates.get(one)
        if is_behind(one, reached) or (one is reached and stage is _S.COMPLETED):
            step = ("done", gettext("done"), on, "ok", "ok")
        elif one is reached:
            tone, icon = {
                _S.ON_HOLD: ("warn", "held"),
                _S.CANCELLED: ("calm", "fail"),
            }.get(stage, ("info", "going"))
            step = (
                "now",
                str(label("connection", stage).text) if tone != "info" else gettext("now"),
                on,
                tone,
                icon,
            )
        else:
            step = ("ahead", gettext("still to come"), None, "calm", "wait")
        steps.append(Step(str(label("connection", one).text), *step))
    return steps


def _dates(order: ConnectionOrder) -> Iterator[tuple[str, str]]:
    """Facts with a date, by name; what is not known is left out."""
    if order.visit_from_at and order.visit_to_at:
        when = window_text(order.visit_from_at, order.visit_to_at)
        yield gettext("Planner’s visit"), when
    if order.energise_from_at and order.energise_to_at:
        when = window_text(order.energise_from_at, order.energise_to_at)
        yield gettext("Switching on"), when
    if order.target_week:
        yield gettext("Target week"), week_name(order.target_week)
    if order.promised_week and order.promised_week != order.target_week:
        yield gettext("First promised"), week_name(order.promised_week)
    if order.delay_reason:
        yield gettext("Reason of the delay"), reason_text(order.delay_reason)


def _entries(course: ConnectionCourse, *, for_customer: bool = False) -> Iterator[Entry]:
    for rank, happening in enumerate(course.happenings):
        title, tone, icon = _title(happening)
        detail = gettext("Version %(number)s of the order", number=happening.version)
        detail = "" if for_customer else detail
        yield Entry(happening.at, title, tone, icon, detail, rank=rank)


_TAKEN_BACK = {
    "VISIT": (_l("The planner’s visit was taken back"), "warn", "person"),
    "ENERGISE": (_l("The day of switching on was taken back"), "warn", "power"),
    "WEEK": (_l("The target week was taken back"), "warn", "wait"),
}


def _title(happening: Happening) -> tuple[str, str, str]:
    what, value = happening.what, happening.value
    if isinstance(value, tuple):
        when = window_text(*value)
        if what == "VISIT":
            return gettext("Planner’s visit: %(when)s", when=when), "info", "person"
        return gettext("Switching on: %(when)s", when=when), "info", "power"
    if value is None:
        words, tone, icon = _TAKEN_BACK[what]
        return str(words), tone, icon
    if what in ("WEEK", "DELAYED"):
        if what == "WEEK":
            return gettext("Target week: %(week)s", week=week_name(value)), "info", "wait"
        return gettext("Delay: %(reason)s", reason=reason_text(value)), "warn", "wait"
    return _stage_title(value, corrected=what == "BACK")


def _stage_title(stage: str, *, corrected: bool) -> tuple[str, str, str]:
    known = label("connection", stage)
    if corrected:
        return gettext("The stage was corrected: %(stage)s", stage=known.text), "warn", "warn"
    return gettext("Stage: %(stage)s", stage=known.text), known.tone, known.icon
