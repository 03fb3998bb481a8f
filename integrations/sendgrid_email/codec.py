"""E-mails to the stored payload and back; without the SDK, which only the sender's process needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from integrations.outcomes import Finding, Rejected
from integrations.sendgrid_email.types import Email


def build_email(email: Email) -> dict[str, Any]:
    """The payload as it is stored in the outbox."""
    return cast("dict[str, Any]", msgspec.to_builtins(email))


def parse_email(payload: Mapping[str, Any]) -> Email:
    """Read a stored payload; fields of the product's own are passed over.

    Raises: Rejected (the payload can never be sent; the text names the field, not its content).
    """
    try:
        return msgspec.convert(payload, Email)
    except msgspec.ValidationError as error:
        finding = Finding("$", "PAYLOAD_INVALID", str(error))
        raise Rejected("payload is not an e-mail", (finding,)) from None
