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
from app.api.v1.signed_feed import accepted, keep, keep_refused, operation, read_signed
from app.services.feed_receipt import METER_EVENTS
from integrations.head_end.events import EventsInvalid, parse_events

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
    try:
        events = parse_events(signed.body)
    except EventsInvalid as error:
        keep_refused(signed, SYSTEM, METER_EVENTS, error.findings, now)
        code = "JSON_MALFORMED" if error.malformed else "EVENTS_INVALID"
        words = "Put the named field right and send it again."
        status = 400 if error.malformed else 422
        raise Problem(status, code, words, errors=error.findings) from None
    name = f"{len(events.events)} meter events"
    keep(signed, SYSTEM, METER_EVENTS, name, now, message_id=events.message_id)
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
