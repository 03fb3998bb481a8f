"""The control room states faults version by version, signed, until they are taken, also after a death."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from click.testing import CliRunner

from integrations.dms.outages import parse_outages
from integrations.installer.signature import verify
from simulators.cis.world import make_points
from simulators.cli import simulate
from simulators.dms.course import COURSES, make_faults, statement
from tests.simulators.running import Listener, RunningRehearsal, eventually

PATH = "/api/v1/dms/outages"
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def test_every_version_of_every_course_is_as_the_interface_wants_it() -> None:
    for plan in make_faults(1, 200, 8, NOW, "t"):
        for version in range(1, len(plan.steps) + 1):
            body = json.dumps({"outages": [statement(plan, version, NOW)]}).encode()
            (record,) = parse_outages(body).records
            assert record.findings == (), (plan.kind, version)
            assert record.outage is not None
            assert record.outage.version == version


def test_what_came_back_first_keeps_its_time_when_the_rest_is_back() -> None:
    plan = next(plan for plan in make_faults(1, 200, 8, NOW, "t") if plan.kind == "mended")
    first = plan.steps.index("partly") + 1
    partly = statement(plan, first, NOW)
    restored = statement(plan, first + 1, NOW + timedelta(minutes=9), partly)
    times = {point["gsrn"]: point["onAt"] for point in restored["points"]}
    half = {point["gsrn"] for point in partly["points"] if "onAt" in point}
    assert half
    assert {times[gsrn] for gsrn in half} == {"2026-11-24T10:00:00Z"}
    assert {times[gsrn] for gsrn in plan.gsrns if gsrn not in half} == {"2026-11-24T10:09:00Z"}


def test_faults_are_among_the_points_of_the_master_data_and_in_one_municipality() -> None:
    points = {point.gsrn: point.municipality for point in make_points(1, 1, 200)}
    for plan in make_faults(1, 200, 6, NOW, "t"):
        assert len({points[gsrn] for gsrn in plan.gsrns}) == 1
    again = list(make_faults(1, 200, 6, NOW, "t"))
    assert again == list(make_faults(1, 200, 6, NOW, "t"))


def test_versions_are_told_in_order_and_signed(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    _make(rehearsal, count=1)
    wanted = len(COURSES["mended"])
    told = eventually(lambda: _told(tiedolla, wanted), "all versions")
    assert [one["version"] for one in told] == list(range(1, wanted + 1))
    feed = json.loads((rehearsal.folder / "config.json").read_text("utf-8"))["dms"]["feed"]
    first = tiedolla.at(PATH)[0]
    verify(
        feed["secret"],
        first.headers["Tiedolla-Signature"],
        first.headers["Tiedolla-Timestamp"],
        first.body,
        datetime.now(UTC),
    )
    assert first.headers["Tiedolla-Key"] == "dms.1"


def test_what_was_not_taken_is_told_again_also_after_a_death(
    rehearsal: RunningRehearsal, tiedolla: Listener
) -> None:
    tiedolla.status = 503
    _make(rehearsal, count=1)
    eventually(lambda: tiedolla.at(PATH), "a first try")
    rehearsal.kill()
    tiedolla.status = 202
    tiedolla.told.clear()
    rehearsal.start()
    wanted = len(COURSES["mended"])
    told = eventually(lambda: _told(tiedolla, wanted), "all versions")
    assert {one["version"] for one in told} == set(range(1, wanted + 1))


def test_a_file_of_the_dms_has_one_outage_per_line(tmp_path: Path) -> None:
    words = ["dms", "file", "--count", "3", "--points", "200", "--out", str(tmp_path)]
    assert CliRunner().invoke(simulate, words, catch_exceptions=False).exit_code == 0
    (path,) = tmp_path.glob("dms-outages_*.jsonl")
    records = parse_outages(path.read_bytes()).records
    assert [record.findings for record in records] == [()] * 3


def _make(rehearsal: RunningRehearsal, **changes: Any) -> None:
    asked = {"count": 1, "points": 200, "seed": 1, "every_s": 0.05, **changes}
    answer = requests.post(f"{rehearsal.url}/dms_feed/make", json=asked, timeout=10)
    assert answer.status_code == 200, answer.text


def _told(tiedolla: Listener, count: int) -> list[dict[str, Any]]:
    told = [one.json()["outages"][0] for one in tiedolla.at(PATH)]
    return told if len({one["version"] for one in told}) >= count else []
