"""A signal to its wire form, and the seal over it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from integrations.alarm_webhook.types import Signal


def build_signal(signal: Signal) -> dict[str, Any]:
    """The JSON object as it is stored in the outbox and posted later."""
    return cast("dict[str, Any]", msgspec.to_builtins(signal))


def seal_headers(secret: str, unix_s: int, body: bytes) -> Mapping[str, str]:
    """The headers by which the receiver knows that it is ours: HMAC-SHA256 of "<unix_s>." + body."""
    digest = hmac.new(secret.encode(), f"{unix_s}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Tiedolla-Timestamp": str(unix_s), "Tiedolla-Signature": f"v1={digest}"}
