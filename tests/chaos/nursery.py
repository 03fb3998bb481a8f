"""The parent of the product's processes in a chaos run: warmed once, it forks each in milliseconds.

A worker that starts from nothing imports for a second; two cores could not bring back what fifty
kills a minute take away. What runs in a child is the very command that `flask worker`, `flask
dispatcher` and granian run. It keeps every child alive, as a supervisor would, and does what it is
asked on a socket: {"keep": [lane, …]}, {"pids": true}, {"run": ["contacts", "opt-out", …]}. Run as
`python -m tests.chaos.nursery SOCKET LOG PORT`.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from flask import Flask
from flask.cli import ScriptInfo

from deploy.tether import stop_with_parent

TICK_S = 0.05
PAUSE_S = 0.2
REQUEST_BYTES = 65_536
WEB_THREADS = "4"

Body = Callable[[], object]


class Nursery:
    """Children by name; each is forked again a moment after it has ended."""

    def __init__(self, address: Path, app: Flask, web: Body) -> None:
        self._app = app
        self._bodies: dict[str, Body] = {
            "web": web,
            "dispatcher": lambda: _flask(app, ["dispatcher"]),
        }
        self._pids: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._stopping = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(address))
        self._listener.listen()

    def run(self) -> None:
        """Keep the children until SIGTERM, then stop them."""
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while not self._stopping:
            for name, at in list(self._due.items()):
                if time.monotonic() >= at:
                    del self._due[name]
                    self._pids[name] = self._fork(self._bodies[name])
            if select.select([self._listener], [], [], TICK_S)[0]:
                self._answer()
            self._reap()
        self._stop()

    def _ask_to_stop(self, _number: int, _frame: Any) -> None:
        self._stopping = True

    def _reap(self) -> None:
        """Take note of the dead; what they had started dies with them, as under a supervisor."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            for name in [name for name, known in self._pids.items() if known == pid]:
                del self._pids[name]
                self._due[name] = time.monotonic() + PAUSE_S

    def _answer(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            asked = json.loads(connection.recv(REQUEST_BYTES))
            if "run" in asked:
                self._fork(lambda: _run_and_tell(self._app, asked["run"], connection))
                return
            if "keep" in asked:
                self._keep(asked["keep"])
            connection.sendall(json.dumps(self._pids).encode())

    def _keep(self, lanes: list[str]) -> None:
        for lane in lanes:
            self._bodies[lane] = partial(_flask, self._app, ["worker", lane])
        self._due = dict.fromkeys(self._bodies, 0.0)

    def _fork(self, body: Body) -> int:
        nursery = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        _become(body, nursery, self._listener)

    def _stop(self) -> None:
        for pid in self._pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            try:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    time.sleep(TICK_S)
            except ChildProcessError:
                return
        for pid in self._pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def _become(body: Body, nursery: int, listener: socket.socket) -> NoReturn:
    """Run the body as a process of its own would be run, and end."""
    code = 1
    try:
        # As a process of its own it also gets its own share of the processor.
        os.setsid()
        listener.close()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        stop_with_parent(signal.SIGKILL, nursery)
        body()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _flask(app: Flask, words: list[str]) -> None:
    info = ScriptInfo(create_app=lambda: app)
    app.cli.main(args=words, prog_name="flask", obj=info, standalone_mode=False)


def _run_and_tell(app: Flask, words: list[str], connection: socket.socket) -> None:
    """Run a flask command and answer whoever asked for it."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        try:
            _flask(app, words)
            told = {"ok": True, "output": output.getvalue()}
        except Exception as error:
            told = {"ok": False, "output": f"{type(error).__name__}: {error}"}
    connection.sendall(json.dumps(told).encode())


def _web(port: str) -> None:
    from granian.cli import cli  # noqa: PLC0415 - only this child needs it.

    cli.main(
        args=[
            *("--interface", "wsgi", "wsgi:app", "--host", "127.0.0.1", "--port", port),
            *("--workers", "1", "--respawn-failed-workers", "--blocking-threads", WEB_THREADS),
            "--no-ws",
        ],
        standalone_mode=False,
    )


def main(address: str, log: str, port: str) -> None:
    """Import the product, then do what is asked until SIGTERM."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    from wsgi import app  # noqa: PLC0415 - its output belongs into the log.

    # The children share these pages with us as long as no collector touches them.
    gc.collect()
    gc.freeze()
    Nursery(Path(address), app, partial(_web, port)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
