"""The interface of lane runners: its own keys, its own acts, and a bad report keeps no other out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.db import db, transaction
from app.services import partner_credentials, zone_credentials, zones
from app.services.partner_credentials import Credential
from integrations.installer import signature
from integrations.runner_api import signing
from integrations.runner_api.types import Beat, Claim, Heartbeat, Settled
from tests.workers.runner_world import device, put, states

BY = "staff:armi"
RUNNER, BOOT = uuid4(), uuid4()


def test_a_runner_beats_claims_and_settles(app: Flask) -> None:
    put("a")
    beat = msgspec.json.decode(_post(app, "heartbeats", _beat()).data, type=Beat)
    assert [(one.name, one.mode, one.due) for one in beat.lanes] == [("nis", "idempotent", True)]
    assert beat.standing.lease_within_s == pytest.approx(900, abs=1)
    claim = msgspec.json.decode(_post(app, "claims", _claim()).data, type=Claim)
    (item,) = claim.items
    assert (item.key, item.payload) == ("a", device(0))
    told = _settle({"attempt": str(item.attempt), "end": "SENT", "ref": "N-1\x00"})
    settled = msgspec.json.decode(_post(app, "settlements", told).data, type=Settled)
    assert [one.result for one in settled.results] == ["APPLIED"]
    assert states() == {"a": "SENT"}


def test_a_report_that_cannot_be_read_is_named_and_the_others_count(app: Flask) -> None:
    put("a")
    _post(app, "heartbeats", _beat())
    claim = msgspec.json.decode(_post(app, "claims", _claim()).data, type=Claim)
    good = {"attempt": str(claim.items[0].attempt), "end": "SENT"}
    odd = str(uuid4())
    told = _settle({"attempt": odd, "end": "PERHAPS"}, 17, good, {"attempt": odd, "end": "SENT"})
    settled = msgspec.json.decode(_post(app, "settlements", told).data, type=Settled)
    assert [(one.result, one.attempt) for one in settled.results] == [
        ("INVALID", odd),
        ("INVALID", ""),
        ("APPLIED", good["attempt"]),
        ("UNKNOWN", odd),
    ]


def test_a_file_is_taken_only_from_a_folder_of_the_runners_own_zone(app: Flask) -> None:
    _post(app, "heartbeats", _beat())
    told = {
        "act": "file",
        "runner": str(RUNNER),
        "boot": str(BOOT),
        "document": "ack",
        "name": "a.csv",
        "size": 1,
        "body": "QQ==",
    }
    # The contractor's lane is the centre's; a lane of the zone has no folders; one is nobody's.
    for lane in ("partner.pohjola", "nis", "partner.nobody"):
        answer = _post(app, "files", {**told, "lane": lane})
        assert (answer.status_code, _code(answer)) == (409, "FOLDER_ELSEWHERE")
    assert _post(app, "files", {**told, "lane": "nis", "body": "%"}).status_code == 422
    with app.app_context(), transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM inbound_message")) == 0


def test_keys_of_partners_are_not_good_here_and_those_of_zones_not_elsewhere(app: Flask) -> None:
    partner = partner_credentials.derive(_partner_key(app), "voima.1")
    answer = _post(app, "heartbeats", _beat(), partner)
    assert (answer.status_code, answer.get_json()["code"]) == (401, "KEY_UNKNOWN")
    answer = _post(app, "/api/v1/acks", {"x": 1}, _key(app))
    assert (answer.status_code, answer.get_json()["code"]) == (401, "KEY_UNKNOWN")


def test_a_key_counts_only_while_it_is_the_zones(app: Flask) -> None:
    now = datetime.now(UTC)
    assert _post(app, "heartbeats", _beat()).status_code == 200
    with app.app_context(), transaction() as session:
        zone_credentials.rotate(session, "plant", now, by=BY)
    assert _post(app, "heartbeats", _beat()).status_code == 200
    assert _post(app, "heartbeats", _beat(), _key(app, generation=2)).status_code == 200
    assert _code(_post(app, "heartbeats", _beat(), _key(app, generation=3))) == "KEY_UNKNOWN"
    assert _code(_post(app, "heartbeats", _beat(), _key(app, zone="central"))) == "KEY_UNKNOWN"
    with app.app_context(), transaction() as session:
        zone_credentials.revoke_old(session, "plant", now, by=BY)
    assert _code(_post(app, "heartbeats", _beat())) == "KEY_REVOKED"
    with app.app_context(), transaction() as session:
        zones.move_lane(session, "nis", "central", now, by=BY)
        zones.set_active(session, "plant", False, now, by=BY)
    answer = _post(app, "heartbeats", _beat(), _key(app, generation=2))
    assert (answer.status_code, _code(answer)) == (403, "ZONE_INACTIVE")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"Tiedolla-Signature": "v1=" + "0" * 64}, 401, "SIGNATURE_WRONG"),
        ({"Tiedolla-Timestamp": "1764000000"}, 401, "SIGNATURE_WRONG"),
        ({"Tiedolla-Key": "plant.2"}, 401, "KEY_UNKNOWN"),
        ({"Authorization": "Bearer x"}, 401, "KEY_UNKNOWN"),
        ({"Content-Type": "text/plain"}, 415, "MEDIA_TYPE_WRONG"),
    ],
)
def test_nothing_is_taken_from_somebody_who_has_not_shown_who_he_is(
    app: Flask, change: dict[str, str], status: int, code: str
) -> None:
    answer = _post(app, "heartbeats", _beat(), more=change)
    assert (answer.status_code, _code(answer)) == (status, code)


def test_a_body_is_good_for_its_own_act_only(app: Flask) -> None:
    _post(app, "heartbeats", _beat())
    assert _code(_post(app, "heartbeats", _claim())) == "BODY_INVALID"
    assert _code(_post(app, "claims", _beat())) == "BODY_INVALID"
    assert _code(_post(app, "claims", _claim() | {"most": 0})) == "BODY_INVALID"
    assert _post(app, "claims", b"{").status_code == 400


def test_a_runner_that_was_never_heard_of_or_is_another_zones_has_to_look(app: Flask) -> None:
    answer = _post(app, "claims", _claim())
    assert (answer.status_code, _code(answer)) == (409, "RUNNER_UNKNOWN")
    _post(app, "heartbeats", _beat())
    with app.app_context(), transaction() as session:
        zones.add(session, "south", "South", datetime.now(UTC), by=BY)
    assert _code(_post(app, "claims", _claim(), _key(app, zone="south"))) == "RUNNER_ELSEWHERE"
    assert _code(_post(app, "heartbeats", _beat(), _key(app, zone="south"))) == "RUNNER_ELSEWHERE"


def test_the_runner_signs_as_partners_do() -> None:
    body = b'{"act": "claim"}'
    assert signing.sign("secret", 1_764_000_000, body) == signature.sign(
        "secret", 1_764_000_000, body
    )


def _post(
    app: Flask,
    path: str,
    told: Any,
    key: Credential | None = None,
    more: dict[str, str] | None = None,
) -> TestResponse:
    key = key or _key(app)
    body = told if isinstance(told, bytes) else msgspec.json.encode(told)
    timestamp = int(datetime.now(UTC).timestamp())
    headers = {
        "Authorization": f"Bearer {key.token}",
        "Content-Type": "application/json",
        "Tiedolla-Key": key.key_id,
        "Tiedolla-Timestamp": str(timestamp),
        "Tiedolla-Signature": signing.sign(key.secret, timestamp, body),
        **(more or {}),
    }
    address = path if path.startswith("/") else f"/api/v1/runner/{path}"
    return app.test_client().post(address, data=body, headers=headers)


def _code(answer: TestResponse) -> str:
    return str(answer.get_json()["code"])


def _key(app: Flask, zone: str = "plant", generation: int = 1) -> Credential:
    key = zone_credentials.derive(_partner_key(app), zone, generation)
    return Credential(key.key_id, key.token, key.secret)


def _partner_key(app: Flask) -> str:
    return str(app.extensions["tiedolla_settings"].partner_key.get_secret_value())


def _beat() -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(
        Heartbeat(
            runner=RUNNER,
            boot=BOOT,
            first=True,
            host="plant-1",
            version="1",
            started_at=datetime.now(UTC),
            clock_offset_ms=12,
            open=0,
            unreported=0,
        )
    )
    return told


def _claim() -> dict[str, Any]:
    words = {"runner": str(RUNNER), "boot": str(BOOT), "claim": str(uuid4())}
    return {"act": "claim", **words, "lane": "nis", "most": 10}


def _settle(*reports: Any) -> dict[str, Any]:
    return {"act": "settle", "runner": str(RUNNER), "boot": str(BOOT), "reports": list(reports)}


@pytest.fixture(autouse=True)
def _zone(app: Flask) -> Iterator[None]:
    """The zone plant has the lane nis."""
    with app.app_context():
        with transaction() as session:
            zones.add(session, "plant", "The plant", datetime.now(UTC), by=BY)
            zones.move_lane(session, "nis", "plant", datetime.now(UTC), by=BY)
            session.execute(text("SELECT 1"))
        db.session.remove()
        yield
