"""Posts signals, each signed, under the key that lets the receiver tell repetitions."""

from __future__ import annotations

import time

from integrations.alarm_webhook.codec import seal_headers
from integrations.http_json import JsonCaller
from integrations.outcomes import HttpTarget, Outbound, Sent


class AlarmWebhookClient:
    """POST to the address itself; what its answer says beside the status does not matter."""

    def __init__(self, target: HttpTarget, secret: str) -> None:
        self._caller = JsonCaller(target, "webhook")
        self._secret = secret

    async def send(self, item: Outbound) -> Sent:
        """Post one. Raises: Retryable, Rejected, LaneDown, ContractBroken."""
        await self._caller.call(
            "POST",
            "",
            item.payload,
            item.key,
            # Made anew for each try, since the receiver checks its age.
            seal=lambda body: seal_headers(self._secret, int(time.time()), body),
        )
        return Sent()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._caller.aclose()
