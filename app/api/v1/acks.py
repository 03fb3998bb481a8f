"""POST /api/v1/acks: a partner reports field work. Stored first, interpreted later."""

from __future__ import annotations

from datetime import UTC, datetime

import marshmallow as ma
import structlog
from flask import Response, json
from flask_smorest import Blueprint

from app.api import problems
from app.api.openapi import URL_PREFIX, ProblemDocument
from app.api.partner_request import SIGNED_HEADERS, read_signed, refused
from app.api.problems import Problem
from app.db import transaction
from app.services import ack_receipt, partner_credentials
from app.services.partner_credentials import CredentialInvalid, Key
from integrations.installer.acks import AckInvalid, parse_ack

log = structlog.get_logger()

BODY_MAX_BYTES = 256 * 1024
REALM = "acks"

blueprint = Blueprint(
    "acks",
    __name__,
    url_prefix=URL_PREFIX,
    description="What installers report about their orders, in any order and as often as needed.",
)
problems.cover(blueprint)


class Received(ma.Schema):
    """The acknowledgement is stored; what it changes is decided later."""

    ackId = ma.fields.UUID(required=True)
    received = ma.fields.Boolean(required=True)


_ERRORS = {
    400: "the body is no JSON object",
    401: "the key, the token or the signature is wrong, or the timestamp is too far off",
    403: "the partner is not active",
    413: "the body is larger than 256 KiB",
    415: "the body is not application/json, or it is compressed",
    422: "fields are missing or wrong; errors says which",
    500: "a fault of ours; send it again later",
    503: "we cannot store anything for a moment; send it again after Retry-After",
}
_OPERATION = {
    "summary": "Report one fact about one order",
    "description": (
        "Send each fact once, and again until it was answered 202; the same body again is answered"
        " 202 and does nothing. Facts may come late and in any order."
    ),
    "operationId": "sendAck",
    "security": [{"bearer": []}],
    "parameters": SIGNED_HEADERS,
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/InstallerAck"}}},
    },
    "responses": {
        str(status): {
            "description": words,
            "content": {problems.MEDIA_TYPE: {"schema": ProblemDocument}},
        }
        for status, words in _ERRORS.items()
    },
}


def send_ack() -> Response:
    """Take one acknowledgement of a partner that has shown who it is."""
    now = datetime.now(UTC)
    key, body = read_signed(REALM, BODY_MAX_BYTES, now)
    try:
        return _take(key, body, now)
    except CredentialInvalid as error:
        raise refused(REALM, error) from None


def _take(key: Key, body: bytes, now: datetime) -> Response:
    try:
        ack = parse_ack(body)
    except AckInvalid as error:
        with transaction() as session:
            partner_credentials.admit_installer(session, key)
            ack_receipt.keep_refused(session, key.partner_code, body, error, now)
        log.info("ack_refused", partner=key.partner_code, codes=[f.code for f in error.findings])
        if error.malformed:
            raise Problem(
                400, "JSON_MALFORMED", "The body is no JSON object.", errors=error.findings
            ) from None
        raise Problem(
            422, "ACK_INVALID", "Put the named fields right and send it.", errors=error.findings
        ) from None
    with transaction() as session:
        partner_credentials.admit_installer(session, key)
        stored = ack_receipt.keep(session, key.partner_code, body, ack, now)
    log.info(
        "ack_received",
        partner=key.partner_code,
        ack=str(ack.ack_id),
        order=ack.order_id,
        type=ack.type,
        new=stored.new,
    )
    answer = {"ackId": str(ack.ack_id), "received": True}
    return Response(json.dumps(answer), 202, mimetype="application/json")


_documented = blueprint.doc(**_OPERATION)(
    blueprint.response(202, Received, description="It is stored and will be interpreted.")(send_ack)
)
blueprint.route("/acks", methods=["POST"])(_documented)
