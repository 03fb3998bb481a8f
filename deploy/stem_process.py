"""The process from which warm children are forked: it imports the product once, then only forks.

What runs in a fork is exactly what `python -m MODULE …` runs. deploy/stem.py starts and asks it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from deploy.tether import stop_with_parent

MESSAGE_BYTES = 65536
PR_SET_NAME = 15


def main(control_fd: int, module: str) -> None:
    """Import the module, then fork what is asked for until nobody can ask any more."""
    control = socket.socket(fileno=control_fd)
    # A fork's end wakes the loop through this pair; what arrives there is only the signal's number.
    woken, waker = socket.socketpair()
    stem = os.getpid()
    woken.setblocking(False)
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    importlib.import_module(module)
    # The forks share these pages as long as no collector writes into them.
    gc.collect()
    gc.freeze()
    _tell(control, {"ready": True})
    while True:
        readable = select.select([control, woken], [], [])[0]
        if woken in readable:
            woken.recv(MESSAGE_BYTES)
            _reap(control)
        if control in readable:
            data, fds, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 3)
            if not data:
                return
            pid = os.fork()
            if pid == 0:
                for inherited in (control, woken, waker):
                    inherited.close()
                _become(**json.loads(data), fds=fds, stem=stem)
            for fd in fds:
                os.close(fd)
            _tell(control, {"started": pid})


def _reap(control: socket.socket) -> None:
    """Tell which forks have ended, once what they had started is ended too."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None:
            return
        # Until it is reaped, its process id still names its group and nothing else.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(ended.si_pid, signal.SIGKILL)
        _, status = os.waitpid(ended.si_pid, 0)
        _tell(control, {"ended": ended.si_pid, "code": os.waitstatus_to_exitcode(status)})


def _tell(control: socket.socket, what: Mapping[str, Any]) -> None:
    # The end of the asking side comes as an end of file; it needs no answer.
    with contextlib.suppress(OSError):
        control.send(json.dumps(what).encode())


def _become(words: Sequence[str], name: str, fds: Sequence[int], stem: int) -> NoReturn:
    """Run `python -m words…` in this fork, in a session of its own, and end."""
    code = 1
    try:
        os.setsid()
        for target, fd in enumerate(fds):
            os.dup2(fd, target)
            os.close(fd)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop_with_parent(signal.SIGTERM, stem)
        _name_process(name)
        sys.argv = ["", *words[1:]]
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = _exit_code(end.code)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except BaseException:
        # This is the last frame of the process; the interpreter would show the trace here too.
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _exit_code(code: object) -> int:
    """What the interpreter makes of sys.exit's argument."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def _name_process(name: str) -> None:
    """The name that top and ps -o comm show."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
