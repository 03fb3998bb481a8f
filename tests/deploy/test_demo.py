"""The demo as a person starts it: ready, at work, killed, back on the same data, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

from deploy import processes
from deploy.supervisor import MARK
from tests.deploy.owners import ROOT

READY_PATIENCE_S = 150
EVERY_LANE = {"poll_cis", "intake", "acks", "partner.voima", "sms", "email"}


def test_the_demo_gets_ready_survives_its_own_kill_and_stops_cleanly(tmp_path: Path) -> None:
    home = tmp_path / "instance"
    with demo(home) as (process, record):
        assert status(record["base_url"] + "/readyz") == 200
        assert set(record["pids"]) >= {"demo", "web", "dispatcher", "simulators", "postgres"}
        assert set(record["pids"]) >= EVERY_LANE
        assert processes.wait_until(lambda: ledger_count(record, "installer") > 0, 60)
        assert_a_person_can_run_commands_beside_it(record)
        # As it is now: a command that dropped the first files has ended meanwhile.
        everything = psutil.Process(process.pid).children(recursive=True)
        assert len(everything) > len(EVERY_LANE)
        process.kill()
        process.wait()
        assert processes.wait_until(lambda: not any(map(processes.is_alive, everything)), 30)
        assert processes.wait_until(lambda: left_over(home) == [], 30)
        assert not (home / "demo.json").exists()
    with demo(home) as (process, again):
        assert again["base_url"] == record["base_url"]
        assert again["logins"] == record["logins"]
        assert ledger_count(again, "installer") > 0
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert left_over(home) == []
        assert not (home / "demo.json").exists()
    clean = [sys.executable, "-m", "deploy.demo", "--dir", str(home), "--clean"]
    subprocess.run(clean, cwd=ROOT, check=True)
    assert not home.exists()


def assert_a_person_can_run_commands_beside_it(record: dict[str, Any]) -> None:
    """As the tour says, from a shell that knows nothing of the demo."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TIEDOLLA_")}
    flask = [sys.executable, "-m", "flask", "-e", record["settings_file"]]
    assert Path(record["settings_file"]).stat().st_mode & 0o077 == 0
    said = ""

    def _runs(*words: str) -> bool:
        nonlocal said
        done = subprocess.run(
            [*flask, *words], cwd=ROOT, env=bare, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        return done.returncode == 0

    # The senders register some moments after the portal is ready.
    assert processes.wait_until(lambda: _runs("doctor"), 60), said
    assert _runs("simulate", "--help"), said


@contextmanager
def demo(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """A demo in the folder with its record, once it is ready."""
    log = home.with_suffix(".log")
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "deploy.demo", "--dir", str(home)],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            record = home / "demo.json"
            # A record that the killed demo left behind names processes that are gone.
            processes.wait_until(
                lambda: process.poll() is not None or is_of(record, process.pid), READY_PATIENCE_S
            )
            assert is_of(record, process.pid), log.read_text(encoding="utf-8")
            yield process, json.loads(record.read_text(encoding="utf-8"))
        finally:
            process.terminate()


def is_of(record: Path, pid: int) -> bool:
    return record.exists() and json.loads(record.read_text())["pids"]["demo"] == pid


def left_over(home: Path) -> list[psutil.Process]:
    servers = processes.find_servers("postgres", home / "postgres" / "cluster")
    servers += processes.find_servers("valkey-server", home / "valkey")
    return servers + processes.find_marked(MARK, f"{home}#")


def status(url: str) -> int:
    return requests.get(url, timeout=10).status_code


def ledger_count(record: dict[str, Any], system: str) -> int:
    answer = requests.get(f"{record['simulator_url']}/ledger/{system}", timeout=10)
    return int(answer.json()["count"])
