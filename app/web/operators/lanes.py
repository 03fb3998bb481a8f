"""Lanes: how deep, how old, what got stuck; pause, resume, bounds, retry and release, each recorded."""

from __future__ import annotations

from collections.abc import Iterator

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from app.db import db, transaction
from app.domain.lanes import (
    ACKS,
    INTAKE,
    NETWORK,
    NOTICE_LANES,
    NOTICES,
    PARTNER_FILES,
    PROCESSES,
    partner_of,
)
from app.domain.roles import Permission
from app.queries import lane_board, replay_list
from app.services import audit, outbox
from app.services import lane_bounds as bounds
from app.services import lanes as lane_service
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.labels import label, lane_name
from app.web.operators.blueprint import blueprint
from app.web.operators.lane_forms import BoundsForm
from app.web.paging import place

# What waits for the lanes that work inside, by the kinds of what was received.
_RECEIVED = {
    INTAKE: ("CIS_FILE", "METER_DELIVERY"),
    ACKS: ("ACK",),
    NETWORK: ("DMS_OUTAGES", "METER_EVENTS"),
    PARTNER_FILES: ("PARTNER_FILE",),
}
PAGE_ROWS = 50
REPLAY_ROWS = 10
_STATES = ("DEAD", "UNKNOWN", "HELD", "READY", "CLAIMED")


@blueprint.get("/lanes")
@role_required(Permission.OPERATE)
def lanes() -> ResponseReturnValue:
    """Every lane at a glance; a part of the page when it renews itself."""
    facts = {"lanes": lane_board.all_lanes(db.session()), "now": now()}
    if request.headers.get("HX-Request") == "true":
        return render_template("operators/lanes_part.html", **facts)
    live = request.args.get("live") != "0"
    return render_template("operators/lanes.html", live=live, **facts)


@blueprint.get("/lanes/<name>")
@role_required(Permission.OPERATE)
def lane(name: str) -> ResponseReturnValue:
    """One lane and its items in one state, those stuck first."""
    session = db.session()
    found = lane_board.find_lane(session, name)
    if found is None:
        abort(404)
    counts = {"DEAD": found.dead, "UNKNOWN": found.unknown, "HELD": found.held}
    state = request.args.get("state", "")
    if state not in _STATES:
        state = next((state for state, count in counts.items() if count), "READY")
    error_class = request.args.get("error", "")[:80] or None
    items = lane_board.items_of(
        session, name, state, PAGE_ROWS + 1, place().after or 0, error_class
    )
    more = len(items) > PAGE_ROWS
    items = items[:PAGE_ROWS]
    partner = partner_of(name)
    return render_template(
        "operators/lane.html",
        lane=found,
        state=state,
        states=_STATES,
        counts=counts,
        items=items,
        error_class=error_class,
        not_by_hand=outbox.NOT_BY_HAND,
        dead_reasons=lane_board.dead_reasons(session, name) if found.dead else [],
        unanswered=lane_board.unanswered(session, partner) if partner is not None else None,
        replays=replay_list.replays_of(session, name, REPLAY_ROWS) if found.sends else [],
        has_quiet_hours=name in NOTICE_LANES,
        waiting=list(_waiting(name)),
        next_href=url_for(".lane", name=name, state=state, error=error_class, after=items[-1].id)
        if more
        else None,
        now=now(),
    )


@blueprint.post("/lanes/<name>/pause")
@role_required(Permission.OPERATE)
def lane_pause(name: str) -> ResponseReturnValue:
    """Stop sending on a lane; what waits keeps waiting."""
    return _set_paused(name, True)


@blueprint.post("/lanes/<name>/resume")
@role_required(Permission.OPERATE)
def lane_resume(name: str) -> ResponseReturnValue:
    """Send again on a lane, and try again at once where its circuit was broken."""
    return _set_paused(name, False)


@blueprint.route("/lanes/<name>/bounds", methods=["GET", "POST"])
@role_required(Permission.OPERATE)
def lane_bounds(name: str) -> ResponseReturnValue:
    """Set how much, how fast and when a lane may send; what it was before stays on record."""
    found = lane_board.find_lane(db.session(), name)
    if found is None or not found.sends:
        abort(404)
    form = BoundsForm(obj=found) if request.method == "GET" else BoundsForm()
    if form.validate_on_submit():
        with transaction() as session:
            bounds.set_bounds(
                session, name, form.values(), form.reason.data or "", by=actor(), now=now()
            )
        flash(gettext("The limits of %(lane)s were changed.", lane=lane_name(name)), "ok")
        return redirect(url_for(".lane", name=name))
    page = render_template(
        "operators/lane_bounds.html",
        lane=found,
        form=form,
        has_quiet_hours=name in NOTICE_LANES,
        now=now(),
    )
    return page, 422 if form.errors else 200


@blueprint.post("/lanes/<name>/release")
@role_required(Permission.OPERATE)
def lane_release(name: str) -> ResponseReturnValue:
    """Let items go that a check had held; the one who decides it is recorded."""
    moment = now()
    ids = _chosen()
    if not ids:
        abort(400)
    with transaction() as session:
        count = outbox.release_held(session, name, ids, moment)
        audit.record(session, actor(), "LANE_RELEASED", f"lane:{name}", _detail(ids, count), moment)
    flash(ngettext("%(num)d item was released.", "%(num)d items were released.", count), "ok")
    return redirect(url_for(".lane", name=name, state="HELD"))


def _waiting(name: str) -> Iterator[tuple[str, str]]:
    """Where the items are listed that a lane inside the product works on: words and address."""
    for kind in _RECEIVED.get(name, ()):
        yield str(label("inbound_kind", kind).text), url_for(".inbound", kind=kind, state="STORED")
    if name == INTAKE:
        yield gettext("Mass orders"), url_for(".mass_orders_list")
    if name == NOTICES:
        yield gettext("Announcements"), url_for(".announcements", state="PENDING")
    if name == PROCESSES:
        yield gettext("Processes"), url_for(".processes")


def _set_paused(name: str, paused: bool) -> ResponseReturnValue:
    with transaction() as session:
        if not lane_service.set_paused(session, name, paused):
            abort(404)
        action = "LANE_PAUSED" if paused else "LANE_RESUMED"
        audit.record(session, actor(), action, f"lane:{name}", {}, now())
    if paused:
        flash(gettext("%(lane)s is paused.", lane=lane_name(name)), "ok")
    else:
        flash(gettext("%(lane)s is running again.", lane=lane_name(name)), "ok")
    return redirect(url_for(".lane", name=name))


def _chosen() -> list[int]:
    texts = request.form.getlist("item")
    return [int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) <= 18]


def _detail(ids: list[int], count: int) -> dict[str, object]:
    # The trail names the items while they are few, else how many there were.
    return {"count": count, "items": ids if len(ids) <= 100 else None}
