"""The whole product beside its simulated world in one folder, with a hand on every process of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import psutil
import psycopg
import redis

from deploy.environment import Rehearsal, clean_environment, keep_secrets, product_settings
from deploy.ports import free_port
from deploy.postgres import PrivatePostgres
from deploy.processes import wait_until
from deploy.supervisor import ROOT, Child, Supervisor
from deploy.valkey import PrivateValkey
from simulators.cis.drop import Inbox, drop_files
from tests.chaos.evidence import Counted, OptOut

START_PATIENCE_S = 60.0
PARTNER = "voima"
# Doubts end within seconds instead of minutes, so that a run sees their end; the order of the
# times (call < lease, grace, gap) is that of the defaults.
UNKNOWN_GRACE_S, UNKNOWN_GAP_S = 3.0, 2.0
HURRY = {
    "TIEDOLLA_CIS_POLL_S": "1",
    "TIEDOLLA_HTTP_CONNECT_S": "1",
    "TIEDOLLA_HTTP_TOTAL_S": "3",
    "TIEDOLLA_LEASE_S": "12",
    "TIEDOLLA_UNKNOWN_GRACE_S": str(UNKNOWN_GRACE_S),
    "TIEDOLLA_UNKNOWN_LOOKUP_GAP_S": str(UNKNOWN_GAP_S),
    "TIEDOLLA_LOG_LEVEL": "WARNING",
}
UPKEEP_EVERY_S = 1.5
QUICK = {
    "installer": {
        "accepted_after_s": [0.1, 0.5],
        "scheduled_after_s": [0.3, 1.0],
        "started_after_s": [1.0, 3.0],
        "completed_after_s": [2.5, 7.0],
    },
    "twilio": {"sent_after_s": [0.1, 0.4], "delivered_after_s": [0.3, 1.5]},
    "sendgrid": {"processed_after_s": [0.1, 0.4], "delivered_after_s": [0.3, 1.5]},
}


class Site:
    """One running installation; use it as a context and from the main thread."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.rehearsal = Rehearsal(home / "simulators", free_port(), free_port())
        self._web_port = free_port((self.rehearsal.http_port, self.rehearsal.sftp_port))
        self.base_url = f"http://127.0.0.1:{self._web_port}"
        self._environment = clean_environment()
        self._output = (home / "processes.log").open("w", encoding="utf-8")
        self._supervisor = Supervisor(home, environment=self._environment, stream=self._output)
        self._postgres = PrivatePostgres(home / "postgres")
        self._valkey = PrivateValkey(home / "valkey")
        self._address = home / "nursery"
        self.lanes: list[str] = []
        self.opt_outs: list[OptOut] = []

    def __enter__(self) -> Site:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop everything; the folder stays."""
        self._supervisor.stop()
        self._valkey.stop()
        self._postgres.stop()
        self._output.close()

    def turn(self) -> None:
        """Look after the processes for a tenth of a second."""
        self._supervisor.turn()

    # What can be done to it.

    def kill(self, name: str) -> bool:
        """kill -9; `web worker` is the process that granian's master looks after. False: not there."""
        if name == "valkey":
            self._valkey.restart(immediate=True)
            return True
        if name == "postgres":
            self._postgres.restart(immediate=True)
            return True
        pid = self._pids().get(name.removesuffix(" worker"))
        with contextlib.suppress(ProcessLookupError, psutil.Error):
            if pid is not None and name == "web worker":
                pid = next((child.pid for child in psutil.Process(pid).children()), None)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def flush(self) -> None:
        """Wipe Redis."""
        with redis.Redis.from_url(self._valkey.url) as connection:
            connection.flushall()

    def disturb(self, system: str, faults: Mapping[str, Any]) -> None:
        """Replace what goes wrong in a simulated system; nothing asked means that nothing does."""
        self._ask(f"{self.rehearsal.url}/faults/{system}", "PUT", json.dumps(faults).encode())

    def drop(self, files: Sequence[tuple[Path, str]]) -> None:
        """Put files into the inbox over SFTP, as often as it takes while the server has faults."""
        key = self.rehearsal.folder / str(self.rehearsal.config["sftp"]["host_key_file"])
        inbox = Inbox(
            "127.0.0.1",
            self.rehearsal.sftp_port,
            str(self.rehearsal.config["sftp"]["user"]),
            self.rehearsal.client_key_file,
            key.with_name(f"{key.name}.pub"),
        )
        for file in files:
            for _ in range(20):
                with contextlib.suppress(asyncssh.Error, OSError):
                    asyncio.run(drop_files(inbox, [file]))
                    break
                if self._is_on_server(file[1]):
                    # Only the answer to the last rename was lost.
                    break
            else:
                raise RuntimeError(f"{file[1]} could not be dropped")

    def opt_out(self, contact: str) -> bool:
        """Somebody calls customer service and wants nothing more; False when the call failed."""
        if not self.flask("contacts", "opt-out", contact)["ok"]:
            return False
        self.opt_outs.append(OptOut(contact.lower(), datetime.now(UTC)))
        return True

    # What can be seen of it from the outside.

    def metrics(self) -> dict[str, float] | None:
        """The product's own gauges; None while it does not answer."""
        try:
            text = self._ask(f"{self.base_url}/metrics").decode()
        except (urllib.error.URLError, OSError):
            return None
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def counted(self) -> Counted:
        """What the product says of messages that it sent again or gave up."""
        doubts = json.loads(self._demand("notices", "doubts", "--json"))
        return Counted(
            resent=Counter({kind: counts["resent"] for kind, counts in doubts.items()}),
            given_up=Counter({kind: counts["given_up"] for kind, counts in doubts.items()}),
        )

    def flask(self, *words: str) -> dict[str, Any]:
        """Run a flask command beside the others."""
        return self._nursery({"run": words})

    # How it comes to be.

    def _start(self) -> None:
        with ThreadPoolExecutor(1) as side:
            # The kernel watches the thread that starts a server, so the servers start here.
            making = side.submit(self._make_rehearsal)
            database_url, redis_url = self._postgres.start(), self._valkey.start()
            making.result()
        settings = product_settings(
            base_url=self.base_url,
            database_url=database_url,
            redis_url=redis_url,
            own_secrets=keep_secrets(self.home / "secrets.json"),
            rehearsal=self.rehearsal,
        )
        self._supervisor.add_environment({**settings, **HURRY})
        log, port = str(self.home / "product.log"), str(self._web_port)
        words = ("-m", "tests.chaos.nursery", str(self._address), log, port)
        self._supervisor.start(Child("product", (sys.executable, *words), stage=1, restart=False))
        self._await(self._address.exists, "the product's parent process")
        self._set_up()
        self._start_simulators()
        self._nursery({"keep": self.lanes})
        self._await(self._is_ready, "the portal")

    def _make_rehearsal(self) -> None:
        folder = str(self.rehearsal.folder)
        words = ("-m", "simulators", "init", "--dir", folder, "--tiedolla-url", self.base_url)
        subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def _set_up(self) -> None:
        for words in (
            ("db", "upgrade"),
            ("setup", "--installer-url", f"{self.rehearsal.url}/installer"),
        ):
            self._demand(*words)
        credential = json.loads(self._demand("partners", "credential", PARTNER, "--json"))
        self.lanes = self._demand("lanes", "--plain").split()
        path = self.rehearsal.folder / "config.json"
        config = json.loads(path.read_text("utf-8"))
        for system, speed in QUICK.items():
            config[system] |= speed
        config["installer"]["acks"] |= credential
        path.write_text(json.dumps(config), "utf-8")
        # As an operator who wants to see doubts end sooner.
        with psycopg.connect(self._dsn()) as connection:
            connection.execute(
                "UPDATE schedule SET every_s = %s WHERE lane = 'upkeep'", [UPKEEP_EVERY_S]
            )

    def _start_simulators(self) -> None:
        at = self.rehearsal
        words = ("-m", "simulators", "run", "--dir", str(at.folder))
        ports = ("--port", str(at.http_port), "--sftp-port", str(at.sftp_port))
        self._supervisor.start(Child("simulators", (sys.executable, *words, *ports)))
        self._await(lambda: self._answers(f"{at.url}/livez"), "the simulators")

    def _demand(self, *words: str) -> str:
        told = self.flask(*words)
        if not told["ok"]:
            raise RuntimeError(f"flask {' '.join(words)}: {told['output']}")
        return str(told["output"])

    def _dsn(self) -> str:
        return f"host={self._postgres.socket_dir} user=tiedolla dbname=tiedolla"

    def _is_ready(self) -> bool:
        return self._answers(f"{self.base_url}/readyz")

    def _is_on_server(self, name: str) -> bool:
        root = self.rehearsal.folder / "sftp"
        return any((root / folder / name).exists() for folder in ("inbox", "processing", "archive"))

    def _pids(self) -> dict[str, int]:
        return self._nursery({"pids": True})

    def _nursery(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(START_PATIENCE_S)
            connection.connect(str(self._address))
            connection.sendall(json.dumps(request).encode())
            answer = b""
            while data := connection.recv(65_536):
                answer += data
        told: dict[str, Any] = json.loads(answer)
        return told

    def _await(self, condition: Any, what: str) -> None:
        def look() -> bool:
            self._supervisor.turn()
            return bool(condition())

        if not wait_until(look, START_PATIENCE_S):
            raise RuntimeError(f"waited {START_PATIENCE_S} s in vain for {what}; see {self.home}")

    def _answers(self, url: str) -> bool:
        with contextlib.suppress(urllib.error.URLError, OSError):
            self._ask(url)
            return True
        return False

    def _ask(self, url: str, method: str = "GET", body: bytes | None = None) -> bytes:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - our own.
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - our own.
            return bytes(answer.read())
