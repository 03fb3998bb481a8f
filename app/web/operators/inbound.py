"""Inbound messages: what arrived, what became of it, what the checks said."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.roles import Permission
from app.queries import inbound_list
from app.services import audit
from app.web.access import actor, role_required
from app.web.clock import now
from app.web.labels import INBOUND, INBOUND_KIND
from app.web.operators.blueprint import blueprint
from app.web.operators.runs import SHOWN_BYTES, readable
from app.web.paging import page_of, place

PAGE_ROWS = 50

_MEDIA_TYPES = {"CIS_FILE": "application/xml", "PARTNER_FILE": "text/csv"}


@blueprint.get("/inbound")
@role_required(Permission.OPERATE)
def inbound() -> ResponseReturnValue:
    """The list, newest first."""
    kind = request.args.get("kind") or None
    state = request.args.get("state")
    if state not in INBOUND:
        state = None
    here = place()
    found = inbound_list.find_inbound(
        db.session(), PAGE_ROWS + 1, kind=kind, state=state, before=here.before, after=here.after
    )
    return render_template(
        "operators/inbound.html",
        page=page_of(found, PAGE_ROWS),
        kinds=INBOUND_KIND,
        states=INBOUND,
        kind=kind,
        state=state,
    )


@blueprint.get("/inbound/<int:message_id>")
@role_required(Permission.OPERATE)
def inbound_message(message_id: int) -> ResponseReturnValue:
    """One message and its findings."""
    session = db.session()
    return render_template(
        "operators/inbound_message.html",
        message=_message(message_id),
        findings=inbound_list.findings_of(session, message_id),
        finding_limit=inbound_list.FINDING_LIMIT,
    )


@blueprint.get("/inbound/<int:message_id>/body")
@role_required(Permission.SEE_PAYLOAD)
def inbound_body(message_id: int) -> ResponseReturnValue:
    """A message as it came; who looked is recorded before it is shown."""
    message = _message(message_id)
    if message.body_removed_at is not None:
        abort(410)
    body = inbound_list.body_start(db.session(), message_id, SHOWN_BYTES)
    _record_look(message_id)
    media_type = _MEDIA_TYPES.get(message.kind, "application/json")
    return render_template(
        "operators/payload.html",
        title=message.name,
        digest=message.body_hash,
        media_type=media_type,
        size_bytes=message.size_bytes,
        text=readable(body, media_type),
        cut=message.size_bytes > len(body),
        download_href=url_for(".inbound_download", message_id=message_id),
        back_href=url_for(".inbound_message", message_id=message_id),
    )


@blueprint.get("/inbound/<int:message_id>/download")
@role_required(Permission.SEE_PAYLOAD)
def inbound_download(message_id: int) -> ResponseReturnValue:
    """A message byte for byte, as a file to save: never as something that a browser runs."""
    if _message(message_id).body_removed_at is not None:
        abort(410)
    _record_look(message_id)
    answer = Response(_chunks(db.engine, message_id), mimetype="application/octet-stream")
    answer.headers.set("Content-Disposition", "attachment", filename=f"inbound-{message_id}.bin")
    return answer


def _chunks(engine: Engine, message_id: int) -> Iterator[bytes]:
    # The page's own session ends before the last chunk has left.
    with Session(engine) as session:
        yield from inbound_list.body_chunks(session, message_id)


def _message(message_id: int) -> inbound_list.InboundRow:
    found = inbound_list.find_message(db.session(), message_id)
    if found is None:
        abort(404)
    return found


def _record_look(message_id: int) -> None:
    with transaction() as session:
        audit.record(session, actor(), "INBOUND_BODY_SEEN", f"inbound:{message_id}", {}, now())
