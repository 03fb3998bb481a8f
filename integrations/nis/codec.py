"""Types to the NIS's wire form, and its answer to a type."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from integrations.nis.types import NisDevice, Stored
from integrations.outcomes import ContractBroken

KIND = "NIS_DEVICE"
_stored = msgspec.json.Decoder(Stored)


def build_device(device: NisDevice) -> dict[str, Any]:
    """The JSON object as it is stored in the outbox and sent later."""
    return cast("dict[str, Any]", msgspec.to_builtins(device))


def parse_stored(body: bytes) -> Stored:
    """Read a 2xx answer.

    Raises: ContractBroken (tell an operator; the text names the field, never its content).
    """
    try:
        return _stored.decode(body)
    except (ValueError, RecursionError) as error:
        field = str(error) if isinstance(error, msgspec.ValidationError) else "not JSON"
        raise ContractBroken(f"nis: answer not as agreed: {field}") from None
