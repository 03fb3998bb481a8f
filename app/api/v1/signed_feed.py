"""What the feeds of our own systems have in common: who may send, in which form, what is answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response, json
from sqlalchemy.orm import Session

from app.api import partner_request, problems
from app.api.openapi import ProblemDocument
from app.api.partner_request import SIGNED_HEADERS
from app.api.problems import Problem
from app.db import transaction
from app.domain.lanes import NETWORK
from app.services import feed_receipt, partner_credentials
from app.services.inbound import Stored
from app.services.partner_credentials import CredentialInvalid, Key
from integrations.outcomes import Finding

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


def keep(
    signed: SignedBody,
    system: str,
    kind: str,
    name: str,
    now: datetime,
    *,
    message_id: str | None,
    lane: str = NETWORK,
) -> Stored:
    """Store what a system of ours has sent. Raises: Problem when the key is another system's."""
    with admitted(signed, system) as session:
        return feed_receipt.keep(
            session,
            source=system,
            kind=kind,
            name=name,
            body=signed.body,
            now=now,
            message_id=message_id,
            lane=lane,
        )


def keep_refused(
    signed: SignedBody, system: str, kind: str, findings: Sequence[Finding], now: datetime
) -> None:
    """Store what cannot be read, with why. Raises: Problem when the key is another system's."""
    with admitted(signed, system) as session:
        feed_receipt.keep_refused(
            session, source=system, kind=kind, body=signed.body, findings=findings, now=now
        )


@contextmanager
def admitted(signed: SignedBody, system: str) -> Iterator[Session]:
    """A transaction for whoever may act for this system. Raises: Problem when the key may not."""
    try:
        with transaction() as session:
            partner_credentials.admit_feed(session, signed.key, system)
            yield session
    except CredentialInvalid as error:
        raise refused(error) from None


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
