"""Partners that show who they are get a clear answer, and what was answered 202 is stored."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.db import db, transaction
from app.doorbell import queue_of
from app.factory import create_app
from app.models import AuditEntry, InboundFinding, InboundMessage, Partner
from app.services import inbound, partner_credentials
from tests.conftest import test_settings
from tests.field_work import encode, headers, make_ack, post

ACK = make_ack("ACCEPTED", 0)
BODY = encode(ACK)


def test_an_acknowledgement_is_stored_byte_exact_before_it_is_answered(
    app: Flask, client: FlaskClient
) -> None:
    answer = post(app, client, BODY)
    assert answer.status_code == 202
    assert answer.json == {"ackId": ACK["ackId"], "received": True}
    (message,) = _messages(app)
    assert (message.source, message.kind, message.state) == ("ack:voima", "ACK", "STORED")
    assert (message.message_id, message.business_key) == (ACK["ackId"], ACK["orderId"])
    with app.app_context(), transaction() as session:
        assert inbound.read_body(session, message.id) == BODY
        assert queue_of("acks").count == 1
        entry = session.execute(select(AuditEntry)).scalar_one()
        assert (entry.actor, entry.action) == ("partner:voima", "ACK_RECEIVED")


def test_the_same_body_again_is_answered_the_same_and_stored_once(
    app: Flask, client: FlaskClient
) -> None:
    answers = [post(app, client, BODY).status_code for _ in range(3)]
    assert answers == [202, 202, 202]
    assert len(_messages(app)) == 1


def test_an_order_that_we_do_not_know_is_still_accepted(app: Flask, client: FlaskClient) -> None:
    body = encode(make_ack("COMPLETED", 0, order_id="WO-NEVER-HEARD"))
    assert post(app, client, body).status_code == 202


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Authorization": ""}, "KEY_MISSING"),
        ({"Authorization": "Bearer forged"}, "KEY_UNKNOWN"),
        ({"Authorization": "Bearer förfalskad"}, "KEY_UNKNOWN"),
        ({"Authorization": "Basic abc"}, "KEY_MISSING"),
        ({"Tiedolla-Key": ""}, "KEY_MISSING"),
        ({"Tiedolla-Key": "voima.2"}, "KEY_UNKNOWN"),
        ({"Tiedolla-Key": "other.1"}, "KEY_UNKNOWN"),
        ({"Tiedolla-Key": "../../etc"}, "KEY_UNKNOWN"),
        ({"Tiedolla-Signature": ""}, "SIGNATURE_MISSING"),
        ({"Tiedolla-Signature": "v1=abc"}, "SIGNATURE_MALFORMED"),
        ({"Tiedolla-Signature": "v1=" + "0" * 64}, "SIGNATURE_WRONG"),
        ({"Tiedolla-Timestamp": "yesterday"}, "SIGNATURE_MALFORMED"),
        ({"Tiedolla-Timestamp": "1"}, "SIGNATURE_WRONG"),
    ],
)
def test_a_forged_request_is_turned_away_and_leaves_no_trace_in_the_database(
    app: Flask, client: FlaskClient, changes: dict[str, str], code: str
) -> None:
    answer = post(app, client, BODY, **changes)
    _assert_problem(answer, 401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert _messages(app) == []


def test_the_key_of_a_feed_of_our_own_acknowledges_nothing(app: Flask, client: FlaskClient) -> None:
    for feed in ("dms.1", "head-end.1"):
        _assert_problem(post(app, client, BODY, key_id=feed), 403, "KEY_NOT_FOR_THIS")
    assert _messages(app) == []


def test_a_changed_body_does_not_fit_its_signature(app: Flask, client: FlaskClient) -> None:
    signed = headers(app, BODY)
    forged = BODY.replace(b"ACCEPTED", b"REJECTED")
    answer = client.post("/api/v1/acks", data=forged, headers=signed)
    _assert_problem(answer, 401, "SIGNATURE_WRONG")


@pytest.mark.parametrize("off_s", [-301, 302])
def test_a_replayed_or_predated_request_is_turned_away(
    app: Flask, client: FlaskClient, off_s: int
) -> None:
    answer = post(app, client, BODY, timestamp=int(time.time()) + off_s)
    _assert_problem(answer, 401, "SIGNATURE_STALE")
    assert _messages(app) == []


def test_the_key_before_stays_good_until_it_is_revoked(app: Flask, client: FlaskClient) -> None:
    now = datetime.now(UTC)
    with app.app_context(), transaction() as session:
        assert partner_credentials.rotate(session, "voima", "staff:armi", now) == 2
    assert post(app, client, BODY).status_code == 202
    assert post(app, client, BODY, key_id="voima.2").status_code == 202
    _assert_problem(post(app, client, BODY, key_id="voima.3"), 401, "KEY_UNKNOWN")
    with app.app_context(), transaction() as session:
        partner_credentials.revoke_old(session, "voima", "staff:armi", now)
    _assert_problem(post(app, client, BODY), 401, "KEY_REVOKED")
    assert post(app, client, BODY, key_id="voima.2").status_code == 202


def test_a_third_key_ends_the_first_one(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        for _ in range(2):
            partner_credentials.rotate(session, "voima", "staff:armi", datetime.now(UTC))
    _assert_problem(post(app, client, BODY), 401, "KEY_REVOKED")
    assert post(app, client, BODY, key_id="voima.2").status_code == 202


def test_a_partner_that_is_switched_off_may_not_report(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        session.get_one(Partner, "voima").active = False
    _assert_problem(post(app, client, BODY), 403, "PARTNER_INACTIVE")
    assert _messages(app) == []


@pytest.mark.parametrize(
    ("changes", "status", "field", "code"),
    [
        ({"type": "FINISHED"}, 422, "$.type", "VALUE_UNKNOWN"),
        ({"revision": "one"}, 422, "$.revision", "TYPE_WRONG"),
        ({"occurredAt": "2026-11-24T12:00:00"}, 422, "$.occurredAt", "TIME_WITHOUT_OFFSET"),
        ({"occurredAt": 17}, 422, "$.occurredAt", "TYPE_WRONG"),
        ({"orderId": None}, 422, "$.orderId", "TYPE_WRONG"),
        ({"orderId": "x" * 41}, 422, "$.orderId", "VALUE_INVALID"),
        ({"notes": "a\x00b"}, 422, "$", "TEXT_INVALID"),
        ({"type": "STARTED"}, 422, "$.outage.offAt", "FIELD_MISSING"),
    ],
)
def test_wrong_fields_are_named_and_the_body_is_kept_for_somebody_to_look_at(
    app: Flask,
    client: FlaskClient,
    changes: dict[str, Any],
    status: int,
    field: str,
    code: str,
) -> None:
    body = encode({**ACK, **changes})
    first, again = post(app, client, body), post(app, client, body)
    for answer in (first, again):
        problem = _assert_problem(answer, status, "ACK_INVALID")
        assert {"field": field, "code": code} == {
            key: problem["errors"][0][key] for key in ("field", "code")
        }
        assert problem["errors"][0]["message"]
    (message,) = _messages(app)
    assert (message.state, message.reason_code) == ("REJECTED", code)
    with app.app_context():
        found = db.session.execute(select(InboundFinding)).scalars().all()
        assert [finding.path for finding in found] == [field]
        assert code in found[0].text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"COMPLETED"',
        b"\xef\xbb\xbf" + BODY,
        BODY[:-1],
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
        "<?xml version='1.0'?>".encode("utf-16"),
    ],
)
def test_what_is_no_json_object_is_answered_400_and_kept(
    app: Flask, client: FlaskClient, body: bytes
) -> None:
    problem = _assert_problem(post(app, client, body), 400, "JSON_MALFORMED")
    assert problem["errors"][0]["field"] == "$"
    (message,) = _messages(app)
    assert message.state == "REJECTED"
    with app.app_context(), transaction() as session:
        assert inbound.read_body(session, message.id) == body


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Content-Type": "text/xml"}, "MEDIA_TYPE_WRONG"),
        ({"Content-Type": ""}, "MEDIA_TYPE_WRONG"),
        ({"Content-Encoding": "gzip"}, "ENCODING_WRONG"),
    ],
)
def test_other_media_types_are_answered_415(
    app: Flask, client: FlaskClient, changes: dict[str, str], code: str
) -> None:
    _assert_problem(post(app, client, BODY, **changes), 415, code)


def test_a_charset_after_the_media_type_is_fine(app: Flask, client: FlaskClient) -> None:
    kind = {"Content-Type": "application/json; charset=utf-8"}
    assert post(app, client, BODY, **kind).status_code == 202


def test_ten_megabytes_are_refused_unread(app: Flask, client: FlaskClient) -> None:
    body = Unread(10 * 1024 * 1024)
    answer = client.post(
        "/api/v1/acks",
        headers=headers(app, BODY),
        environ_overrides={"wsgi.input": body, "CONTENT_LENGTH": str(body.size)},
    )
    _assert_problem(answer, 413, "BODY_TOO_LARGE")
    assert body.taken == 0
    assert _messages(app) == []


def test_a_body_that_hides_its_length_is_read_up_to_the_limit_only(
    app: Flask, client: FlaskClient
) -> None:
    body = Unread(10 * 1024 * 1024)
    answer = client.post(
        "/api/v1/acks",
        headers={**headers(app, BODY), "Transfer-Encoding": "chunked"},
        environ_overrides={
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "CONTENT_LENGTH": "",
        },
    )
    _assert_problem(answer, 413, "BODY_TOO_LARGE")
    assert body.taken <= 512 * 1024
    assert _messages(app) == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/acks", 405),
        ("DELETE", "/api/v1/acks", 405),
        ("POST", "/api/v1/openapi.json", 405),
        ("GET", "/api/v1/nothing", 404),
        ("POST", "/api/v2/acks", 404),
    ],
)
def test_addresses_and_methods_that_the_api_does_not_have_are_problems_too(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = client.open(path, method=method)
    _assert_problem(answer, status, {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}[status])
    if status == 405:
        assert "OPTIONS" in answer.headers["Allow"]


def test_a_page_that_is_not_there_is_still_answered_with_a_page(client: FlaskClient) -> None:
    answer = client.get("/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_a_database_that_is_away_is_answered_503_so_that_the_partner_tries_again() -> None:
    nowhere = create_app(test_settings())
    answer = post(nowhere, nowhere.test_client(), BODY)
    _assert_problem(answer, 503, "TRY_AGAIN")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_fault_of_ours_is_answered_500_without_telling_what_it_is(
    app: Flask, client: FlaskClient
) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE inbound_message RENAME TO hidden")
    try:
        answer = post(app, client, BODY)
    finally:
        with app.app_context(), db.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE hidden RENAME TO inbound_message")
    problem = _assert_problem(answer, 500, "INTERNAL")
    assert "inbound_message" not in str(problem)


def test_the_description_names_the_operation_its_body_and_every_error(
    client: FlaskClient,
) -> None:
    description = client.get("/api/v1/openapi.json").json
    assert description is not None
    assert description["openapi"].startswith("3.1")
    operation = description["paths"]["/api/v1/acks"]["post"]
    assert set(operation["responses"]) == {
        "202",
        "400",
        "401",
        "403",
        "413",
        "415",
        "422",
        "500",
        "503",
    }
    body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    fields = description["components"]["schemas"][body.rpartition("/")[2]]
    assert {"ackId", "orderId", "revision", "type"} <= set(fields["required"])
    assert "COMPLETED" in fields["properties"]["type"]["enum"]


class Unread(io.RawIOBase):
    """A body that knows how much of it was taken."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self.size - self.taken)
        self.taken += count
        buffer[:count] = b" " * count
        return count


def _assert_problem(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    problem = answer.json
    assert isinstance(problem, dict)
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]
    assert problem["detail"]
    assert problem["type"].startswith("urn:tiedolla:problem:")
    return problem


def _messages(app: Flask) -> list[InboundMessage]:
    with app.app_context():
        rows = db.session.execute(select(InboundMessage).order_by(InboundMessage.id)).scalars()
        found = list(rows)
        db.session.remove()
        return found


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as client:
        yield client
