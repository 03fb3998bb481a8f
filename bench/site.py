"""The whole product beside its simulated world, for benches that need real processes.

Two lives on one database: it can be stopped and started again with other settings and another
clock, so that a day of customers is loaded in ordinary time before a night is played fast.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import psycopg

from deploy import casting
from deploy.environment import Rehearsal, clean_environment, keep_secrets, product_settings
from deploy.ports import free_port
from deploy.postgres import PrivatePostgres
from deploy.processes import wait_until
from deploy.supervisor import ROOT, Answer, Child, Supervisor
from deploy.tether import bound
from deploy.valkey import PrivateValkey

START_PATIENCE_S = 90.0
DMS = "dms"
CLOCK_FOLDER = ROOT / "simulators" / "clock"
# Schedules that a quick clock would ring all the time.
SCHEDULES = {"upkeep": 10.0, "poll_cis": 2.0}


class Site:
    """One installation in a folder; use it as a context and from the main thread."""

    def __init__(
        self, home: Path, *, twice: Sequence[str] = (), stream: TextIO | None = None
    ) -> None:
        self.home = home
        self.rehearsal = Rehearsal(home / "simulators", free_port(), free_port())
        self._web_port = free_port((self.rehearsal.http_port, self.rehearsal.sftp_port))
        self.base_url = f"http://127.0.0.1:{self._web_port}"
        self._twice = twice
        self._output = stream or (home / "product.log").open("a", encoding="utf-8")
        self._postgres = PrivatePostgres(home / "postgres")
        self._valkey = PrivateValkey(home / "valkey")
        self._settings: dict[str, str] = {}
        self._environment: dict[str, str] = {}
        self._supervisor: Supervisor | None = None

    def __enter__(self) -> Site:
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything; the folder stays."""
        self.stop_product()
        self._valkey.stop()
        self._postgres.stop()

    def start_product(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        clock: tuple[float, float] | None = None,
        without: Sequence[str] = (),
    ) -> None:
        """Start the simulators and every process of the product.

        clock: (told seconds since the epoch now, speed); all of them go by it. What is measured in
        machine time (leases, doubts, schedules) is stretched, so that it stays what it was.
        """
        speed = clock[1] if clock else 1.0
        environment = {
            **self._settings,
            "TIEDOLLA_LOG_LEVEL": "WARNING",
            "TIEDOLLA_ENROLMENT_CONFIRMATION": "false",
            "TIEDOLLA_LEASE_S": str(120 * speed),
            "TIEDOLLA_UNKNOWN_GRACE_S": str(20 * speed),
            "TIEDOLLA_UNKNOWN_LOOKUP_GAP_S": str(20 * speed),
            **(settings or {}),
        }
        if clock is not None:
            environment["PYTHONPATH"] = f"{CLOCK_FOLDER}{os.pathsep}{ROOT}"
            environment["TIEDOLLA_FAST_CLOCK"] = f"{time.time()},{clock[0]},{speed}"
        with psycopg.connect(self.dsn) as connection:
            for lane, every_s in SCHEDULES.items():
                connection.execute(
                    "UPDATE schedule SET every_s = %s WHERE lane = %s",
                    [every_s if clock is None else 2.0 * speed, lane],
                )
        supervisor = self._new_supervisor(environment)
        supervisor.start(casting.simulators(self.rehearsal))
        self._await(f"{self.rehearsal.url}/livez")
        supervisor.start(casting.web(self._web_port))
        lanes = self.flask("lanes", "list", "--plain").split()
        for child in casting.background([lane for lane in lanes if lane not in without]):
            supervisor.start(child)
            if child.name in self._twice:
                supervisor.start(replace(child, name=f"{child.name} 2"))
        self._await(f"{self.base_url}/readyz")

    def stop_product(self) -> None:
        """Stop all but the servers."""
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None

    def turn(self) -> None:
        """Look after the processes for a tenth of a second."""
        self._its_supervisor().turn()

    def run(self, *words: str) -> int:
        """Run `python -m words…` beside the product to its end; answers its exit code."""
        return self._its_supervisor().run_once(Child(words[-1], (sys.executable, "-m", *words)))

    def run_aloud(self, *words: str) -> int:
        """The same with its output on ours."""
        command = bound([sys.executable, "-m", *words])
        with subprocess.Popen(command, cwd=ROOT, env=self._environment) as process:
            while process.poll() is None:
                self.turn()
        return process.returncode

    def flask(self, *words: str) -> str:
        """One command of the product. Raises: RuntimeError."""
        told: Answer = self._its_supervisor().ask(("flask", *words))
        if told.code != 0:
            raise RuntimeError(f"flask {' '.join(words)}: {told.errors[-2000:]}")
        return told.output

    def kill(self, name: str) -> bool:
        """kill -9 of a process by its name; False: it is not there just now."""
        pid = self._its_supervisor().pids().get(name)
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    def ask(self, url: str, method: str = "GET", body: bytes | None = None) -> bytes:
        """One request to our own processes."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - our own.
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own.
            return bytes(answer.read())

    def wait_for(self, condition: Callable[[], bool], what: str, patience_s: float) -> None:
        """Turn until something is so. Raises: RuntimeError."""

        def look() -> bool:
            self.turn()
            return condition()

        if not wait_until(look, patience_s):
            raise RuntimeError(f"waited {patience_s:.0f} s in vain for {what}; see {self.home}")

    @property
    def dsn(self) -> str:
        """The database, for whoever reads it past the product."""
        return f"host={self._postgres.socket_dir} user=tiedolla dbname=tiedolla"

    @property
    def environment(self) -> dict[str, str]:
        """What the product's processes run with, for others that are to see the same."""
        return dict(self._environment)

    def _set_up(self) -> None:
        """Servers, keys, tables and defaults."""
        database_url, redis_url = self._postgres.start(), self._valkey.start()
        folder = str(self.rehearsal.folder)
        supervisor = self._new_supervisor({}, planted=False)
        words = ("-m", "simulators", "init", "--dir", folder, "--tiedolla-url", self.base_url)
        if supervisor.run_once(Child("simulate", (sys.executable, *words))) != 0:
            raise RuntimeError(f"the simulators could not be set up; see {self.home}")
        self._settings = product_settings(
            base_url=self.base_url,
            database_url=database_url,
            redis_url=redis_url,
            own_secrets=keep_secrets(self.home / "secrets.json"),
            rehearsal=self.rehearsal,
        )
        self.stop_product()
        self._new_supervisor(self._settings)
        self.flask("db", "upgrade")
        self.flask("setup", "--installer-url", f"{self.rehearsal.url}/installer")
        credential = json.loads(self.flask("partners", "credential", DMS, "--json"))
        self.rehearsal.give_feed_credentials(credential)
        self.stop_product()

    def _new_supervisor(
        self, environment: Mapping[str, str], *, planted: bool = True
    ) -> Supervisor:
        self._environment = {**clean_environment(), **environment}
        self._supervisor = Supervisor(
            self.home,
            environment=self._environment,
            stream=self._output,
            longest_pause_s=0.4,
        )
        if planted:
            self._supervisor.plant("wsgi")
        return self._supervisor

    def _its_supervisor(self) -> Supervisor:
        if self._supervisor is None:
            raise RuntimeError("the product does not run")
        return self._supervisor

    def _await(self, url: str) -> None:
        self.wait_for(lambda: self._answers(url), url, START_PATIENCE_S)

    def _answers(self, url: str) -> bool:
        with contextlib.suppress(urllib.error.URLError, OSError):
            self.ask(url)
            return True
        return False
