"""Providers' callbacks: the genuine are stored once, all others get a clear answer and change nothing."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

from app import doorbell
from app.db import db, transaction
from app.doorbell import queue_of
from app.models import DeliveryReceipt
from app.settings import Settings
from tests.services.world import ledger, send_one, settle_in, tell
from workers.receipts import apply_receipts

SID = "SM" + "a" * 32
KEY = ec.generate_private_key(ec.SECP256R1())
STATUS_URL = "/callbacks/twilio/status"
EVENTS_URL = "/callbacks/sendgrid/events"


def test_a_status_is_stored_once_and_rings_its_lane(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Others may have rung a moment ago.
    monkeypatch.setattr(doorbell, "_SELDOM_S", 0.0)
    attempt = uuid4()
    for _ in range(3):
        answer = _status(client, attempt)
        assert (answer.status_code, answer.data) == (204, b"")
    (receipt,) = _receipts(app)
    assert (receipt.provider, receipt.attempt_id, receipt.provider_ref) == ("twilio", attempt, SID)
    assert (receipt.status, receipt.verdict) == ("delivered", "WAITING")
    with app.app_context():
        assert queue_of("receipts").count == 1


def test_of_many_statuses_a_process_rings_for_one_in_a_while(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung = []
    # Left out, the ring is not needed: the dispatcher sees what is stored several times a second.
    for pause_s in (0.0, 3600.0, 0.0):
        monkeypatch.setattr(doorbell, "_SELDOM_S", pause_s)
        _status(client, uuid4())
        with app.app_context():
            rung.append(queue_of("receipts").empty())
    assert rung == [1, 0, 1]
    assert len(_receipts(app)) == 3


def test_a_status_needs_neither_session_nor_form_token_and_sets_no_cookie(
    client: FlaskClient,
) -> None:
    answer = _status(client, uuid4())
    assert answer.status_code == 204
    assert "Set-Cookie" not in answer.headers


def test_events_are_stored_once_whatever_they_are_repeated(app: Flask, client: FlaskClient) -> None:
    attempt = uuid4()
    events = [_event(attempt, "delivered"), _event(attempt, "open"), _event(attempt, "delivered")]
    for number in range(3):
        # The provider gives each repetition another id of its own.
        body = [{**event, "sg_event_id": f"{number}"} for event in events]
        assert _events(client, body).status_code == 204
    assert sorted(receipt.status for receipt in _receipts(app)) == ["delivered", "open"]


def test_what_an_event_adds_is_kept_only_where_it_changes_the_meaning(
    app: Flask, client: FlaskClient
) -> None:
    attempt = uuid4()
    _events(
        client,
        [
            _event(attempt, "bounce", type="blocked", reason="550 aino@example.fi is full"),
            _event(attempt, "dropped", reason="Bounced Address"),
            _event(attempt, "dropped", reason="aino@example.fi is odd", timestamp=1_790_000_001),
        ],
    )
    codes = [(receipt.status, receipt.error_code) for receipt in _receipts(app)]
    assert codes == [("bounce", "blocked"), ("dropped", "bounced address"), ("dropped", "other")]


def test_a_forged_status_is_refused(app: Flask, client: FlaskClient) -> None:
    assert _code(_status(client, uuid4(), token="another secret")) == (403, "SIGNATURE_WRONG")
    assert _code(_status(client, uuid4(), signature="")) == (403, "SIGNATURE_MISSING")
    assert _receipts(app) == []


def test_a_signature_of_another_address_or_attempt_does_not_pass(
    app: Flask, client: FlaskClient
) -> None:
    one, other = uuid4(), uuid4()
    form = _form()
    signature = _sign(app, f"http://tiedolla.test{STATUS_URL}?attempt={one}", form)
    assert _code(_status(client, other, signature=signature)) == (403, "SIGNATURE_WRONG")
    # The public address comes from the settings; the Host header is the caller's.
    foreign = _sign(app, f"http://elsewhere.test{STATUS_URL}?attempt={one}", form)
    refused = _status(client, one, signature=foreign, host="elsewhere.test")
    assert _code(refused) == (403, "SIGNATURE_WRONG")
    assert _status(client, one, signature=signature, host="elsewhere.test").status_code == 204


def test_a_replayed_status_changes_nothing(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        settle_in()
        tell("METER_SWAP_STARTED")
        attempt = send_one(ref=SID)
    _status(client, attempt, status="sent")
    _status(client, attempt, status="delivered")
    _apply(app)
    for _ in range(5):
        assert _status(client, attempt, status="sent").status_code == 204
    _apply(app)
    with app.app_context():
        (notice,) = ledger()
        assert notice.state == "DELIVERED"
    assert [receipt.verdict for receipt in _receipts(app)] == ["APPLIED", "APPLIED"]


def test_shuffled_statuses_lead_to_the_same_end(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        settle_in()
        tell("METER_SWAP_STARTED")
        attempt = send_one(ref=SID)
    for status in ("delivered", "queued", "sent", "delivered", "sending"):
        _status(client, attempt, status=status)
        _apply(app)
    with app.app_context():
        assert ledger()[0].state == "DELIVERED"
    assert {receipt.status: receipt.verdict for receipt in _receipts(app)} == {
        "delivered": "APPLIED",
        "queued": "LATE",
        "sent": "LATE",
        "sending": "LATE",
    }


@pytest.mark.parametrize(
    ("form", "query", "code"),
    [
        ({"MessageStatus": "levitated"}, None, "VALUE_INVALID"),
        ({"MessageStatus": ""}, None, "VALUE_INVALID"),
        ({"AccountSid": "AC" + "9" * 32}, None, "VALUE_INVALID"),
        ({"MessageSid": None}, None, "PARAMETER_MISSING"),
        ({"messagestatus": "x"}, None, "PARAMETER_UNKNOWN"),
        ({}, "attempt=not-an-attempt", "ATTEMPT_INVALID"),
        ({}, "", "ATTEMPT_INVALID"),
    ],
)
def test_a_genuine_but_malformed_status_is_refused(
    app: Flask, client: FlaskClient, form: dict[str, Any], query: str | None, code: str
) -> None:
    assert _code(_status(client, uuid4(), query=query, **form)) == (400, code)
    assert _receipts(app) == []


def test_a_repeated_parameter_is_refused(app: Flask, client: FlaskClient) -> None:
    attempt = uuid4()
    url = f"{STATUS_URL}?attempt={attempt}"
    form = _form()
    answer = client.post(
        url,
        data=urlencode([*form.items(), ("MessageStatus", "failed")]),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": _sign(app, f"http://tiedolla.test{url}", form)},
    )
    assert _code(answer) == (400, "PARAMETER_REPEATED")


def test_a_moved_boundary_between_name_and_value_does_not_pass(
    app: Flask, client: FlaskClient
) -> None:
    attempt = uuid4()
    url = f"{STATUS_URL}?attempt={attempt}"
    form = {**_form("sent"), "ErrorMessage": "x"}
    signature = _sign(app, f"http://tiedolla.test{url}", form)
    moved = dict(form)
    # "MessageStatus" + "sent" reads the same to the signature without its border.
    del moved["ErrorMessage"]
    moved["ErrorMessagex"] = ""
    answer = client.post(url, data=moved, headers={"X-Twilio-Signature": signature})
    assert _code(answer) == (400, "PARAMETER_UNKNOWN")


def test_forged_events_are_refused(app: Flask, client: FlaskClient) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    body = [_event(uuid4(), "delivered")]
    assert _code(_events(client, body, key=stranger)) == (403, "SIGNATURE_WRONG")
    assert _code(_events(client, body, signature="not base64")) == (403, "SIGNATURE_MALFORMED")
    assert _code(_events(client, body, signature="")) == (403, "SIGNATURE_MISSING")
    assert _receipts(app) == []


def test_events_that_were_signed_days_ago_are_refused(app: Flask, client: FlaskClient) -> None:
    old = int(time.time()) - 2 * 24 * 3600
    answer = _events(client, [_event(uuid4(), "delivered")], timestamp=str(old))
    assert _code(answer) == (403, "STALE")
    assert _receipts(app) == []


def test_events_that_are_repeated_after_an_hour_are_taken(app: Flask, client: FlaskClient) -> None:
    hour_ago = int(time.time()) - 3600
    assert (
        _events(client, [_event(uuid4(), "delivered")], timestamp=str(hour_ago)).status_code == 204
    )
    assert len(_receipts(app)) == 1


def test_events_about_nothing_of_ours_are_taken_and_left_out(
    app: Flask, client: FlaskClient
) -> None:
    foreign = {"event": "delivered", "timestamp": 1_790_000_000, "email": "aino@example.fi"}
    assert _events(client, [foreign, "text", 7]).status_code == 204
    assert _receipts(app) == []


@pytest.mark.parametrize("body", [b"{}", b"[", b"\xff\xfe", b"null", b"[" * 5000])
def test_genuine_but_malformed_events_are_refused(
    app: Flask, client: FlaskClient, body: bytes
) -> None:
    assert _code(_events(client, body)) == (400, "BODY_MALFORMED")
    assert _receipts(app) == []


def test_bodies_that_are_too_large_are_refused_unread(app: Flask, client: FlaskClient) -> None:
    form = {"content_type": "application/x-www-form-urlencoded"}
    large = client.post(f"{STATUS_URL}?attempt={uuid4()}", data=b"a" * (256 * 1024 + 1), **form)
    assert _code(large) == (413, "BODY_TOO_LARGE")
    larger = client.post(EVENTS_URL, data=b"a" * (1024 * 1024 + 1), content_type="application/json")
    assert _code(larger) == (413, "BODY_TOO_LARGE")
    unannounced = client.post(
        f"{STATUS_URL}?attempt={uuid4()}",
        input_stream=io.BytesIO(b"a" * (300 * 1024)),
        environ_overrides={"wsgi.input_terminated": True},
        **form,
    )
    assert unannounced.status_code == 413
    assert _receipts(app) == []


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"caf\xe9", "application/x-www-form-urlencoded", 400),
        (b"%", "application/x-www-form-urlencoded", 400),
        (b"a=1&" * 200 + b"b=2", "application/x-www-form-urlencoded", 400),
        (b"MessageSid=%ff", "application/x-www-form-urlencoded", 400),
    ],
)
def test_what_is_no_form_is_refused(
    client: FlaskClient, body: bytes, media_type: str, status: int
) -> None:
    answer = client.post(STATUS_URL, data=body, content_type=media_type)
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"


def test_a_report_that_cannot_be_stored_is_to_be_sent_again(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        monkeypatch.setattr(db.engine.pool, "_creator", _refuse_connection)
        db.engine.pool.dispose()
    answer = _status(client, uuid4())
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


@pytest.fixture
def client(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    """A client of an application that knows the provider's public key."""
    settings: Settings = app.extensions["tiedolla_settings"]
    public = KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    changed = settings.model_copy(
        update={"sendgrid_event_public_key": base64.b64encode(public).decode()}
    )
    monkeypatch.setitem(app.extensions, "tiedolla_settings", changed)
    return app.test_client()


def _status(
    client: FlaskClient,
    attempt: UUID,
    *,
    status: str = "delivered",
    query: str | None = None,
    signature: str | None = None,
    token: str | None = None,
    host: str = "tiedolla.test",
    **form: str | None,
) -> TestResponse:
    query = f"attempt={attempt}" if query is None else query
    url = f"{STATUS_URL}?{query}" if query else STATUS_URL
    changed = {**_form(status), **form}
    body = {name: value for name, value in changed.items() if value is not None}
    if signature is None:
        signature = _sign(client.application, f"http://tiedolla.test{url}", body, token)
    headers = {"X-Twilio-Signature": signature, "Host": host} if signature else {"Host": host}
    return client.post(url, data=body, headers=headers)


def _form(status: str = "delivered") -> dict[str, str]:
    return {
        "AccountSid": "AC" + "0" * 32,
        "ApiVersion": "2010-04-01",
        "From": "Verkko",
        "MessageSid": SID,
        "MessageStatus": status,
        "SmsSid": SID,
        "SmsStatus": status,
        "To": "+358401234567",
    }


def _sign(app: Flask, url: str, form: dict[str, str], token: str | None = None) -> str:
    settings: Settings = app.extensions["tiedolla_settings"]
    secret = token or settings.twilio_auth_token.get_secret_value()
    return str(RequestValidator(secret).compute_signature(url, form))


def _event(attempt: UUID, event: str, **more: Any) -> dict[str, Any]:
    return {
        "event": event,
        "attempt_id": str(attempt),
        "timestamp": 1_790_000_000,
        "sg_message_id": "mail.1",
        "email": "aino@example.fi",
        **more,
    }


def _events(
    client: FlaskClient,
    events: Any,
    *,
    key: ec.EllipticCurvePrivateKey = KEY,
    timestamp: str | None = None,
    signature: str | None = None,
) -> TestResponse:
    body = events if isinstance(events, bytes) else msgspec.json.encode(events)
    at = timestamp or str(int(time.time()))
    if signature is None:
        raw = key.sign(at.encode() + body, ec.ECDSA(hashes.SHA256()))
        signature = base64.b64encode(raw).decode()
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": signature,
        "X-Twilio-Email-Event-Webhook-Timestamp": at,
    }
    return client.post(EVENTS_URL, data=body, content_type="application/json", headers=headers)


def _code(answer: TestResponse) -> tuple[int, str]:
    assert answer.json is not None
    return answer.status_code, answer.json["code"]


def _receipts(app: Flask) -> list[DeliveryReceipt]:
    with app.app_context(), transaction() as session:
        rows = session.scalars(select(DeliveryReceipt).order_by(DeliveryReceipt.id)).all()
        db.session.expunge_all()
        return list(rows)


def _apply(app: Flask) -> None:
    with app.app_context():
        apply_receipts(app.extensions["tiedolla_settings"], 1, "test")


def _refuse_connection(*_args: Any, **_kwargs: Any) -> None:
    raise psycopg.OperationalError("the database is away")
