"""How things are at a metering point, in one sentence that an agent can say on the phone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _l

from app.domain.cause_codes import cause_shown
from app.domain.etr import shown_etr
from app.domain.failure_reasons import FAILURE_REASONS, UNKNOWN_REASON_SHOWN, then_after
from app.domain.power_cuts import Cut, open_cut
from app.models import Ack, Notice, WorkOrder
from app.queries.meter_trace import MeterTrace, PlanAhead
from app.web.agents.fault_words import fault_sentence
from app.web.formats import clock_time, day, moment
from app.web.i18n import current_language
from app.web.labels import CHANNEL, NOTICE
from app.web.wording import suppress_text

_SWAPS = ("MVM", "MVY", "MVV")
_PLANNED = ("SCHEDULED", "RESCHEDULED")
_DONE = ("COMPLETED", "CORRECTED", "REPORTED", "CLOSED")
_SENT = ("SENT", "DELIVERED", "RESENT", "FALLBACK")
# Older notices say nothing about the latest order any more.
_RECENT = timedelta(days=14)
_SOON = timedelta(days=7)


_DONE_WORDS = (_l("The meter was replaced %(when)s. The power is on."), "ok", "ok")
_DONE_WITH_METER = _l(
    "The meter was replaced %(when)s. The power is on. The new meter is %(number)s."
)
_ASKED_WORDS = (
    _l("A meter replacement has been ordered. %(partner)s has not answered yet."),
    "info",
    "wait",
)
_ORDERED = (_l("%(work)s: ordered, not answered yet."), "info", "wait")

# What is said of an order in each state: words, tone and sign.
_SWAP_WORDS: Mapping[str, tuple[LazyString, str, str]] = {
    "ROUTED": _ASKED_WORDS,
    "SENT": _ASKED_WORDS,
    "ACCEPTED": (
        _l("A meter replacement has been ordered. %(partner)s has accepted it; no time yet."),
        "info",
        "order",
    ),
    "SCHEDULED": (_l("The meter will be replaced %(when)s."), "info", "wait"),
    "RESCHEDULED": (
        _l("The meter will be replaced %(when)s; the time was changed."),
        "info",
        "wait",
    ),
    "STARTED": (_l("The meter replacement began %(when)s and is under way."), "warn", "going"),
    "FAILED": (
        _l("The meter could not be replaced %(when)s: %(reason)s. The old meter stays in use."),
        "fail",
        "fail",
    ),
    "RETURNED": (
        _l(
            "The meter could not be replaced: the order came back to us. The old meter stays in use."
        ),
        "warn",
        "warn",
    ),
    **dict.fromkeys(_DONE, _DONE_WORDS),
}
_WORK_DONE = (_l("%(work)s: done %(when)s."), "ok", "ok")
_WORK_WORDS: Mapping[str, tuple[LazyString, str, str]] = {
    "NO_ROUTE": (
        _l("%(work)s: no contractor fits the order; it waits for our decision."),
        "warn",
        "route",
    ),
    "REJECTED": (_l("%(work)s: the checks rejected the order."), "fail", "fail"),
    "PARTNER_REJECTED": (
        _l("%(work)s: %(partner)s refused the order; it waits for our decision."),
        "fail",
        "fail",
    ),
    "CANCELLED": (_l("%(work)s: cancelled %(when)s."), "calm", "calm"),
    "ACCEPTED": (_l("%(work)s: %(partner)s has accepted it; no time yet."), "info", "order"),
    "SCHEDULED": (_l("%(work)s: will be done %(when)s."), "info", "wait"),
    "RESCHEDULED": (_l("%(work)s: will be done %(when)s; the time was changed."), "info", "wait"),
    "STARTED": (_l("%(work)s: began %(when)s and is under way."), "warn", "going"),
    "FAILED": (_l("%(work)s: the visit failed %(when)s (%(reason)s)."), "fail", "fail"),
    "RETURNED": (_l("%(work)s: could not be done; the order came back to us."), "warn", "warn"),
    **dict.fromkeys(_DONE, _WORK_DONE),
}


@dataclass(frozen=True, slots=True)
class Situation:
    """A sentence, the one about the customer's last message, and a tone and sign for both."""

    text: str
    told: str
    tone: str
    icon: str


def situation(trace: MeterTrace, type_names: Mapping[str, str], now: datetime) -> Situation:
    """The sentence; a power cut that goes on comes before everything else."""
    order = trace.orders[0] if trace.orders else None
    off_now = open_cut(trace.cuts)
    if off_now is not None:
        text, tone, icon = _cut(off_now, trace, now)
    elif (plan := _plan_soon(trace, now)) is not None:
        text, tone, icon = _planned(plan)
    elif order is not None:
        text, tone, icon = _order(trace, order, type_names)
    else:
        text = gettext("Nothing is going on here: no work orders and no power cuts are known.")
        tone, icon = "calm", "calm"
    return Situation(text, _told(trace, now), tone, icon)


def _plan_soon(trace: MeterTrace, now: datetime) -> PlanAhead | None:
    """The next planned cut, when it is so near that people call about it."""
    ahead = [plan for plan in trace.plans if plan.state != "CANCELLED"]
    return next((plan for plan in ahead if plan.from_at - now <= _SOON), None)


def _planned(plan: PlanAhead) -> tuple[str, str, str]:
    text = gettext(
        "A power cut is planned from %(from)s to %(to)s: %(cause)s.",
        **{
            "from": moment(plan.from_at),
            "to": moment(plan.to_at),
            "cause": cause_shown(plan.cause_code).in_language(current_language()),
        },
    )
    return text, "info", "off"


def _cut(cut: Cut, trace: MeterTrace, now: datetime) -> tuple[str, str, str]:
    if cut.kind == "FAULT":
        return fault_sentence(cut, now)
    order = next((o for o in trace.orders if o.order_id == cut.source_ref), None)
    state = order.state if order is not None else ""
    ack = telling_ack(trace, order) if order is not None else None
    facts = {"since": moment(cut.off_at), "reason": failure_shown(ack)}
    if cut.kind == "PLANNED":
        return _planned_cut(cut, now)
    if cut.kind != "METER_SWAP":
        return gettext("The power has been off since %(since)s.", **facts), "fail", "off"
    if state in ("FAILED", "RETURNED"):
        text = gettext(
            "The power has been off since %(since)s: the visit failed (%(reason)s) and nobody has"
            " reported the power back.",
            **facts,
        )
        return text, "fail", "off"
    if cut.state == "STALE" or state in _DONE:
        text = gettext(
            "The meter replacement began %(since)s, but its end has not been acknowledged."
            " Whether the power is back is not known.",
            **facts,
        )
        return text, "warn", "unknown"
    text = gettext(
        "The meter is being replaced right now. The power has been off since %(since)s,"
        " usually for about 20 minutes.",
        **facts,
    )
    return text, "warn", "off"


def _planned_cut(cut: Cut, now: datetime) -> tuple[str, str, str]:
    facts = {"since": moment(cut.off_at)}
    until_at = cut.until_at
    if cut.state == "OVERRUN" or until_at is None or until_at <= now:
        text = gettext(
            "A planned power cut takes longer: the power is off since %(since)s.", **facts
        )
        etr_at = shown_etr(cut.etr_at, now)
        if etr_at is not None:
            text += " " + gettext("It is estimated to be back %(when)s.", when=moment(etr_at))
        return text, "fail", "off"
    text = gettext(
        "A planned power cut is under way: off since %(since)s, until %(until)s by plan.",
        **facts,
        until=moment(until_at),
    )
    return text, "warn", "off"


def _order(
    trace: MeterTrace, order: WorkOrder, type_names: Mapping[str, str]
) -> tuple[str, str, str]:
    ack = telling_ack(trace, order)
    state = order.state
    if order.order_type_code in _SWAPS and state in _SWAP_WORDS:
        words, tone, icon = _SWAP_WORDS[state]
        if state in _DONE and _new_meter(ack):
            words = _DONE_WITH_METER
    else:
        words, tone, icon = _WORK_WORDS.get(state, _ORDERED)
    facts = {
        "work": type_names.get(order.order_type_code, order.order_type_code),
        "when": when_of(order, ack),
        "partner": _partner(trace, order),
        "number": _new_meter(ack),
        "reason": failure_shown(ack),
    }
    return str(words) % facts, tone, icon


def when_of(order: WorkOrder, ack: Ack | None) -> str:
    """When an order's visit is, or when what its state says happened."""
    if order.state in _PLANNED:
        return _window(ack, order)
    return moment(ack.occurred_at if ack else order.state_at)


def failure_then(ack: Ack | None, phone: str) -> str:
    """What follows from a failed visit, in the words that customers read."""
    return then_after(_failure_code(ack)).in_language(current_language()).format(phone=phone)


def _failure_code(ack: Ack | None) -> str:
    return str(((ack.payload.get("failure") or {}) if ack else {}).get("reasonCode"))


def failure_shown(ack: Ack | None) -> str:
    """Why a visit failed, in the words that customers read."""
    reason = FAILURE_REASONS.get(_failure_code(ack))
    names = reason.shown if reason else UNKNOWN_REASON_SHOWN
    return names.in_language(current_language())


def _told(trace: MeterTrace, now: datetime) -> str:
    recent = [n for n in trace.notices if now - n.created_at < _RECENT]
    if not recent:
        return ""
    last = recent[0]
    state = NOTICE.get(last.state)
    channel = CHANNEL.get(last.channel or "")
    facts = {
        "channel": _inside_a_sentence(str(channel.text)) if channel else "",
        "when": moment(_notice_at(last)),
        "state": str(state.text).lower() if state else last.state,
    }
    if last.state == "SUPPRESSED" and last.suppress_reason:
        reason = suppress_text(last.suppress_reason)
        return gettext("The customer was not told: %(reason)s.", reason=reason)
    if last.state in _SENT and channel:
        return gettext("Last message: %(channel)s %(when)s, %(state)s.", **facts)
    return gettext("Last message: %(when)s, %(state)s.", **facts)


def _inside_a_sentence(name: str) -> str:
    """A name without its capital, unless it is written in capitals."""
    return name if name.isupper() else name[:1].lower() + name[1:]


def _notice_at(notice: Notice) -> datetime:
    return notice.sent_at or notice.created_at


def telling_ack(trace: MeterTrace, order: WorkOrder) -> Ack | None:
    """The newest acknowledgement of the kind that made the order's state."""
    kinds = _PLANNED if order.state in _PLANNED else _DONE if order.state in _DONE else ()
    for ack in trace.acks:
        fits = ack.type in kinds or ack.type == order.state
        if ack.order_id == order.order_id and fits and ack.verdict != "REJECTED":
            return ack
    return None


def _window(ack: Ack | None, order: WorkOrder) -> str:
    schedule: Mapping[str, Any] = (ack.payload.get("schedule") or {}) if ack else {}
    begin, end = _instant(schedule.get("from")), _instant(schedule.get("to"))
    begin, end = begin or order.window_from, end or order.window_to
    if begin is None:
        return gettext("at a time that is not known yet")
    if end is None:
        return moment(begin)
    if day(begin) == day(end):
        return gettext(
            "%(day)s between %(from)s and %(to)s",
            **{"day": day(begin), "from": clock_time(begin), "to": clock_time(end)},
        )
    return gettext("between %(from)s and %(to)s", **{"from": day(begin), "to": day(end)})


def _partner(trace: MeterTrace, order: WorkOrder) -> str:
    if order.partner_code is None:
        return gettext("The contractor")
    return trace.partner_names.get(order.partner_code, order.partner_code)


def _new_meter(ack: Ack | None) -> str | None:
    number = ((ack.payload.get("newMeter") or {}) if ack else {}).get("number")
    return str(number) if number else None


def _instant(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value)) if value else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
