"""A dispatcher of its own process that a test kills at any moment, as the power would go.

It finds no Redis, so it does all of the work itself: reads files, makes orders, sends them. Slices
are small, so that there are many places between two orders at which it can die.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from typing import Any

from app.factory import create_app
from tests.conftest import test_settings
from workers import intake, jobs, mass_intake
from workers.dispatcher import Dispatcher

# A server without threads, which has everything imported already: a process begins at once.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.workers.killed_dispatcher"])
_SLICE_ROWS = 2


def work(values: Mapping[str, Any]) -> None:
    """Work until somebody ends it."""
    mass_intake.SPLIT_ROWS = _SLICE_ROWS
    intake.STAGE_ROWS = _SLICE_ROWS  # type: ignore[attr-defined] # as intake has imported it
    app = create_app(test_settings(**values))
    with app.app_context():
        state = jobs.begin("dispatcher")
        settings = app.extensions["tiedolla_settings"]
        Dispatcher(settings, state.holder).run(threading.Event())


@contextmanager
def working(values: Mapping[str, Any]) -> Iterator[ForkServerProcess]:
    """A dispatcher that is killed at the end, with SIGKILL."""
    process = _SERVER.Process(target=work, args=(dict(values),), daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
