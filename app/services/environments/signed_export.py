"""The file itself: canonical JSON under an Ed25519 signature of the environment that it is from.

Each installation has a key of its own, derived from its secret; others trust its public half by
their settings. So a file can be carried by anybody, and altered by nobody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.settings import Settings

FORMAT = "tiedolla-environment"
SCHEMA = 1
FILE_MOST_BYTES = 16 * 1024 * 1024
_PURPOSE = b"tiedolla environment key 1"

Kinds = dict[str, dict[str, dict[str, Any]]]


class FileRefused(Exception):
    """The file is not taken; code is one of these, why says more.

    TOO_LARGE, NOT_JSON, FORMAT_UNKNOWN (something else), SCHEMA_NEWER (a later release wrote it),
    FILE_ALTERED (its signature does not fit), ENVIRONMENT_NOT_TRUSTED (nothing may come from there),
    KEY_NOT_TRUSTED (it names such an environment, but is not signed by it), CONTENT_INVALID.
    """

    def __init__(self, code: str, why: str = "") -> None:
        super().__init__(f"{code}: {why}" if why else code)
        self.code = code
        self.why = why


@dataclass(frozen=True, slots=True)
class Export:
    """A file that has been read and whose signature fits."""

    environment: str
    address: str
    exported_at: datetime
    exported_by: str
    kinds: Kinds
    digest: str
    text: str


def public_key(settings: Settings) -> str:
    """What other environments put into TIEDOLLA_ENVIRONMENT_TRUST to take files from this one."""
    return _encoded(_private(settings).public_key())


def write(settings: Settings, kinds: Mapping[str, Any], now: datetime, *, by: str) -> bytes:
    """The file, signed."""
    content = {
        "environment": settings.environment,
        "address": settings.base_url,
        "exportedAt": now.isoformat(),
        "exportedBy": by,
        "kinds": kinds,
    }
    signed = _canonical(_signed_part(SCHEMA, content))
    signature = base64.b64encode(_private(settings).sign(signed)).decode()
    file = {
        **_signed_part(SCHEMA, content),
        "key": public_key(settings),
        "signature": signature,
    }
    text = json.dumps(file, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False)
    return text.encode() + b"\n"


def read(settings: Settings, body: bytes) -> Export:
    """Read a file and check that it is unchanged and from where we take files. Raises: FileRefused."""
    if len(body) > FILE_MOST_BYTES:
        raise FileRefused("TOO_LARGE", f"at most {FILE_MOST_BYTES} bytes")
    try:
        file = json.loads(
            body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise FileRefused("NOT_JSON", str(error)[:200]) from None
    if not isinstance(file, dict) or file.get("format") != FORMAT:
        raise FileRefused("FORMAT_UNKNOWN")
    schema, content = file.get("schema"), file.get("content")
    if not isinstance(schema, int) or isinstance(schema, bool) or not isinstance(content, dict):
        raise FileRefused("FORMAT_UNKNOWN")
    if schema > SCHEMA:
        raise FileRefused("SCHEMA_NEWER", f"it has schema {schema}, here at most {SCHEMA}")
    key = _check_signature(file, schema, content)
    _check_trust(settings, str(content.get("environment")), key)
    return _export(content)


def _signed_part(schema: int, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"format": FORMAT, "schema": schema, "content": content}


def _check_signature(file: Mapping[str, Any], schema: int, content: Mapping[str, Any]) -> str:
    try:
        raw = base64.b64decode(str(file["key"]), validate=True)
        signature = base64.b64decode(str(file["signature"]), validate=True)
        key = Ed25519PublicKey.from_public_bytes(raw)
        key.verify(signature, _canonical(_signed_part(schema, content)))
    except (KeyError, ValueError, RecursionError, InvalidSignature):
        raise FileRefused("FILE_ALTERED", "the signature does not fit what the file says") from None
    return _encoded(key)


def _check_trust(settings: Settings, environment: str, key: str) -> None:
    trusted = set(settings.environment_trust.get(environment, "").split())
    if environment == settings.environment:
        # Its own files come back when somebody restores what was.
        trusted.add(public_key(settings))
    if not trusted:
        why = f"TIEDOLLA_ENVIRONMENT_TRUST does not name {environment[:40]}"
        raise FileRefused("ENVIRONMENT_NOT_TRUSTED", why)
    if key not in trusted:
        raise FileRefused("KEY_NOT_TRUSTED", f"it is not signed by {environment[:40]}")


def _export(content: dict[str, Any]) -> Export:
    kinds = content.get("kinds")
    try:
        if not isinstance(kinds, dict) or not all(
            isinstance(records, dict) and all(isinstance(one, dict) for one in records.values())
            for records in kinds.values()
        ):
            raise TypeError
        at = datetime.fromisoformat(str(content["exportedAt"]))
        if at.tzinfo is None:
            raise ValueError
        texts = [str(content[name]) for name in ("environment", "address", "exportedBy")]
    except (KeyError, TypeError, ValueError):
        raise FileRefused("CONTENT_INVALID", "a part of it is missing or of another kind") from None
    canonical = _canonical(content)
    if b"\\u0000" in canonical:
        raise FileRefused("CONTENT_INVALID", "a text holds the character NUL")
    text = canonical.decode()
    digest = hashlib.sha256(canonical).hexdigest()
    return Export(texts[0], texts[1][:300], at, texts[2][:120], kinds, digest, text)


def _private(settings: Settings) -> Ed25519PrivateKey:
    secret = settings.secret_key.get_secret_value().encode()
    return Ed25519PrivateKey.from_private_bytes(hmac.digest(secret, _PURPOSE, hashlib.sha256))


def _encoded(key: Ed25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def _canonical(value: Any) -> bytes:
    """The one way to write a value, whatever spaces and order a file has."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")
