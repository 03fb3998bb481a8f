"""The maker shows who it is; what was answered 202 is stored, and its verdicts can be asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.api.v1 import meter_deliveries as api
from app.db import db, transaction
from app.doorbell import queue_of
from app.models import InboundMessage
from app.services import inbound
from tests.field_work import headers
from tests.services.delivering import meter, read

WHERE = "/api/v1/meter-deliveries"
DELIVERY: dict[str, Any] = {
    "deliveryId": "AID-1",
    "kind": "DELIVERED",
    "issuedAt": "2026-11-24T08:00:00+02:00",
    "partner": "voima",
    "items": [meter("m1", "s1"), {"number": "m2"}, meter("m3", "s3")],
}


def test_a_delivery_is_stored_byte_exact_and_its_verdicts_can_be_read(
    app: Flask, client: FlaskClient
) -> None:
    body = json.dumps(DELIVERY).encode()
    answer = _post(app, client, body)
    assert answer.status_code == 202
    assert answer.json == {"deliveryId": "AID-1", "received": True, "itemCount": 3}
    assert _post(app, client, body).status_code == 202
    assert _get(app, client, "AID-1").status_code == 404
    with app.app_context():
        with transaction() as session:
            message = session.scalars(select(InboundMessage)).one()
            assert (message.source, message.kind, message.state) == (
                "maker",
                "METER_DELIVERY",
                "STORED",
            )
            assert inbound.read_body(session, message.id) == body
        assert queue_of("intake").count == 1
        read(app)
        db.session.remove()
    told = _get(app, client, "AID-1").json
    assert told is not None
    assert (told["state"], told["counts"]) == ("PARTLY", {"TAKEN": 2, "REJECTED": 1})
    assert [(item["item"], item["verdict"], item["code"]) for item in told["items"]] == [
        (1, "TAKEN", None),
        (2, "REJECTED", "FIELD_MISSING"),
        (3, "TAKEN", None),
    ]
    assert told["nextAfter"] is None


def test_verdicts_come_page_by_page(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "ITEMS_PER_PAGE", 2)
    _post(app, client, json.dumps(DELIVERY).encode())
    with app.app_context():
        read(app)
        db.session.remove()
    first = _get(app, client, "AID-1").json
    assert first is not None
    assert ([item["item"] for item in first["items"]], first["nextAfter"]) == ([1, 2], 2)
    second = _get(app, client, "AID-1?after=2").json
    assert second is not None
    assert ([item["item"] for item in second["items"]], second["nextAfter"]) == ([3], None)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "JSON_MALFORMED"),
        (b"[]", 400, "JSON_MALFORMED"),
        (json.dumps({**DELIVERY, "kind": "EATEN"}).encode(), 422, "DELIVERY_INVALID"),
        (json.dumps({**DELIVERY, "items": []}).encode(), 422, "DELIVERY_INVALID"),
    ],
)
def test_what_is_no_delivery_is_refused_and_kept(
    app: Flask, client: FlaskClient, body: bytes, status: int, code: str
) -> None:
    answer = _post(app, client, body)
    assert (answer.status_code, (answer.json or {})["code"]) == (status, code)
    with app.app_context(), transaction() as session:
        assert session.scalars(select(InboundMessage.state)).one() == "REJECTED"


def test_only_the_maker_may_tell_of_meters_and_read_the_verdicts(
    app: Flask, client: FlaskClient
) -> None:
    body = json.dumps(DELIVERY).encode()
    for key in ("voima.1", "dms.1"):
        answer = client.post(WHERE, data=body, headers=headers(app, body, key_id=key))
        assert answer.status_code == 403
        asked = client.get(f"{WHERE}/AID-1", headers=headers(app, b"", key_id=key))
        assert asked.status_code == 403
    forged = headers(app, b"other", key_id="maker.1")
    assert client.post(WHERE, data=body, headers=forged).status_code == 401
    with app.app_context(), transaction() as session:
        assert session.scalars(select(InboundMessage)).all() == []


def _post(app: Flask, client: FlaskClient, body: bytes) -> TestResponse:
    return client.post(WHERE, data=body, headers=headers(app, body, key_id="maker.1"))


def _get(app: Flask, client: FlaskClient, name: str) -> TestResponse:
    return client.get(f"{WHERE}/{name}", headers=headers(app, b"", key_id="maker.1"))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """The maker's system."""
    return app.test_client()
