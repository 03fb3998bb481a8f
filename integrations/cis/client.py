"""Leaves our completions and rejects for the CIS on its SFTP server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

import msgspec

from integrations.cis import completion_codec, reject_codec, reply_codec
from integrations.cis.types import CisCompletion, CisReject, CisReply
from integrations.outcomes import ContractBroken, Outbound, Sent
from integrations.sftp.inbox import SftpInbox, SftpPlace

Payload = TypeVar("Payload")


class CisReturnsClient:
    """One file per item, named by its key: the same item leaves the same file, once.

    The kinds CIS_COMPLETION and CIS_ORDER_END (it ended without a completion) take a CisCompletion
    as payload, CIS_REJECT a CisReject and CIS_REPLY a CisReply, all as they are written by
    `msgspec.to_builtins`.
    """

    def __init__(self, config: SftpPlace) -> None:
        self._inbox = SftpInbox(config)

    async def send(self, item: Outbound) -> Sent:
        """Put the file into the returns folder; `ref` of the result is its name there.

        Raises: AlreadyDone (it is there), Retryable, LaneDown, ContractBroken.
        """
        data = _build(item)
        name = await asyncio.to_thread(self._inbox.put_return, f"{item.key}.xml", data)
        return Sent(ref=name)

    async def aclose(self) -> None:
        """Drop the connection."""
        await asyncio.to_thread(self._inbox.close)


def _build(item: Outbound) -> bytes:
    message_id = str(uuid5(NAMESPACE_URL, f"urn:tiedolla:cis:{item.kind}:{item.key}"))
    if item.kind in (completion_codec.KIND, completion_codec.END_KIND):
        completion = _convert(item.payload, CisCompletion)
        return completion_codec.build_completion(completion, message_id)
    if item.kind == reject_codec.KIND:
        return reject_codec.build_reject(_convert(item.payload, CisReject), message_id)
    if item.kind == reply_codec.KIND:
        return reply_codec.build_reply(_convert(item.payload, CisReply), message_id)
    raise ContractBroken(f"cis: nothing is sent of kind {item.kind}")


def _convert(payload: Mapping[str, Any], kind: type[Payload]) -> Payload:
    try:
        return msgspec.convert(payload, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ContractBroken(f"cis: payload not as agreed: {error}") from None
