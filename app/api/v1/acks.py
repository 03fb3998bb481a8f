"""POST /api/v1/acks: a partner reports field work. Stored first, interpreted later."""

from __future__ import annotations

from datetime import UTC, datetime

import marshmallow as ma
import structlog
from flask import Response, current_app, json, request
from flask_smorest import Blueprint

from app.api import problems
from app.api.openapi import URL_PREFIX, ProblemDocument
from app.api.problems import Problem
from app.db import transaction
from app.services import ack_receipt, partner_credentials
from app.services.partner_credentials import CredentialInvalid, Key
from app.settings import Settings
from integrations.installer.acks import AckInvalid, parse_ack
from integrations.installer.signature import SignatureInvalid, verify

log = structlog.get_logger()

BODY_MAX_BYTES = 256 * 1024
_ASK_FOR_KEY = {"WWW-Authenticate": 'Bearer realm="acks"'}

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


def _header(name: str, description: str) -> dict[str, object]:
    return {
        "in": "header",
        "name": name,
        "required": True,
        "schema": {"type": "string"},
        "description": description,
    }


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
    "parameters": [
        _header("Tiedolla-Key", "the key id that belongs to the bearer token, such as voima.1"),
        _header("Tiedolla-Timestamp", "unix seconds, at most 300 s from our clock"),
        _header("Tiedolla-Signature", 'v1= and the hex HMAC-SHA256 of "<timestamp>." + body'),
    ],
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
    settings: Settings = current_app.extensions["tiedolla_settings"]
    now = datetime.now(UTC)
    _check_form()
    try:
        key = partner_credentials.recognise(
            settings.partner_key.get_secret_value(),
            request.headers.get("Tiedolla-Key"),
            request.headers.get("Authorization"),
        )
        body = _read()
        verify(
            key.credential.secret,
            request.headers.get("Tiedolla-Signature"),
            request.headers.get("Tiedolla-Timestamp"),
            body,
            now,
        )
        return _take(key, body, now)
    except CredentialInvalid as error:
        status = 403 if error.code == "PARTNER_INACTIVE" else 401
        raise _refused(status, error.code, error.why) from None
    except SignatureInvalid as error:
        raise _refused(401, f"SIGNATURE_{error.code}", error.why) from None


def _check_form() -> None:
    """Turn away what could not be an acknowledgement before any of it is read."""
    if (request.content_length or 0) > BODY_MAX_BYTES:
        raise _too_large()
    if request.mimetype != "application/json":
        raise Problem(415, "MEDIA_TYPE_WRONG", "Send the body as application/json.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(415, "ENCODING_WRONG", "Send the body uncompressed.")


def _read() -> bytes:
    # A body without a length is cut off silently at the limit; one byte more tells it apart.
    request.max_content_length = BODY_MAX_BYTES + 1
    body = request.get_data(cache=False)
    if len(body) > BODY_MAX_BYTES:
        raise _too_large()
    return body


def _too_large() -> Problem:
    return Problem(413, "BODY_TOO_LARGE", f"The body may have {BODY_MAX_BYTES} bytes at most.")


def _take(key: Key, body: bytes, now: datetime) -> Response:
    try:
        ack = parse_ack(body)
    except AckInvalid as error:
        with transaction() as session:
            partner_credentials.admit(session, key)
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
        partner_credentials.admit(session, key)
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


def _refused(status: int, code: str, why: str) -> Problem:
    # Nobody who has not shown who he is makes us write to the database.
    log.warning("ack_not_admitted", code=code, address=request.remote_addr)
    return Problem(
        status,
        code,
        f"{why[:1].upper()}{why[1:]}.",
        headers=_ASK_FOR_KEY if status == 401 else None,
    )


_documented = blueprint.doc(**_OPERATION)(
    blueprint.response(202, Received, description="It is stored and will be interpreted.")(send_ack)
)
blueprint.route("/acks", methods=["POST"])(_documented)
