"""Lanes: how deep, how old, what got stuck; pause, resume, retry and release, each recorded."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from app.db import db, transaction
from app.domain.roles import Permission
from app.queries import lane_board
from app.services import audit, notice_sending, outbox
from app.services import lanes as lane_service
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.labels import lane_name
from app.web.operators.blueprint import blueprint
from app.web.paging import place

PAGE_ROWS = 50
# One press moves at most this many; a second press moves the rest.
ACTION_LIMIT = 10_000
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
    items = lane_board.items_of(session, name, state, PAGE_ROWS + 1, place().after or 0)
    more = len(items) > PAGE_ROWS
    items = items[:PAGE_ROWS]
    return render_template(
        "operators/lane.html",
        lane=found,
        state=state,
        states=_STATES,
        counts=counts,
        items=items,
        next_href=url_for(".lane", name=name, state=state, after=items[-1].id) if more else None,
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


@blueprint.post("/lanes/<name>/retry")
@role_required(Permission.REPLAY)
def lane_retry(name: str) -> ResponseReturnValue:
    """Try items again that were given up, under their original keys: one, or all of the lane."""
    moment = now()
    with transaction() as session:
        ids = _chosen() or lane_board.ids_of(session, name, "DEAD", ACTION_LIMIT)
        count = outbox.retry_dead(session, ids, moment)
        notice_sending.queue_again(session, ids, moment)
        audit.record(session, actor(), "LANE_RETRIED", f"lane:{name}", _detail(ids, count), moment)
    text = ngettext(
        "%(num)d item will be tried again.", "%(num)d items will be tried again.", count
    )
    flash(text, "ok")
    return redirect(url_for(".lane", name=name, state="DEAD"))


@blueprint.post("/lanes/<name>/release")
@role_required(Permission.OPERATE)
def lane_release(name: str) -> ResponseReturnValue:
    """Let items go that a check had held; the one who decides it is recorded."""
    moment = now()
    ids = _chosen()
    if not ids:
        abort(400)
    with transaction() as session:
        count = outbox.release_held(session, ids, moment)
        audit.record(session, actor(), "LANE_RELEASED", f"lane:{name}", _detail(ids, count), moment)
    flash(ngettext("%(num)d item was released.", "%(num)d items were released.", count), "ok")
    return redirect(url_for(".lane", name=name, state="HELD"))


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
