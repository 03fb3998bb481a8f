"""Finding and ending processes by what they really are, never by a bare process id."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

POLL_S = 0.02


def find_servers(program: str, working_dir: Path) -> list[psutil.Process]:
    """Processes of that program whose working directory is this one.

    PostgreSQL and Valkey both change into their data directory, so this names exactly the
    processes of one server: a reused process id can never be taken for one of them.
    """
    wanted = os.path.realpath(working_dir)
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == program and process.cwd() == wanted and is_alive(process):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def find_marked(name: str, prefix: str) -> list[psutil.Process]:
    """Processes, ourselves excepted, that were started with a variable that begins like this."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(name, "").startswith(prefix):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return [process for process in found if is_alive(process)]


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that only waits for its parent to notice its end does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def end(
    processes: Iterable[psutil.Process],
    *,
    first: signal.Signals = signal.SIGTERM,
    grace_s: float = 5.0,
) -> None:
    """Ask the processes to end, wait, then kill what is left."""
    remaining = _signal_and_wait(list(processes), first, grace_s)
    _signal_and_wait(remaining, signal.SIGKILL, 5.0)


def wait_until(condition: Callable[[], bool], patience_s: float) -> bool:
    """Look again and again until the condition holds; False when patience runs out first."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _signal_and_wait(
    processes: list[psutil.Process], wanted: signal.Signals, patience_s: float
) -> list[psutil.Process]:
    """The processes that are still alive after the signal and the wait."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(wanted)
    wait_until(lambda: not any(is_alive(process) for process in processes), patience_s)
    return [process for process in processes if is_alive(process)]
