"""POST /api/v1/dms/outages: the DMS states its outages. Stored first, interpreted later."""

from __future__ import annotations

from datetime import UTC, datetime

import marshmallow as ma
import structlog
from flask import Response
from flask_smorest import Blueprint

from app.api import problems
from app.api.openapi import URL_PREFIX, FieldProblem
from app.api.problems import Problem
from app.api.v1.signed_feed import accepted, keep, keep_refused, operation, read_signed
from app.services.feed_receipt import DMS_OUTAGES
from integrations.dms.outages import MessageInvalid, parse_outages

log = structlog.get_logger()

SYSTEM = "dms"
BODY_MAX_BYTES = 16 * 1024 * 1024

blueprint = Blueprint(
    "dms-outages",
    __name__,
    url_prefix=URL_PREFIX,
    description="Outages as the distribution management system sees them, version by version.",
)
problems.cover(blueprint)


class OutagesReceived(ma.Schema):
    """The message is stored; errors says which of its records will not be taken."""

    received = ma.fields.Boolean(required=True)
    outageCount = ma.fields.Integer(required=True)
    errors = ma.fields.List(ma.fields.Nested(FieldProblem), required=True)


def send_outages() -> Response:
    """Take one message of the DMS."""
    now = datetime.now(UTC)
    signed = read_signed(now, BODY_MAX_BYTES)
    try:
        message = parse_outages(signed.body)
    except MessageInvalid as error:
        keep_refused(signed, SYSTEM, DMS_OUTAGES, error.findings, now)
        malformed = error.findings[0].code == "JSON_MALFORMED"
        raise Problem(
            400 if malformed else 422,
            "JSON_MALFORMED" if malformed else "MESSAGE_INVALID",
            "Nothing of this message can be read as outages.",
            errors=error.findings,
        ) from None
    refs = [record.ref for record in message.records if record.ref]
    name = f"{len(message.records)} outages: {', '.join(refs[:3])}"[:200]
    stored = keep(signed, SYSTEM, DMS_OUTAGES, name, now, message_id=message.message_id)
    log.info("dms_outages_received", count=len(message.records), new=stored.new)
    wrong = [finding for record in message.records for finding in record.findings]
    errors = [{"field": one.path, "code": one.code, "message": one.text} for one in wrong]
    return accepted({"received": True, "outageCount": len(message.records), "errors": errors[:100]})


_OPERATION = operation(
    "sendDmsOutages",
    "State outages, each as a whole and with a version",
    "A version is a whole snapshot: what it does not say is not so. Versions may come late, in any"
    " order and repeatedly; the newest counts. The same body again is answered 202 and does nothing.",
    "DmsMessage",
)
_documented = blueprint.doc(**_OPERATION)(
    blueprint.response(202, OutagesReceived, description="It is stored and will be interpreted.")(
        send_outages
    )
)
blueprint.route("/dms/outages", methods=["POST"])(_documented)
