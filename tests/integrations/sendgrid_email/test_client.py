"""E-mails through the real SDK, against a stub that speaks SendGrid's wire."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.http_session import ANSWER_MAX_BYTES
from integrations.outcomes import (
    CallError,
    ContractBroken,
    Rejected,
    Retryable,
    Sent,
    UnknownOutcome,
)
from integrations.sendgrid_email.client import SendgridEmailClient
from integrations.sendgrid_email.codec import build_email
from integrations.sendgrid_email.codes import STATUSES
from integrations.sendgrid_email.types import Email, SendgridAccount
from integrations.sendgrid_email.wire import Wire, WireClient
from tests.integrations.outcome_of_call import ATTEMPT, outbound, outcome
from tests.integrations.stub_server import (
    Behaviour,
    NeverAccepts,
    NobodyThere,
    Raw,
    Reply,
    StubServer,
)

ADDRESS = "matti.meikalainen@example.fi"
EMAIL = build_email(
    Email(
        to=ADDRESS,
        sender="Verkko Oy <tiedotteet@example.fi>",
        subject="Sähkömittarisi vaihto alkoi",
        text="Hei,\nvaihto alkoi.",
        html="<p>Hei, vaihto alkoi.</p>",
        language="fi",
        unsubscribe_url="https://portal.example/stop/abc",
    )
)
ACCEPTED = Reply(202, b"", {"X-Message-Id": "14c5d75ce93.dfd.64b469"})


def account(url: str, **changed: Any) -> SendgridAccount:
    facts = {"connect_s": 0.5, "total_s": 5.0, **changed}
    return SendgridAccount("SG.key-1", url, **facts)


def send(
    *answers: Reply | Raw | str, payload: dict[str, Any] | None = None, **changed: Any
) -> Sent | CallError:
    with StubServer(*answers) as stub:
        return outcome(
            lambda: SendgridEmailClient(account(stub.url, **changed)), outbound(payload or EMAIL)
        )


def test_an_accepted_email_is_sent_and_names_sendgrids_id() -> None:
    assert send(ACCEPTED) == Sent(ref="14c5d75ce93.dfd.64b469")


def test_an_accepted_email_without_an_id_is_sent_all_the_same() -> None:
    assert send(Reply(202, b"")) == Sent(ref=None)


def test_a_202_counts_even_when_its_empty_body_breaks_off() -> None:
    answer = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: a\r\nContent-Length: 5\r\n\r\n{"
    assert send(Raw(answer)) == Sent(ref="a")


def test_the_request_is_the_one_that_sendgrid_documents() -> None:
    with StubServer(ACCEPTED) as stub:
        outcome(lambda: SendgridEmailClient(account(stub.url + "/sendgrid/")), outbound(EMAIL))
    [request] = stub.received
    assert (request.method, request.path) == ("POST", "/sendgrid/v3/mail/send")
    assert request.headers["authorization"] == "Bearer SG.key-1"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {
        "from": {"email": "tiedotteet@example.fi", "name": "Verkko Oy"},
        "subject": "Sähkömittarisi vaihto alkoi",
        "personalizations": [
            {
                "to": [{"email": ADDRESS}],
                "custom_args": {"attempt": ATTEMPT, "attempt_id": ATTEMPT},
            }
        ],
        "content": [
            {"type": "text/plain", "value": "Hei,\nvaihto alkoi."},
            {"type": "text/html", "value": "<p>Hei, vaihto alkoi.</p>"},
        ],
        "headers": {
            "Content-Language": "fi",
            "List-Unsubscribe": "<https://portal.example/stop/abc>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
        },
    }


@pytest.mark.parametrize(
    ("written", "wire"),
    [
        ("a@b.fi", {"email": "a@b.fi"}),
        ("Verkko Oy <a@b.fi>", {"email": "a@b.fi", "name": "Verkko Oy"}),
        ("Sähkö (1) Oy <o'neil+x@b.fi>", {"email": "o'neil+x@b.fi", "name": "Sähkö (1) Oy"}),
    ],
)
def test_the_sender_is_an_address_with_or_without_a_name(
    written: str, wire: dict[str, str]
) -> None:
    with StubServer(ACCEPTED) as stub:
        outcome(
            lambda: SendgridEmailClient(account(stub.url)), outbound({**EMAIL, "from": written})
        )
    assert json.loads(stub.received[0].body)["from"] == wire


def test_a_plain_email_needs_neither_html_nor_a_way_to_unsubscribe() -> None:
    plain = {name: EMAIL[name] for name in ("to", "from", "subject", "text", "language")}
    with StubServer(ACCEPTED) as stub:
        outcome(lambda: SendgridEmailClient(account(stub.url)), outbound(plain))
    body = json.loads(stub.received[0].body)
    assert [part["type"] for part in body["content"]] == ["text/plain"]
    assert body["headers"] == {"Content-Language": "fi"}


@pytest.mark.parametrize(
    "broken",
    [
        {"to": ""},
        {"to": "nonsense"},
        {"to": "a@b.fi, c@d.fi"},
        {"to": "A <a@b.fi>"},
        {"to": "a@b.fi\nBcc: c@d.fi"},
        {"from": None},
        {"from": "Verkko Oy"},
        {"from": "Verkko <a@b.fi> <c@d.fi>"},
        {"from": "Verkko\r\nBcc: c@d.fi <a@b.fi>"},
        {"subject": "a\r\nb"},
        {"text": 5},
    ],
)
def test_a_payload_that_is_no_email_never_leaves(broken: dict[str, Any]) -> None:
    with StubServer(ACCEPTED) as stub:
        ended = outcome(
            lambda: SendgridEmailClient(account(stub.url)), outbound({**EMAIL, **broken})
        )
    assert isinstance(ended, Rejected)
    assert ended.findings[0].code == "PAYLOAD_INVALID"
    assert stub.received == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, UnknownOutcome),
        (201, UnknownOutcome),
        (204, UnknownOutcome),
        (301, ContractBroken),
        (302, ContractBroken),
        (307, ContractBroken),
        (406, Rejected),
        (415, Rejected),
        (422, Rejected),
        (500, UnknownOutcome),
        (502, UnknownOutcome),
        (503, UnknownOutcome),
        (504, UnknownOutcome),
        *STATUSES.items(),
    ],
)
def test_a_status_becomes_the_outcome_of_the_table(status: int, kind: type[CallError]) -> None:
    body = {"errors": [{"message": f"{ADDRESS} is bad", "field": "personalizations.0.to"}]}
    with StubServer(Reply(status, body, {"Location": "/elsewhere"})) as stub:
        ended = outcome(lambda: SendgridEmailClient(account(stub.url)), outbound(EMAIL))
    assert type(ended) is kind
    assert len(stub.received) == 1
    if isinstance(ended, Rejected):
        [finding] = ended.findings
        assert (finding.path, finding.code) == ("personalizations.0.to", str(status))
        assert ADDRESS not in repr(ended.findings)


def test_too_many_requests_wait_until_the_rate_window_starts_anew() -> None:
    reset = str(int(datetime.now(UTC).timestamp()) + 30)
    ended = send(Reply(429, b"", {"X-RateLimit-Reset": reset}))
    assert isinstance(ended, Retryable)
    assert ended.after_s is not None
    assert 20 < ended.after_s <= 30
    ended = send(Reply(429, b"", {"Retry-After": "7"}))
    assert isinstance(ended, Retryable)
    assert ended.after_s == 7.0


@pytest.mark.parametrize(
    "answer",
    [
        Behaviour.DROP_BEFORE,
        Behaviour.DROP_AFTER,
        Raw(b""),
        Raw(b"garbage\r\n"),
        Raw(b"HTTP/1.1 abc\r\n\r\n"),
        Raw(b"HTTP/1.1 202 Accepted\r\n" + b"X: y\r\n" * 500 + b"\r\n"),
        Reply(500, b"x" * (ANSWER_MAX_BYTES + 1)),
    ],
)
def test_whatever_goes_wrong_after_the_email_may_have_left_is_unknown(
    answer: Reply | Raw | str,
) -> None:
    assert isinstance(send(answer), UnknownOutcome)


@pytest.mark.parametrize("answer", [Behaviour.HANG, Behaviour.DRIP])
def test_an_answer_that_does_not_come_in_time_is_unknown_and_frees_its_thread(answer: str) -> None:
    with StubServer(answer) as stub:
        ended = outcome(
            lambda: SendgridEmailClient(account(stub.url, total_s=0.3)), outbound(EMAIL)
        )
        assert isinstance(ended, UnknownOutcome)
        for thread in threading.enumerate():
            if thread.name.startswith("sendgrid"):
                thread.join(5)
                assert not thread.is_alive()


def test_an_email_is_posted_once_however_it_ends() -> None:
    for answer in (ACCEPTED, Reply(500), Reply(429), Behaviour.DROP_AFTER):
        with StubServer(answer) as stub:
            outcome(lambda url=stub.url: SendgridEmailClient(account(url)), outbound(EMAIL))
        assert len(stub.received) == 1


def test_nobody_listening_means_surely_not_sent() -> None:
    with NobodyThere() as url:
        ended = outcome(lambda: SendgridEmailClient(account(url)), outbound(EMAIL))
    assert isinstance(ended, Retryable)


def test_no_connection_in_time_means_surely_not_sent() -> None:
    with NeverAccepts() as url:
        ended = outcome(lambda: SendgridEmailClient(account(url)), outbound(EMAIL))
    assert isinstance(ended, Retryable)


def test_no_connection_within_the_total_time_means_that_it_never_leaves() -> None:
    with NeverAccepts() as url:
        slow = account(url, connect_s=1.0, total_s=0.2)
        ended = outcome(lambda: SendgridEmailClient(slow), outbound(EMAIL))
    assert isinstance(ended, Retryable)
    assert ended.why == "sendgrid: no connection in time"


def test_a_wire_that_is_cut_before_it_is_connected_never_sends() -> None:
    with StubServer(ACCEPTED) as stub:
        wire = Wire(account(stub.url), ssl.create_default_context())
        assert wire.cut() is False
        with pytest.raises(Retryable):
            WireClient(wire, host=stub.url, version=3).mail.send.post(request_body={})
        stub.wait_for_connection()
        assert stub.received == []


def test_many_emails_share_the_threads() -> None:
    async def run(url: str) -> list[Sent]:
        client = SendgridEmailClient(account(url, in_flight=4))
        try:
            return await asyncio.gather(*(client.send(outbound(EMAIL)) for _ in range(40)))
        finally:
            await client.aclose()

    with StubServer(ACCEPTED) as stub:
        assert len(asyncio.run(run(stub.url))) == 40
        assert len(stub.received) == 40


def test_neither_logs_nor_errors_tell_the_key_the_address_or_the_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {"errors": [{"message": ADDRESS, "field": "to"}]}
    for answer in (ACCEPTED, Reply(400, echo), Reply(500, echo), Behaviour.DROP_AFTER):
        ended = send(answer)
        assert ADDRESS not in str(ended)
    for secret in ("SG.key-1", ADDRESS, "vaihto alkoi"):
        assert secret not in caplog.text
