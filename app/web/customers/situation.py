"""How things are at a metering point, in the words in which we tell its customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import current_app
from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _l

from app.domain.cause_codes import cause_shown
from app.domain.power_cuts import is_sure_fault, last_estimate
from app.queries.customer_cuts import CustomerCut
from app.queries.meter_trace import MeterTrace
from app.settings import Settings
from app.web.agents.situation import failure_shown, failure_then, telling_ack, when_of
from app.web.formats import clock_time, day, moment
from app.web.i18n import current_language

_SWAPS = ("MVM", "MVY", "MVV")
_DONE = ("COMPLETED", "CORRECTED", "REPORTED", "CLOSED")
# A replacement that was done longer ago is no news.
_NEWS = timedelta(days=30)

_ORDERED = (_l("Your meter will be replaced. We will tell you the time later."), "info", "meter")
_SWAP_WORDS: Mapping[str, tuple[LazyString, str, str]] = {
    **dict.fromkeys(("VALIDATED", "ROUTED", "SENT", "ACCEPTED"), _ORDERED),
    "SCHEDULED": (_l("Your meter will be replaced %(when)s."), "info", "meter"),
    "RESCHEDULED": (
        _l("Your meter will be replaced %(when)s; the time was changed."),
        "info",
        "meter",
    ),
    "STARTED": (_l("Your meter is being replaced since %(when)s."), "warn", "going"),
    "FAILED": (
        _l("Your meter could not be replaced %(when)s: %(reason)s. %(then)s"),
        "warn",
        "meter",
    ),
    "RETURNED": (
        _l("Your meter could not be replaced yet. We will tell you a new time."),
        "warn",
        "meter",
    ),
    **dict.fromkeys(_DONE, (_l("Your meter was replaced %(when)s."), "ok", "ok")),
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing that the customer should know, the most urgent first."""

    text: str
    tone: str
    icon: str


def sentences(trace: MeterTrace, cuts: Sequence[CustomerCut], now: datetime) -> list[Sentence]:
    """What is going on, then what is planned, then the meter; never empty."""
    found = [_going_on(cut, now) for cut in _by_the_last(cuts) if cut.going_on]
    found += [_coming(cut) for cut in reversed(cuts) if cut.coming]
    swap = _swap(trace, now)
    if swap is not None and not any(cut.going_on and cut.kind == "METER_SWAP" for cut in cuts):
        found.append(swap)
    if not any(cut.going_on for cut in cuts) and (not found or found[0].tone == "ok"):
        text = gettext("As far as we know, the power is on. No cuts are planned.")
        found.insert(0, Sentence(text, "ok", "power"))
    return found


def _by_the_last(cuts: Sequence[CustomerCut]) -> list[CustomerCut]:
    """Of several faults the power is back with the last, as whoever asks by message is told (REQ-21)."""
    faults = [cut for cut in cuts if cut.going_on and is_sure_fault(cut.kind, cut.state)]
    latest = last_estimate(cut.etr_at for cut in faults)
    return [replace(cut, etr_at=latest) if cut in faults else cut for cut in cuts]


def _going_on(cut: CustomerCut, now: datetime) -> Sentence:
    facts = {"since": moment(cut.off_at), "cause": _cause(cut)}
    if cut.kind == "METER_SWAP":
        if cut.state != "OPEN":
            text = gettext(
                "Your meter replacement began %(since)s, and its end has not been reported."
                " If you have no power, call us.",
                **facts,
            )
            return Sentence(text, "warn", "unknown")
        text = gettext(
            "Your meter is being replaced. The power has been off since %(since)s, usually for"
            " about 20 minutes.",
            **facts,
        )
        return Sentence(text, "warn", "off")
    if cut.kind == "FAULT" and cut.state == "DETECTED":
        text = gettext(
            "Your power may have been off since %(since)s: a cut was reported from here or from"
            " nearby, and we are looking into it.",
            **facts,
        )
        return Sentence(text, "warn", "unknown")
    text = gettext("The power has been off since %(since)s. Cause: %(cause)s.", **facts)
    return Sentence(f"{text} {_estimate(cut, now)}", "fail", "off")


def _estimate(cut: CustomerCut, now: datetime) -> str:
    """When the power is back; a time that has passed is none, also in the minutes before an overrun."""
    planned = cut.to_at if cut.kind == "PLANNED" and cut.state == "ONGOING" else None
    end = cut.etr_at or planned
    if end is not None and end > now:
        return gettext("We expect it back %(when)s.", when=moment(end))
    if end is not None or cut.etr_passed or cut.state == "OVERRUN":
        return gettext("The work takes longer than we thought; a new estimate follows.")
    return gettext("We do not know yet when it will be back.")


def _coming(cut: CustomerCut) -> Sentence:
    begin, end = cut.from_at or cut.off_at, cut.to_at
    facts = {"day": day(begin), "from": clock_time(begin), "cause": _cause(cut)}
    if end is None:
        text = gettext("Planned power cut %(day)s from %(from)s. Reason: %(cause)s.", **facts)
    else:
        facts["to"] = clock_time(end) if day(begin) == day(end) else moment(end)
        text = gettext(
            "Planned power cut %(day)s from %(from)s to %(to)s. Reason: %(cause)s.", **facts
        )
    return Sentence(text, "info", "off")


def _swap(trace: MeterTrace, now: datetime) -> Sentence | None:
    order = next((one for one in trace.orders if one.order_type_code in _SWAPS), None)
    if order is None or order.state not in _SWAP_WORDS:
        return None
    ack = telling_ack(trace, order)
    told_at = ack.occurred_at if ack is not None else order.state_at
    if order.state in _DONE and now - told_at > _NEWS:
        return None
    words, tone, icon = _SWAP_WORDS[order.state]
    settings: Settings = current_app.extensions["tiedolla_settings"]
    facts = {
        "when": when_of(order, ack),
        "reason": failure_shown(ack),
        "then": failure_then(ack, settings.customer_service_phone),
    }
    return Sentence(str(words) % facts, tone, icon)


def _cause(cut: CustomerCut) -> str:
    return cause_shown(cut.cause_code).in_language(current_language())
