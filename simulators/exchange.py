"""Reading a JSON request and writing a JSON or problem answer, the same way in each REST system."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

_encode = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may be looked at: its key, its JSON object, and a hash of the object."""

    key: str
    body: dict[str, Any]
    digest: str


class Refusal(Exception):
    """The request goes no further; `answer` says why."""

    def __init__(self, answer: web.Response) -> None:
        super().__init__(answer.status)
        self.answer = answer


def json_answer(
    body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON answer."""
    data = _encode(body).encode("utf-8", "backslashreplace")
    return web.Response(
        body=data, status=status, content_type="application/json", charset="utf-8", headers=headers
    )


def problem(
    status: int, title: str, headers: Mapping[str, str] | None = None, **more: Any
) -> web.Response:
    """An RFC 9457 problem answer."""
    data = json.dumps({"type": "about:blank", "title": title, "status": status, **more})
    return web.Response(
        body=data.encode(), status=status, content_type="application/problem+json", headers=headers
    )


async def read_asked(request: web.Request, token: str) -> Asked:
    """Check the bearer token, the idempotency key and that the body is a JSON object.

    Raises: Refusal (401, 400, 413 or 415).
    """
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise Refusal(problem(401, "Unknown token", {"WWW-Authenticate": "Bearer"}))
    if request.content_type != "application/json":
        raise Refusal(problem(415, "Send application/json"))
    key = request.headers.get("Idempotency-Key", "").strip()
    if not key or len(key) > 200:
        raise Refusal(problem(400, "Idempotency-Key is missing or longer than 200 characters"))
    try:
        body = parse_json(await request.read())
    except ValueError as error:
        raise Refusal(problem(400, "The body is not JSON", detail=str(error))) from None
    if not isinstance(body, dict):
        raise Refusal(problem(400, "The body is not a JSON object"))
    return Asked(key, body, digest_of(body))


def parse_json(data: bytes) -> Any:
    """Strict JSON: no NaN, nothing nested beyond what Python can walk.

    Raises: ValueError (it is not JSON).
    """
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deep") from None


def digest_of(body: Mapping[str, Any]) -> str:
    """SHA-256 of the object's canonical form: the order of its fields and spaces do not count."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
