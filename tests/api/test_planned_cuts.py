"""Planners' systems ask for cuts: drafts only, versioned, repeated without harm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from werkzeug.test import TestResponse

from app.db import db, transaction
from app.models import InboundMessage, MeteringPoint, Outage, OutagePoint
from app.services import planned_requests
from tests.field_work import gsrn, headers

PATH = "/api/v1/planned-cuts"
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=20)


def test_a_request_becomes_a_draft_that_nobody_has_been_told_of(
    app: Flask, client: FlaskClient
) -> None:
    answer = _post(app, client, _request())
    assert answer.status_code == 201, answer.text
    body = answer.json
    assert body is not None
    assert (body["state"], body["pointCount"], body["toldAt"]) == ("DRAFT", 2, None)
    assert body["findings"] == [
        {
            "place": 3,
            "given": "12",
            "code": "NOT_A_NUMBER",
            "message": "The line has no metering point number (18 digits)",
        }
    ]
    assert datetime.fromisoformat(body["latestNoticeAt"]) < SOON
    with app.app_context(), transaction() as session:
        (message,) = session.scalars(select(InboundMessage)).all()
        assert (message.source, message.kind, message.state) == (
            "PLANNER:voima",
            "PLANNED_CUT",
            "INTERPRETED",
        )
        assert session.execute(text("SELECT count(*) FROM announcement")).scalar_one() == 0


def test_the_same_again_does_nothing(app: Flask, client: FlaskClient) -> None:
    answers = [_post(app, client, _request()).status_code for _ in range(3)]
    assert answers == [201, 200, 200]
    assert len(_all(app, Outage)) == 1


def test_a_higher_version_replaces_the_draft(app: Flask, client: FlaskClient) -> None:
    _post(app, client, _request())
    answer = _post(app, client, _request(version=2, points=[gsrn(1)]))
    assert (answer.status_code, answer.json["pointCount"]) == (200, 1)  # type: ignore[index]
    assert len(_all(app, OutagePoint)) == 1


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"version": 1}, 409, "STALE_VERSION"),
        ({"version": 2, "name": "Other"}, 409, "VERSION_CONFLICT"),
        ({"version": 3, "causeCode": "STORM"}, 422, "CAUSE_UNKNOWN"),
        ({"version": 3, "from": "2020-01-01T09:00:00Z"}, 422, "TOO_LONG"),
        (
            {"version": 3, "from": "2020-01-01T09:00:00Z", "to": "2020-01-01T10:00:00Z"},
            422,
            "IN_THE_PAST",
        ),
        ({"version": 3, "from": "2030-01-01T09:00:00"}, 422, "REQUEST_INVALID"),
        ({"version": 3, "points": []}, 422, "REQUEST_INVALID"),
        ({"version": 3, "reference": "../x"}, 422, "REQUEST_INVALID"),
    ],
)
def test_what_cannot_be_taken_is_told_with_its_code_and_kept(
    app: Flask, client: FlaskClient, changes: dict[str, Any], status: int, code: str
) -> None:
    _post(app, client, _request(version=2))
    answer = _post(app, client, _request(**changes))
    assert (answer.status_code, answer.json["code"]) == (status, code)  # type: ignore[index]
    assert answer.json["errors"]  # type: ignore[index]
    refused = [m for m in _all(app, InboundMessage) if m.state == "REJECTED"]
    assert len(refused) == 1


def test_what_customers_know_of_is_changed_by_people_only(app: Flask, client: FlaskClient) -> None:
    _post(app, client, _request())
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE outage SET state = 'ANNOUNCED'"))
    answer = _post(app, client, _request(version=2))
    assert (answer.status_code, answer.json["code"]) == (409, "ALREADY_TOLD")  # type: ignore[index]


def test_a_planner_sees_its_own_cuts_only(app: Flask, client: FlaskClient) -> None:
    _post(app, client, _request())
    answer = client.get(f"{PATH}/WORK-17", headers=headers(app, b""))
    assert answer.status_code == 200
    assert answer.json["reference"] == "WORK-17"  # type: ignore[index]
    assert client.get(f"{PATH}/WORK-18", headers=headers(app, b"")).status_code == 404
    with app.app_context(), transaction() as session:
        planned_requests.allow_planner(session, "other", "Other", True, "test", datetime.now(UTC))
    other = headers(app, b"", key_id="other.1")
    assert client.get(f"{PATH}/WORK-17", headers=other).status_code == 404


def test_whoever_may_not_plan_is_turned_away(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        planned_requests.allow_planner(session, "voima", None, False, "test", datetime.now(UTC))
    answer = _post(app, client, _request())
    assert (answer.status_code, answer.json["code"]) == (403, "NOT_A_PLANNER")  # type: ignore[index]
    assert _all(app, InboundMessage) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Authorization": "Bearer forged"}, "KEY_UNKNOWN"),
        ({"Tiedolla-Signature": "v1=" + "0" * 64}, "SIGNATURE_WRONG"),
        ({"Tiedolla-Timestamp": "1"}, "SIGNATURE_WRONG"),
    ],
)
def test_a_forged_request_leaves_no_trace(
    app: Flask, client: FlaskClient, changes: dict[str, str], code: str
) -> None:
    body = json.dumps(_request()).encode()
    answer = client.post(PATH, data=body, headers=headers(app, body, **changes))
    assert (answer.status_code, answer.json["code"]) == (401, code)  # type: ignore[index]
    assert 'realm="planned-cuts"' in answer.headers["WWW-Authenticate"]
    assert _all(app, Outage) == []
    assert _all(app, InboundMessage) == []


def test_broken_json_is_told_apart_from_wrong_fields(app: Flask, client: FlaskClient) -> None:
    answer = client.post(PATH, data=b"{", headers=headers(app, b"{"))
    assert (answer.status_code, answer.json["code"]) == (400, "JSON_MALFORMED")  # type: ignore[index]


def test_both_operations_are_described(client: FlaskClient) -> None:
    described = client.get("/api/v1/openapi.json").json
    assert described is not None
    assert set(described["paths"]["/api/v1/planned-cuts"]) == {"post"}
    assert set(described["paths"]["/api/v1/planned-cuts/{reference}"]) >= {"get"}
    assert "PlannedCutRequest" in described["components"]["schemas"]


def _request(**changes: Any) -> dict[str, Any]:
    return {
        "reference": "WORK-17",
        "version": 1,
        "name": "Muuntamon huolto",
        "from": SOON.isoformat(),
        "to": (SOON + timedelta(hours=3)).isoformat(),
        "causeCode": "MAINTENANCE",
        "points": [gsrn(1), gsrn(2), "12"],
        **changes,
    }


def _post(app: Flask, client: FlaskClient, request: dict[str, Any]) -> TestResponse:
    body = json.dumps(request).encode()
    return client.post(PATH, data=body, headers=headers(app, body))


def _all(app: Flask, model: Any) -> list[Any]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(model)))


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    """A partner that plans work, and two points."""
    with app.app_context():
        now = datetime.now(UTC)
        with transaction() as session:
            assert planned_requests.allow_planner(session, "voima", None, True, "test", now)
            for number in (1, 2):
                session.add(
                    MeteringPoint(
                        gsrn=gsrn(number), version=1, status="AE01", type="AG01", updated_at=now
                    )
                )
        db.session.remove()
    return app.test_client()
