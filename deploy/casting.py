"""Who plays what: the processes of the product and of its simulated world, for a supervisor."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from deploy.children import Child
from deploy.environment import Rehearsal

# More than twice the cores only queue for the interpreter, and for the five pooled connections.
WEB_THREADS = "4"


def simulators(rehearsal: Rehearsal) -> Child:
    """The outside world: the first to be there and the last to go.

    It knows nothing of the product, so there is nothing of it to share with others.
    """
    words = (
        *("-m", "simulators", "run", "--dir", str(rehearsal.folder)),
        *("--port", str(rehearsal.http_port), "--sftp-port", str(rehearsal.sftp_port)),
    )
    return Child("simulators", (sys.executable, *words))


def web(port: int) -> Child:
    """The portal and the interfaces, on one port of this machine."""
    words = (
        *("-m", "granian", "--interface", "wsgi", "wsgi:app", "--host", "127.0.0.1"),
        *("--port", str(port), "--workers", "1", "--respawn-failed-workers"),
        *("--blocking-threads", WEB_THREADS, "--no-ws"),
    )
    return _warm("web", *words)


def background(lanes: Iterable[str]) -> list[Child]:
    """The dispatcher and one worker for each lane."""
    workers = [_warm(lane, "-m", "flask", "worker", lane) for lane in lanes]
    return [_warm("dispatcher", "-m", "flask", "dispatcher"), *workers]


def _warm(name: str, *words: str) -> Child:
    return Child(name, (sys.executable, *words), stage=1, warm=True)
