"""The whole product on one machine with simulated outside systems: `python -m deploy.demo`.

Everything it makes is in instance/ or in the folder given; `--clean` removes that. It starts again on the same data, and
after kill -9 it first ends what was left.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
import urllib.request
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

from deploy import casting
from deploy.demo_record import Login, describe, keep_logins, write_record
from deploy.environment import (
    CONTRACTOR,
    Rehearsal,
    clean_environment,
    keep_secrets,
    product_settings,
    settings_text,
)
from deploy.ports import is_free, keep_ports
from deploy.postgres import PrivatePostgres
from deploy.private_dirs import AlreadyRunning, own, write_private
from deploy.supervisor import ROOT, Child, Supervisor, describe_exit
from deploy.tether import stop_with_parent
from deploy.valkey import PrivateValkey

# Time enough to find the phone on the page and to type OK or EI.
ANSWER_WAIT_S = (600.0, 1200.0)
READY_PATIENCE_S = 180.0
HAND_OVER_PATIENCE_S = 30.0
WEB_THREADS = "4"
PARTNER = "voima"
PLANNER = "planning"
CONTRACTOR_KIND = "regional_contractor"
CONTRACTOR_MUNICIPALITY = "297"
SEED_POINTS, SEED_ORDERS, SEED_SINGLE, SEED_FAULTS = 200, 40, 40, 4
SEED_METER_CUTS = 2
# From this point on there are neither orders nor planned cuts.
SEED_QUIET_FROM = 121
# Orders that come in another CIS's envelope.
SEED_IEC = 5
# A rollout that began some weeks ago: the first wave is ordered and mostly done, two are planned.
# Name, first point, number of points, and between which days, counted from today.
PAST_WAVE = "A1"
WAVES = (
    (PAST_WAVE, 201, 240, -50, 14),
    ("B1", 441, 360, 15, 90),
    ("C1", 801, 600, 91, 200),
)
# The meters of so many jobs are delivered; those of each so-and-so-many-th come late, as a file.
SEED_METERS, FORGOTTEN_EVERY, FORGOTTEN_STEP = 400, 12, 6
# One planned cut waits for somebody to approve it.
SEED_CUT_POINTS = 12
# Connection orders of the day, of which one more starts at each step and all others move on.
SEED_CONNECTIONS, CONNECTION_STEPS = 6, 13
CONNECTION_STEP_S = 45.0


class DemoFailed(RuntimeError):
    """A step of the start failed; the text says which and shows its output."""


class Demo:
    """One run of the demo, from the left-overs of the last one to its own end."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._environment = clean_environment()
        self._record_file = home / "demo.json"
        self._settings_file = home / "demo.env"
        self._supervisor = Supervisor(home, environment=self._environment, record=self._record_file)
        self._postgres = PrivatePostgres(home / "postgres")
        self._valkey = PrivateValkey(home / "valkey")
        self._logins: dict[str, Login] = {}
        self._ready = False
        self._ordered_on = f"{datetime.now(ZoneInfo('Europe/Helsinki')):%Y-%m-%d}"
        self._step = 0
        self._moved_at = time.monotonic()

    def run(self) -> None:
        """Run until a signal asks for the end."""
        self._supervisor.listen_for_signals()
        try:
            self._prepare()
            self._start_children()
            self._seed_once()
            self._announce()
            while not self._supervisor.stop_asked:
                self._move_connections()
                self._turn()
        except DemoFailed as failure:
            # A stop during the start makes the step fail that was under way; that is no failure.
            if not self._supervisor.stop_asked:
                raise
            self._supervisor.say(f"stopped during the start: {str(failure).splitlines()[0]}")
        finally:
            self._supervisor.say("stopping")
            self._supervisor.stop()
            self._valkey.stop()
            self._postgres.stop()
            self._supervisor.say(f"everything has stopped; the data stay in {self._home}")

    def _prepare(self) -> None:
        """Servers, settings, tables, defaults and accounts; quick when they are there already."""
        say = self._supervisor.say
        self._record_file.unlink(missing_ok=True)
        left_count = self._supervisor.end_left_over()
        if left_count:
            say(f"ended {left_count} processes that an earlier run left behind")
        given = os.environ.get("TIEDOLLA_PORT")
        fixed = {"web": int(given)} if given else {}
        ports = keep_ports(self._home / "ports.json", ("web", "simulators", "sftp"), fixed)
        if given and not is_free(ports["web"]):
            raise DemoFailed(f"port {given}, asked for by TIEDOLLA_PORT, is in use")
        self._web_port = ports["web"]
        self._base_url = f"http://127.0.0.1:{self._web_port}"
        self._rehearsal = Rehearsal(self._home / "simulators", ports["simulators"], ports["sftp"])
        say("starting PostgreSQL and Valkey")
        database_url, redis_url = self._postgres.start(), self._valkey.start()
        self._simulate("init", "--tiedolla-url", self._base_url)
        self._rehearsal.let_crews_wait(*ANSWER_WAIT_S)
        self._rehearsal.let_crews_have_done(PAST_WAVE)
        settings = product_settings(
            base_url=self._base_url,
            database_url=database_url,
            redis_url=redis_url,
            own_secrets=keep_secrets(self._home / "secrets.json"),
            rehearsal=self._rehearsal,
        )
        write_private(self._settings_file, settings_text(settings))
        self._environment.update(settings)
        self._supervisor.add_environment(settings)
        self._supervisor.plant("wsgi")
        say("making the tables and what a new installation starts with")
        self._lanes = self._set_up()

    def _set_up(self) -> list[str]:
        """Tables, defaults, accounts and the partner's key; answers the names of the lanes."""
        done = self._home / "accounts-made"
        self._logins = keep_logins(self._home / "logins.json")
        new = [] if done.exists() else list(self._logins.values())
        self._flask("db", "upgrade")
        self._add_contractor()
        self._flask(
            *("setup", "--installer-url", f"{self._rehearsal.url}/installer"),
            *("--region", CONTRACTOR, CONTRACTOR_MUNICIPALITY),
        )
        for login in new:
            account = ("staff", "create", login.username, "--role", login.role)
            self._flask(*account, "--password-stdin", given=login.password)
        done.touch()
        credential = json.loads(self._flask("partners", "credential", PARTNER, "--json"))
        self._rehearsal.give_ack_credentials(credential)
        self._flask("planned-cuts", "planner", PLANNER, "--name", "Verkkosuunnittelu")
        credential = json.loads(self._flask("partners", "credential", PLANNER, "--json"))
        self._rehearsal.give_planner_credentials(credential)
        maker = json.loads(self._flask("partners", "credential", "maker", "--json"))
        self._rehearsal.give_maker_credentials(maker)
        feed = json.loads(self._flask("partners", "credential", "dms", "--json"))
        self._rehearsal.give_feed_credentials(feed)
        meters = json.loads(self._flask("partners", "credential", "head-end", "--json"))
        self._rehearsal.give_head_end_credentials(meters)
        return self._flask("lanes", "list", "--plain").split()

    def _add_contractor(self) -> None:
        """A regional contractor that works with files."""
        self._flask(
            *("partners", "add", CONTRACTOR, "--name", "Rautio Sähkö Oy", "--transport", "SFTP"),
            *("--address", self._rehearsal.contractor_address),
        )
        self._flask("bundles", "begin", CONTRACTOR, CONTRACTOR_KIND)

    def _start_children(self) -> None:
        self._supervisor.on_change = self._keep_record
        self._supervisor.start(casting.simulators(self._rehearsal))
        self._supervisor.start(casting.web(self._web_port))
        self._await(f"{self._rehearsal.url}/livez")
        for child in casting.background(self._lanes):
            self._supervisor.start(child)
        self._await(f"{self._base_url}/readyz")

    def _await(self, url: str) -> None:
        deadline = time.monotonic() + READY_PATIENCE_S
        while not self._supervisor.stop_asked and not _answers(url):
            if time.monotonic() > deadline:
                raise DemoFailed(f"{url} did not answer well in {READY_PATIENCE_S:.0f} s")
            self._turn()

    def _seed_once(self) -> None:
        """Let the CIS send its first files; the product takes them in as it would any."""
        done = self._home / "seeded"
        if done.exists() or self._supervisor.stop_asked:
            return
        self._supervisor.say(f"the CIS sends {SEED_POINTS} points and {SEED_ORDERS} orders")
        # Serial numbers are there before the first meter hangs; one box in twelve was forgotten.
        stock = ("--count", str(SEED_METERS), "--forget-every", str(FORGOTTEN_EVERY))
        self._simulate("maker", "deliver", "--name", "AID-1", *stock)
        self._simulate("cis", "master-data", "--points", str(SEED_POINTS))
        self._simulate("cis", "orders", "--count", str(SEED_ORDERS))
        # Single replacements, of which those in one municipality go to the contractor with files.
        self._simulate(
            *("cis", "orders", "--type", "MVY", "--count", str(SEED_SINGLE)),
            *("--points-from", str(SEED_ORDERS + 1)),
        )
        self._simulate(
            *("cis", "orders", "--iec", "--type", "MVV", "--count", str(SEED_IEC)),
            *("--points-from", str(SEED_ORDERS + SEED_SINGLE + 1)),
        )
        self._simulate("planner", "cut", "--points", str(SEED_CUT_POINTS))
        self._seed_rollout()
        # By then the points are known; a version that comes too early is made good by the next.
        self._simulate(
            *("dms", "faults", "--count", str(SEED_FAULTS), "--points", str(SEED_POINTS)),
            *("--after-s", "15", "--every-s", "45"),
        )
        # Two that only meters report: one stays suspected, of the other the power comes back.
        self._simulate(
            *("head-end", "cuts", "--count", str(SEED_METER_CUTS)),
            *("--points-from", str(SEED_QUIET_FROM)),
            *("--points", str(SEED_POINTS - SEED_QUIET_FROM + 1)),
            *("--after-s", "60", "--lasts-s", "300"),
        )
        done.touch()

    def _seed_rollout(self) -> None:
        """A plan in force, and a mass order of its first wave with one item that cannot be done."""
        plan, today = self._home / "rollout-plan.csv", date.fromisoformat(self._ordered_on)
        words: list[str] = []
        for name, first, count, begin, end in WAVES:
            days = (str(today + timedelta(days=each)) for each in (begin, end))
            words += ["--wave", name, str(first), str(count), *days]
        command = (sys.executable, "-m", "simulators", "planner", "rollout-plan")
        self._supervisor.run_once(Child("simulate", (*command, "--out", str(plan), *words)))
        if "*" not in self._flask("rollout", "plans"):
            one, other = self._logins["operator"], self._logins["admin"]
            by = ("--by", one.username, "--password-stdin")
            self._flask(
                *("rollout", "import-plan", str(plan), "--propose", *by), given=one.password
            )
            by = ("--by", other.username, "--password-stdin")
            self._flask("rollout", "activate-plan", "1", *by, given=other.password)
        _, first, count, _, _ = WAVES[0]
        first_wave = ("--items", str(count), "--points-from", str(first), "--bad-every", "307")
        self._simulate(
            *("cis", "master-data", "--points", str(count), "--points-from", str(first)),
        )
        self._simulate("cis", "mass", *first_wave, "--wave", PAST_WAVE, "--area", "Etelä-Suomi")

    def _move_connections(self) -> None:
        """Let the connection orders of the day move on, until all of them are complete."""
        due = time.monotonic() - self._moved_at >= CONNECTION_STEP_S
        if self._supervisor.stop_asked or not due or self._step >= CONNECTION_STEPS:
            return
        self._moved_at = time.monotonic()
        self._step += 1
        try:
            if self._step == FORGOTTEN_STEP:
                stock = ("--count", str(SEED_METERS), "--forget-every", str(FORGOTTEN_EVERY))
                late = ("--only-forgotten", "--as", "csv", "--name", "AID-2")
                self._simulate("maker", "deliver", *stock, *late)
            self._simulate(
                *("cis", "connections", "--count", str(SEED_CONNECTIONS)),
                *("--day", self._ordered_on, "--step", str(self._step)),
            )
        except DemoFailed as failure:
            # Somebody may have stopped the file server on purpose; the next step comes anyway.
            self._supervisor.say(f"the CIS could not send: {failure}")

    def _announce(self) -> None:
        if self._supervisor.stop_asked:
            return
        self._ready = True
        self._keep_record()
        lines = describe(
            self._base_url,
            self._rehearsal.url,
            self._logins,
            record=self._record_file,
            settings=self._settings_file,
        )
        for line in lines:
            self._supervisor.say(line)

    def _turn(self) -> None:
        """One round of the supervisor; servers that somebody killed come back."""
        self._supervisor.turn()
        for name, server in (("PostgreSQL", self._postgres), ("Valkey", self._valkey)):
            if not server.is_running and not self._supervisor.stop_asked:
                self._supervisor.say(f"{name} has ended, starts again")
                server.restart(immediate=True)
                self._keep_record()

    def _keep_record(self) -> None:
        if self._ready and not self._supervisor.stop_asked:
            pids = {"demo": os.getpid(), **self._supervisor.pids()}
            servers = {"postgres": self._postgres.pid, "valkey": self._valkey.pid}
            pids |= {name: pid for name, pid in servers.items() if pid is not None}
            write_record(
                self._record_file,
                base_url=self._base_url,
                rehearsal=self._rehearsal,
                settings=self._settings_file,
                logins=self._logins,
                pids=pids,
            )

    def _simulate(self, *words: str) -> None:
        where = ("--dir", str(self._rehearsal.folder))
        command = (sys.executable, "-m", "simulators", *words, *where)
        code = self._supervisor.run_once(Child("simulate", command))
        if code != 0:
            raise DemoFailed(f"simulate {words[0]} failed ({describe_exit(code)}), see above")

    def _flask(self, *words: str, given: str = "") -> str:
        answer = self._supervisor.ask(("flask", *words), given)
        if answer.code != 0:
            how = describe_exit(answer.code)
            raise DemoFailed(
                f"flask {' '.join(words[:2])} failed ({how}):\n{answer.errors[-4000:]}"
            )
        return answer.output


def main() -> int:
    """Run or clean, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    parser.add_argument("--clean", action="store_true", help="remove the demo's data")
    parser.add_argument(
        "--stop-with-parent", action="store_true", help="stop when the starting process dies"
    )
    parser.add_argument(
        "--dir", type=Path, default=ROOT / "instance", help="where it keeps everything"
    )
    options = parser.parse_args()
    home: Path = options.dir.absolute()
    if options.stop_with_parent:
        stop_with_parent(signal.SIGTERM, os.getppid())
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with _take_over(home, patience_s=0 if options.clean else HAND_OVER_PATIENCE_S):
            if options.clean:
                clean(home)
            else:
                Demo(home).run()
    except AlreadyRunning as error:
        print(f"The demo of this clone runs already: {error}. Stop it first.", file=sys.stderr)
        return 1
    except DemoFailed as error:
        print(f"The demo could not start: {error}", file=sys.stderr)
        return 1
    return 0


def _take_over(home: Path, *, patience_s: float) -> IO[str]:
    """Take the folder; an earlier demo that is just stopping gets the time that it needs.

    Raises: AlreadyRunning -> a demo runs here and goes on.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return own(home)
        except AlreadyRunning as error:
            if (home / "demo.json").exists() or time.monotonic() > deadline:
                raise AlreadyRunning(str(error)) from None
            time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except OSError:
        return False


def clean(home: Path) -> None:
    """Remove everything that the demo made."""
    Supervisor(home).end_left_over()
    PrivatePostgres(home / "postgres").remove()
    PrivateValkey(home / "valkey").remove()
    shutil.rmtree(home)


if __name__ == "__main__":
    sys.exit(main())
