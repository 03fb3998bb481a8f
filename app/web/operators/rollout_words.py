"""What the rollout's parts, ages and reasons are called, and a choice of orders in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flask_babel import LazyString, gettext, ngettext
from flask_babel import lazy_gettext as _l

from app.domain.failure_reasons import FAILURE_REASONS
from app.domain.municipalities import municipality_names
from app.domain.rollout import AGE_DAYS, NO_REASON, NONE, STUCK_AFTER, Choice, Flag, Group
from app.web.formats import day
from app.web.i18n import current_language
from app.web.labels import label
from app.web.operators.blueprint import blueprint

GROUP: Mapping[str, LazyString] = {
    Group.INSTALLED: _l("Installed"),
    Group.OPEN: _l("Still open"),
    Group.CALLED_OFF: _l("Called off"),
}
FLAG: Mapping[str, LazyString] = {
    Flag.BOOKED: _l("Appointment booked"),
    Flag.UNBOOKED: _l("No appointment yet"),
    Flag.OVERDUE: _l("Visit not reported"),
    Flag.SILENT: _l("No acknowledgement"),
    Flag.STUCK: _l("Stuck on our side"),
    Flag.MISMATCH: _l("Meter numbers that do not match"),
    Flag.VISITED: _l("Visited"),
    Flag.FIRST_VISIT: _l("Installed at the first visit"),
}
_PLAN_FAULT: Mapping[str, LazyString] = {
    "COLUMN_MISSING": _l("the column is missing"),
    "NOT_CSV": _l("it cannot be read as CSV"),
    "EMPTY": _l("there is no row"),
    "TOO_MANY_ROWS": _l("the file has too many rows"),
    "ROW_TWICE": _l("the same wave, municipality and first day stand on another line"),
    "NAME": _l("it is empty or too long"),
    "MUNICIPALITY_UNKNOWN": _l("no municipality has this name or code"),
    "DAY": _l("it is not a day, as 2026-11-30 or 30.11.2026"),
    "ENDS_BEFORE": _l("it is before the first day"),
    "NUMBER": _l("it is not a whole number above zero"),
}


@blueprint.app_template_global("rollout_flag")
def flag_name(flag: str) -> str:
    """What a flag is called."""
    return str(FLAG[flag])


@blueprint.app_template_global("rollout_flag_text")
def flag_text(flag: str, silent_days: int) -> str:
    """What it means that an order has a flag."""
    hours = int(STUCK_AFTER.total_seconds() // 3600)
    words: Mapping[str, str] = {
        Flag.BOOKED: gettext("The customer and the contractor have a time."),
        Flag.UNBOOKED: gettext("With the contractor, without a time."),
        Flag.OVERDUE: gettext("The agreed time passed more than a day ago, and nobody reported."),
        Flag.SILENT: ngettext(
            "Sent more than %(num)d day ago, and never answered by the contractor.",
            "Sent more than %(num)d days ago, and never answered by the contractor.",
            silent_days,
        ),
        Flag.STUCK: gettext(
            "Of a mass order, and for %(hours)s hours waiting for us, or given up on the way.",
            hours=hours,
        ),
        Flag.MISMATCH: gettext("The meter reported is not the one that we know."),
    }
    return words.get(flag, "")


@blueprint.app_template_global("rollout_age")
def age_name(age: int) -> str:
    """How long an order has been in its state, as an index of AGES."""
    if age == 0:
        return gettext("Under a day")
    if age < len(AGE_DAYS):
        return gettext("%(from)s–%(to)s days", **{"from": AGE_DAYS[age - 1], "to": AGE_DAYS[age]})
    return gettext("Over %(days)s days", days=AGE_DAYS[-1])


@blueprint.app_template_global("rollout_area")
def area_name(code: str | None) -> str:
    """A municipality in the reader's language."""
    if code is None or code == NONE:
        return gettext("Municipality unknown")
    return municipality_names(code).in_language(current_language())


@blueprint.app_template_global("rollout_wave")
def wave_name(wave: str | None) -> str:
    """A wave; orders that came one by one have none."""
    return gettext("Outside the waves") if wave is None or wave == NONE else wave


@blueprint.app_template_global("rollout_reason")
def reason_name(code: str) -> str:
    """Why a visit failed, in words; a code that we do not know as it is."""
    reason = FAILURE_REASONS.get(code)
    if reason is None:
        return gettext("No reason told") if code == NO_REASON else code
    words = reason.shown.in_language(current_language())
    return words[:1].upper() + words[1:]


@blueprint.app_template_global("rollout_plan_fault")
def plan_fault(code: str) -> str:
    """Why a line of a plan cannot be taken."""
    known = _PLAN_FAULT.get(code)
    return str(known) if known is not None else code


@blueprint.app_template_global("rollout_choice_words")
def choice_words(choice: Choice) -> list[str]:
    """A choice of orders in a few words each."""
    return list(_words(choice))


def _words(choice: Choice) -> Iterator[str]:
    if choice.flag is not None:
        yield flag_name(choice.flag)
    if choice.group is not None:
        yield str(GROUP[choice.group])
    if choice.state is not None:
        yield str(label("work_order", choice.state).text)
    if choice.age is not None:
        yield age_name(choice.age)
    yield from _days(choice)
    if choice.reason is not None:
        yield gettext("Failed: %(reason)s", reason=reason_name(choice.reason))
    if choice.model is not None:
        yield gettext("Model %(model)s", model=_or_dash(choice.model))
    if choice.crew is not None:
        yield gettext("Crew %(crew)s", crew=_or_dash(choice.crew))
    if choice.partner is not None:
        yield gettext("Contractor %(code)s", code=_or_dash(choice.partner))
    if choice.wave is not None:
        yield wave_name(choice.wave)
    if choice.area is not None:
        yield area_name(choice.area)


def _days(choice: Choice) -> Iterator[str]:
    first, last = choice.from_day, choice.to_day
    if first is not None and first == last:
        yield gettext("Installed on %(day)s", day=day(first))
    elif first is not None:
        ends = day(last) if last is not None else ""
        yield gettext("Installed %(from)s–%(to)s", **{"from": day(first), "to": ends})
    elif last is not None:
        yield gettext("Installed until %(day)s", day=day(last))


def _or_dash(name: str) -> str:
    return "–" if name == NONE else name
