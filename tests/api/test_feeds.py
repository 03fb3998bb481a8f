"""The DMS and the head-end show who they are, and what was answered 202 is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.db import db, transaction
from app.doorbell import queue_of
from app.models import AuditEntry, InboundFinding, InboundMessage, Lane, Partner
from app.services import inbound, partner_credentials
from tests.field_work import headers
from tests.services.fault_world import A, at, record

OUTAGES = "/api/v1/dms/outages"
EVENTS = "/api/v1/head-end/events"
MESSAGE = {"messageId": "m-1", "outages": [record(points={A: None})]}
EVENT = {"gsrn": A, "meter": "5530-77", "eventCode": "LAST_GASP", "at": at(1).isoformat()}


def test_outages_are_stored_byte_exact_before_they_are_answered(
    app: Flask, client: FlaskClient
) -> None:
    body = json.dumps(MESSAGE).encode()
    answer = _post(app, client, OUTAGES, body, "dms.1")
    assert answer.status_code == 202
    assert answer.json == {"received": True, "outageCount": 1, "errors": []}
    (message,) = _messages(app)
    assert (message.source, message.kind, message.state) == ("dms", "DMS_OUTAGES", "STORED")
    assert message.message_id == "m-1"
    with app.app_context(), transaction() as session:
        assert inbound.read_body(session, message.id) == body
        assert queue_of("network").count == 1
        entry = session.execute(select(AuditEntry)).scalar_one()
        assert (entry.actor, entry.action) == ("partner:dms", "FEED_RECEIVED")
    assert _post(app, client, OUTAGES, body, "dms.1").status_code == 202
    assert len(_messages(app)) == 1


def test_events_are_stored_and_answered(app: Flask, client: FlaskClient) -> None:
    body = json.dumps({"events": [EVENT, {**EVENT, "eventCode": "3.26.0.216"}]}).encode()
    answer = _post(app, client, EVENTS, body, "head-end.1")
    assert (answer.status_code, answer.json) == (202, {"received": True, "eventCount": 2})
    (message,) = _messages(app)
    assert (message.source, message.kind) == ("head-end", "METER_EVENTS")


def test_a_record_that_cannot_be_read_is_named_and_does_not_stop_the_others(
    app: Flask, client: FlaskClient
) -> None:
    outages = [record(points={A: None}), {"sourceRef": "F-2", "version": 0}]
    body = json.dumps({"outages": outages}).encode()
    answer = _post(app, client, OUTAGES, body, "dms.1")
    assert answer.status_code == 202
    assert answer.json is not None
    assert [error["field"][:13] for error in answer.json["errors"]] == ["$.outages[1]."]


@pytest.mark.parametrize(
    ("path", "key", "body", "status", "code"),
    [
        (OUTAGES, "dms.1", b"{", 400, "JSON_MALFORMED"),
        (OUTAGES, "dms.1", b'{"faults": []}', 422, "MESSAGE_INVALID"),
        (EVENTS, "head-end.1", b"[]", 422, "EVENTS_INVALID"),
        (EVENTS, "head-end.1", b"{", 400, "JSON_MALFORMED"),
        (EVENTS, "head-end.1", b'{"events": []}', 422, "EVENTS_INVALID"),
    ],
)
def test_what_is_no_message_is_refused_and_kept(
    app: Flask, client: FlaskClient, path: str, key: str, body: bytes, status: int, code: str
) -> None:
    answer = _post(app, client, path, body, key)
    assert (answer.status_code, (answer.json or {})["code"]) == (status, code)
    (message,) = _messages(app)
    assert message.state == "REJECTED"
    with app.app_context():
        assert db.session.query(InboundFinding).count() == 1


@pytest.mark.parametrize(
    ("path", "key"), [(OUTAGES, "voima.1"), (OUTAGES, "head-end.1"), (EVENTS, "dms.1")]
)
def test_nobody_speaks_in_the_name_of_another_system(
    app: Flask, client: FlaskClient, path: str, key: str
) -> None:
    body = json.dumps(MESSAGE if path == OUTAGES else {"events": [EVENT]}).encode()
    answer = _post(app, client, path, body, key)
    assert (answer.status_code, (answer.json or {})["code"]) == (403, "KEY_NOT_FOR_THIS")
    assert _messages(app) == []


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"Tiedolla-Signature": "v1=" + "0" * 64}, 401, "SIGNATURE_WRONG"),
        ({"Authorization": "Bearer x"}, 401, "KEY_UNKNOWN"),
        ({"Content-Type": "text/plain"}, 415, "MEDIA_TYPE_WRONG"),
        ({"Content-Encoding": "gzip"}, 415, "ENCODING_WRONG"),
    ],
)
def test_who_does_not_show_who_he_is_makes_us_write_nothing(
    app: Flask, client: FlaskClient, changes: dict[str, str], status: int, code: str
) -> None:
    body = json.dumps(MESSAGE).encode()
    answer = _post(app, client, OUTAGES, body, "dms.1", **changes)
    assert (answer.status_code, (answer.json or {})["code"]) == (status, code)
    assert _messages(app) == []


def test_a_key_that_was_replaced_is_not_good_any_more(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        session.get_one(Partner, "dms").active = False
    body = json.dumps(MESSAGE).encode()
    answer = _post(app, client, OUTAGES, body, "dms.1")
    assert (answer.status_code, (answer.json or {})["code"]) == (403, "PARTNER_INACTIVE")
    with app.app_context(), transaction() as session:
        session.get_one(Partner, "dms").active = True
        partner_credentials.rotate(session, "dms", "x", at(0))
        partner_credentials.revoke_old(session, "dms", "x", at(0))
    assert _post(app, client, OUTAGES, body, "dms.1").status_code == 401
    assert _post(app, client, OUTAGES, body, "dms.2").status_code == 202


def test_feeds_have_no_lane_that_sends(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        names = {name for (name,) in session.query(Lane.name)}
    assert "network" in names
    assert not {"partner.dms", "partner.head-end"} & names


def _post(
    app: Flask, client: FlaskClient, path: str, body: bytes, key: str, **changes: str
) -> TestResponse:
    signed = headers(app, body, key_id=key, **changes)
    return client.post(path, data=body, headers=signed)


def _messages(app: Flask) -> list[Any]:
    with app.app_context():
        rows = db.session.execute(select(InboundMessage).order_by(InboundMessage.id)).scalars()
        return list(rows)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A system that sends."""
    return app.test_client()
