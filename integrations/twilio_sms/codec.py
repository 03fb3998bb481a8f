"""Text messages to the stored payload and back, and the address Twilio shall report to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import msgspec

from integrations.outcomes import Finding, Rejected
from integrations.twilio_sms.types import Sms

VALIDITY_MAX_S = 36_000


def build_sms(sms: Sms) -> dict[str, Any]:
    """The payload as it is stored in the outbox."""
    return cast("dict[str, Any]", msgspec.to_builtins(sms))


def parse_sms(payload: Mapping[str, Any]) -> Sms:
    """Read a stored payload; fields of the product's own are passed over.

    Raises: Rejected (the payload can never be sent; the text names the field, not its content).
    """
    try:
        return msgspec.convert(payload, Sms)
    except msgspec.ValidationError as error:
        finding = Finding("$", "PAYLOAD_INVALID", str(error))
        raise Rejected("payload is not a text message", (finding,)) from None


def validity_of(sms: Sms, now: datetime) -> int:
    """Seconds that the text may wait at Twilio, within what Twilio takes.

    Raises: Rejected (it is no longer true, so nobody may get it).
    """
    left_s = sms.validity_s
    if sms.expires_at is not None:
        left_s = min(left_s, int((sms.expires_at - now).total_seconds()))
    if left_s < 1:
        raise Rejected("expired", (Finding("$.validity_s", "EXPIRED", "no longer true"),))
    return min(left_s, VALIDITY_MAX_S)


def status_callback_url(base: str, attempt_id: str) -> str:
    """Where Twilio reports about this attempt."""
    return f"{base}{'&' if '?' in base else '?'}attempt={attempt_id}"
