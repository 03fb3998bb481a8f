"""POST /api/v1/head-end/events: meters report lost and restored power. Stored first, read later."""

from __future__ import annotations

from datetime import UTC, datetime

import marshmallow as ma
import structlog
from flask import Response
from flask_smorest import Blueprint

from app.api import problems
from app.api.openapi import URL_PREFIX
from app.api.problems import Problem
from app.api.v1.signed_feed import accepted, operation, read_signed, refused
from app.db import transaction
from app.services import feed_receipt, partner_credentials
from app.services.partner_credentials import CredentialInvalid
from integrations.head_end.events import EventsInvalid, parse_events
from integrations.head_end.types import MeterEvents

log = structlog.get_logger()

SYSTEM = "head-end"
BODY_MAX_BYTES = 16 * 1024 * 1024

blueprint = Blueprint(
    "head-end",
    __name__,
    url_prefix=URL_PREFIX,
    description="What meters report about their own supply.",
)
problems.cover(blueprint)


class EventsReceived(ma.Schema):
    """The events are stored; what they change is decided later."""

    received = ma.fields.Boolean(required=True)
    eventCount = ma.fields.Integer(required=True)


def send_events() -> Response:
    """Take one message of the head-end."""
    now = datetime.now(UTC)
    signed = read_signed(now, BODY_MAX_BYTES)
    events: MeterEvents | None = None
    wrong: EventsInvalid | None = None
    try:
        events = parse_events(signed.body)
    except EventsInvalid as error:
        wrong = error
    try:
        with transaction() as session:
            partner_credentials.admit_feed(session, signed.key, SYSTEM)
            if events is None and wrong is not None:
                feed_receipt.keep_refused(
                    session,
                    source=SYSTEM,
                    kind=feed_receipt.METER_EVENTS,
                    body=signed.body,
                    findings=wrong.findings,
                    now=now,
                )
            elif events is not None:
                feed_receipt.keep(
                    session,
                    source=SYSTEM,
                    kind=feed_receipt.METER_EVENTS,
                    name=f"{len(events.events)} meter events",
                    body=signed.body,
                    now=now,
                    message_id=events.message_id,
                )
    except CredentialInvalid as error:
        raise refused(error) from None
    if events is None:
        assert wrong is not None  # noqa: S101 - the one or the other.
        code = "JSON_MALFORMED" if wrong.malformed else "EVENTS_INVALID"
        words = "Put the named field right and send it again."
        raise Problem(400 if wrong.malformed else 422, code, words, errors=wrong.findings)
    log.info("meter_events_received", count=len(events.events))
    return accepted({"received": True, "eventCount": len(events.events)})


_OPERATION = operation(
    "sendMeterEvents",
    "Report last gasps and restores of meters",
    "The same event again does nothing; events may come late and in any order.",
    "MeterEvents",
)
_documented = blueprint.doc(**_OPERATION)(
    blueprint.response(202, EventsReceived, description="They are stored and will be read.")(
        send_events
    )
)
blueprint.route("/head-end/events", methods=["POST"])(_documented)
