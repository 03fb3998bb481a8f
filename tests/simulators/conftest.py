"""Fixtures: a listening Tiedolla, a rehearsal shared by a file's tests, and one to be killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.running import Listener, RunningRehearsal, listening

QUICK = [0.0, 0.05]


@pytest.fixture
def tiedolla() -> Iterator[Listener]:
    """Who the reports of this test's own rehearsal go to."""
    with listening() as listener:
        yield listener


@pytest.fixture
def rehearsal(tmp_path: Path, tiedolla: Listener) -> Iterator[RunningRehearsal]:
    """A rehearsal of this test alone: it may be killed."""
    yield from _running(tmp_path / "rehearsal", tiedolla.url)


@pytest.fixture(scope="module")
def shared_tiedolla() -> Iterator[Listener]:
    """Who the reports of the shared rehearsal go to."""
    with listening() as listener:
        yield listener


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, shared_tiedolla: Listener
) -> Iterator[RunningRehearsal]:
    """A rehearsal that the tests of one file share: they leave it without faults."""
    yield from _running(tmp_path_factory.mktemp("rehearsal"), shared_tiedolla.url)


def _running(folder: Path, tiedolla_url: str) -> Iterator[RunningRehearsal]:
    running = RunningRehearsal(folder, tiedolla_url)
    running.configure("twilio", sent_after_s=QUICK, delivered_after_s=QUICK)
    running.configure("sendgrid", processed_after_s=QUICK, delivered_after_s=QUICK)
    spans = ("accepted_after_s", "scheduled_after_s", "started_after_s", "completed_after_s")
    running.configure("installer", **dict.fromkeys(spans, QUICK))
    running.start()
    yield running
    assert running.process is not None
    running.process.kill()
    running.process.wait()
