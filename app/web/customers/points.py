"""The customer's metering points: how each is now, and one of them with its story and messages."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db
from app.domain.clock import helsinki_day
from app.domain.notice_values import short_address
from app.models import Notice
from app.queries.customer_cuts import CustomerCut, find_cuts
from app.queries.customer_pages import find_messages
from app.queries.meter_trace import MeterTrace, find_trace
from app.web.agents.messages import MessageView, message_view
from app.web.clock import now
from app.web.customers.blueprint import blueprint
from app.web.customers.session import customer, customer_required, gsrns, here
from app.web.customers.situation import Sentence, sentences
from app.web.customers.story import story
from app.web.formats import moment
from app.web.paging import page_of, place

POINTS_PER_PAGE = 10
MESSAGES_PER_PAGE = 30
_POINT_MESSAGES = 50


@dataclass(frozen=True, slots=True)
class PointCard:
    """One metering point on the front page."""

    gsrn: str
    address: str
    place: str
    meter: str | None
    sentences: list[Sentence]


@blueprint.get("/")
@customer_required
def home() -> ResponseReturnValue:
    """All the customer's metering points, with a sentence each."""
    found = gsrns()
    number = request.args.get("page", "1")
    page = int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else 1
    page = max(1, page)
    shown = found[(page - 1) * POINTS_PER_PAGE : page * POINTS_PER_PAGE]
    cuts = find_cuts(db.session(), shown, now())
    cards = [
        _card(trace, [cut for cut in cuts if cut.gsrn == gsrn])
        for gsrn in shown
        if (trace := _trace(gsrn)) is not None
    ]
    return render_template(
        "customers/home.html",
        cards=cards,
        customer=customer(),
        page=page,
        more=len(found) > page * POINTS_PER_PAGE,
        total=len(found),
    )


@blueprint.get("/points/<gsrn>")
@customer_required
def point(gsrn: str) -> ResponseReturnValue:
    """One metering point; somebody else's is not found."""
    trace = _trace(gsrn) if gsrn in gsrns() else None
    if trace is None:
        abort(404)
    person = here()
    cuts = find_cuts(db.session(), [gsrn], now())
    notices = find_messages(
        db.session(),
        person.customer_id,
        contact_id=person.contact.id if person.third_party else None,
        gsrn=gsrn,
        limit=_POINT_MESSAGES,
    )
    return render_template(
        "customers/point.html",
        trace=trace,
        card=_card(trace, cuts),
        days=story(trace, cuts, notices),
        messages=[customer_view(notice) for notice in notices],
    )


@blueprint.get("/messages")
@customer_required
def messages() -> ResponseReturnValue:
    """Every message, with its exact words."""
    person, at = here(), place()
    rows = find_messages(
        db.session(),
        person.customer_id,
        contact_id=person.contact.id if person.third_party else None,
        before=at.before,
        after=at.after,
        limit=MESSAGES_PER_PAGE + 1,
    )
    page = page_of(rows, MESSAGES_PER_PAGE)
    return render_template(
        "customers/messages.html",
        page=page,
        messages=[customer_view(notice) for notice in page.rows],
    )


def customer_view(notice: Notice) -> MessageView:
    """A message without what only staff need to know about it."""
    lines = []
    if notice.delivered_at:
        lines.append(gettext("Delivered %(when)s", when=moment(notice.delivered_at)))
    if notice.resent_count:
        lines.append(gettext("It may have come twice: whether it had arrived was not known."))
    return replace(message_view(notice), lines=lines)


def _trace(gsrn: str) -> MeterTrace | None:
    return find_trace(db.session(), gsrn, helsinki_day(now()))


def _card(trace: MeterTrace, cuts: list[CustomerCut]) -> PointCard:
    place_of = trace.point
    street = short_address(
        place_of.street_name, place_of.house_number, place_of.staircase, place_of.apartment
    )
    hangs = next((meter for meter in trace.meters if meter.gsrn == place_of.gsrn), None)
    return PointCard(
        gsrn=place_of.gsrn,
        address=street or place_of.gsrn,
        place=" ".join(filter(None, (place_of.postal_code, place_of.post_office))),
        meter=hangs.number if hangs is not None else None,
        sentences=sentences(trace, cuts, now()),
    )
