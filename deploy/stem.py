"""Starts Python programs as forks of one process that has imported the product already.

Some fifteen processes of the demo need the same modules: importing them once saves most of the
start and of the memory, and brings a killed worker back in milliseconds.
"""

from __future__ import annotations

import array
import contextlib
import json
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from deploy.tether import bound

ROOT = Path(__file__).resolve().parents[1]
MESSAGE_BYTES = 65536


@dataclass(frozen=True)
class Answer:
    """How a short command ended and what it wrote."""

    code: int
    output: str
    errors: str


class Stem:
    """The asking end: one helper process that imports a module and then forks on demand."""

    def __init__(
        self, module: str, environment: Mapping[str, str], output: IO[bytes] | int
    ) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._exit_codes: dict[int, int] = {}
        self._started: list[int] = []
        self._has_imported = False
        with theirs:
            self._process = subprocess.Popen(
                bound([sys.executable, "-m", "deploy.stem_process", str(theirs.fileno()), module]),
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the helper process is gone, and with it its forks."""
        return self._process.poll() is not None

    @property
    def is_ready(self) -> bool:
        """Whether it has imported the module and forks at once."""
        return self._has_imported and not self.has_ended

    def start(self, words: Sequence[str], streams: tuple[int, int, int], name: str) -> int:
        """Fork `python -m words…` with these three streams; answers its process id.

        The name is what ps -o comm shows, since all forks have the same command line.

        Raises: OSError -> the helper process is gone.
        """
        message = json.dumps({"words": list(words), "name": name}).encode()
        fds = array.array("i", streams)
        self.control.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        while not self._started:
            self._listen(patience_s=None)
        return self._started.pop()

    def ask(self, words: Sequence[str], given: str, go_on: Callable[[], bool]) -> Answer:
        """Run a fork to its end with this standard input; gives it up when go_on says no."""
        with TemporaryFile() as source, TemporaryFile() as output, TemporaryFile() as errors:
            source.write(given.encode())
            source.seek(0)
            code = None
            try:
                streams = (source.fileno(), output.fileno(), errors.fileno())
                pid = self.start(words, streams, words[0])
                while code is None and go_on():
                    code = self.exit_code(pid)
            except OSError:
                code = -signal.SIGKILL
            for file in (output, errors):
                file.seek(0)
            return Answer(
                -signal.SIGTERM if code is None else code,
                output.read().decode("utf-8", "replace"),
                errors.read().decode("utf-8", "replace"),
            )

    def look(self) -> None:
        """Take in what the helper process has told since."""
        with contextlib.suppress(OSError):
            while self._listen(patience_s=0.0):
                pass

    def exit_code(self, pid: int) -> int | None:
        """How a fork ended; None while it runs. When the helper dies, its forks die with it."""
        if pid not in self._exit_codes and self.has_ended:
            return -signal.SIGKILL
        return self._exit_codes.get(pid)

    def close(self) -> None:
        """Stop the helper process; the kernel then stops its forks."""
        self._process.kill()
        self._process.wait()
        self.control.close()

    def _listen(self, patience_s: float | None) -> bool:
        if not select.select([self.control], [], [], patience_s)[0]:
            return False
        data = self.control.recv(MESSAGE_BYTES)
        if not data:
            raise ConnectionResetError("the stem is gone")
        told: dict[str, Any] = json.loads(data)
        if "started" in told:
            self._started.append(told["started"])
        elif "ended" in told:
            self._exit_codes[told["ended"]] = told["code"]
        else:
            self._has_imported = True
        return True
