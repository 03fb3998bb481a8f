"""A rehearsal in its own process, and a Tiedolla that only writes down what it is told."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from click.testing import CliRunner

from deploy.tether import bound
from simulators.cli import simulate

PATIENCE_S = 20


def eventually(check: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Ask again and again until the answer is true."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        answer = check()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError(f"waited {patience_s} s in vain: {what}")


@dataclass
class Told:
    """One request that the stand-in of Tiedolla got."""

    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Listener:
    """A Tiedolla that answers every report with `status` and keeps it."""

    url: str
    status: int = 202
    told: list[Told] = field(default_factory=list)

    def at(self, path: str) -> list[Told]:
        return [one for one in list(self.told) if one.path.split("?")[0] == path]


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = listener.status
            listener.told.append(Told(self.path, dict(self.headers), body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    listener = Listener(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class RunningRehearsal:
    """`simulate run` in a process that may be killed and started again on the same folder."""

    def __init__(self, folder: Path, tiedolla_url: str) -> None:
        self.folder = folder
        made = CliRunner().invoke(
            simulate, ["init", "--dir", str(folder), "--tiedolla-url", tiedolla_url]
        )
        assert made.exit_code == 0, made.output
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.sftp_port = 0

    @property
    def config(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "config.json").read_text("utf-8")))

    def configure(self, section: str, **values: Any) -> None:
        """Change one section; it counts from the next start."""
        config = self.config
        config[section] |= values
        (self.folder / "config.json").write_text(json.dumps(config), "utf-8")

    def start(self) -> None:
        (self.folder / "running.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "simulators", "run", "--dir", str(self.folder)]
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(bound(command), stdout=output, stderr=output)
        at = eventually(self._read_running, "the rehearsal to be ready")
        self.url, self.sftp_port = at["url"], at["sftp_port"]

    def _read_running(self) -> Any:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError((self.folder / "output").read_text("utf-8"))
        path = self.folder / "running.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def kill(self) -> None:
        """As the power would go."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """As an operator would."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(10)

    def ledger(self, system: str, *kinds: str) -> list[dict[str, Any]]:
        """The system's entries as the running rehearsal shows them."""
        answer = requests.get(f"{self.url}/ledger/{system}", timeout=10).json()
        assert answer["count"] == len(answer["entries"])
        return [entry for entry in answer["entries"] if not kinds or entry["kind"] in kinds]

    def ledger_bytes(self, system: str) -> bytes:
        return (self.folder / "ledger" / f"{system}.jsonl").read_bytes()

    def disturb(self, system: str, **faults: Any) -> None:
        answer = requests.put(f"{self.url}/faults/{system}", json=faults, timeout=10)
        assert answer.status_code == 200, answer.text

    def calm(self, system: str) -> None:
        requests.delete(f"{self.url}/faults/{system}", timeout=10).raise_for_status()
