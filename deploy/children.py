"""What a supervisor runs: a child as it is wished for, and its process, new or forked from the stem."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from deploy.stem import Stem
from deploy.tether import bound

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Child:
    """One process to run. Later stages are stopped first.

    A warm child's command is `python -m MODULE …`, and it runs as a fork of the supervisor's stem
    when that has been planted; its environment is then the stem's.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stage: int = 0
    restart: bool = True
    warm: bool = False


class Process(Protocol):
    """A running child; the leader of a session of its own."""

    pid: int
    output: IO[bytes]

    def has_ended(self) -> bool:
        """Whether it has ended; until reap() its process id names nothing else."""

    def reap(self) -> int:
        """End what is left of its group and answer its exit code."""


class Spawned:
    """A process that started from nothing."""

    def __init__(self, child: Child, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            bound(child.command),
            cwd=ROOT,
            env={**environment, **child.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if self._process.stdout is None:
            raise RuntimeError("a pipe was asked for")
        self.pid = self._process.pid
        self.output = self._process.stdout

    def has_ended(self) -> bool:
        """Whether it has ended, found out without reaping it."""
        try:
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        return ended is not None

    def reap(self) -> int:
        """End the rest of its group while its id is still taken, then let the id go."""
        signal_group(self, signal.SIGKILL)
        return self._process.wait()


class Grown:
    """A process that was forked from the stem, which reaps it and ends its group."""

    def __init__(self, child: Child, stem: Stem) -> None:
        reader, writer = os.pipe()
        silence = os.open(os.devnull, os.O_RDONLY)
        try:
            # The command begins with the interpreter and -m, which the stem is already.
            self.pid = stem.start(child.command[2:], (silence, writer, writer), child.name)
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
            os.close(silence)
        self.output: IO[bytes] = os.fdopen(reader, "rb", buffering=0)
        self._stem = stem

    def has_ended(self) -> bool:
        """Whether the stem has told its end, or is gone itself."""
        return self._stem.exit_code(self.pid) is not None

    def reap(self) -> int:
        """Its exit code; a fork whose stem was killed is ended here, as nobody else is left to."""
        code = self._stem.exit_code(self.pid)
        if code is None or self._stem.has_ended:
            signal_group(self, signal.SIGKILL)
        return -signal.SIGKILL if code is None else code


def signal_group(process: Process, wanted: signal.Signals) -> None:
    """Signal a child with everything in its group, which a new fork may not have made yet."""
    for send in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(process.pid, wanted)


def terminate(process: Process) -> None:
    """Ask a child to end; it passes that on to its own children as it likes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if not process.has_ended():
            os.kill(process.pid, signal.SIGTERM)
