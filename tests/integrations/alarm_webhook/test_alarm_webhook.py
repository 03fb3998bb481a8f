"""The webhook: what it gets, how it knows that it is ours, and what its answers mean."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from integrations.alarm_webhook.client import AlarmWebhookClient
from integrations.alarm_webhook.codec import build_signal
from integrations.alarm_webhook.types import Signal
from integrations.outcomes import (
    CallError,
    ContractBroken,
    HttpTarget,
    LaneDown,
    Rejected,
    Retryable,
    Sent,
)
from tests.integrations.outcome_of_call import outbound, outcome
from tests.integrations.stub_server import Behaviour, Reply, StubServer

SECRET = "secret-of-the-tests-" + "0" * 16
SIGNAL = build_signal(
    Signal(
        event="ALARM_RAISED",
        subject="alarm-rule:orders",
        name="Orders in an hour",
        text="12, the limit is 100",
        at="2026-11-24T08:00:00+00:00",
        value=12.0,
        limit=100.0,
    )
)


def test_a_signal_on_the_wire_is_signed_over_its_time_and_body() -> None:
    with StubServer(Reply(204)) as stub:
        ended = outcome(lambda: _client(stub.url), outbound(SIGNAL, key="signal/x/1/raised"))
    assert ended == Sent()
    [request] = stub.received
    assert request.method == "POST"
    assert request.headers["idempotency-key"] == "signal/x/1/raised"
    assert "authorization" not in request.headers
    stamp = request.headers["tiedolla-timestamp"]
    digest = hmac.new(SECRET.encode(), f"{stamp}.".encode() + request.body, hashlib.sha256)
    assert request.headers["tiedolla-signature"] == f"v1={digest.hexdigest()}"
    assert json.loads(request.body)["event"] == "ALARM_RAISED"
    assert json.loads(request.body)["occurrence"] == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply(503), Retryable),
        (Reply(429), Retryable),
        (Reply(404), Rejected),
        (Reply(401), LaneDown),
        (Reply(302, headers={"Location": "http://127.0.0.1:1/"}), ContractBroken),
        (Behaviour.DROP_AFTER, Retryable),
    ],
)
def test_what_its_answers_mean(answer: Reply | str, error: type[CallError]) -> None:
    with StubServer(answer) as stub:
        assert type(outcome(lambda: _client(stub.url), outbound(SIGNAL))) is error


def _client(url: str) -> AlarmWebhookClient:
    return AlarmWebhookClient(HttpTarget(url, "", total_s=2.0), SECRET)
