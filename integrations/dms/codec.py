"""Types to the DMS's wire form, and its answer to a type."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from integrations.dms.types import Stored, SwapOutage
from integrations.outcomes import ContractBroken

KIND = "DMS_SWAP_OUTAGE"
_stored = msgspec.json.Decoder(Stored)


def build_swap_outage(swap_outage: SwapOutage) -> dict[str, Any]:
    """The JSON object as it is stored in the outbox and sent later."""
    return cast("dict[str, Any]", msgspec.to_builtins(swap_outage))


def parse_stored(body: bytes) -> Stored:
    """Read a 2xx answer.

    Raises: ContractBroken (tell an operator; the text names the field, never its content).
    """
    try:
        return _stored.decode(body)
    except (ValueError, RecursionError) as error:
        field = str(error) if isinstance(error, msgspec.ValidationError) else "not JSON"
        raise ContractBroken(f"dms: answer not as agreed: {field}") from None
