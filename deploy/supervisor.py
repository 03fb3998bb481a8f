"""Runs named processes side by side: one readable output, crashed ones restarted, all stopped
together, and nothing left when this process itself is killed."""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, TextIO

from deploy import processes
from deploy.output import Output
from deploy.tether import bound

ROOT = Path(__file__).resolve().parents[1]
MARK = "TIEDOLLA_SUPERVISED_BY"
TURN_S = 0.1
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
# A process that ran this long has recovered; its next crash is a new story.
STEADY_S = 20.0
READ_BYTES = 65536


@dataclass(frozen=True)
class Child:
    """One process to run. Later stages are stopped first."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stage: int = 0
    restart: bool = True


class Running:
    """A child with its present process, if any."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.start_again_at: float | None = None
        self.crash_count = 0
        self.exit_code: int | None = None


class Supervisor:
    """Starts, watches and stops children; use it from the main thread.

    The home names this supervisor's children across its own death: end_left_over() finds what an
    earlier one with the same home left behind.
    """

    def __init__(
        self,
        home: Path,
        *,
        environment: Mapping[str, str] | None = None,
        stream: TextIO = sys.stdout,
        grace_s: float = 10.0,
    ) -> None:
        self.stop_asked = False
        self.on_change: Callable[[], None] = lambda: None
        self._home = home.resolve()
        self._run = f"{self._home}#{secrets.token_hex(8)}"
        self._environment = dict(os.environ if environment is None else environment)
        self._output = Output(stream)
        self._grace_s = grace_s
        self._running: dict[str, Running] = {}
        self._pipes = selectors.DefaultSelector()
        self._warden: subprocess.Popen[bytes] | None = None

    def end_left_over(self) -> int:
        """End what an earlier supervisor of this home left; answer how many processes."""
        left = processes.find_marked(MARK, f"{self._home}#")
        processes.end(left, grace_s=3.0)
        return len(left)

    def listen_for_signals(self) -> None:
        """Let Ctrl-C, SIGTERM and a closed terminal ask for the stop; a second time hurries it."""
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup means that a closed terminal is no reason to stop.
            if name is not signal.SIGHUP or signal.getsignal(name) is not signal.SIG_IGN:
                signal.signal(name, self._ask_to_stop)

    def add_environment(self, variables: Mapping[str, str]) -> None:
        """Give these variables to every child started from now on."""
        self._environment.update(variables)

    def say(self, text: str) -> None:
        """A line of our own in the output."""
        self._output.line("tiedolla", text)

    def start(self, child: Child) -> None:
        """Start the child and keep it running until stop(), or until it ends if it may end."""
        self._post_warden()
        running = Running(child)
        self._running[child.name] = running
        self._launch(running)

    def run_once(self, child: Child) -> int:
        """Run a child to its end while watching the others; answer its exit code."""
        self.start(Child(child.name, child.command, child.environment, child.stage, restart=False))
        while self.exit_code(child.name) is None and not self.stop_asked:
            self.turn()
        code = self.exit_code(child.name)
        return -signal.SIGTERM if code is None else code

    def turn(self) -> None:
        """One short round: pass output on, notice ends, restart what is due."""
        self._pass_output_on(TURN_S)
        self._post_warden()
        for running in list(self._running.values()):
            if running.process is not None and _has_ended(running.process):
                self._note_end(running)
            elif running.start_again_at is not None and time.monotonic() >= running.start_again_at:
                self._launch(running)

    def pids(self) -> dict[str, int]:
        """Process ids of the children that run now."""
        return {
            name: running.process.pid
            for name, running in self._running.items()
            if running.process is not None
        }

    def exit_code(self, name: str) -> int | None:
        """How a child that is not restarted ended, or None while it runs."""
        return self._running[name].exit_code

    def stop(self) -> None:
        """Stop every child, later stages first: ask, wait for the grace, kill. Leaves nothing."""
        for running in self._running.values():
            running.start_again_at = None
        stages = sorted({running.child.stage for running in self._running.values()}, reverse=True)
        for stage in stages:
            self._stop_stage(
                [one for one in self._running.values() if one.child.stage == stage and one.process]
            )
        # Grandchildren that left their group still carry our mark.
        processes.end(processes.find_marked(MARK, self._run), grace_s=1.0)
        self._pass_output_on(0.0)
        for key in list(self._pipes.get_map().values()):
            self._drop_pipe(*key.data)
        if self._warden is not None:
            self._warden.kill()
            self._warden.wait()
            self._warden = None

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        if self.stop_asked:
            self._grace_s = 0.0
        self.stop_asked = True

    def _post_warden(self) -> None:
        """Keep the process that ends our children's children if we are killed."""
        if self._warden is not None and self._warden.poll() is None:
            return
        environment = {name: value for name, value in self._environment.items() if name != MARK}
        self._warden = subprocess.Popen(
            [sys.executable, "-m", "deploy.warden", str(os.getpid()), self._run],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _launch(self, running: Running) -> None:
        child = running.child
        running.start_again_at = None
        running.exit_code = None
        running.started_at = time.monotonic()
        running.process = subprocess.Popen(
            bound(child.command),
            env={
                **self._environment,
                **child.environment,
                MARK: self._run,
                "PYTHONUNBUFFERED": "1",
            },
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        pipe = running.process.stdout
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
            self._pipes.register(pipe, selectors.EVENT_READ, (child.name, pipe))
        self.on_change()

    def _pass_output_on(self, patience_s: float) -> None:
        if not self._pipes.get_map():
            time.sleep(patience_s)
            return
        for key, _ in self._pipes.select(patience_s):
            name, pipe = key.data
            try:
                data = os.read(key.fd, READ_BYTES)
            except BlockingIOError:
                continue
            self._output.feed(name, data)
            if not data:
                self._drop_pipe(name, pipe)
        if self._output.is_closed:
            # Whoever read us has gone, as in "make demo | head": nobody is left to run for.
            self.stop_asked = True

    def _drop_pipe(self, name: str, pipe: IO[bytes]) -> None:
        self._output.feed(name, b"", last=True)
        self._pipes.unregister(pipe)
        pipe.close()

    def _note_end(self, running: Running) -> None:
        """Reap a child that ended, end the rest of its group, and decide when to start it again."""
        process, child = running.process, running.child
        if process is None:
            return
        self._pass_output_on(0.0)
        _signal_group(process, signal.SIGKILL)
        running.exit_code = process.wait()
        running.process = None
        if child.restart and not self.stop_asked:
            steady = time.monotonic() - running.started_at > STEADY_S
            running.crash_count = 0 if steady else running.crash_count + 1
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** max(0, running.crash_count - 1))
            running.start_again_at = time.monotonic() + pause_s
            how = describe_exit(running.exit_code)
            self._output.line(child.name, f"ended ({how}), starts again in {pause_s:.1f} s")
        self.on_change()

    def _stop_stage(self, stage: list[Running]) -> None:
        for running in stage:
            if running.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    running.process.terminate()
        started = time.monotonic()
        while any(running.process for running in stage):
            self._pass_output_on(TURN_S)
            for running in stage:
                if running.process is None:
                    continue
                if time.monotonic() - started > self._grace_s:
                    _signal_group(running.process, signal.SIGKILL)
                if _has_ended(running.process):
                    self.stop_asked = True
                    self._note_end(running)


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended, without reaping it: until then its group id cannot be reused."""
    try:
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return ended is not None


def _signal_group(process: subprocess.Popen[bytes], wanted: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, wanted)
