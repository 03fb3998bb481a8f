"""Meters: the stock with its deliveries, one meter, and reports that no delivery explains."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db, transaction
from app.domain.meter_stock import ItemVerdict
from app.domain.roles import Permission
from app.queries import meter_stock, meter_story
from app.services import meter_acts, serial_mismatches
from app.services.meter_acts import MeterRefused
from app.services.serial_mismatches import MismatchRefused
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.operators.blueprint import blueprint

PAGE_ROWS = 50
ITEM_ROWS = 200
_NOTE_MOST = 300


@blueprint.get("/stock")
@role_required(Permission.OPERATE)
def stock() -> ResponseReturnValue:
    """What lies where, and the deliveries that brought it."""
    session = db.session()
    sought = request.args.get("meter", "").strip()[:40]
    if sought:
        number = meter_story.find_number(session, sought)
        if number is not None:
            return redirect(url_for(".meter", number=number))
    page = _page_number()
    rows = meter_stock.deliveries(session, PAGE_ROWS + 1, (page - 1) * PAGE_ROWS)
    return render_template(
        "operators/stock.html",
        stock=meter_stock.stock(session),
        states=meter_stock.STOCK_STATES,
        deliveries=rows[:PAGE_ROWS],
        more=len(rows) > PAGE_ROWS,
        page=page,
        sought=sought,
    )


@blueprint.get("/stock/deliveries/<int:message_id>")
@role_required(Permission.OPERATE)
def stock_delivery(message_id: int) -> ResponseReturnValue:
    """One delivery and the verdict on each of its meters."""
    session = db.session()
    row = meter_stock.find_delivery(session, message_id)
    if row is None:
        abort(404)
    verdict = request.args.get("verdict")
    if verdict not in ItemVerdict.__members__:
        verdict = None
    given = request.args.get("after", "0")
    after = int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else 0
    items = meter_stock.items_of(session, message_id, ITEM_ROWS + 1, after=after, verdict=verdict)
    page = items[:ITEM_ROWS]
    return render_template(
        "operators/stock_delivery.html",
        row=row,
        items=page,
        verdict=verdict,
        next_href=url_for(
            ".stock_delivery", message_id=message_id, verdict=verdict, after=page[-1].place
        )
        if len(items) > ITEM_ROWS
        else None,
    )


@blueprint.get("/meters/<name:number>")
@role_required(Permission.OPERATE)
def meter(number: str) -> ResponseReturnValue:
    """One meter and its story."""
    story = meter_story.meter_story(db.session(), number)
    if story is None:
        abort(404)
    return render_template(
        "operators/meter.html", story=story, may_become=meter_acts.may_become(story.meter.state)
    )


@blueprint.post("/meters/<name:number>/state")
@role_required(Permission.OPERATE)
def meter_state(number: str) -> ResponseReturnValue:
    """Somebody has the meter in the hand, or misses it."""
    try:
        with transaction() as session:
            target = request.form.get("state", "")
            meter_acts.set_state(session, number, target, _note(), now(), by=actor())
    except MeterRefused as refused:
        flash(_refusal(refused.code), "fail")
    else:
        flash(gettext("The meter's state was changed, under your name."), "ok")
    return redirect(url_for(".meter", number=number))


@blueprint.get("/mismatches")
@role_required(Permission.OPERATE)
def mismatches() -> ResponseReturnValue:
    """Meters that were reported as hung and are not what the stock says."""
    view = request.args.get("view", "open")
    if view not in meter_stock.VIEWS:
        view = "open"
    page = _page_number()
    rows = meter_stock.mismatches(
        db.session(), view, actor(), PAGE_ROWS + 1, (page - 1) * PAGE_ROWS
    )
    return render_template(
        "operators/mismatches.html",
        rows=rows[:PAGE_ROWS],
        more=len(rows) > PAGE_ROWS,
        page=page,
        view=view,
        views=meter_stock.VIEWS,
        me=actor(),
        now=now(),
    )


@blueprint.post("/mismatches/<name:order_id>/<act>")
@role_required(Permission.OPERATE)
def mismatch_act(order_id: str, act: str) -> ResponseReturnValue:
    """Take one on oneself, or decide that the report is right."""
    if act not in ("claim", "accept"):
        abort(404)
    try:
        with transaction() as session:
            if act == "claim":
                serial_mismatches.claim(session, order_id, actor(), now())
            else:
                serial_mismatches.accept(session, order_id, _note(), actor(), now())
    except MismatchRefused as refused:
        flash(_refusal(refused.code), "fail")
    else:
        words = {
            "claim": gettext("It is yours now."),
            "accept": gettext("The report counts, and the bill goes on its way."),
        }
        flash(words[act], "ok")
    return redirect(url_for(".mismatches"))


def _refusal(code: str) -> str:
    words = {
        "WRONG_STATE": gettext("Somebody else has done that already, or it is too late for it."),
        "NO_REASON": gettext("Say why."),
    }
    return words.get(code, code)


def _note() -> str:
    return " ".join(request.form.get("note", "").split())[:_NOTE_MOST]


def _page_number() -> int:
    number = request.args.get("page", "1")
    page = int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else 1
    return max(1, page)
