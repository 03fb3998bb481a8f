"""Others start processes by signed requests: those that a trigger lets them, once per key."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.db import db, transaction
from app.models import ProcessStart
from app.services import process_triggers
from tests.field_work import headers

URL = "/api/v1/processes/signal/starts"


@pytest.fixture(autouse=True)
def _allowed(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            spec = {"partner": "dms"}
            process_triggers.add_trigger(
                session, "signal", "HTTP", spec, datetime.now(UTC), by="staff:otso"
            )
        db.session.remove()


def test_a_start_is_stored_once_per_key(app: Flask, client: FlaskClient) -> None:
    answer = _post(app, client, b'{"file": "a.csv"}', "k-1")
    assert (answer.status_code, answer.json) == (
        202,
        {"startId": 1, "state": "WAITING", "new": True},
    )
    again = _post(app, client, b'{"file": "a.csv"}', "k-1")
    assert (again.status_code, again.json["new"], again.json["startId"]) == (202, False, 1)
    other = _post(app, client, b'{"file": "b.csv"}', "k-1")
    assert (other.status_code, other.json["code"]) == (409, "KEY_REUSED")
    [start] = _starts(app)
    assert (start.params, start.asked_by) == ({"file": "a.csv"}, "partner:dms")


def test_nobody_else_starts_it_and_nobody_learns_of_others(app: Flask, client: FlaskClient) -> None:
    for url, key in ((URL, "voima.1"), ("/api/v1/processes/purge/starts", "dms.1")):
        answer = _post(app, client, b"{}", "k-1", key=key, url=url)
        assert (answer.status_code, answer.json["code"]) == (404, "PROCESS_UNKNOWN")
    sent = headers(app, b"{}", key_id="dms.1") | {"Idempotency-Key": "k-1"}
    forged = client.post(URL, data=b'{"x": 1}', headers=sent)
    assert forged.status_code == 401
    assert _starts(app) == []


@pytest.mark.parametrize(
    ("body", "key", "status", "code"),
    [
        (b"{}", "", 400, "KEY_MISSING"),
        (b"{}", "x" * 101, 400, "KEY_MISSING"),
        (b"[]", "k", 400, "JSON_MALFORMED"),
        (b"{", "k", 400, "JSON_MALFORMED"),
        (b'{"a": {"b": 1}}', "k", 422, "PARAMS_INVALID"),
        (b'{"a": "\\u0000"}', "k", 422, "PARAMS_INVALID"),
        (b'{"a": "' + b"x" * 70_000 + b'"}', "k", 413, "BODY_TOO_LARGE"),
    ],
)
def test_bad_input_gets_its_code(
    app: Flask, client: FlaskClient, body: bytes, key: str, status: int, code: str
) -> None:
    answer = _post(app, client, body, key)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert _starts(app) == []


def _post(
    app: Flask, client: FlaskClient, body: bytes, name: str, key: str = "dms.1", url: str = URL
) -> TestResponse:
    sent = headers(app, body, key_id=key) | ({"Idempotency-Key": name} if name else {})
    return client.post(url, data=body, headers=sent)


def _starts(app: Flask) -> list[ProcessStart]:
    with app.app_context():
        with transaction() as session:
            found = list(session.execute(select(ProcessStart)).scalars())
        db.session.remove()
        return found


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the application."""
    return app.test_client()
