"""Zones with their runners, and files from other environments, on the pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select, text
from werkzeug.test import TestResponse

from app.domain.roles import Role
from app.models import AuditEntry, EnvironmentImport, Schedule
from app.services import lane_runners, zones
from app.services.environments import imports, signed_export
from app.settings import Settings
from integrations.runner_api.types import Heartbeat
from tests.web.conftest import Writing
from tests.web.visitor import Visitor, visitor_as

NOW = datetime.now(UTC)


def test_the_page_shows_zones_lanes_and_how_runners_stand(
    app: Flask, operator: Visitor, writing: Writing
) -> None:
    now = datetime.now(UTC)
    _runner(app, writing, now, clock_offset_ms=-9_000, missing=["nis"], error="not admitted")
    page = operator.get("/zones").text
    for words in ("The plant", "plant.1", "Connected", "plant-1", "-9.0 s", "should be set right"):
        assert words in page, words
    assert "Has no way to: nis" in page
    assert "our own workers" in page
    with writing() as session:
        session.execute(text("UPDATE lane_runner SET heartbeat_at = now() - interval '1 h'"))
    page = operator.get("/zones").text
    assert "Silent" in page
    assert "No runner of this zone is heard of" in page


@pytest.mark.parametrize(
    ("language", "words"), [("fi", "Vyöhykkeet"), ("sv", "Zoner"), ("en", "Zones")]
)
def test_it_is_there_in_each_language(app: Flask, language: str, words: str) -> None:
    assert words in visitor_as(app, Role.OPERATOR, language).get("/zones").text


def test_a_lanes_process_moves_its_lane(app: Flask, operator: Visitor, writing: Writing) -> None:
    with writing() as session:
        zones.add(session, "plant", "The plant", NOW, by="staff:a")
    form = {
        "name": "",
        "description": "",
        "zone": "plant",
        "environment": "test",
        "owner": "operations",
        "log_level": "EVERYTHING",
        "overlap": "QUEUE_ONE",
    }
    operator.post("/processes/nis/edit", page="/processes/nis", data=form)
    with writing() as session:
        assert session.execute(text("SELECT zone FROM lane WHERE name = 'nis'")).scalar() == "plant"
    operator.post("/processes/intake/edit", page="/processes/intake", data=form)
    refused = operator.get("/processes/intake").text
    assert "cannot move to another zone" in refused


def test_a_file_is_brought_read_and_let_in_by_somebody_else(
    app: Flask, trusting: Settings, operator: Visitor, writing: Writing
) -> None:
    answer = _bring(operator, _file(app, writing))
    assert answer.status_code == 302
    path = answer.location
    page = operator.get(path).text
    assert "<del>10</del>" in page
    assert "<ins>33</ins>" in page
    assert "somebody else has to" in page
    assert "Let it in" not in page
    second = visitor_as(app, Role.ADMIN)
    page = second.get(path).text
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', page)
    assert seen is not None
    second.post(f"{path}/approve", page=path, data={"seen": seen[1]})
    done = second.get(path).text
    assert "It is let in" in done
    assert "Was let in" in done
    with writing() as session:
        assert session.get_one(Schedule, "upkeep").every_s == 33.0
        row = session.scalars(select(EnvironmentImport)).one()
        assert (row.state, row.from_environment) == ("APPLIED", "development")
    again = _bring(operator, _file(app, writing))
    assert again.location.endswith("/environment")
    assert "everything in it is here already" in operator.get("/environment").text


def test_an_old_file_that_comes_again_is_told_from_a_new_one(
    app: Flask, trusting: Settings, operator: Visitor, writing: Writing
) -> None:
    path = _bring(operator, _file(app, writing)).location
    assert "would go back behind it" not in operator.get(path).text
    with writing() as session:
        row = session.scalars(select(EnvironmentImport)).one()
        newer = {one.name: getattr(row, one.name) for one in EnvironmentImport.__table__.columns}
        later = {"id": 99, "state": "APPLIED", "exported_at": NOW + timedelta(days=1)}
        session.add(EnvironmentImport(**{**newer, **later}))
    assert "would go back behind it" in operator.get(path).text


def test_an_altered_file_and_none_at_all_are_refused_in_words(
    app: Flask, trusting: Settings, operator: Visitor, writing: Writing
) -> None:
    altered = _file(app, writing).replace(b"33.0", b"34.0")
    _bring(operator, altered)
    assert "somebody has changed the file" in operator.get("/environment").text
    _bring(operator, b"")
    assert "Choose a file" in operator.get("/environment").text
    with writing() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "ENVIRONMENT_REFUSED")
        ).one()
        assert entry.detail["code"] == "FILE_ALTERED"


def test_what_is_taken_away_is_signed_and_recorded(
    app: Flask, operator: Visitor, writing: Writing
) -> None:
    answer = operator.post("/environment/export", page="/environment")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="tiedolla-test-')
    file = json.loads(answer.data)
    assert file["content"]["environment"] == "test"
    settings: Settings = app.extensions["tiedolla_settings"]
    assert signed_export.read(settings, answer.data).kinds.keys() >= {"routing", "alarm_rules"}
    with writing() as session:
        assert "ENVIRONMENT_EXPORTED" in session.scalars(select(AuditEntry.action)).all()


def test_a_rejected_file_stays_with_its_reason(
    app: Flask, trusting: Settings, operator: Visitor, writing: Writing
) -> None:
    path = _bring(operator, _file(app, writing)).location
    operator.post(f"{path}/reject", page=path, data={"note": "not this month"})
    page = operator.get(path).text
    assert "Rejected" in page
    assert "not this month" in page


def _runner(app: Flask, writing: Writing, now: datetime, **more: object) -> None:
    told = {
        "runner": uuid4(),
        "boot": uuid4(),
        "first": True,
        "host": "plant-1",
        "version": "1.2.3",
        "started_at": now - timedelta(hours=2),
        "clock_offset_ms": 0,
        "open": 3,
        "unreported": 1,
        **more,
    }
    settings: Settings = app.extensions["tiedolla_settings"]
    with writing() as session:
        zones.add(session, "plant", "The plant", now, by="staff:a")
        zones.move_lane(session, "nis", "plant", now, by="staff:a")
        lane_runners.beat(session, "plant", Heartbeat(**told), settings, now)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [3 * 1024 * 1024, signed_export.FILE_MOST_BYTES + 1])
def test_a_file_of_many_bundles_is_larger_than_a_form_and_is_read(app: Flask, size: int) -> None:
    """It is refused for what is in it, or for its size, with the reason on the page."""
    operator = visitor_as(app, Role.OPERATOR)
    # Put together by hand: the client of the tests would leave a temporary file open.
    parts = (
        f'Content-Disposition: form-data; name="csrf_token"\r\n\r\n{operator.token("/environment")}',
        'Content-Disposition: form-data; name="file"; filename="a.json"\r\n\r\n' + "x" * size,
    )
    body = "".join(f"--part\r\n{part}\r\n" for part in parts) + "--part--\r\n"
    answer = operator.client.post(
        "/environment/imports",
        data=body.encode(),
        content_type="multipart/form-data; boundary=part",
    )
    assert answer.status_code == 302
    with operator.client.session_transaction() as session:
        ((_, words),) = session["_flashes"]
    assert words


def _bring(visitor: Visitor, body: bytes) -> TestResponse:
    return visitor.post(
        "/environment/imports",
        page="/environment",
        data={"file": (BytesIO(body), "test.json")},
    )


def _file(app: Flask, writing: Writing) -> bytes:
    """What the environment development would like: upkeep every 33 s."""
    elsewhere = _elsewhere(app)
    with writing() as session:
        body = imports.export(session, elsewhere, NOW, by="staff:b")
    kinds = json.loads(body)["content"]["kinds"]
    kinds["schedules"]["upkeep"]["every_s"] = 33.0
    return signed_export.write(elsewhere, kinds, NOW, by="staff:b")


def _elsewhere(app: Flask) -> Settings:
    here: Settings = app.extensions["tiedolla_settings"]
    secret = type(here.secret_key)("d" * 64)
    return here.model_copy(update={"environment": "development", "secret_key": secret})


@pytest.fixture
def trusting(app: Flask) -> Iterator[Settings]:
    """Files of the environment development are taken."""
    usual: Settings = app.extensions["tiedolla_settings"]
    trust = {"development": signed_export.public_key(_elsewhere(app))}
    app.extensions["tiedolla_settings"] = usual.model_copy(update={"environment_trust": trust})
    yield app.extensions["tiedolla_settings"]
    app.extensions["tiedolla_settings"] = usual
