"""The signature over an acknowledgement: HMAC-SHA256 of "<timestamp>." and the raw body.

The timestamp is digits only and the dot ends it, so that no byte can move between the two.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime

WINDOW_S = 300.0
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_SIGNATURE = re.compile(r"v1=[0-9a-f]{64}", re.ASCII)


class SignatureInvalid(Exception):
    """The request is not shown to come from the holder of the secret: answer 401.

    code is MISSING, MALFORMED, STALE or WRONG; why is a sentence the sender can act on.
    """

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


def sign(secret: str, timestamp: int | str, body: bytes) -> str:
    """The value of the Tiedolla-Signature header."""
    text = f"{timestamp}.".encode("ascii") + body
    return "v1=" + hmac.new(secret.encode("utf-8"), text, hashlib.sha256).hexdigest()


def verify(
    secret: str,
    header: str | None,
    timestamp: str | None,
    body: bytes,
    now: datetime,
    *,
    window_s: float = WINDOW_S,
) -> None:
    """Return when `header` signs this body at this time; compares in constant time.

    Raises: SignatureInvalid (answer 401 with its code).
    """
    if not header or not timestamp:
        raise SignatureInvalid("MISSING", "Tiedolla-Signature or Tiedolla-Timestamp is missing")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureInvalid("MALFORMED", "Tiedolla-Timestamp must be unix seconds")
    if not _SIGNATURE.fullmatch(header):
        raise SignatureInvalid("MALFORMED", "Tiedolla-Signature must be v1= and 64 hex digits")
    if not hmac.compare_digest(sign(secret, timestamp, body), header):
        raise SignatureInvalid("WRONG", "the signature does not fit the timestamp and the body")
    if abs(now.timestamp() - int(timestamp)) > window_s:
        raise SignatureInvalid("STALE", f"Tiedolla-Timestamp is more than {window_s:g} s off")
