"""The signature over a runner's request, the same as over a partner's: see installer/signature.py."""

from __future__ import annotations

import hashlib
import hmac


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The value of the Tiedolla-Signature header."""
    text = f"{timestamp}.".encode("ascii") + body
    return "v1=" + hmac.new(secret.encode("utf-8"), text, hashlib.sha256).hexdigest()
