"""What the feeds of our own systems have in common: who may send, in which form, what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response, json

from app.api import partner_request, problems
from app.api.openapi import ProblemDocument
from app.api.partner_request import SIGNED_HEADERS
from app.api.problems import Problem
from app.services.partner_credentials import CredentialInvalid, Key

REALM = "feeds"


@dataclass(frozen=True, slots=True)
class SignedBody:
    """A body whose signature was verified, and the key that signed it."""

    key: Key
    body: bytes


def read_signed(now: datetime, most_bytes: int) -> SignedBody:
    """Read the request of somebody who holds one of our keys. Raises: Problem."""
    return SignedBody(*partner_request.read_signed(REALM, most_bytes, now))


def refused(error: CredentialInvalid) -> Problem:
    """The answer to somebody whose key is not good for this."""
    return partner_request.refused(REALM, error)


def accepted(answer: Mapping[str, Any]) -> Response:
    """It is stored; what it changes is decided later."""
    return Response(json.dumps(answer), 202, mimetype="application/json")


def operation(name: str, summary: str, description: str, schema: str) -> dict[str, Any]:
    """The operation as OpenAPI describes it."""
    return {
        "summary": summary,
        "description": description,
        "operationId": name,
        "security": [{"bearer": []}],
        "parameters": SIGNED_HEADERS,
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
