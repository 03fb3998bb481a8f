"""What is filled into the texts: addresses, times and reasons in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from app.domain.cause_codes import cause_shown
from app.domain.clock import HELSINKI
from app.domain.failure_reasons import FAILURE_REASONS, UNKNOWN_REASON_SHOWN, then_after
from app.domain.languages import Language, Names
from app.domain.local_formats import format_day, format_duration, format_moment, format_time
from app.domain.notice_types import NoticeType

# Stands for the address where it is unknown or must not be told (REQ-31).
HIDDEN_ADDRESS = Names("käyttöpaikkasi", "din förbrukningsplats", "your metering point")


def short_address(
    street_name: str | None,
    house_number: str | None = None,
    staircase: str | None = None,
    apartment: str | None = None,
) -> str | None:
    """Street, house, staircase and apartment as on a letter: Koivutie 12 A 3; None if unknown."""
    if not street_name:
        return None
    return " ".join(part for part in (street_name, house_number, staircase, apartment) if part)


def several_points(count: int, language: Language) -> str:
    """What stands for the address when one contact has several of the points (REQ-04)."""
    return f"{count} {_SEVERAL.in_language(language)}"


def values_for(
    kind: NoticeType,
    language: Language,
    facts: Mapping[str, Any],
    *,
    brand: str,
    phone: str,
    address: str | None,
) -> dict[str, str]:
    """Values for any kind of text from an event's facts; no address means that it must stay out.

    facts: as docs/interfaces/notice-facts.md names them; times in ISO 8601. A fact that is missing
    is left out, so that rendering a text that needs it fails instead of saying something untrue.
    """
    values = {
        "brand": brand,
        "phone": phone,
        "addr": address or HIDDEN_ADDRESS.in_language(language),
    }
    for name, fill in _VALUES[kind].items():
        filled = fill(facts, language)
        if filled is not None:
            values[name] = filled
    if "then" in values:
        # The one phrase of a code list that says whom to call.
        values["then"] = values["then"].format(phone=phone)
    return values


def placeholders_of(kind: NoticeType) -> frozenset[str]:
    """The placeholders that texts of one kind may hold."""
    return COMMON_PLACEHOLDERS | _VALUES[kind].keys()


# What every text may say: who, whom to call, where.
COMMON_PLACEHOLDERS = frozenset({"brand", "phone", "addr"})

_SEVERAL = Names("käyttöpaikkaa", "förbrukningsplatser", "metering points")
_NOT_KNOWN_YET = Names("ei vielä tiedossa", "inte känd ännu", "not known yet")
_TODAY = Names("tänään", "i dag", "today")
# Where the words stand, Finnish and Swedish begin a sentence.
_LAST_NIGHT = Names("Viime yönä", "I natt", "last night")
_IN_QUIET_HOURS = Names("Hiljaisena aikana", "Under tysta timmar", "in your quiet hours")
_EVENING, _MORNING = time(20), time(10)

_Fill = Callable[[Mapping[str, Any], Language], str | None]


def _time(name: str, beside: str | None = None) -> _Fill:
    """The time of day; its day stands behind if `beside` is on another day (or of event_at).

    Behind it, since texts say "klo" or "kl." before it.
    """

    def fill(facts: Mapping[str, Any], language: Language) -> str | None:
        at, other = _moment(facts, name), _moment(facts, beside or name)
        if at is None:
            return None
        words = (format_time(at, language), _other_day(at, other, language))
        return " ".join(word for word in words if word)

    return fill


def _window_end(name: str, beside: str) -> _Fill:
    """The end of a span; its day stands in front, as that of the beginning does."""

    def fill(facts: Mapping[str, Any], language: Language) -> str | None:
        at, other = _moment(facts, name), _moment(facts, beside)
        if at is None:
            return None
        words = (_other_day(at, other, language), format_time(at, language))
        return " ".join(word for word in words if word)

    return fill


def _other_day(at: datetime, other: datetime | None, language: Language) -> str:
    return "" if other is None or _same_day(at, other) else format_day(at, language)


def _day(name: str) -> _Fill:
    def fill(facts: Mapping[str, Any], language: Language) -> str | None:
        at = _moment(facts, name)
        if at is not None:
            return format_day(at, language)
        value = facts.get(name)
        return None if value is None else format_day(date.fromisoformat(value), language)

    return fill


def _today_or_day(name: str, beside: str) -> _Fill:
    """Today, if both are on one day; else the day itself, which stays true after midnight."""

    def fill(facts: Mapping[str, Any], language: Language) -> str | None:
        at, other = _moment(facts, name), _moment(facts, beside)
        if at is None:
            return None
        if other is not None and _same_day(at, other):
            return _TODAY.in_language(language)
        return format_day(at, language)

    return fill


def _night(facts: Mapping[str, Any], language: Language) -> str:
    """Last night, unless it was by day: whoever works at night is left alone while they sleep."""
    clocks = [at.astimezone(HELSINKI).time() for at in _both(facts, "off_at", "on_at")]
    by_night = clocks and all(clock >= _EVENING or clock < _MORNING for clock in clocks)
    return (_LAST_NIGHT if by_night else _IN_QUIET_HOURS).in_language(language)


def _both(facts: Mapping[str, Any], *names: str) -> list[datetime]:
    return [at for at in (_moment(facts, name) for name in names) if at is not None]


def _estimate(facts: Mapping[str, Any], language: Language) -> str:
    """The estimate as words, since it may be missing."""
    at = _moment(facts, "etr_at")
    return _NOT_KNOWN_YET.in_language(language) if at is None else format_moment(at, language)


def _duration(facts: Mapping[str, Any], language: Language) -> str | None:
    value = facts.get("duration_s")
    return None if value is None else format_duration(timedelta(seconds=value), language)


def _cause(facts: Mapping[str, Any], language: Language) -> str:
    return cause_shown(facts.get("cause_code")).in_language(language)


def _reason(facts: Mapping[str, Any], language: Language) -> str:
    reason = FAILURE_REASONS.get(facts.get("reason_code") or "")
    return (reason.shown if reason else UNKNOWN_REASON_SHOWN).in_language(language)


def _then(facts: Mapping[str, Any], language: Language) -> str:
    return then_after(facts.get("reason_code")).in_language(language)


def _named(name: str) -> _Fill:
    """A fact that reads the same in all languages, or one name per language."""

    def fill(facts: Mapping[str, Any], language: Language) -> str | None:
        value = facts.get(name)
        if isinstance(value, Mapping):
            value = value.get(language)
        return None if value is None else str(value)

    return fill


def _moment(facts: Mapping[str, Any], name: str) -> datetime | None:
    value = facts.get(name)
    if not isinstance(value, str) or "T" not in value:
        return None
    return datetime.fromisoformat(value)


def _same_day(one: datetime, other: datetime) -> bool:
    return one.astimezone(HELSINKI).date() == other.astimezone(HELSINKI).date()


_WINDOW: Mapping[str, _Fill] = {
    "date": _day("from_at"),
    "t1": _time("from_at"),
    "t2": _window_end("to_at", "from_at"),
}
_PLAN: Mapping[str, _Fill] = {**_WINDOW, "cause": _cause}
_SINCE: Mapping[str, _Fill] = {"date": _day("off_at"), "t1": _time("off_at", "event_at")}
_ORDER: Mapping[str, _Fill] = {"order": _named("order_no"), "week": _named("week")}
_T = NoticeType

_VALUES: Mapping[NoticeType, Mapping[str, _Fill]] = {
    **{kind: {} for kind in NoticeType},
    _T.METER_SWAP_ANNOUNCED: _WINDOW,
    _T.METER_SWAP_BOOK: _WINDOW,
    _T.METER_SWAP_REMINDER: _WINDOW,
    _T.METER_SWAP_RESCHEDULED: _WINDOW,
    _T.METER_SWAP_CANCELLED: _WINDOW,
    _T.METER_SWAP_STARTED: {"date": _day("happened_at"), "t1": _time("happened_at")},
    _T.METER_SWAP_DONE: {"date": _day("happened_at"), "t2": _time("happened_at")},
    _T.METER_SWAP_DONE_STILL_OFF: {"date": _day("happened_at"), "t2": _time("happened_at")},
    _T.METER_SWAP_FAILED: {"date": _day("happened_at"), "reason": _reason, "then": _then},
    _T.FAULT_STARTED: {"date": _day("off_at"), "t1": _time("off_at")},
    _T.FAULT_ETR: {"date": _day("etr_at"), "t2": _time("etr_at"), "cause": _cause},
    _T.FAULT_ETR_CHANGED: {
        "date": _day("etr_at"),
        "t2": _time("etr_at"),
        "t1": _time("old_etr_at", "etr_at"),
    },
    _T.FAULT_ETR_DELAYED: {"t1": _time("off_at", "event_at"), "cause": _cause},
    _T.FAULT_PARTLY_RESTORED: {"etr": _estimate, "cause": _cause},
    _T.FAULT_RESTORED: {"date": _day("on_at"), "t2": _time("on_at"), "dur": _duration},
    _T.MORNING_SUMMARY: {
        "date": _day("on_at"),
        "t1": _time("off_at", "on_at"),
        "t2": _time("on_at"),
        "dur": _duration,
        "night": _night,
    },
    _T.PLANNED_NOTICE: _PLAN,
    _T.PLANNED_REMINDER: {**_PLAN, "day": _today_or_day("from_at", "event_at")},
    _T.PLANNED_CHANGED: _PLAN,
    _T.PLANNED_CANCELLED: _PLAN,
    _T.PLANNED_OVERRUN: {**_PLAN, "etr": _estimate},
    _T.AREA_PLANNED: {
        "area": _named("area"),
        "count": _named("count"),
        "date": _day("from_at"),
        "t1": _time("from_at"),
    },
    _T.STORM_BULLETIN: {"area": _named("area"), "count": _named("count")},
    _T.SAFETY_WARNING: {"area": _named("area")},
    _T.COMPENSATION: {"dur": _duration, "date": _day("on_at")},
    _T.CORRECTION: {"t1": _time("told_at", "event_at")},
    _T.CORRECTION_STILL_OFF: {"t1": _time("told_at", "event_at"), "etr": _estimate},
    _T.CONN_RECEIVED: _ORDER,
    _T.CONN_PLANNING: {**_ORDER, **_WINDOW},
    _T.CONN_ENERGISE: {**_ORDER, **_WINDOW},
    _T.CONN_COMPLETED: {**_ORDER, "date": _day("on"), "meter": _named("meter")},
    _T.CONN_DELAYED: {**_ORDER, "reason": _named("reason")},
    _T.VERIFY_CODE: {"code": _named("code")},
    _T.OPT_OUT_OTHERS_ACTIVE: {"active": _named("active")},
    _T.STATUS_OUTAGE: {**_SINCE, "etr": _estimate},
    _T.STATUS_SUSPECTED: _SINCE,
    _T.STATUS_PLANNED: _PLAN,
    _T.STATUS_PLANNED_ON: {**_SINCE, "etr": _estimate, "cause": _cause},
    _T.STATUS_SWAP: _SINCE,
    _T.STATUS_SWAP_UNCONFIRMED: _SINCE,
    _T.BOOKING_OK: _WINDOW,
    _T.BOOKING_NO: _WINDOW,
    _T.WHICH_SITE: {"sites": _named("sites")},
    _T.AGENT_REPLY: {"words": _named("words")},
    _T.STAFF_ALARM: {
        "rule": _named("rule"),
        "event": _named("event"),
        "value": _named("value"),
        "limit": _named("limit"),
        "date": _day("event_at"),
        "t1": _time("event_at"),
    },
}
