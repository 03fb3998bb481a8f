"""Lists of other systems: fetched within bounds, read as a stream, and never half of one."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import UTC, datetime

import pytest

from integrations.outcomes import CallError, ContractBroken, HttpTarget, LaneDown, Retryable
from integrations.snapshots.client import fetch
from integrations.snapshots.codec import SnapshotInvalid, parse_head, parse_records
from integrations.snapshots.types import Record
from tests.integrations.stub_server import Reply, StubServer
from tests.services.reconciling import a_list

SINCE = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)


def test_a_list_is_asked_for_with_our_token_and_written_down_as_it_comes() -> None:
    content = a_list([{"id": "1", "version": 1}]).getvalue()
    with StubServer(Reply(200, content)) as server:
        assert _fetch(server.url) == content
        _fetch(server.url, SINCE)
    first, second = server.received
    assert (first.method, first.path) == ("GET", "/snapshot")
    assert first.headers["authorization"] == "Bearer secret"
    assert second.path == "/snapshot?since=2026-11-25T01:00:00Z"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(401, {}), LaneDown),
        (Reply(404, {}), ContractBroken),
        (Reply(302, {}), ContractBroken),
        (Reply(503, {}), Retryable),
        (Reply(429, {}), Retryable),
        (Reply(200, b"x" * 2000), ContractBroken),
    ],
)
def test_what_is_no_list_is_an_error_that_says_what_to_do(
    reply: Reply, error: type[CallError]
) -> None:
    with StubServer(reply) as server, pytest.raises(error):
        _fetch(server.url, most=1000)


def test_nobody_there_may_be_over_next_time() -> None:
    with pytest.raises(Retryable):
        _fetch("http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("of", "record", "facts"),
    [
        ("orders", {"id": "1", "state": "DONE"}, "DONE"),
        ("orders", {"id": "1"}, None),
        ("devices", {"id": "1", "meterNumber": "6534-1"}, "6534-1"),
        ("devices", {"id": "1"}, ""),
        ("meter-changes", {"id": "1", "newMeterNumber": "6534-1"}, ">6534-1"),
        ("completions", {"id": "1", "finalState": "COMPLETED"}, "COMPLETED"),
        ("stock", {"id": "1"}, None),
    ],
)
def test_what_is_compared_depends_on_the_list(
    of: str, record: dict[str, str], facts: str | None
) -> None:
    stream = a_list([{**record, "unknown": {"field": 1}}], of=of)
    head = parse_head(stream)
    (read,) = parse_records(stream, head)
    assert read.facts(of) == facts


def test_records_come_one_by_one_and_the_end_says_whether_they_were_good() -> None:
    stream = a_list(({"id": str(number)} for number in range(1000)), sha256="0" * 64)
    head = parse_head(stream)
    read: list[Record] = []
    with pytest.raises(SnapshotInvalid, match="DIGEST_WRONG"):
        read.extend(parse_records(stream, head))
    assert stream.read() == b""


def test_a_refusal_quotes_nothing_of_the_list() -> None:
    line = json.dumps({"id": "1", "state": "Koivutie 12"}).encode()
    head = parse_head(a_list([{"id": "1"}]))
    with pytest.raises(SnapshotInvalid) as caught:
        list(parse_records(io.BytesIO(line), head))
    assert "Koivutie" not in caught.value.detail
    with pytest.raises(SnapshotInvalid) as caught:
        list(parse_records(io.BytesIO(b"Koivutie\n"), head))
    assert caught.value.detail == "record 1: not JSON"


def _fetch(url: str, since: datetime | None = None, most: int = 1 << 20) -> bytes:
    into = io.BytesIO()
    asyncio.run(fetch(HttpTarget(url, "secret", 1.0, 2.0), since, into, most))
    return into.getvalue()
