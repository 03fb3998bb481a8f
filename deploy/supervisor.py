"""Runs named processes side by side: one readable output, crashed ones restarted, all stopped
together, and nothing left when this process itself is killed."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TextIO

from deploy import processes
from deploy.children import ROOT, Child, Grown, Process, Spawned, signal_group, terminate
from deploy.output import Output
from deploy.pipes import Pipes
from deploy.stem import Answer, Stem

__all__ = ["MARK", "ROOT", "Answer", "Child", "Supervisor", "describe_exit"]

MARK = "TIEDOLLA_SUPERVISED_BY"
TURN_S = 0.1
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
# A process that ran this long has recovered; its next crash is a new story.
STEADY_S = 20.0
STEM_PAUSE_S = 0.5


class Running:
    """A child with its present process, if any."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process: Process | None = None
        self.started_at = 0.0
        self.start_again_at: float | None = None
        self.crash_count = 0
        self.exit_code: int | None = None


class Supervisor:
    """Starts, watches and stops children; use it from the main thread.

    The home names this supervisor's children across its own death: end_left_over() finds what an
    earlier one with the same home left behind. The record, a file that somebody else writes to say
    that all is ready, goes when the supervisor goes.
    """

    def __init__(
        self,
        home: Path,
        *,
        environment: Mapping[str, str] | None = None,
        stream: TextIO = sys.stdout,
        grace_s: float = 10.0,
        longest_pause_s: float = LONGEST_PAUSE_S,
        record: Path | None = None,
    ) -> None:
        self.stop_asked = False
        self.on_change: Callable[[], None] = lambda: None
        self._home = home.resolve()
        self._run = f"{self._home}#{secrets.token_hex(8)}"
        self._environment = dict(os.environ if environment is None else environment)
        self._output = Output(stream)
        self._grace_s = grace_s
        self._longest_pause_s = longest_pause_s
        self._record = record
        self._running: dict[str, Running] = {}
        self._pipes = Pipes(self._output)
        self._warden: subprocess.Popen[bytes] | None = None
        self._stem: Stem | None = None
        self._stem_module = ""
        self._plant_again_at: float | None = None

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

    def plant(self, module: str) -> None:
        """Import the module in a process of its own, from which warm children are then forked.

        Do it when the environment is complete; without it warm children start from nothing.
        """
        self._stem_module = module
        self._plant()

    def ask(self, words: Sequence[str], given: str = "") -> Answer:
        """Run `python -m words…` as a fork of the stem to its end, with this standard input."""
        while not self.stop_asked and not (self._stem and self._stem.is_ready):
            self.turn()
            if self._stem is None:
                return Answer(1, "", f"the process that imports {self._stem_module} has ended")
        if self._stem is None or self.stop_asked:
            return Answer(-signal.SIGTERM, "", "asked to stop")
        return self._stem.ask(words, given, self._turn_on)

    def run_once(self, child: Child) -> int:
        """Run a child to its end while watching the others; answer its exit code."""
        self.start(replace(child, restart=False))
        while self.exit_code(child.name) is None and not self.stop_asked:
            self.turn()
        code = self.exit_code(child.name)
        return -signal.SIGTERM if code is None else code

    def turn(self) -> None:
        """One short round: pass output on, notice ends, restart what is due."""
        self._pass_on(TURN_S)
        self._post_warden()
        self._tend_stem()
        for running in list(self._running.values()):
            if running.process is not None and running.process.has_ended():
                self._note_end(running)
            elif running.start_again_at is not None and time.monotonic() >= running.start_again_at:
                self._launch(running)

    def pids(self) -> dict[str, int]:
        """Process ids of the children that run now."""
        pids = {} if self._stem is None else {"stem": self._stem.pid}
        for name, running in self._running.items():
            if running.process is not None:
                pids[name] = running.process.pid
        return pids

    def exit_code(self, name: str) -> int | None:
        """How a child that is not restarted ended, or None while it runs."""
        return self._running[name].exit_code

    def stop(self) -> None:
        """Stop every child, later stages first: ask, wait for the grace, kill. Leaves nothing."""
        if self._record is not None:
            self._record.unlink(missing_ok=True)
        for running in self._running.values():
            running.start_again_at = None
        stages = sorted({running.child.stage for running in self._running.values()}, reverse=True)
        for stage in stages:
            self._stop_stage(
                [one for one in self._running.values() if one.child.stage == stage and one.process]
            )
        self._uproot()
        # Grandchildren that left their group still carry our mark.
        processes.end(processes.find_marked(MARK, self._run), grace_s=1.0)
        self._pipes.close()
        if self._warden is not None:
            self._warden.kill()
            self._warden.wait()
            self._warden = None

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        if self.stop_asked:
            self._grace_s = 0.0
        self.stop_asked = True

    def _turn_on(self) -> bool:
        self.turn()
        return not self.stop_asked

    def _post_warden(self) -> None:
        """Keep the process that ends our children's children if we are killed."""
        if self._warden is not None and self._warden.poll() is None:
            return
        environment = {name: value for name, value in self._environment.items() if name != MARK}
        record = [] if self._record is None else [str(self._record)]
        self._warden = subprocess.Popen(
            [sys.executable, "-m", "deploy.warden", str(os.getpid()), self._run, *record],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _plant(self) -> None:
        self._post_warden()
        self._plant_again_at = None
        reader, writer = os.pipe()
        self._stem = Stem(self._stem_module, self._marked_environment(), writer)
        os.close(writer)
        self._pipes.add("stem", os.fdopen(reader, "rb", buffering=0))
        self._pipes.watch(self._stem.control)

    def _uproot(self) -> None:
        if self._stem is not None:
            self._pipes.forget(self._stem.control)
            self._stem.close()
            self._stem = None

    def _tend_stem(self) -> None:
        """Hear what the stem tells, and plant another one when somebody killed it."""
        if self._stem is not None:
            self._stem.look()
            if self._stem.has_ended:
                self._output.line("stem", "ended, starts again")
                self._uproot()
                self._plant_again_at = time.monotonic() + STEM_PAUSE_S
        elif self._plant_again_at is not None and time.monotonic() >= self._plant_again_at:
            self._plant()

    def _launch(self, running: Running) -> None:
        child = running.child
        running.start_again_at = None
        if child.warm and self._stem_module and not (self._stem and self._stem.is_ready):
            running.start_again_at = time.monotonic()
            return
        running.exit_code = None
        running.started_at = time.monotonic()
        try:
            if child.warm and self._stem is not None:
                running.process = Grown(child, self._stem)
            else:
                running.process = Spawned(child, self._marked_environment())
        except OSError as error:
            self._output.line(child.name, f"cannot start: {error}")
            running.start_again_at = time.monotonic() + FIRST_PAUSE_S
            return
        self._pipes.add(child.name, running.process.output)
        self.on_change()

    def _marked_environment(self) -> dict[str, str]:
        return {**self._environment, MARK: self._run, "PYTHONUNBUFFERED": "1"}

    def _pass_on(self, patience_s: float) -> None:
        self._pipes.pass_on(patience_s)
        if self._output.is_closed:
            # Whoever read us has gone, as in "make demo | head": nobody is left to run for.
            self.stop_asked = True

    def _note_end(self, running: Running) -> None:
        """Reap a child that ended, end the rest of its group, and decide when to start it again."""
        process, child = running.process, running.child
        if process is None:
            return
        self._pass_on(0.0)
        running.exit_code = process.reap()
        running.process = None
        if child.restart and not self.stop_asked:
            steady = time.monotonic() - running.started_at > STEADY_S
            running.crash_count = 0 if steady else running.crash_count + 1
            pause_s = min(
                self._longest_pause_s, FIRST_PAUSE_S * 2 ** max(0, running.crash_count - 1)
            )
            running.start_again_at = time.monotonic() + pause_s
            how = describe_exit(running.exit_code)
            self._output.line(child.name, f"ended ({how}), starts again in {pause_s:.1f} s")
        self.on_change()

    def _stop_stage(self, stage: list[Running]) -> None:
        for running in stage:
            if running.process is not None:
                terminate(running.process)
        started = time.monotonic()
        while any(running.process for running in stage):
            self._pass_on(TURN_S)
            if self._stem is not None:
                self._stem.look()
            for running in stage:
                if running.process is None:
                    continue
                if time.monotonic() - started > self._grace_s:
                    signal_group(running.process, signal.SIGKILL)
                if running.process.has_ended():
                    self.stop_asked = True
                    self._note_end(running)


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
