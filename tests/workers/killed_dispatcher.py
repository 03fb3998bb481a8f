"""A process that dispatches and works, and that a test kills at any moment, as the power would go.

It reads files, makes orders and sends them. Slices are small, so that there are many places between
two orders at which it can die.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from typing import Any

from flask import Flask

from app.domain.lanes import INTAKE, partner_lane
from app.factory import create_app
from tests.conftest import test_settings
from workers import jobs, mass_intake, mass_reading
from workers.dispatcher import Dispatcher
from workers.holder import Holder

# A server without threads, which has everything imported already: a process begins at once.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.workers.killed_dispatcher"])
_SLICE_ROWS = 2
LANES = (INTAKE, partner_lane("voima"))


def work(values: Mapping[str, Any]) -> None:
    """Dispatch, and work on both lanes, until somebody ends it."""
    mass_intake.SPLIT_ROWS = _SLICE_ROWS
    mass_reading.BATCH_ROWS = _SLICE_ROWS  # type: ignore[attr-defined] # as it has imported it
    mass_reading.BESIDE_FROM_BYTES = 1
    app = create_app(test_settings(**values))
    threading.Thread(target=_dispatch, args=(app,), daemon=True).start()
    with app.app_context():
        jobs.begin("worker")
        pause = threading.Event()
        while not pause.wait(0.02):
            for lane in LANES:
                jobs.work_on(lane, "test")


def _dispatch(app: Flask) -> None:
    """Give back what the dead held, as whoever leads does."""
    with app.app_context():
        settings = app.extensions["tiedolla_settings"]
        Dispatcher(settings, Holder("dispatcher")).run(threading.Event())


@contextmanager
def working(values: Mapping[str, Any]) -> Iterator[ForkServerProcess]:
    """A process that is killed at the end, with SIGKILL."""
    process = _SERVER.Process(target=work, args=(dict(values),), daemon=False)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
