"""The page behind the unsubscribe link of e-mails; mail programs post to it by themselves (RFC 8058)."""

from __future__ import annotations

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue

from app.db import transaction
from app.domain.notice_types import CHOSEN_TOPICS
from app.services import unsubscribe, unsubscribe_link
from app.services.unsubscribe import Result, Unsubscribed
from app.web.clock import now

# Not under the customers' address, and without forms of ours: the token is the permission.
blueprint = Blueprint("unsubscribe", __name__)

_STATUS = {Result.NO_MATCH: 410, Result.NOT_ALLOWED: 409}


@blueprint.get(f"{unsubscribe_link.PATH}<token>")
def ask(token: str) -> ResponseReturnValue:
    """Ask first: programs that follow every link in a message must not end anything."""
    link = unsubscribe_link.read_token(current_app.extensions["tiedolla_settings"], token)
    if link is None:
        return _page(None, Unsubscribed(Result.NO_MATCH))
    return render_template(
        "public/unsubscribe.html",
        address=unsubscribe.masked(link.value),
        topic=link.topic,
        may_leave=link.topic in CHOSEN_TOPICS,
    )


@blueprint.post(f"{unsubscribe_link.PATH}<token>")
def end(token: str) -> ResponseReturnValue:
    """End the topic, or everything; doing it twice is doing it once."""
    link = unsubscribe_link.read_token(current_app.extensions["tiedolla_settings"], token)
    if link is None:
        return _page(None, Unsubscribed(Result.NO_MATCH))
    everything = request.form.get("what") == "everything"
    with transaction() as session:
        done = unsubscribe.unsubscribe(session, link, now(), everything=everything)
    return _page(link, done, everything=everything)


def _page(
    link: unsubscribe_link.Link | None, done: Unsubscribed, *, everything: bool = False
) -> ResponseReturnValue:
    page = render_template(
        "public/unsubscribed.html",
        done=done,
        address=unsubscribe.masked(link.value) if link else None,
        topic=link.topic if link else None,
        everything=everything,
    )
    return page, _STATUS.get(done.result, 200)
