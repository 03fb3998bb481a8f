"""A zone `plant`, the application on a port for its runners, and runners in processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import text
from werkzeug.serving import BaseWSGIServer, make_server

from app.db import db, transaction
from app.services import outbox, zone_credentials, zones
from app.services.outbox import NewItem
from app.settings import Settings
from deploy.ports import free_port
from deploy.tether import bound
from tests.simulators.running import eventually
from tests.web.sample_rows import gsrn

ZONE = "plant"
BY = "staff:armi"


@dataclass
class Plant:
    """What a test does with the zone: its server, files, runners and rows."""

    app: Flask
    folder: Path
    port: int = field(default_factory=free_port)
    _server: BaseWSGIServer | None = None
    _thread: threading.Thread | None = None
    _runners: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        settings: Settings = self.app.extensions["tiedolla_settings"]
        return settings

    def serve(self) -> None:
        """Let the centre be there."""
        self._server = make_server("127.0.0.1", self.port, self.app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def leave(self) -> None:
        """Let the centre be away."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
        self._server = None

    def move(self, *lanes: str, zone: str = ZONE) -> None:
        with transaction() as session:
            for lane in lanes:
                zones.move_lane(session, lane, zone, datetime.now(UTC), by=BY)

    def write_credential(
        self, generation: int = 1, zone: str = ZONE, name: str = "key.json"
    ) -> Path:
        key = zone_credentials.derive(
            self.settings.partner_key.get_secret_value(), zone, generation
        )
        path = self.folder / name
        words = {"key_id": key.key_id, "token": key.token, "secret": key.secret}
        path.write_text(json.dumps(words), "utf-8")
        return path

    def write_reach(self, **parts: dict[str, Any]) -> Path:
        """The runner's settings: nis={...} is a lane, twilio={"adapter": ...} a channel."""
        lines = []
        for name, values in parts.items():
            kind = "channels" if "adapter" in values else "lanes"
            lines.append(f'[{kind}."{name}"]')
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        path = self.folder / "runner.toml"
        path.write_text("\n".join(lines), "utf-8")
        return path

    def command(self, *more: str, journal: str = "journal", module: str = "") -> list[str]:
        return [
            sys.executable,
            "-m",
            module or "workers.lane_runner",
            *("--zone", ZONE),
            *("--server", f"http://127.0.0.1:{self.port}"),
            *("--credential-file", str(self.folder / "key.json")),
            *("--settings-file", str(self.folder / "runner.toml")),
            *("--journal", str(self.folder / journal)),
            *("--poll-s", "0.1"),
            *more,
        ]

    def start(self, *more: str, kill_at: int = 0, **where: str) -> subprocess.Popen[bytes]:
        """A runner in a process of its own, which has none of the centre's settings."""
        if kill_at:
            where["module"] = "tests.workers.killed_runner"
        with (self.folder / "output").open("ab") as output:
            runner = subprocess.Popen(
                bound(self.command(*more, **where)),
                stdout=output,
                stderr=output,
                env={"PATH": "/usr/bin:/bin", "KILL_AT": str(kill_at)},
                cwd=Path(__file__).resolve().parents[2],
            )
        self._runners.append(runner)
        return runner

    def stop(self, runner: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
        runner.send_signal(number)
        return runner.wait(20)

    def output(self) -> str:
        return (self.folder / "output").read_text("utf-8")

    def end(self) -> None:
        for runner in self._runners:
            if runner.poll() is None:
                runner.kill()
                runner.wait()
        self.leave()


@contextmanager
def plant_of(app: Flask, folder: Path) -> Iterator[Plant]:
    """The zone with its first key; nothing is served and nothing runs yet."""
    plant = Plant(app, folder)
    with app.app_context():
        with transaction() as session:
            zones.add(session, ZONE, "The plant", datetime.now(UTC), by=BY)
        plant.write_credential()
        try:
            yield plant
        finally:
            plant.end()
            db.session.remove()


def put(*keys: str, lane: str = "nis", order_key: str | None = None, first: int = 0) -> None:
    """Items that are due; first: the number of the first one's device."""
    with transaction() as session:
        outbox.put(
            session,
            [
                NewItem(
                    lane,
                    "NIS_DEVICE" if lane == "nis" else "ORDER",
                    key,
                    order_key or key,
                    number + 1,
                    key,
                    device(number),
                )
                for number, key in enumerate(keys, start=first)
            ],
            datetime.now(UTC),
        )


def device(number: int) -> dict[str, Any]:
    """A payload that the network information system takes."""
    return {
        "gsrn": gsrn(number),
        "meterNumber": f"M{number}",
        "version": number + 1,
    }


def rows(statement: str, **values: Any) -> Sequence[Any]:
    """Rows from the database, as of now."""
    with transaction() as session:
        return session.execute(text(statement), values).all()


def states(lane: str = "nis") -> dict[str, str]:
    """The state of every item of a lane, by its key."""
    found = rows("SELECT dedupe_key, state FROM outbox_item WHERE lane = :lane", lane=lane)
    return {row[0]: row[1] for row in found}


def until(check: Callable[[], Any], what: str) -> Any:
    """Ask until the answer is true."""
    return eventually(check, what)
