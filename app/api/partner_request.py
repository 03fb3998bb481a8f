"""A request of a partner that has shown who it is: form, size, key, signature.

Nobody who has not shown who he is makes us write to the database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import structlog
from flask import current_app, request

from app.api.problems import Problem
from app.services import partner_credentials
from app.services.partner_credentials import CredentialInvalid, Key
from app.settings import Settings
from integrations.installer.signature import SignatureInvalid, verify

log = structlog.get_logger()

JSON = "application/json"
# Shown who it is, and yet not let in.
_FORBIDDEN = ("PARTNER_INACTIVE", "ZONE_INACTIVE", "KEY_NOT_FOR_THIS")

K = TypeVar("K")


def header_of(name: str, description: str) -> dict[str, object]:
    """A required header in the description of an operation."""
    return {
        "in": "header",
        "name": name,
        "required": True,
        "schema": {"type": "string"},
        "description": description,
    }


SIGNED_HEADERS = [
    header_of("Tiedolla-Key", "the key id that belongs to the bearer token, such as voima.1"),
    header_of("Tiedolla-Timestamp", "unix seconds, at most 300 s from our clock"),
    header_of("Tiedolla-Signature", 'v1= and the hex HMAC-SHA256 of "<timestamp>." + body'),
]


def read_signed(realm: str, max_bytes: int, now: datetime) -> tuple[Key, bytes]:
    """The key and the body of a signed request; whether the key still counts, admit() tells.

    Raises: Problem (401, 413, 415).
    """
    return read_signed_by(
        realm, max_bytes, now, partner_credentials.recognise, lambda key: key.credential.secret
    )


def read_signed_by(
    realm: str,
    max_bytes: int,
    now: datetime,
    recognise: Callable[[str, str | None, str | None], K],
    secret_of: Callable[[K], str],
) -> tuple[K, bytes]:
    """The same for keys of another kind. Raises: Problem (401, 413, 415)."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    if request.method != "GET":
        _check_form(max_bytes)
    try:
        key = recognise(
            settings.partner_key.get_secret_value(),
            request.headers.get("Tiedolla-Key"),
            request.headers.get("Authorization"),
        )
        body = _read(max_bytes)
        verify(
            secret_of(key),
            request.headers.get("Tiedolla-Signature"),
            request.headers.get("Tiedolla-Timestamp"),
            body,
            now,
        )
    except CredentialInvalid as error:
        raise refused(realm, error) from None
    except SignatureInvalid as error:
        raise _not_shown(realm, f"SIGNATURE_{error.code}", error.why) from None
    return key, body


def refused(realm: str, error: CredentialInvalid) -> Problem:
    """The answer to a key that does not count."""
    if error.code in _FORBIDDEN:
        log.warning("request_not_admitted", code=error.code, address=request.remote_addr)
        return Problem(403, error.code, _sentence(error.why))
    return _not_shown(realm, error.code, error.why)


def _check_form(max_bytes: int) -> None:
    """Turn away what cannot be meant for us before any of it is read."""
    if (request.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    if request.mimetype != JSON:
        raise Problem(415, "MEDIA_TYPE_WRONG", "Send the body as application/json.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(415, "ENCODING_WRONG", "Send the body uncompressed.")


def _read(max_bytes: int) -> bytes:
    # A body without a length is cut off silently at the limit; one byte more tells it apart.
    request.max_content_length = max_bytes + 1
    body = request.get_data(cache=False)
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    return body


def _too_large(max_bytes: int) -> Problem:
    return Problem(413, "BODY_TOO_LARGE", f"The body may have {max_bytes} bytes at most.")


def _not_shown(realm: str, code: str, why: str) -> Problem:
    log.warning("request_not_admitted", code=code, address=request.remote_addr)
    ask = {"WWW-Authenticate": f'Bearer realm="{realm}"'}
    return Problem(401, code, _sentence(why), headers=ask)


def _sentence(why: str) -> str:
    return f"{why[:1].upper()}{why[1:]}."
