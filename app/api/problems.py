"""Every error of the API as problem+json (RFC 9457) with a code that a program can act on."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from flask import Blueprint, Flask, Response, json, request
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, default_exceptions

from app.db import db
from integrations.outcomes import Finding

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
PREFIX = "/api/"
_RETRY_AFTER_S = 10
# Headers of an error that say what the caller may do instead.
_KEPT = ("Allow", "Retry-After", "WWW-Authenticate")


class Problem(Exception):
    """Stop the request with this answer; code is stable, detail is a sentence in English."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: tuple[Finding, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})


def init(app: Flask) -> None:
    """Answer addresses and methods that the API does not have; no blueprint hears of those."""

    @app.before_request
    def unknown_address() -> Response | None:
        error = request.routing_exception
        # A redirection is no error.
        if error is None or not request.path.startswith(PREFIX) or (error.code or 0) < 400:
            return None
        return _of_http(error)


def cover(blueprint: Blueprint) -> None:
    """Have every error in the blueprint's views answered as a problem."""
    blueprint.register_error_handler(Problem, _answer)
    # One by one, because a handler of the whole application for a code would come first.
    for code in default_exceptions:
        blueprint.register_error_handler(code, _of_http)
    blueprint.register_error_handler(Exception, _of_fault)


def _answer(problem: Problem) -> Response:
    return _response(
        problem.status,
        problem.code,
        problem.detail,
        errors=[
            {"field": finding.path, "code": finding.code, "message": finding.text}
            for finding in problem.errors
        ],
        headers=problem.headers,
    )


def _of_http(error: Exception) -> Response:
    status = error.code if isinstance(error, HTTPException) and error.code else 500
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        headers = {name: value for name, value in error.get_headers() if name in _KEPT}
    phrase = HTTPStatus(status).phrase
    return _response(status, phrase.upper().replace(" ", "_"), phrase, headers=headers)


def _of_fault(error: Exception) -> Response:
    if isinstance(error, (OperationalError, InterfaceError, PoolTimeoutError)):
        log.warning("api_without_database", error=type(error).__name__)
        db.session.remove()
        return _response(
            503,
            "TRY_AGAIN",
            "Nothing was stored. Send the same request again a little later.",
            headers={"Retry-After": str(_RETRY_AFTER_S)},
        )
    log.exception("api_failed", path=request.path)
    return _response(
        500, "INTERNAL", "The fault is ours and was recorded. Send the same request again later."
    )


def _response(
    status: int,
    code: str,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body: dict[str, Any] = {
        "type": f"urn:tiedolla:problem:{code.lower().replace('_', '-')}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    if errors:
        body["errors"] = errors
    answer = Response(json.dumps(body), status, mimetype=MEDIA_TYPE)
    answer.headers.update(headers or {})
    return answer
