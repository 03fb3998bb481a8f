"""Text messages to us over the webhook: the genuine are stored once and handled, others change nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

from app.db import db, transaction
from app.doorbell import queue_of
from app.models import InboundSms, Notice, ReplyCase, Run, Step
from app.services import inbound_sms, replies
from app.settings import Settings
from tests.services.world import PHONE, ledger, scalar, settle_in, tell
from workers.replies import handle_replies

URL = "/callbacks/twilio/inbound"
SID = "SM" + "b" * 32
OURS = "+358454900900"


def test_a_message_is_stored_once_answered_with_nothing_and_rings_its_lane(
    app: Flask, client: FlaskClient
) -> None:
    for _ in range(3):
        answer = _post(app, client)
        assert answer.status_code == 200
        assert answer.mimetype == "text/xml"
        assert answer.data.endswith(b"<Response/>")
        assert "Set-Cookie" not in answer.headers
    (message,) = _messages(app)
    assert (message.sid, message.from_number, message.to_number) == (SID, PHONE, OURS)
    assert (message.body, message.state) == ("SEIS", "WAITING")
    with app.app_context():
        assert queue_of("replies").count == 1


def test_req_11_stop_counts_before_it_is_thanked_for_not_when_a_worker_reads_it(
    app: Flask, client: FlaskClient
) -> None:
    with app.app_context():
        settle_in()
        tell("METER_SWAP_STARTED")
        assert _post(app, client, form={"Body": "Seis."}).status_code == 200
        told = [(notice.state, notice.suppress_reason) for notice in ledger()]
        assert told == [("SUPPRESSED", "OPTED_OUT")]
        assert scalar("SELECT count(*) FROM preference WHERE enabled") == 0
    # The lane answers; the opt-out is one all the same.
    assert _handle(app) == {"STOP": 1}
    with app.app_context():
        assert scalar("SELECT count(DISTINCT changed_by) FROM preference_change") == 1


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"token": "another secret"}, 403, "SIGNATURE_WRONG"),
        ({"signature": ""}, 403, "SIGNATURE_MISSING"),
        ({"form": {"From": "nobody@home"}}, 400, "VALUE_INVALID"),
        ({"form": {"Fro": "m"}}, 400, "PARAMETER_UNKNOWN"),
        ({"form": {"AccountSid": "AC" + "1" * 32}}, 400, "VALUE_INVALID"),
        ({"path": f"{URL}?x=1", "signed_path": URL}, 403, "SIGNATURE_WRONG"),
    ],
)
def test_what_is_not_genuine_is_refused_and_leaves_nothing(
    app: Flask, client: FlaskClient, changes: dict[str, object], status: int, code: str
) -> None:
    answer = _post(app, client, **changes)
    assert (answer.status_code, answer.json["code"]) == (status, code)  # type: ignore[index]
    assert _messages(app) == []


def test_a_repeated_parameter_is_refused(app: Flask, client: FlaskClient) -> None:
    body = urlencode(_form()) + "&Body=START"
    answer = _send(app, client, body, _sign(app, URL, _form()))
    assert (answer.status_code, answer.json["code"]) == (400, "PARAMETER_REPEATED")  # type: ignore[index]


def test_anything_that_people_type_can_be_stored(app: Flask, client: FlaskClient) -> None:
    body = "Hei\x00 😀\n+358401111111 'OR 1=1; --"
    assert _post(app, client, form={"Body": body}).status_code == 200
    assert _messages(app)[0].body == body.replace("\x00", "\ufffd")


def test_a_message_that_could_not_be_stored_is_not_thanked_for(
    app: Flask, client: FlaskClient, postgres_url: str
) -> None:
    conninfo = postgres_url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("ALTER TABLE inbound_sms RENAME TO inbound_sms_away")
        try:
            assert _post(app, client).status_code >= 500
        finally:
            connection.execute("ALTER TABLE inbound_sms_away RENAME TO inbound_sms")
    assert _messages(app) == []


def test_the_lane_handles_what_waits_and_says_so(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        settle_in()
    _post(app, client)
    assert _handle(app) == {"STOP": 1}
    assert _handle(app) == {}
    (message,) = _messages(app)
    assert (message.state, message.verdict, message.answer_type) == ("DONE", "STOP", "OPT_OUT_OK")
    with app.app_context(), transaction() as session:
        step = session.scalars(select(Step).where(Step.name == "reply")).one()
        assert set(step.keys) >= {f"sms:{message.id}", SID}
        assert session.scalars(select(Run.state).where(Run.process == "replies")).one() == "OK"


def test_a_message_over_which_we_stumble_hurts_no_other_and_ends_with_a_person(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        settle_in()
    _post(app, client, form={"Body": "boom"})
    other = "SM" + "c" * 32
    _post(app, client, form={**dict.fromkeys(("MessageSid", "SmsSid"), other)})
    real = replies.parse_reply

    def stumble(words: str) -> object:
        if words == "boom":
            raise ZeroDivisionError
        return real(words)

    monkeypatch.setattr(replies, "parse_reply", stumble)
    assert _handle(app) == {"POSTPONED": 1, "STOP": 1}
    for _ in range(inbound_sms.TRIES - 1):
        _make_due(app)
        assert _handle(app) == {"POSTPONED": 1}
    _make_due(app)
    assert _handle(app) == {"HELD": 1}
    first, second = _messages(app)
    assert (first.state, first.error_class, second.state) == ("HELD", "ZeroDivisionError", "DONE")
    with app.app_context(), transaction() as session:
        assert session.scalars(select(ReplyCase.reasons)).all() == [["FAILED"]]


def test_a_death_while_handling_leaves_no_half_and_the_message_comes_back(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        settle_in()
    _post(app, client)
    close = inbound_sms.close

    def die(*_: object) -> None:
        raise SystemExit("killed")

    monkeypatch.setattr(inbound_sms, "close", die)
    with pytest.raises(SystemExit):
        _handle(app)
    with app.app_context(), transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM notice")) == 0
        assert session.scalars(select(Notice)).all() == []
    monkeypatch.setattr(inbound_sms, "close", close)
    assert _handle(app) == {}
    _make_due(app)
    assert _handle(app) == {"STOP": 1}
    with app.app_context(), transaction() as session:
        assert len(session.scalars(select(Notice)).all()) == 1


def _form(**changes: str) -> dict[str, str]:
    return {
        "AccountSid": "AC" + "0" * 32,
        "ApiVersion": "2010-04-01",
        "Body": "SEIS",
        "From": PHONE,
        "MessageSid": SID,
        "NumMedia": "0",
        "SmsSid": SID,
        "SmsStatus": "received",
        "To": OURS,
        **changes,
    }


def _post(
    app: Flask,
    client: FlaskClient,
    *,
    form: dict[str, str] | None = None,
    token: str | None = None,
    signature: str | None = None,
    path: str = URL,
    signed_path: str | None = None,
) -> TestResponse:
    whole = _form(**(form or {}))
    if signature is None:
        signature = _sign(app, signed_path or path, whole, token)
    return _send(app, client, urlencode(whole), signature, path)


def _send(
    app: Flask, client: FlaskClient, body: str, signature: str, path: str = URL
) -> TestResponse:
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        **({"X-Twilio-Signature": signature} if signature else {}),
    }
    return client.post(path, data=body, headers=headers)


def _sign(app: Flask, path: str, form: dict[str, str], token: str | None = None) -> str:
    settings: Settings = app.extensions["tiedolla_settings"]
    secret = token or settings.twilio_auth_token.get_secret_value()
    return str(RequestValidator(secret).compute_signature(settings.base_url + path, form))


def _messages(app: Flask) -> list[InboundSms]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(InboundSms).order_by(InboundSms.id)))


def _handle(app: Flask) -> dict[str, int]:
    with app.app_context():
        try:
            return dict(handle_replies(app.extensions["tiedolla_settings"], 1, "test"))
        finally:
            db.session.remove()


def _make_due(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.execute(
            text("UPDATE inbound_sms SET next_at = :at WHERE state = 'WAITING'"),
            {"at": datetime.now(UTC) - timedelta(seconds=1)},
        )


@pytest.fixture
def client(app: Flask, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A client that gets an answer also when something in us breaks."""
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    return app.test_client()
