"""Runs: what every process did, red or green, found by any business key; payloads by permission."""

from __future__ import annotations

import json
from typing import Any

from flask import abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.db import db, transaction
from app.domain.roles import Permission
from app.domain.states import RunState
from app.queries import run_list
from app.services import audit
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.labels import RUN
from app.web.operators.blueprint import blueprint
from app.web.paging import page_of, place

PAGE_ROWS = 50
SHOWN_BYTES = 256 * 1024


@blueprint.get("/runs")
@role_required(Permission.OPERATE)
def runs() -> ResponseReturnValue:
    """The list, filtered; a part of the page when it renews itself."""
    session = db.session()
    process = request.args.get("process") or None
    state = request.args.get("state") or None
    key = request.args.get("key", "").strip() or None
    if state not in (None, "RED", *RunState):
        state = None
    here = place()
    found = run_list.find_runs(
        session,
        PAGE_ROWS + 1,
        process=process,
        state=state,
        key=key,
        before=here.before,
        after=here.after,
    )
    facts: dict[str, Any] = {
        "page": page_of(found, PAGE_ROWS),
        "now": now(),
        "filtered": bool(process or state or key),
    }
    if request.headers.get("HX-Request") == "true":
        return render_template("operators/runs_part.html", **facts)
    return render_template(
        "operators/runs.html",
        processes=run_list.processes(session),
        states=RUN,
        process=process,
        state=state,
        key=key or "",
        # Only the newest end of the list changes by itself.
        live=here.before is None and here.after is None and request.args.get("live") != "0",
        **facts,
    )


@blueprint.get("/runs/<int:run_id>")
@role_required(Permission.OPERATE)
def run(run_id: int) -> ResponseReturnValue:
    """One run and its steps."""
    session = db.session()
    found = run_list.find_run(session, run_id)
    if found is None:
        abort(404)
    after = place().after or 0
    key = request.args.get("key", "").strip() or None
    steps = run_list.steps_of(session, run_id, after=after, key=key)
    more = len(steps) == run_list.STEP_LIMIT
    return render_template(
        "operators/run.html",
        run=found,
        steps=steps,
        key=key,
        after=after,
        next_href=url_for(".run", run_id=run_id, after=steps[-1].id, key=key) if more else None,
        now=now(),
    )


@blueprint.get("/runs/<int:run_id>/steps/<int:step_id>/payload")
@role_required(Permission.SEE_PAYLOAD)
def payload(run_id: int, step_id: int) -> ResponseReturnValue:
    """What went in or out of a step; who looked is recorded before it is shown."""
    found = run_list.find_payload(db.session(), run_id, step_id)
    if found is None:
        abort(404)
    with transaction() as session:
        audit.record(session, actor(), "PAYLOAD_SEEN", f"step:{step_id}", {}, now())
    return render_template(
        "operators/payload.html",
        title=gettext("Step %(number)s", number=step_id),
        digest=found.hash,
        media_type=found.media_type,
        size_bytes=len(found.body),
        text=readable(found.body[:SHOWN_BYTES], found.media_type),
        cut=len(found.body) > SHOWN_BYTES,
        download_href=None,
        back_href=url_for(".run", run_id=run_id),
    )


def readable(body: bytes, media_type: str) -> str:
    """Text as it is, JSON with line breaks; bytes that are no text become marks."""
    text = body.decode("utf-8", errors="replace")
    if "json" in media_type:
        try:
            return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
        except ValueError:
            return text
    return text
