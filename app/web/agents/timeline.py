"""The story of a metering point on one time axis, newest first, with the gaps between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.domain.power_cuts import Cut
from app.models import Ack, InboundSms, Notice, VisitAnswer, WorkOrderChange
from app.queries.meter_trace import MeterTrace, Report
from app.web.agents.fault_words import cause_words
from app.web.agents.situation import failure_shown
from app.web.formats import clock_time, day, moment, span, weekday
from app.web.labels import (
    ACK_TYPE,
    CHANNEL,
    NOTICE,
    NOTICE_TYPE,
    REPLY_VERDICT,
    VERDICT,
    VISIT_ANSWER,
    lane_name,
)
from app.web.record_words import read_out
from app.web.wording import codes_text

# Shorter pauses are part of the same story.
_GAP = timedelta(hours=1)
_LONG_GAP = timedelta(days=2)
_WORDS_SHOWN = 80
# An acknowledgement that came this much later than what it tells is worth a remark.
_LATE = timedelta(minutes=30)

# States that the acknowledgements do not tell already, or that only we know.
_CHANGES = {
    "RECEIVED": (_l("The order came from the CIS"), "info", "inbox"),
    "REJECTED": (_l("The checks rejected the order"), "fail", "fail"),
    "NO_ROUTE": (_l("No contractor fits the order"), "warn", "route"),
    "SENT": (_l("The order was sent to the contractor"), "info", "sent"),
    "PARTNER_REJECTED": (_l("The contractor refused the order"), "fail", "fail"),
    "RETURNED": (_l("The order came back to us"), "warn", "warn"),
    "REPORTED": (_l("Every system has been told"), "ok", "ok"),
    "CLOSED": (_l("The order was closed"), "ok", "ok"),
    "CANCELLED": (_l("The order was cancelled"), "calm", "calm"),
}


@dataclass(slots=True)
class Entry:
    """One thing that happened; gap tells how long nothing happened before it."""

    at: datetime
    title: str
    tone: str
    icon: str
    detail: str = ""
    href: str = ""
    link: str = ""
    gap: str = ""
    gap_is_long: bool = False
    # Among things of the same moment the higher one comes later.
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the story."""

    name: str
    entries: list[Entry]


def timeline(trace: MeterTrace, type_names: Mapping[str, str], now: datetime) -> list[Day]:
    """Days with their entries, both newest first."""
    entries = [
        *(entry for change in trace.changes for entry in _change(change, trace, type_names)),
        *(_ack(ack) for ack in trace.acks),
        *(entry for cut in trace.cuts for entry in _cut(cut)),
        *(_report(report) for report in trace.reports if _is_worth_telling(report)),
        *(_reply(sms) for sms in trace.replies),
        *(_visit_answer(answer) for answer in trace.visit_answers),
        *(notice_entry(notice) for notice in trace.notices),
    ]
    return days_of(entries)


def days_of(entries: list[Entry]) -> list[Day]:
    """Entries by day, both newest first, with what passed between them."""
    entries.sort(key=lambda entry: (entry.at, entry.rank), reverse=True)
    for later, earlier in pairwise(entries):
        _tell_gap(later, later.at - earlier.at)
    days: list[Day] = []
    for entry in entries:
        name = weekday(entry.at)
        if not days or days[-1].name != name:
            days.append(Day(name, []))
        days[-1].entries.append(entry)
    return days


def _tell_gap(later: Entry, length: timedelta) -> None:
    if length >= _GAP:
        later.gap = gettext("%(span)s passed", span=span(length))
        later.gap_is_long = length >= _LONG_GAP


def _change(
    change: WorkOrderChange, trace: MeterTrace, type_names: Mapping[str, str]
) -> Iterator[Entry]:
    order = next((o for o in trace.orders if o.order_id == change.order_id), None)
    for rank, state in enumerate(change.states):
        known = _CHANGES.get(state)
        if known is None:
            continue
        title, tone, icon = known
        detail = change.order_id
        if state == "RECEIVED" and order is not None:
            work = type_names.get(order.order_type_code, order.order_type_code)
            detail = f"{work}, {change.order_id}"
            if change.revision > 1:
                detail += ", " + gettext("revision %(number)s", number=change.revision)
        elif state in ("NO_ROUTE", "REJECTED", "PARTNER_REJECTED", "RETURNED", "CANCELLED"):
            detail = f"{change.order_id}: {read_out(change.cause)[0]}"
        elif state == "SENT" and order is not None and order.partner_code:
            detail = trace.partner_names.get(order.partner_code, order.partner_code)
            if order.partner_ref:
                detail += f", {order.partner_ref}"
        yield Entry(change.at, str(title), tone, icon, detail, rank=rank)


def _ack(ack: Ack) -> Entry:
    known = ACK_TYPE.get(ack.type)
    title = str(known.text) if known else ack.type
    details = []
    if ack.type == "FAILED":
        details.append(failure_shown(ack))
    if ack.type in ("COMPLETED", "CORRECTED"):
        details.extend(_meters(ack))
    if ack.verdict != "APPLIED":
        details.append(str(VERDICT[ack.verdict].text) if ack.verdict in VERDICT else ack.verdict)
    if ack.received_at - ack.occurred_at > _LATE:
        details.append(gettext("told to us %(when)s", when=moment(ack.received_at)))
    tone, icon = (known.tone, known.icon) if known else ("calm", "calm")
    if ack.verdict == "REJECTED":
        tone, icon = "fail", "fail"
    return Entry(ack.occurred_at, title, tone, icon, ", ".join(details), rank=50)


def _meters(ack: Ack) -> Iterator[str]:
    old = (ack.payload.get("oldMeter") or {}).get("number")
    new = (ack.payload.get("newMeter") or {}).get("number")
    if old:
        yield gettext("meter %(number)s removed", number=old)
    if new:
        yield gettext("meter %(number)s installed", number=new)


def _cut(cut: Cut) -> Iterator[Entry]:
    if cut.on_at == cut.off_at:
        # It was reported and then taken back: the power never went off.
        return
    if cut.is_suspected:
        yield Entry(cut.off_at, gettext("A power cut is suspected"), "warn", "unknown", rank=60)
        return
    went = gettext("The power went off")
    yield Entry(cut.off_at, went, "warn", "off", cause_words(cut), rank=60)
    if cut.on_at is not None:
        lasted = gettext("off for %(span)s", span=span(cut.on_at - cut.off_at))
        yield Entry(cut.on_at, gettext("The power came back"), "ok", "power", lasted, rank=40)
    elif cut.state == "STALE":
        text = gettext("No end has been acknowledged")
        # Stands right after the beginning: when it ended, nobody knows.
        yield Entry(cut.off_at, text, "warn", "unknown", rank=61)


def _is_worth_telling(report: Report) -> bool:
    return report.state in ("DEAD", "HELD", "UNKNOWN")


def _report(report: Report) -> Entry:
    title = gettext("Waits for an operator: %(system)s", system=lane_name(report.lane))
    if report.state == "HELD" and report.hold_reason:
        detail = codes_text(report.hold_reason)
    else:
        detail = report.last_error or ""
    return Entry(report.settled_at or report.created_at, title, "fail", "warn", detail, rank=70)


def _reply(sms: InboundSms) -> Entry:
    """What the customer wrote, shortened; the inbox has the whole."""
    known = REPLY_VERDICT.get(sms.verdict or "")
    words = sms.body if len(sms.body) <= _WORDS_SHOWN else sms.body[:_WORDS_SHOWN] + "…"
    title = gettext("The customer wrote: %(words)s", words=words)
    tone, icon = (known.tone, known.icon) if known else ("info", "sms")
    return Entry(sms.received_at, title, tone, icon, str(known.text) if known else "", rank=65)


def _visit_answer(answer: VisitAnswer) -> Entry:
    known = VISIT_ANSWER[answer.answer]
    window = gettext(
        "%(day)s between %(from)s and %(to)s",
        **{
            "day": day(answer.from_at),
            "from": clock_time(answer.from_at),
            "to": clock_time(answer.to_at),
        },
    )
    return Entry(answer.at, str(known.text), known.tone, known.icon, window, rank=66)


def notice_entry(notice: Notice) -> Entry:
    """A message to a customer as something that happened."""
    known = NOTICE_TYPE.get(notice.type)
    what = str(known.text) if known else notice.type
    state = NOTICE.get(notice.state)
    channel = CHANNEL.get(notice.channel or "")
    at = notice.sent_at or notice.created_at
    if notice.sent_at is not None and channel is not None:
        title = gettext("%(channel)s to the customer: %(what)s", channel=channel.text, what=what)
        icon = channel.icon
    else:
        title = gettext("Message to the customer: %(what)s", what=what)
        icon = state.icon if state else "calm"
    return Entry(
        at,
        title,
        state.tone if state else "calm",
        icon,
        str(state.text) if state else notice.state,
        href=f"#message-{notice.id}",
        link=gettext("Read the message"),
        rank=80,
    )
