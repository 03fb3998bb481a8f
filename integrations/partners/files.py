"""Leaves orders and rejects as files in a partner's folders on its SFTP server."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from integrations.outcomes import ContractBroken, Outbound, Sent
from integrations.sftp.inbox import SftpInbox, SftpPlace

REJECT_KIND = "PARTNER_REJECT"


class PartnerFilesClient:
    """One file per item, with the bytes that were settled when the item was written.

    The payload has `name`, `text` and `encoding`; the same item leaves the same file, once. It
    knows no mapping and no codec: what a bundle becomes later changes nothing that waits.
    """

    def __init__(self, place: SftpPlace, orders: str, rejects: str) -> None:
        self._orders = SftpInbox(replace(place, returns=orders))
        self._rejects = SftpInbox(replace(place, returns=rejects))

    async def send(self, item: Outbound) -> Sent:
        """Put the file; `ref` of the result is its name there.

        Raises: AlreadyDone (it is there), Retryable, LaneDown, ContractBroken.
        """
        name, text = item.payload.get("name"), item.payload.get("text")
        encoding = item.payload.get("encoding", "utf-8")
        if not isinstance(name, str) or not isinstance(text, str) or not isinstance(encoding, str):
            raise ContractBroken("partner file: the payload is not a file")
        inbox = self._rejects if item.kind == REJECT_KIND else self._orders
        data = text.encode(encoding, "replace")
        return Sent(ref=await asyncio.to_thread(inbox.put_return, name, data))

    async def aclose(self) -> None:
        """Drop the connections."""
        await asyncio.to_thread(self._orders.close)
        await asyncio.to_thread(self._rejects.close)
