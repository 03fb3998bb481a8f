"""Ties a process to its owner: when the owner is gone, even by kill -9, the process is stopped.

Run as a script between the two. As a tether it stays and watches the owner by its process
descriptor, and asks the kernel to signal the server should the tether itself be killed, so no
single kill leaves a server behind. As a binding it only asks the kernel and becomes the command.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NoReturn

PR_SET_PDEATHSIG = 1
POLL_S = 0.2


def start_tethered(
    command: Sequence[str],
    *,
    stop_signal: signal.Signals,
    grace_s: float,
    output: IO[bytes],
    cwd: Path,
    user: str = "",
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start the command under a tether of its own session and return the tether's process.

    The tether ends when the command ends, with its exit code. With a user the command gives up
    root for that user before it starts.
    """
    return subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-S",
            str(Path(__file__).resolve()),
            "watch",
            str(os.getpid()),
            str(int(stop_signal)),
            str(grace_s),
            user,
            *command,
        ],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=environment,
        start_new_session=True,
    )


def bound(command: Sequence[str], stop_signal: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command, made to get the signal when the process that starts it dies.

    Start it from a thread that lives as long as its process: the kernel watches the thread.
    """
    script = str(Path(__file__).resolve())
    owner, number = str(os.getpid()), str(int(stop_signal))
    return [sys.executable, "-I", "-S", script, "bind", owner, number, *command]


def stop_with_parent(stop_signal: signal.Signals, parent: int) -> None:
    """Ask the kernel for this signal when the parent dies; leave at once if it is dead already.

    The kernel means the parent's thread, and forgets the wish when the user changes: call this
    last, in a process started from a thread that lives as long as its process.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def main(arguments: Sequence[str]) -> int:
    """Tether or bind, as the first argument says."""
    mode, owner, stop_signal = arguments[0], int(arguments[1]), signal.Signals(int(arguments[2]))
    if mode == "bind":
        _become("", list(arguments[3:]), stop_signal, owner)
    return _watch_over(
        owner, stop_signal, float(arguments[3]), user=arguments[4], command=list(arguments[5:])
    )


def _watch_over(
    owner: int, stop_signal: signal.Signals, grace_s: float, *, user: str, command: list[str]
) -> int:
    """Run the command until it ends or its owner does; answer the command's exit code."""
    stop_asked: list[int] = []
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, lambda number, _frame: stop_asked.append(number))
    owner_watch = _watch(owner)
    tether = os.getpid()
    child = os.fork()
    if child == 0:
        _become(user, command, stop_signal, tether)
    kill_at = float("inf")
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) & 0xFF
        if kill_at == float("inf"):
            if stop_asked or os.getppid() != owner:
                os.kill(child, stop_signal)
                kill_at = time.monotonic() + grace_s
        elif time.monotonic() > kill_at:
            os.kill(child, signal.SIGKILL)
        _pause(child, owner_watch if kill_at == float("inf") else None)


def _become(user: str, command: list[str], stop_signal: signal.Signals, parent: int) -> NoReturn:
    """Turn this process into the command."""
    try:
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(name, signal.SIG_DFL)
        if user:
            account = pwd.getpwnam(user)
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
        stop_with_parent(stop_signal, parent)
        os.execvp(command[0], command)  # noqa: S606 - our own command, and no shell is wanted
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _watch(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends, where the system has such."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _pause(child: int, owner_watch: int | None) -> None:
    """Wait until the owner or the child ends, or a moment has passed."""
    child_watch = _watch(child)
    watched = [fd for fd in (child_watch, owner_watch) if fd is not None]
    # Without descriptors for both (old kernels, other systems) the loop looks again by itself.
    patience_s = 5.0 if owner_watch is not None and child_watch is not None else POLL_S
    try:
        select.select(watched, [], [], patience_s)
    finally:
        if child_watch is not None:
            os.close(child_watch)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
