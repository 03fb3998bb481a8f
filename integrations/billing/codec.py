"""Types to the billing system's wire form, and its answer to a type."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from integrations.billing.types import MeterChange, Stored
from integrations.outcomes import ContractBroken

KIND = "BILLING_METER_CHANGE"
_stored = msgspec.json.Decoder(Stored)


def build_meter_change(meter_change: MeterChange) -> dict[str, Any]:
    """The JSON object as it is stored in the outbox and sent later."""
    return cast("dict[str, Any]", msgspec.to_builtins(meter_change))


def parse_stored(body: bytes) -> Stored:
    """Read a 2xx answer.

    Raises: ContractBroken (tell an operator; the text names the field, never its content).
    """
    try:
        return _stored.decode(body)
    except (ValueError, RecursionError) as error:
        field = str(error) if isinstance(error, msgspec.ValidationError) else "not JSON"
        raise ContractBroken(f"billing: answer not as agreed: {field}") from None
