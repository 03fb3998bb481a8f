"""Sends orders to one installer's interface."""

from __future__ import annotations

from integrations.http_json import JsonCaller
from integrations.installer.codec import parse_accepted
from integrations.installer.codes import STATUSES
from integrations.outcomes import HttpTarget, Outbound, Sent


class InstallerClient:
    """POST {base}/orders under the item's key; the same key again is answered the same."""

    def __init__(self, target: HttpTarget) -> None:
        self._caller = JsonCaller(target, "installer", STATUSES)

    async def send(self, item: Outbound) -> Sent:
        """Send one order revision; `ref` of the result is the installer's own reference.

        Raises: Retryable, Rejected (findings for the order), LaneDown, ContractBroken.
        """
        answer = await self._caller.call("POST", "/orders", item.payload, item.key)
        return Sent(ref=parse_accepted(answer).partner_ref)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._caller.aclose()
