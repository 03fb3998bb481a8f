"""`flask zones` and `flask environment`: what operators do without the pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db, transaction
from app.domain.roles import Role
from app.services import lane_runners, staff, zones
from app.services.environments import signed_export
from app.settings import Settings
from integrations.runner_api.client import read_credential
from integrations.runner_api.types import Heartbeat
from workers.cli import worker_command

PASSWORD = "a password of twelve"


def test_a_zone_is_added_gets_its_key_file_and_lanes(app: Flask, tmp_path: Path) -> None:
    run = app.test_cli_runner().invoke
    assert run(args=["zones", "add", "plant", "--name", "The plant"]).exit_code == 0
    assert "ZONE_KNOWN" in run(args=["zones", "add", "plant", "--name", "x"]).output
    path = tmp_path / "key.json"
    assert run(args=["zones", "credential", "plant", str(path)]).exit_code == 0
    assert path.stat().st_mode & 0o077 == 0
    assert read_credential(path, "plant").key_id == "plant.1"
    # What is there is never written over.
    assert "File exists" in run(args=["zones", "credential", "plant", str(path)]).output
    assert run(args=["zones", "move", "nis", "plant"]).exit_code == 0
    assert "LANE_STAYS" in run(args=["zones", "move", "intake", "plant"]).output
    assert "ZONE_HAS_LANES" in run(args=["zones", "switch", "plant", "off"]).output
    listed = run(args=["zones", "list"]).output
    assert "plant            The plant: nis" in listed
    assert "nis" not in run(args=["lanes", "list", "--plain"]).output.split()
    assert "in the zone plant" in run(worker_command, ["nis"]).output
    assert "plant.2" in run(args=["zones", "rotate", "plant"]).output
    assert "Only plant.2" in run(args=["zones", "revoke", "plant"]).output
    assert run(args=["zones", "credential", "central", str(tmp_path / "x")]).exit_code == 1


def test_the_doctor_says_how_the_runners_of_each_zone_do(app: Flask) -> None:
    now = datetime.now(UTC)
    settings: Settings = app.extensions["tiedolla_settings"]
    with app.app_context(), transaction() as session:
        zones.add(session, "plant", "The plant", now, by="staff:a")
        zones.move_lane(session, "nis", "plant", now, by="staff:a")
    assert "zone plant: no runner is heard of" in _doctor(app)
    told = Heartbeat(
        runner=uuid4(),
        boot=uuid4(),
        first=True,
        host="plant-1",
        version="1.2.3",
        started_at=now,
        clock_offset_ms=15,
        open=0,
        unreported=0,
    )
    with app.app_context(), transaction() as session:
        lane_runners.beat(session, "plant", told, settings, now)
    told_now = _doctor(app)
    assert "ok    zone plant: plant-1 1.2.3, heard of" in told_now
    assert "clock +15 ms" in told_now
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE lane_runner SET clock_offset_ms = 60000"))
    assert "the clock of plant-1 1.2.3 is off by 60000 ms" in _doctor(app)


def test_a_file_is_compared_brought_and_let_in_by_another_person(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = app.test_cli_runner().invoke
    monkeypatch.setenv("LOGNAME", "aino")
    path = tmp_path / "rules.json"
    assert run(args=["environment", "export", str(path)]).exit_code == 0
    assert "File exists" in run(args=["environment", "export", str(path)]).output
    settings: Settings = app.extensions["tiedolla_settings"]
    kinds = json.loads(path.read_text("utf-8"))["content"]["kinds"]
    kinds["schedules"]["upkeep"]["every_s"] = 33.0
    body = signed_export.write(settings, kinds, datetime.now(UTC), by="cli:aino")
    path.write_bytes(body)
    dry = run(args=["environment", "import", str(path), "--dry-run"])
    assert (dry.exit_code, "every_s: 10 -> 33" in dry.output) == (0, True)
    assert "waits for a second person" not in dry.output
    with app.app_context(), transaction() as session:
        for name in ("aino", "otso"):
            staff.create(session, name, name, PASSWORD, Role.OPERATOR, datetime.now(UTC), by="test")
    aino, otso = (["--by", name, "--password-stdin"] for name in ("aino", "otso"))
    word = f"{PASSWORD}\n"
    bring = ["environment", "import", str(path)]
    # Whatever the account on the machine is called, it is neither the first person nor the second.
    assert run(args=bring).exit_code == 1
    brought = run(args=[*bring, "--json", *aino], input=word)
    told = json.loads(brought.output)
    assert [one["key"] for one in told["changes"]] == ["upkeep"]
    number = str(told["import"])
    approve = ["environment", "approve", number, "--yes"]
    assert "SAME_PERSON" in run(args=[*approve, *aino], input=word).output
    monkeypatch.setenv("LOGNAME", "otso")
    assert run(args=approve).exit_code == 2
    done = run(args=[*approve, *otso], input=word)
    assert (done.exit_code, "It is let in" in done.output) == (0, True)
    assert "APPLIED" in run(args=["environment", "list"]).output
    again = run(args=[*bring, *aino], input=word)
    assert (again.exit_code, "No difference." in again.output) == (0, True)
    path.write_bytes(body.replace(b"33.0", b"34.0"))
    refused = run(args=[*bring, *aino], input=word)
    assert (refused.exit_code, "FILE_ALTERED" in refused.output) == (1, True)
    assert list(json.loads(run(args=["environment", "key"]).output)) == ["test"]
    with app.app_context():
        every = db.session.execute(text("SELECT every_s FROM schedule WHERE name = 'upkeep'"))
        assert every.scalar() == 33.0
        db.session.remove()


def _doctor(app: Flask) -> str:
    return str(app.test_cli_runner().invoke(args=["doctor"]).output)
