"""The quick clock: every process that has its folder on the path lives in the told time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "simulators" / "clock"
PROGRAM = """
import json, time
from datetime import datetime, UTC, date
import datetime as whole
began, real = datetime.now(UTC), time.monotonic()
time.sleep(0.25)
passed, real = (datetime.now(UTC) - began).total_seconds(), time.monotonic() - real
print(json.dumps({
    "began": began.timestamp(), "speed": passed / real, "seconds": time.time(),
    "naive": datetime.now().timestamp(), "day": date.today().isoformat(),
    "same": type(began) is whole.datetime and isinstance(began, datetime),
}))
"""


def run(**environment: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_time_begins_where_it_is_told_to_and_runs_as_fast_as_it_is_told_to() -> None:
    told_at = 1_800_000_000.0
    clock = f"{time.time()},{told_at},60"
    found = run(PYTHONPATH=str(FOLDER), TIEDOLLA_FAST_CLOCK=clock)
    assert 0 <= float(str(found["began"])) - told_at < 60 * 60
    assert abs(float(str(found["speed"])) - 60) < 1
    assert abs(float(str(found["naive"])) - float(str(found["seconds"]))) < 60
    assert str(found["day"]).startswith("2027-01-15")
    assert found["same"] is True


def test_without_being_asked_to_the_clock_is_the_machines() -> None:
    environment = {"PYTHONPATH": str(FOLDER), "TIEDOLLA_FAST_CLOCK": ""}
    found = run(**environment)
    assert abs(float(str(found["seconds"])) - time.time()) < 30
