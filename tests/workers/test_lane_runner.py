"""A lane runner in another network: claims, calls and tells; nothing is lost, nothing done twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.services import zone_credentials, zones
from app.services.zones import ZoneRefused
from tests.integrations.stub_server import Behaviour, Reply, StubServer
from tests.simulators.running import RunningRehearsal
from tests.workers.runner_world import BY, Plant, plant_of, put, rows, states, until
from workers.drain import Drain, drain

OK = Reply(200, {"ref": "NIS-1"})


def test_a_runner_without_any_setting_of_ours_drains_a_lane_of_its_zone(plant: Plant) -> None:
    put("a", "b", "c")
    with StubServer(OK) as nis:
        plant.write_reach(nis={"client": "nis", "base_url": nis.url, "token": "t"})
        runner = plant.start()
        until(lambda: set(states().values()) == {"SENT"}, "the items to be sent")
        assert sorted(r.headers["idempotency-key"] for r in nis.received) == ["a", "b", "c"]
        assert plant.stop(runner) == 0, plant.output()
    assert [tuple(row) for row in rows("SELECT DISTINCT outcome, ref FROM attempt")] == [
        ("SENT", "NIS-1")
    ]
    (run,) = rows("SELECT DISTINCT process, trigger FROM run")
    assert tuple(run) == ("drain nis", "runner plant")
    (row,) = rows("SELECT zone_code, version, open_count, ended_at FROM lane_runner")
    assert (row.zone_code, row.open_count) == ("plant", 0)
    assert row.ended_at is not None


@pytest.fixture
def plant(app: Flask, tmp_path: Path) -> Iterator[Plant]:
    """The zone with the lane nis, the centre served, no runner yet."""
    with plant_of(app, tmp_path) as plant:
        plant.move("nis")
        plant.serve()
        yield plant
