"""What happened at a metering point, as far as it is the customer's to know: one time axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.models import Ack, Notice
from app.queries.customer_cuts import CustomerCut
from app.queries.meter_trace import MeterTrace
from app.web.agents.situation import failure_shown
from app.web.agents.timeline import Day, Entry
from app.web.formats import span, weekday
from app.web.labels import CHANNEL, NOTICE_TYPE

_SWAPS = ("MVM", "MVY", "MVV")
_ACKS = {
    "SCHEDULED": (_l("A time was set for the meter replacement"), "info", "wait"),
    "RESCHEDULED": (_l("The time of the meter replacement was changed"), "info", "wait"),
    "STARTED": (_l("The meter replacement began"), "info", "meter"),
    "COMPLETED": (_l("The meter was replaced"), "ok", "meter"),
    "FAILED": (_l("The meter could not be replaced"), "warn", "meter"),
}


def story(trace: MeterTrace, cuts: Sequence[CustomerCut], notices: Sequence[Notice]) -> list[Day]:
    """Days with their entries, both newest first."""
    swaps = {order.order_id for order in trace.orders if order.order_type_code in _SWAPS}
    entries = [
        *(_ack(ack) for ack in trace.acks if ack.order_id in swaps and _tells(ack)),
        *(entry for cut in cuts if not cut.coming for entry in _cut(cut)),
        *(_notice(notice) for notice in notices),
    ]
    entries.sort(key=lambda entry: (entry.at, entry.rank), reverse=True)
    days: list[Day] = []
    for entry in entries:
        name = weekday(entry.at)
        if not days or days[-1].name != name:
            days.append(Day(name, []))
        days[-1].entries.append(entry)
    return days


def _tells(ack: Ack) -> bool:
    return ack.type in _ACKS and ack.verdict in ("APPLIED", "HELD")


def _ack(ack: Ack) -> Entry:
    title, tone, icon = _ACKS[ack.type]
    detail = failure_shown(ack) if ack.type == "FAILED" else ""
    number = (ack.payload.get("newMeter") or {}).get("number") if ack.type == "COMPLETED" else None
    if number:
        detail = gettext("The new meter is %(number)s", number=number)
    return Entry(ack.occurred_at, str(title), tone, icon, detail, rank=50)


def _cut(cut: CustomerCut) -> Iterator[Entry]:
    if cut.kind == "FAULT" and cut.state == "DETECTED":
        yield Entry(cut.off_at, gettext("A power cut is suspected"), "warn", "unknown", rank=60)
    else:
        yield Entry(cut.off_at, gettext("The power went off"), "warn", "off", rank=60)
    if cut.on_at is not None:
        lasted = gettext("off for %(span)s", span=span(cut.on_at - cut.off_at))
        yield Entry(cut.on_at, gettext("The power came back"), "ok", "power", lasted, rank=40)


def _notice(notice: Notice) -> Entry:
    known = NOTICE_TYPE.get(notice.type)
    channel = CHANNEL.get(notice.channel or "")
    return Entry(
        notice.sent_at or notice.created_at,
        gettext(
            "%(channel)s to you: %(what)s",
            channel=channel.text if channel else notice.channel,
            what=known.text if known else notice.type,
        ),
        "calm",
        channel.icon if channel else "sms",
        href=f"#message-{notice.id}",
        link=gettext("Read the message"),
        rank=80,
    )
