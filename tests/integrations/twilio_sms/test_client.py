"""Text messages through the real SDK, against a stub that speaks Twilio's wire."""

from __future__ import annotations

import asyncio
import base64
import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from integrations.http_session import ANSWER_MAX_BYTES
from integrations.outcomes import (
    CallError,
    ContractBroken,
    LaneDown,
    Rejected,
    Retryable,
    Sent,
    UnknownOutcome,
)
from integrations.twilio_sms.client import TwilioSmsClient
from integrations.twilio_sms.codec import build_sms
from integrations.twilio_sms.codes import CODES, STATUSES, rule_for
from integrations.twilio_sms.types import Sms, TwilioAccount
from tests.integrations.outcome_of_call import ATTEMPT, outbound, outcome
from tests.integrations.stub_server import (
    Behaviour,
    NeverAccepts,
    NobodyThere,
    Raw,
    Reply,
    StubServer,
)

SID = "SM" + "0123456789abcdef" * 2
ACCOUNT = "AC" + "f" * 32
PHONE = "+358401234567"
BODY = "Sähkömittarin vaihto alkoi & kestää 20 min + 5 % = ok?"
SMS = build_sms(
    Sms(
        to=PHONE,
        sender="Verkko",
        body=BODY,
        validity_s=3600,
        status_callback_base="https://portal.example/callbacks/twilio/status",
    )
)
CREATED = Reply(
    201,
    {
        "sid": SID,
        "status": "queued",
        "to": PHONE,
        "date_created": "Mon, 05 Jan 2026 12:00:00 +0000",
    },
)


def account(url: str, **changed: Any) -> TwilioAccount:
    facts = {"connect_s": 0.5, "total_s": 5.0, **changed}
    return TwilioAccount(ACCOUNT, "token-1", url, **facts)


def send(
    *answers: Reply | Raw | str, payload: dict[str, Any] | None = None, **changed: Any
) -> Sent | CallError:
    with StubServer(*answers) as stub:
        return outcome(
            lambda: TwilioSmsClient(account(stub.url, **changed)), outbound(payload or SMS)
        )


def test_an_accepted_message_is_sent_and_names_twilios_sid() -> None:
    assert send(CREATED) == Sent(ref=SID, detail="queued")


def test_the_request_is_the_one_that_twilio_documents() -> None:
    with StubServer(CREATED) as stub:
        outcome(lambda: TwilioSmsClient(account(stub.url + "/twilio")), outbound(SMS))
    [request] = stub.received
    assert request.method == "POST"
    assert request.path == f"/twilio/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    login = base64.b64decode(request.headers["authorization"].removeprefix("Basic "))
    assert login == f"{ACCOUNT}:token-1".encode()
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(request.body.decode("ascii"))) == {
        "To": PHONE,
        "From": "Verkko",
        "Body": BODY,
        "ValidityPeriod": "3600",
        "StatusCallback": f"https://portal.example/callbacks/twilio/status?attempt={ATTEMPT}",
    }


@pytest.mark.parametrize(
    ("validity_s", "expires_in_s", "asked"),
    [(1, None, 1), (36_000, None, 36_000), (99_999, None, 36_000), (3600, 60, 59)],
)
def test_the_validity_is_what_is_left_within_twilios_bounds(
    validity_s: int, expires_in_s: int | None, asked: int
) -> None:
    payload = {**SMS, "validity_s": validity_s}
    if expires_in_s is not None:
        moment = datetime.now(UTC) + timedelta(seconds=expires_in_s)
        payload["expires_at"] = moment.isoformat()
    with StubServer(CREATED) as stub:
        outcome(lambda: TwilioSmsClient(account(stub.url)), outbound(payload))
    form = dict(parse_qsl(stub.received[0].body.decode()))
    # One second may pass on the way.
    assert asked - 1 <= int(form["ValidityPeriod"]) <= asked


@pytest.mark.parametrize("expired", [{"validity_s": 0}, {"expires_at": "2026-01-01T00:00:00Z"}])
def test_a_text_that_is_no_longer_true_never_leaves(expired: dict[str, Any]) -> None:
    with StubServer(CREATED) as stub:
        ended = outcome(lambda: TwilioSmsClient(account(stub.url)), outbound({**SMS, **expired}))
    assert isinstance(ended, Rejected)
    assert ended.findings[0].code == "EXPIRED"
    assert stub.received == []


@pytest.mark.parametrize(
    "broken", [{"to": ""}, {"body": 5}, {"validity_s": "long"}, {"from": None}]
)
def test_a_payload_that_is_no_text_message_never_leaves(broken: dict[str, Any]) -> None:
    with StubServer(CREATED) as stub:
        ended = outcome(lambda: TwilioSmsClient(account(stub.url)), outbound({**SMS, **broken}))
    assert isinstance(ended, Rejected)
    assert ended.findings[0].code == "PAYLOAD_INVALID"
    assert stub.received == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, ContractBroken),
        (302, ContractBroken),
        (307, ContractBroken),
        (400, Rejected),
        (405, Rejected),
        (422, Rejected),
        (500, UnknownOutcome),
        (502, UnknownOutcome),
        (503, UnknownOutcome),
        (504, UnknownOutcome),
        *STATUSES.items(),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", {"message": "a"}, [], {"code": "x"}])
def test_a_status_without_a_known_code_goes_by_its_class(
    status: int, kind: type[CallError], body: object
) -> None:
    ended = send(Reply(status, body, {"Location": "/elsewhere"}))
    assert type(ended) is kind


@pytest.mark.parametrize(("code", "rule"), CODES.items())
def test_each_code_of_the_table_holds_on_the_wire(code: int, rule: Any) -> None:
    said = {"code": code, "message": f"no message for {PHONE}", "status": 400, "more_info": "x"}
    ended = send(Reply(400, said))
    assert type(ended) is rule.outcome
    if isinstance(ended, Rejected):
        [finding] = ended.findings
        assert rule_for(finding.code) is rule


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_known_code_counts_more_than_the_status(status: int) -> None:
    ended = send(Reply(status, {"code": 21610, "message": "stop", "status": status}))
    assert isinstance(ended, Rejected)
    assert rule_for(ended.findings[0].code).means_opted_out


def test_a_problem_document_is_read_for_its_code() -> None:
    problem = {"type": "about:blank", "title": PHONE, "status": 400, "code": 21614, "detail": PHONE}
    ended = send(Reply(400, problem))
    assert isinstance(ended, Rejected)
    assert ended.findings[0].code == "21614"
    assert PHONE not in str(ended)


@pytest.mark.parametrize("code", [29999, -1, 0, 99999999, "abc", None, True, 1.5, [], {}])
def test_an_unknown_code_is_rejected_and_never_tried_again(code: object) -> None:
    assert isinstance(send(Reply(400, {"code": code, "message": "?"})), Rejected)


def test_too_many_requests_wait_as_long_as_asked() -> None:
    ended = send(Reply(429, {"code": 20429, "message": "slow"}, {"Retry-After": "9"}))
    assert isinstance(ended, Retryable)
    assert ended.after_s == 9.0


@pytest.mark.parametrize(
    "answer",
    [
        Behaviour.DROP_BEFORE,
        Behaviour.DROP_AFTER,
        Raw(b""),
        Raw(b"garbage\r\n"),
        Raw(b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{"),
        Reply(201, b""),
        Reply(201, b"{"),
        Reply(201, b"<html>"),
        Reply(201, []),
        Reply(201, "text"),
        Reply(201, {}),
        Reply(201, {"sid": None}),
        Reply(201, {"sid": "short"}),
        Reply(201, {"sid": SID, "date_created": {"not": "a date"}}),
        Reply(201, b"x" * (ANSWER_MAX_BYTES + 1)),
        Reply(204, b""),
    ],
)
def test_whatever_goes_wrong_after_the_message_may_have_left_is_unknown(
    answer: Reply | Raw | str,
) -> None:
    assert isinstance(send(answer), UnknownOutcome)


@pytest.mark.parametrize("answer", [Behaviour.HANG, Behaviour.DRIP])
def test_an_answer_that_does_not_come_in_time_is_unknown(answer: str) -> None:
    ended = send(answer, total_s=0.3)
    assert isinstance(ended, UnknownOutcome)
    assert ended.why == "twilio: no answer in time"


def test_a_message_is_posted_once_however_it_ends() -> None:
    for answer in (CREATED, Reply(500), Reply(429), Behaviour.DROP_AFTER, Behaviour.DROP_BEFORE):
        with StubServer(answer) as stub:
            outcome(lambda url=stub.url: TwilioSmsClient(account(url)), outbound(SMS))
        assert stub.connections == 1
        assert len(stub.received) == (answer != Behaviour.DROP_BEFORE)


def test_a_post_on_a_kept_connection_is_not_repeated_when_that_breaks() -> None:
    with StubServer(CREATED, Behaviour.DROP_AFTER, CREATED) as stub:
        ended = outcome(lambda: TwilioSmsClient(account(stub.url)), outbound(SMS), times=2)
        assert isinstance(ended, UnknownOutcome)
        assert len(stub.received) == 2


def test_nobody_listening_means_surely_not_sent() -> None:
    with NobodyThere() as url:
        assert isinstance(outcome(lambda: TwilioSmsClient(account(url)), outbound(SMS)), Retryable)


def test_no_connection_in_time_means_surely_not_sent() -> None:
    with NeverAccepts() as url:
        ended = outcome(lambda: TwilioSmsClient(account(url)), outbound(SMS))
    assert isinstance(ended, Retryable)
    assert ended.why == "twilio: no connection in time"


def test_a_base_address_that_is_none_closes_the_lane() -> None:
    assert isinstance(
        outcome(lambda: TwilioSmsClient(account("ftp://127.0.0.1")), outbound(SMS)), LaneDown
    )


def test_a_connection_closed_while_the_loop_stood_still_costs_no_doubt() -> None:
    loop = asyncio.new_event_loop()
    try:
        with StubServer(CREATED) as stub:
            client = TwilioSmsClient(account(stub.url))
            for _ in range(5):
                assert loop.run_until_complete(client.send(outbound(SMS))).ref == SID
                stub.hang_up()
            assert stub.connections == 5
            loop.run_until_complete(client.aclose())
    finally:
        loop.close()


def test_the_connections_are_kept_and_bounded() -> None:
    async def run(url: str) -> None:
        client = TwilioSmsClient(account(url, in_flight=4))
        for _ in range(3):
            await asyncio.gather(*(client.send(outbound(SMS)) for _ in range(40)))
        await client.aclose()

    with StubServer(CREATED) as stub:
        asyncio.run(run(stub.url))
        assert len(stub.received) == 120
        assert stub.connections <= 4


def test_neither_logs_nor_errors_tell_the_number_or_the_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {"code": 21211, "message": f"The 'To' number {PHONE} is not valid: {BODY}"}
    for answer in (CREATED, Reply(400, echo), Reply(500, echo), Behaviour.DROP_AFTER):
        ended = send(answer)
        assert PHONE not in str(ended)
        assert not isinstance(ended, CallError) or ended.__cause__ is None
    with StubServer(Reply(200, {"messages": []})) as stub:
        asyncio.run(look_up(stub.url))
    for secret in (PHONE, PHONE[1:], BODY, "token-1"):
        assert secret not in caplog.text


def test_no_region_or_edge_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    assert isinstance(send(CREATED), Sent)


SENT_AT = datetime(2026, 1, 5, 12, 0, 0, 400_000, tzinfo=UTC)


def message(**changed: Any) -> dict[str, Any]:
    return {
        "sid": SID,
        "to": PHONE,
        "from": "Verkko",
        "body": BODY,
        "status": "delivered",
        "error_code": None,
        "date_created": "Mon, 05 Jan 2026 12:00:00 +0000",
        "date_sent": None,
        **changed,
    }


async def look_up(url: str) -> Any:
    client = TwilioSmsClient(account(url))
    try:
        return await client.find_message(
            PHONE, "Verkko", BODY, SENT_AT, SENT_AT + timedelta(seconds=30)
        )
    except CallError as error:
        return error
    finally:
        await client.aclose()


def found(*messages: dict[str, Any]) -> Any:
    with StubServer(Reply(200, {"messages": list(messages), "next_page_uri": None})) as stub:
        return asyncio.run(look_up(stub.url))


def test_one_message_like_ours_settles_the_doubt() -> None:
    match = found(message(status="undelivered", error_code=30005))
    assert (match.kind, match.sid, match.status, match.error_code) == (
        "one",
        SID,
        "undelivered",
        "30005",
    )


@pytest.mark.parametrize(
    "other",
    [
        {"to": "+358409999999"},
        {"from": "Muu"},
        {"body": BODY + "!"},
        {"body": None},
        {"date_created": "Mon, 05 Jan 2026 11:59:59 +0000"},
        {"date_created": "Mon, 05 Jan 2026 12:00:31 +0000"},
        {"date_created": None},
    ],
)
def test_a_message_that_differs_is_not_ours(other: dict[str, Any]) -> None:
    assert found(message(**other)).kind == "none"
    assert found(message(**other), message()).kind == "one"


def test_two_messages_like_ours_stay_a_doubt() -> None:
    match = found(message(), message(sid="SM" + "1" * 32))
    assert (match.kind, match.sid) == ("several", None)


def test_the_look_up_asks_for_number_and_sender_and_follows_the_pages() -> None:
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    first = Reply(200, {"messages": [message(body="x")] * 20, "next_page_uri": f"{path}?Page=1"})
    second = Reply(200, {"messages": [message()], "next_page_uri": None})
    with StubServer(first, second) as stub:
        match = asyncio.run(look_up(stub.url + "/twilio"))
    assert match.kind == "one"
    asked, more = stub.received
    assert dict(parse_qsl(asked.path.partition("?")[2])) == {
        "To": PHONE,
        "From": "Verkko",
        "PageSize": "20",
    }
    assert more.path == f"/twilio{path}?Page=1"


def test_an_endless_list_is_given_up() -> None:
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json?Page=1"
    page = Reply(200, {"messages": [message(body="x")] * 20, "next_page_uri": path})
    with StubServer(page) as stub:
        assert isinstance(asyncio.run(look_up(stub.url)), ContractBroken)
    assert len(stub.received) == 10


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Reply(400, b""), ContractBroken),
        (Reply(401, {"code": 20003}), LaneDown),
        (Reply(404, b""), LaneDown),
        (Reply(408, b""), Retryable),
        (Reply(429, b""), Retryable),
        (Reply(500, b""), Retryable),
        (Reply(503, b""), Retryable),
        (Reply(302, b""), ContractBroken),
        (Reply(200, b"<html>"), ContractBroken),
        (Reply(200, []), ContractBroken),
        (Reply(200, {"a": 1, "b": 2}), ContractBroken),
        (Reply(200, {"messages": [5]}), ContractBroken),
        (Behaviour.DROP_AFTER, Retryable),
        (Behaviour.DROP_BEFORE, Retryable),
    ],
)
def test_a_look_up_may_always_be_repeated_unless_somebody_has_to_look(
    answer: Reply | str, kind: type[CallError]
) -> None:
    with StubServer(answer) as stub:
        assert type(asyncio.run(look_up(stub.url))) is kind
