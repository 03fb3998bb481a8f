"""POST /api/v1/processes/{code}/starts: a system outside starts a process of ours."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
import msgspec
import structlog
from flask import Response, json, request
from flask_smorest import Blueprint

from app.api import problems
from app.api.openapi import URL_PREFIX
from app.api.partner_request import SIGNED_HEADERS, header_of
from app.api.problems import Problem
from app.api.v1.signed_feed import operation, read_signed, refused
from app.db import transaction
from app.services import partner_credentials, triggers
from app.services.partner_credentials import CredentialInvalid
from app.services.triggers import KeyReused, NotAllowed

log = structlog.get_logger()

BODY_MAX_BYTES = 64 * 1024
_PARAMS_MOST = 50
_KEY = re.compile(r"[\x21-\x7e]{1,100}", re.ASCII)

blueprint = Blueprint(
    "process-starts",
    __name__,
    url_prefix=URL_PREFIX,
    description="Processes of ours that others may start.",
)
problems.cover(blueprint)


class StartAsked(ma.Schema):
    """The start is stored; when it runs is up to the process."""

    startId = ma.fields.Integer(required=True)
    state = ma.fields.String(
        required=True, metadata={"description": "WAITING, or SKIPPED by the overlap policy"}
    )
    new = ma.fields.Boolean(
        required=True, metadata={"description": "false when this key was used before"}
    )


def ask_for_start(code: str) -> Response:
    """Start a process; the same Idempotency-Key again is the same start."""
    now = datetime.now(UTC)
    signed = read_signed(now, BODY_MAX_BYTES)
    key = request.headers.get("Idempotency-Key", "")
    if not _KEY.fullmatch(key):
        raise Problem(400, "KEY_MISSING", "Idempotency-Key needs 1 to 100 printable characters.")
    params = _params(signed.body)
    try:
        with transaction() as session:
            partner_credentials.admit(session, signed.key)
            asked = triggers.request_came(
                session, code, signed.key.partner_code, key, signed.body, params, now
            )
    except CredentialInvalid as error:
        raise refused(error) from None
    except NotAllowed:
        why = "There is no such process, or this key may not start it."
        raise Problem(404, "PROCESS_UNKNOWN", why) from None
    except KeyReused:
        why = "This Idempotency-Key was used with another body."
        raise Problem(409, "KEY_REUSED", why) from None
    log.info("process_start_asked", process=code, start=asked.id, new=asked.new)
    answer = {"startId": asked.id, "state": asked.state, "new": asked.new}
    return Response(json.dumps(answer), 202, mimetype="application/json")


def _params(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Problem(400, "JSON_MALFORMED", "The body is no JSON object.")
    plain = all(
        value is None or isinstance(value, (str, int, float, bool)) for value in found.values()
    )
    # PostgreSQL's JSON has no such character.
    if len(found) > _PARAMS_MOST or not plain or "\\u0000" in body.decode("utf-8", "replace"):
        why = f"Send at most {_PARAMS_MOST} parameters, each a text, number, boolean or null."
        raise Problem(422, "PARAMS_INVALID", why)
    return found


_OPERATION = operation(
    "startProcess",
    "Start a process",
    "Only processes for which a trigger names the partner of the key. The same Idempotency-Key"
    " again is answered 202 with the start that is there and starts nothing.",
    "ProcessParams",
)
_OPERATION["parameters"] = [
    *SIGNED_HEADERS,
    header_of("Idempotency-Key", "names the cause: 1 to 100 printable ASCII characters"),
]
_OPERATION["responses"] |= {
    str(status): {**_OPERATION["responses"]["400"], "description": words}
    for status, words in {
        404: "there is no such process, or this key may not start it",
        409: "this key was used with another body",
    }.items()
}
_documented = blueprint.doc(**_OPERATION)(
    blueprint.response(202, StartAsked, description="It is stored and will run.")(ask_for_start)
)
blueprint.route("/processes/<string:code>/starts", methods=["POST"])(_documented)
