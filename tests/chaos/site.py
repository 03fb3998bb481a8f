"""The whole product beside its simulated world in one folder, with a hand on every process of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import psutil
import psycopg
import redis

from deploy import casting
from deploy.environment import Rehearsal, clean_environment, keep_secrets, product_settings
from deploy.ports import free_port
from deploy.postgres import PrivatePostgres
from deploy.processes import wait_until
from deploy.supervisor import Answer, Child, Supervisor
from deploy.valkey import PrivateValkey
from simulators.cis.drop import Inbox, drop_files
from tests.chaos.dms_feed import Feed
from tests.chaos.evidence import Counted, OptOut
from tests.chaos.told import SAME_NEWS

START_PATIENCE_S = 60.0
PARTNER = "voima"
# The staff account that approves drafts.
APPROVER = "otso"
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
# Lanes with a second worker: when one is killed or frozen, the other goes on with what it held.
TWICE = ("sms", "partner.voima")
# A supervisor waits longer for what dies often; here that is not the process's own fault.
LONGEST_PAUSE_S = 0.4
# The longest wait for a provider to take a message, so that its sender dies before it hears of it.
AMBUSH_S = 1.5
AMBUSHES = {"sms": ("twilio", b"message"), "email": ("sendgrid", b"mail")}
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
QUICK = {
    "installer": {
        "accepted_after_s": [0.1, 0.5],
        "scheduled_after_s": [0.3, 1.0],
        "started_after_s": [1.0, 3.0],
        "completed_after_s": [2.5, 7.0],
    },
    "twilio": {"sent_after_s": [0.1, 0.4], "delivered_after_s": [0.3, 1.5]},
    "twilio2": {"sent_after_s": [0.1, 0.4], "delivered_after_s": [0.3, 1.5]},
    "sendgrid": {"processed_after_s": [0.1, 0.4], "delivered_after_s": [0.3, 1.5]},
}


class Site:
    """One running installation; use it as a context and from the main thread."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.rehearsal = Rehearsal(home / "simulators", free_port(), free_port())
        self._web_port = free_port((self.rehearsal.http_port, self.rehearsal.sftp_port))
        self.base_url = f"http://127.0.0.1:{self._web_port}"
        self._output = (home / "product.log").open("w", encoding="utf-8")
        self._supervisor = Supervisor(
            home,
            environment=clean_environment(),
            stream=self._output,
            longest_pause_s=LONGEST_PAUSE_S,
        )
        self._postgres = PrivatePostgres(home / "postgres")
        self._valkey = PrivateValkey(home / "valkey")
        self._frozen: dict[str, int] = {}
        self.lanes: list[str] = []
        self.opt_outs: list[OptOut] = []
        self.feed: Feed | None = None
        self._password = secrets.token_urlsafe(24)

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
        if self.feed is not None:
            self.feed.stop()
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
        pid = self._supervisor.pids().get(name.removesuffix(" worker"))
        with contextlib.suppress(ProcessLookupError, psutil.Error):
            if pid is not None and name == "web worker":
                pid = next((child.pid for child in psutil.Process(pid).children()), None)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def ambush(self, lane: str) -> bool:
        """kill -9 of a sender at the moment at which its provider has taken a message of it."""
        provider, kind = AMBUSHES[lane]
        with (self.rehearsal.folder / "ledger" / f"{provider}.jsonl").open("rb") as ledger:
            ledger.seek(0, os.SEEK_END)
            deadline = time.monotonic() + AMBUSH_S
            while time.monotonic() < deadline and b'"kind":"%b"' % kind not in ledger.read():
                time.sleep(0.001)
        return self.kill(lane)

    def freeze(self, lane: str) -> bool:
        """Stop a worker where it stands, until thaw() or its death; False: it is not there."""
        pid = self._supervisor.pids().get(lane)
        if pid is None or not _signal(pid, signal.SIGSTOP):
            return False
        self._frozen[lane] = pid
        return True

    def thaw(self, lane: str) -> None:
        """Let a frozen worker go on, if it still lives."""
        pid = self._frozen.pop(lane, None)
        if pid is not None and self._supervisor.pids().get(lane) == pid:
            _signal(pid, signal.SIGCONT)

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
        if self._flask("contacts", "opt-out", contact).code != 0:
            return False
        self.opt_outs.append(OptOut(contact.lower(), datetime.now(UTC)))
        return True

    def write(self, phone: str, body: str) -> None:
        """Somebody writes a text to the company's number."""
        number = self.rehearsal.config["twilio"]["reply_number"]
        form = urllib.parse.urlencode({"from": phone, "to": number, "body": body}).encode()
        self._ask(f"{self.rehearsal.url}/write", "POST", form, FORM)

    def approve(self, ref: str) -> bool:
        """A person approves the draft of a planned cut; False when it cannot be (yet, or any more)."""
        words = ("flask", "planned-cuts", "approve", ref, "--by", APPROVER, "--password-stdin")
        return self._supervisor.ask(words, f"{self._password}\n").code == 0

    def wake_everybody(self) -> int:
        """Let customers choose to hear at any hour, so that a run at night is one like any other."""
        with psycopg.connect(self._dsn()) as connection:
            done = connection.execute("UPDATE contact SET quiet_from = '00:00', quiet_to = '00:00'")
            return done.rowcount

    def has_archived(self, name: str) -> bool:
        """Whether a file of the CIS has been taken."""
        return (self.rehearsal.folder / "sftp" / "archive" / name).exists()

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
        counted = Counted()
        for kind, counts in doubts.items():
            counted.resent[SAME_NEWS.get(kind, kind)] += counts["resent"]
            counted.given_up[SAME_NEWS.get(kind, kind)] += counts["given_up"]
        return counted

    # How it comes to be.

    def _start(self) -> None:
        database_url, redis_url = self._postgres.start(), self._valkey.start()
        folder = str(self.rehearsal.folder)
        words = ("-m", "simulators", "init", "--dir", folder, "--tiedolla-url", self.base_url)
        if self._supervisor.run_once(Child("simulate", (sys.executable, *words))) != 0:
            raise RuntimeError(f"the simulators could not be set up; see {self.home}")
        settings = product_settings(
            base_url=self.base_url,
            database_url=database_url,
            redis_url=redis_url,
            own_secrets=keep_secrets(self.home / "secrets.json"),
            rehearsal=self.rehearsal,
        )
        self._supervisor.add_environment({**settings, **HURRY})
        self._supervisor.plant("wsgi")
        self._set_up()
        self._supervisor.start(casting.simulators(self.rehearsal))
        self._await(lambda: self._answers(f"{self.rehearsal.url}/livez"), "the simulators")
        for child in (casting.web(self._web_port), *casting.background(self.lanes)):
            self._supervisor.start(child)
            if child.name in TWICE:
                self._supervisor.start(replace(child, name=f"{child.name} 2"))
        self._await(lambda: self._answers(f"{self.base_url}/readyz"), "the portal")

    def _set_up(self) -> None:
        for words in (
            ("db", "upgrade"),
            ("setup", "--installer-url", f"{self.rehearsal.url}/installer"),
        ):
            self._demand(*words)
        create = ("flask", "staff", "create", APPROVER, "--role", "operator", "--password-stdin")
        made = self._supervisor.ask(create, f"{self._password}\n")
        if made.code != 0:
            raise RuntimeError(f"nobody can approve anything: {made.errors[-2000:]}")
        self.lanes = self._demand("lanes", "list", "--plain").split()
        credential = self._demand("partners", "credential", PARTNER, "--json")
        self.rehearsal.give_ack_credentials(json.loads(credential))
        key = json.loads(self._demand("partners", "credential", "dms", "--json"))
        ledgers = self.rehearsal.folder / "ledger"
        ledgers.mkdir(exist_ok=True)
        self.feed = Feed(self.base_url, key, ledgers / "feed.jsonl")
        self.feed.start()
        path = self.rehearsal.folder / "config.json"
        config = self.rehearsal.config
        for system, speed in QUICK.items():
            config[system] |= speed
        path.write_text(json.dumps(config), "utf-8")
        # As an operator who wants to see doubts end sooner.
        with psycopg.connect(self._dsn()) as connection:
            connection.execute(
                "UPDATE schedule SET every_s = %s WHERE lane = 'upkeep'", [UPKEEP_EVERY_S]
            )
            # As an operator who lets both providers carry.
            connection.execute("UPDATE provider_route SET weight = 50 WHERE channel = 'SMS'")

    def _flask(self, *words: str) -> Answer:
        return self._supervisor.ask(("flask", *words))

    def _demand(self, *words: str) -> str:
        told = self._flask(*words)
        if told.code != 0:
            raise RuntimeError(f"flask {' '.join(words)}: {told.errors[-2000:]}")
        return told.output

    def _dsn(self) -> str:
        return f"host={self._postgres.socket_dir} user=tiedolla dbname=tiedolla"

    def _is_on_server(self, name: str) -> bool:
        root = self.rehearsal.folder / "sftp"
        return any((root / folder / name).exists() for folder in ("inbox", "processing", "archive"))

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        def look() -> bool:
            self._supervisor.turn()
            return condition()

        if not wait_until(look, START_PATIENCE_S):
            raise RuntimeError(f"waited {START_PATIENCE_S} s in vain for {what}; see {self.home}")

    def _answers(self, url: str) -> bool:
        with contextlib.suppress(urllib.error.URLError, OSError):
            self._ask(url)
            return True
        return False

    def _ask(
        self, url: str, method: str = "GET", body: bytes | None = None, media_type: str = JSON
    ) -> bytes:
        headers = {"Content-Type": media_type}
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - our own.
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - our own.
            return bytes(answer.read())


def _signal(pid: int, number: signal.Signals) -> bool:
    """Signal a process; False: it has died, and nobody has noticed yet."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
