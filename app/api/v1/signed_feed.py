"""What the feeds of our own systems have in common: who may send, in which form, what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from flask import Response, current_app, json, request

from app.api import problems
from app.api.openapi import ProblemDocument
from app.api.problems import Problem
from app.services import partner_credentials
from app.services.partner_credentials import CredentialInvalid, Key
from app.settings import Settings
from integrations.installer.signature import SignatureInvalid, verify

log = structlog.get_logger()

_FORBIDDEN = ("PARTNER_INACTIVE", "KEY_NOT_FOR_THIS")


@dataclass(frozen=True, slots=True)
class SignedBody:
    """A body whose signature was verified, and the key that signed it."""

    key: Key
    body: bytes


def read_signed(now: datetime, most_bytes: int) -> SignedBody:
    """Read the request of somebody who holds one of our keys.

    Nobody who has not shown who he is makes us write to the database. Raises: Problem.
    """
    settings: Settings = current_app.extensions["tiedolla_settings"]
    _check_form(most_bytes)
    try:
        key = partner_credentials.recognise(
            settings.partner_key.get_secret_value(),
            request.headers.get("Tiedolla-Key"),
            request.headers.get("Authorization"),
        )
        body = _read(most_bytes)
        verify(
            key.credential.secret,
            request.headers.get("Tiedolla-Signature"),
            request.headers.get("Tiedolla-Timestamp"),
            body,
            now,
        )
    except CredentialInvalid as error:
        raise refused(error) from None
    except SignatureInvalid as error:
        log.warning("feed_not_admitted", code=error.code, address=request.remote_addr)
        raise _unauthorised(f"SIGNATURE_{error.code}", error.why) from None
    return SignedBody(key, body)


def refused(error: CredentialInvalid) -> Problem:
    """The answer to somebody whose key is not good for this."""
    log.warning("feed_not_admitted", code=error.code, address=request.remote_addr)
    if error.code in _FORBIDDEN:
        return Problem(403, error.code, _sentence(error.why))
    return _unauthorised(error.code, error.why)


def accepted(answer: Mapping[str, Any]) -> Response:
    """It is stored; what it changes is decided later."""
    return Response(json.dumps(answer), 202, mimetype="application/json")


def operation(name: str, summary: str, description: str, schema: str) -> dict[str, Any]:
    """The operation as OpenAPI describes it."""
    headers = (
        ("Tiedolla-Key", "the key id that belongs to the bearer token, such as dms.1"),
        ("Tiedolla-Timestamp", "unix seconds, at most 300 s from our clock"),
        ("Tiedolla-Signature", 'v1= and the hex HMAC-SHA256 of "<timestamp>." + body'),
    )
    return {
        "summary": summary,
        "description": description,
        "operationId": name,
        "security": [{"bearer": []}],
        "parameters": [
            {
                "in": "header",
                "name": header,
                "required": True,
                "schema": {"type": "string"},
                "description": words,
            }
            for header, words in headers
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
        },
        "responses": {
            str(status): {
                "description": words,
                "content": {problems.MEDIA_TYPE: {"schema": ProblemDocument}},
            }
            for status, words in _ERRORS.items()
        },
    }


_ERRORS = {
    400: "the body is no JSON object",
    401: "the key, the token or the signature is wrong, or the timestamp is too far off",
    403: "the key is not active, or is another system's",
    413: "the body is too large",
    415: "the body is not application/json, or it is compressed",
    422: "nothing of it can be taken; errors says why",
    500: "a fault of ours; send it again later",
    503: "we cannot store anything for a moment; send it again after Retry-After",
}


def _check_form(most_bytes: int) -> None:
    """Turn away what could not be a message before any of it is read."""
    if (request.content_length or 0) > most_bytes:
        raise _too_large(most_bytes)
    if request.mimetype != "application/json":
        raise Problem(415, "MEDIA_TYPE_WRONG", "Send the body as application/json.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(415, "ENCODING_WRONG", "Send the body uncompressed.")


def _read(most_bytes: int) -> bytes:
    # A body without a length is cut off silently at the limit; one byte more tells it apart.
    request.max_content_length = most_bytes + 1
    body = request.get_data(cache=False)
    if len(body) > most_bytes:
        raise _too_large(most_bytes)
    return body


def _too_large(most_bytes: int) -> Problem:
    return Problem(413, "BODY_TOO_LARGE", f"The body may have {most_bytes} bytes at most.")


def _unauthorised(code: str, why: str) -> Problem:
    headers = {"WWW-Authenticate": 'Bearer realm="feeds"'}
    return Problem(401, code, _sentence(why), headers=headers)


def _sentence(why: str) -> str:
    return f"{why[:1].upper()}{why[1:]}."
