"""Calls of JSON interfaces, against real sockets that answer, are silent or hang up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from integrations.http_json import STATUS_OUTCOMES, JsonCaller, parse_findings, path_segment
from integrations.http_session import ANSWER_MAX_BYTES
from integrations.outcomes import (
    AlreadyDone,
    CallError,
    ContractBroken,
    Finding,
    HttpTarget,
    LaneDown,
    Rejected,
    Retryable,
)
from tests.integrations.stub_server import (
    Behaviour,
    NeverAccepts,
    NobodyThere,
    Raw,
    Reply,
    StubServer,
)

SECRET = "Mannerheimintie 1 A 2"


def call(
    url: str,
    method: str = "POST",
    own: dict[int, type[CallError]] | None = None,
    total_s: float = 5.0,
    times: int = 1,
) -> bytes | CallError:
    """What the last of so many calls ended as."""

    async def run() -> bytes | CallError:
        target = HttpTarget(url, "token-1", connect_s=0.5, total_s=total_s)
        caller = JsonCaller(target, "system", {**STATUS_OUTCOMES, **(own or {})})
        try:
            for _ in range(times):
                try:
                    ended: bytes | CallError = await caller.call(
                        method, "/things", {"street": SECRET}, "key-1"
                    )
                except CallError as error:
                    ended = error
            return ended
        finally:
            await caller.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, ContractBroken),
        (302, ContractBroken),
        (307, ContractBroken),
        (400, Rejected),
        (401, LaneDown),
        (403, LaneDown),
        (404, Rejected),
        (408, Retryable),
        (409, Rejected),
        (410, Rejected),
        (413, Rejected),
        (418, Rejected),
        (422, Rejected),
        (429, Retryable),
        (500, Retryable),
        (502, Retryable),
        (503, Retryable),
        (504, Retryable),
        (599, Retryable),
    ],
)
def test_a_status_outside_2xx_becomes_the_error_of_its_class(
    status: int, kind: type[CallError]
) -> None:
    with StubServer(Reply(status, {"echo": SECRET}, {"Location": "/elsewhere"})) as stub:
        ended = call(stub.url)
    assert type(ended) is kind
    assert ended.why == f"system answered {status}"
    assert len(stub.received) == 1


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_gives_its_body(status: int) -> None:
    with StubServer(Reply(status, {"ref": "a"})) as stub:
        assert call(stub.url) == b'{"ref": "a"}'


def test_the_request_carries_key_token_and_json() -> None:
    with StubServer(Reply(200)) as stub:
        call(stub.url + "/base", "PUT")
    [request] = stub.received
    assert (request.method, request.path) == ("PUT", "/base/things")
    assert request.headers["idempotency-key"] == "key-1"
    assert request.headers["authorization"] == "Bearer token-1"
    assert request.headers["content-type"] == "application/json"
    assert request.body.decode() == f'{{"street":"{SECRET}"}}'


def test_a_system_may_say_that_a_conflict_is_already_done() -> None:
    with StubServer(Reply(409)) as stub:
        assert isinstance(call(stub.url, own={409: AlreadyDone}), AlreadyDone)


def test_refused_fields_become_findings_that_are_short_and_printable() -> None:
    errors = [
        {"field": "site.gsrn", "code": "GSRN_INVALID", "message": "check\x00 digit" + "x" * 999},
        {"field": None, "code": 7},
    ]
    with StubServer(Reply(422, {"errors": errors})) as stub:
        ended = call(stub.url)
    assert isinstance(ended, Rejected)
    first, second = ended.findings
    assert (first.path, first.code) == ("site.gsrn", "GSRN_INVALID")
    assert first.text.startswith("check  digit")
    assert len(first.text) == 300
    assert second == Finding("None", "7", "")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"errors": "x"}', b"[" * 200_000, b"\xff", b"{}"]
)
def test_a_refusal_without_readable_findings_has_none(body: bytes) -> None:
    assert parse_findings(body) == ()


def test_a_refusal_names_at_most_fifty_findings() -> None:
    body = b'{"errors": [' + b",".join([b'{"field": "a"}'] * 999) + b"]}"
    assert len(parse_findings(body)) == 50


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_travels_with_the_error(status: int) -> None:
    with StubServer(Reply(status, b"", {"Retry-After": "17"})) as stub:
        ended = call(stub.url)
    assert isinstance(ended, Retryable)
    assert ended.after_s == 17.0


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    "answer",
    [
        Behaviour.DROP_BEFORE,
        Behaviour.DROP_AFTER,
        Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"),
        Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        Raw(b"SSH-2.0-OpenSSH\r\n"),
        Raw(b""),
    ],
)
def test_a_connection_that_breaks_may_be_tried_again_under_the_key(
    answer: Raw | str, method: str
) -> None:
    with StubServer(answer) as stub:
        assert isinstance(call(stub.url, method), Retryable)


@pytest.mark.parametrize("answer", [Behaviour.HANG, Behaviour.DRIP])
def test_a_receiver_that_is_too_slow_is_given_up_after_the_total_time(answer: str) -> None:
    with StubServer(answer) as stub:
        ended = call(stub.url, total_s=0.3)
    assert isinstance(ended, Retryable)
    assert ended.why == "system: no answer in time"


def test_nobody_listening_may_be_tried_again() -> None:
    with NobodyThere() as url:
        ended = call(url)
    assert isinstance(ended, Retryable)
    assert ended.why == "system: connection not possible"


def test_a_connection_that_does_not_come_about_is_given_up_after_the_connect_time() -> None:
    with NeverAccepts() as url:
        ended = call(url)
    assert isinstance(ended, Retryable)
    assert ended.why == "system: no connection in time"


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "http://"])
def test_a_base_address_that_is_no_http_url_closes_the_lane(url: str) -> None:
    assert isinstance(call(url), LaneDown)


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    with StubServer(Reply(200, b"x" * (ANSWER_MAX_BYTES + 1))) as stub:
        assert isinstance(call(stub.url), ContractBroken)


def test_a_huge_error_page_does_not_hide_its_status() -> None:
    with StubServer(Reply(503, b"x" * (ANSWER_MAX_BYTES + 1))) as stub:
        assert isinstance(call(stub.url), Retryable)


def test_answers_share_one_connection() -> None:
    with StubServer(Reply(422), Reply(500), Reply(200)) as stub:
        assert call(stub.url, times=5) == b""
        assert len(stub.received) == 5
        assert stub.connections == 1


def test_a_connection_that_the_server_closed_between_two_turns_of_the_loop_is_not_used() -> None:
    loop = asyncio.new_event_loop()
    try:
        with StubServer(Reply(200, b"{}")) as stub:
            caller = JsonCaller(HttpTarget(stub.url, "t"), "system")
            for _ in range(3):
                assert loop.run_until_complete(caller.call("POST", "/", {}, "k")) == b"{}"
                # The loop stands still now, as between two jobs of a worker.
                stub.hang_up()
            assert stub.connections == 3
            loop.run_until_complete(caller.aclose())
    finally:
        loop.close()


def test_no_more_calls_than_in_flight_are_on_the_wire_and_the_others_wait_without_harm() -> None:
    async def run(url: str) -> list[Any]:
        caller = JsonCaller(HttpTarget(url, "t", in_flight=3), "system")
        try:
            return await asyncio.gather(*(caller.call("POST", "/", {}, str(n)) for n in range(30)))
        finally:
            await caller.aclose()

    with StubServer(Reply(200, b"{}")) as stub:
        assert asyncio.run(run(stub.url)) == [b"{}"] * 30
        assert stub.connections <= 3


def test_errors_say_nothing_of_what_was_sent() -> None:
    for answer in (Reply(500, {"echo": SECRET}), Reply(400, SECRET.encode()), Behaviour.DROP_AFTER):
        with StubServer(answer) as stub:
            ended = call(stub.url)
        assert isinstance(ended, CallError)
        assert SECRET not in str(ended)
        assert ended.__cause__ is None


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("649999000000000013", "649999000000000013"),
        ("T/1", "T%2F1"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("a?b#c", "a%3Fb%23c"),
        ("työ 1", "ty%C3%B6%201"),
    ],
)
def test_an_id_stays_one_segment_of_the_path(value: str, segment: str) -> None:
    assert path_segment({"orderId": value}, "orderId") == segment


@pytest.mark.parametrize("payload", [{}, {"orderId": None}, {"orderId": ""}, {"orderId": 5}])
def test_a_payload_without_its_id_can_never_be_sent(payload: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as caught:
        path_segment(payload, "orderId")
    assert caught.value.findings[0].path == "$.orderId"
