"""SendGrid's event webhook: a signed JSON array to events about our attempts.

The signature is ECDSA on P-256 over the timestamp and the raw body. Its maker picks between two
equally good values of s, so a low s cannot be asked for; that a second valid signature can be
made from a seen one does no harm, because nothing here is told apart by its signature. Only the
one canonical writing of a signature is taken.

Freshness: the timestamp must be within the window around now. SendGrid does not say whether a
repeated delivery is signed anew. If an account turns out to repeat with the old timestamp, widen
window_s to the day for which it repeats: replays stay harmless, since events are told apart by
their content (EmailEvent.dedupe_key) and receipts never move a state back.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import load_der_public_key

from integrations.outcomes import plain
from integrations.sendgrid_email.types import ATTEMPT_ARGS, EmailEvent

WINDOW_S = 300.0
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_ATTEMPT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_EVENT = re.compile(r"[a-z_]{1,40}", re.ASCII)


class EventsInvalid(Exception):
    """The request is not taken; nothing of it may be used.

    code: SIGNATURE_MISSING, SIGNATURE_MALFORMED, SIGNATURE_WRONG, STALE (answer 403) or
    BODY_MALFORMED (answer 400).
    """

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


def verify_events(
    body: bytes,
    signature: str | None,
    timestamp: str | None,
    public_key: str,
    now: datetime,
    *,
    window_s: float = WINDOW_S,
) -> list[EmailEvent]:
    """The events about our attempts, in their order; kinds that we do not know included.

    public_key: as SendGrid shows it, base64 without the PEM lines. Events without an attempt of
    ours (its test button, e-mails sent by others) are left out.

    Raises: EventsInvalid (answer by its code); ValueError (public_key is none: our setting).
    """
    key = load_public_key(public_key)
    if not signature or not timestamp:
        raise EventsInvalid("SIGNATURE_MISSING", "signature or timestamp header is missing")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise EventsInvalid("SIGNATURE_MALFORMED", "timestamp is not unix seconds")
    try:
        key.verify(_canonical(signature), timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise EventsInvalid("SIGNATURE_WRONG", "signature does not fit") from None
    if abs(now.timestamp() - int(timestamp)) > window_s:
        raise EventsInvalid("STALE", f"timestamp is more than {window_s:g} s off")
    return list(_events(body))


@lru_cache(maxsize=8)
def load_public_key(text: str) -> ec.EllipticCurvePublicKey:
    """Read the verification key of the settings.

    Raises: ValueError (it is not base64 of a P-256 public key).
    """
    key = load_der_public_key(base64.b64decode(text, validate=True))
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise ValueError("not a P-256 public key")
    return key


def _canonical(signature: str) -> bytes:
    """The signature's bytes, if text and bytes are the one writing of their numbers."""
    try:
        raw = base64.b64decode(signature, validate=True)
        again = encode_dss_signature(*decode_dss_signature(raw))
    except (ValueError, OverflowError):
        raise _not_canonical() from None
    if again != raw or base64.b64encode(raw).decode() != signature:
        raise _not_canonical()
    return raw


def _not_canonical() -> EventsInvalid:
    return EventsInvalid("SIGNATURE_MALFORMED", "signature is not canonical base64 and DER")


def _events(body: bytes) -> Iterator[EmailEvent]:
    try:
        raw = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise EventsInvalid("BODY_MALFORMED", "body is not JSON") from None
    if not isinstance(raw, list):
        raise EventsInvalid("BODY_MALFORMED", "body is not a JSON array")
    for entry in raw:
        event = _event(entry) if isinstance(entry, dict) else None
        if event is not None:
            yield event


def _event(entry: dict[str, Any]) -> EmailEvent | None:
    attempt_id = next((entry[n] for n in ATTEMPT_ARGS if _is(_ATTEMPT, entry.get(n))), None)
    kind, at = entry.get("event"), _time(entry.get("timestamp"))
    if attempt_id is None or not _is(_EVENT, kind) or at is None:
        return None
    return EmailEvent(
        attempt_id=attempt_id,
        event=str(kind),
        at=at,
        message_id=_text(entry.get("sg_message_id")),
        reason=_text(entry.get("reason")) or _text(entry.get("response")),
        bounce_type=_text(entry.get("type")),
    )


def _is(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _text(value: object) -> str | None:
    return plain(value) if isinstance(value, str) and value else None


def _time(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        return None
