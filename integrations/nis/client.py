"""Keeps the NIS up to date."""

from __future__ import annotations

from integrations.http_json import JsonCaller, path_segment
from integrations.nis.codec import parse_stored
from integrations.nis.codes import ANSWER_STATUSES, STATUSES
from integrations.outcomes import ContractBroken, HttpTarget, Outbound, Sent


class NisClient:
    """PUT {base}/devices/{gsrn} under the item's key; the receiver ignores older versions."""

    def __init__(self, target: HttpTarget) -> None:
        self._caller = JsonCaller(target, "nis", STATUSES)

    async def send(self, item: Outbound) -> Sent:
        """Put one version; `ref` of the result is the receiver's own reference.

        Raises: AlreadyDone (it has a newer one), Retryable, Rejected, LaneDown, ContractBroken.
        """
        path = "/devices/" + path_segment(item.payload, "gsrn")
        stored = parse_stored(await self._caller.call("PUT", path, item.payload, item.key))
        if stored.status is None:
            return Sent(ref=stored.ref)
        if stored.status not in ANSWER_STATUSES:
            raise ContractBroken("nis: answer with an unknown status")
        raise ANSWER_STATUSES[stored.status](f"nis answered {stored.status}", stored.ref)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._caller.aclose()
