"""Orders to the wire form, and the installer's answer to a type."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from integrations.installer.types import Accepted, InstallerOrder
from integrations.outcomes import ContractBroken

_accepted = msgspec.json.Decoder(Accepted)


def build_order(order: InstallerOrder) -> dict[str, Any]:
    """The JSON object of the order, as it is stored in the outbox and sent later."""
    return cast("dict[str, Any]", msgspec.to_builtins(order))


def parse_accepted(body: bytes) -> Accepted:
    """Read a 2xx answer.

    Raises: ContractBroken (tell an operator; the text names the field, never its content).
    """
    try:
        return _accepted.decode(body)
    except (ValueError, RecursionError) as error:
        field = str(error) if isinstance(error, msgspec.ValidationError) else "not JSON"
        raise ContractBroken(f"installer: answer not as agreed: {field}") from None
