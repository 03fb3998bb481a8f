"""Completions and rejects on their way to the CIS."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import pytest
from lxml import etree

from integrations.cis.client import CisReturnsClient
from integrations.cis.record_schema import load_schema
from integrations.outcomes import AlreadyDone, ContractBroken, Outbound, Retryable, Sent
from tests.integrations.cis.servers import config_for
from tests.integrations.cis.test_completion_codec import FULL
from tests.integrations.cis.test_reject_codec import REJECT
from tests.servers import SftpServer

Result = TypeVar("Result")


def test_a_completion_is_left_under_its_key_and_keeps_to_its_schema(server: SftpServer) -> None:
    item = _item("WO-1-2-done", "CIS_COMPLETION", msgspec.to_builtins(FULL))

    assert _with_client(server, lambda client: client.send(item)) == Sent("WO-1-2-done.xml")
    document = etree.parse(server.folder("returns") / "WO-1-2-done.xml")
    load_schema("completion-1.xsd").assertValid(document)
    assert document.findtext("{*}OrderId") == FULL.order_id


def test_a_reject_is_left_under_its_key_and_keeps_to_its_schema(server: SftpServer) -> None:
    stored = msgspec.json.decode(msgspec.json.encode(REJECT))

    sent = _with_client(server, lambda client: client.send(_item("a.reject", "CIS_REJECT", stored)))
    assert sent == Sent("a.reject.xml")
    load_schema("reject-1.xsd").assertValid(etree.parse(server.folder("returns") / "a.reject.xml"))


def test_the_same_item_again_is_already_done_and_another_one_of_its_key_is_not(
    server: SftpServer,
) -> None:
    item = _item("k", "CIS_COMPLETION", msgspec.to_builtins(FULL))
    other = _item("k", "CIS_COMPLETION", {**item.payload, "revision": 9})

    async def three_times(client: CisReturnsClient) -> None:
        await client.send(item)
        with pytest.raises(AlreadyDone):
            await client.send(item)
        with pytest.raises(ContractBroken):
            await client.send(other)

    _with_client(server, three_times)
    assert os.listdir(server.folder("returns")) == ["k.xml"]


def test_many_at_once_share_the_connection(server: SftpServer) -> None:
    payload = msgspec.to_builtins(FULL)

    async def all_at_once(client: CisReturnsClient) -> None:
        items = [_item(f"k-{n}", "CIS_COMPLETION", payload) for n in range(40)]
        await asyncio.gather(*(client.send(item) for item in items))

    _with_client(server, all_at_once)
    assert len(os.listdir(server.folder("returns"))) == 40


def test_what_cannot_be_built_is_for_an_operator_and_quotes_nothing(server: SftpServer) -> None:
    secret = {**msgspec.to_builtins(FULL), "revision": "secret", "completed_at": "secret"}
    for item in (_item("k", "CIS_COMPLETION", secret), _item("k", "CIS_OTHER", {})):
        with pytest.raises(ContractBroken) as caught:
            _with_client(server, lambda client, item=item: client.send(item))
        assert "secret" not in caught.value.why


def test_a_server_that_is_away_is_worth_another_try(server: SftpServer) -> None:
    item = _item("k", "CIS_COMPLETION", msgspec.to_builtins(FULL))
    with pytest.raises(Retryable):
        _with_client(server, lambda client: client.send(item), port=1)


def _with_client(
    server: SftpServer, work: Callable[[CisReturnsClient], Awaitable[Result]], **changes: object
) -> Result:
    async def run() -> Result:
        client = CisReturnsClient(config_for(server, **changes))
        try:
            return await work(client)
        finally:
            await client.aclose()

    return asyncio.run(run())


def _item(key: str, kind: str, payload: dict[str, Any]) -> Outbound:
    return Outbound(key=key, version=1, kind=kind, payload=payload, attempt_id="1")
