"""A worker outlives its Redis: restarted, wiped or gone, it listens again and stops when told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from flask import Flask

from app.doorbell import BELL, redis_is_up, ring, rq
from app.factory import create_app
from deploy.processes import wait_until
from deploy.valkey import PrivateValkey
from tests.conftest import test_settings

PATIENCE_S = 30.0


def test_a_frozen_redis_costs_whoever_rings_a_second_and_then_nothing(
    deaf_app: Flask, valkey: PrivateValkey
) -> None:
    with deaf_app.app_context():
        assert ring("nis")
        # RQ lengthens the time-out of the connection on which a worker waits.
        rq.queue.connection.connection_pool.connection_kwargs["socket_timeout"] = 415
        _freeze(valkey)
        began = time.monotonic()
        assert not ring("nis")
        assert time.monotonic() - began < 3
        began = time.monotonic()
        assert not any([ring("nis"), ring("dms"), ring("billing")])
        assert time.monotonic() - began < 0.5
        _thaw(valkey)
        assert redis_is_up()
        assert ring("nis")


def test_time_outs_of_the_address_count_for_the_bell_as_well(valkey: PrivateValkey) -> None:
    url = f"{valkey.url}?socket_timeout=0.25"
    app = create_app(test_settings(redis_url=url))
    with app.app_context():
        timeouts = rq.queues[BELL].connection.connection_pool.connection_kwargs
        assert (timeouts["socket_timeout"], timeouts["socket_connect_timeout"]) == (0.25, 1.0)


def test_a_worker_outlives_its_redis_and_stops_when_told(valkey: PrivateValkey) -> None:
    worker = _Listener(valkey.url)
    try:
        worker.works()
        # In the middle of a job RQ gives up; the process does not.
        worker.begins()
        valkey.restart(immediate=True)
        worker.works()
        worker.begins()
        worker.redis().flushall()
        worker.works()
        valkey.stop()
        with pytest.raises(subprocess.TimeoutExpired):
            worker.process.wait(2.5)
        valkey.start()
        worker.works()
    finally:
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(PATIENCE_S) == 0


class _Listener:
    """A process that listens on one lane and does a job of ours: it counts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.process = subprocess.Popen([sys.executable, "-c", _LISTENER, url])

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def begins(self) -> None:
        """Ring until a job has begun."""
        self._ring_until_more("begun")

    def works(self) -> None:
        """Ring until a job has been done."""
        self._ring_until_more("done")
        assert self.process.poll() is None

    def _ring_until_more(self, name: str) -> None:
        app = create_app(test_settings(redis_url=self.url))
        with app.app_context():
            seen = int(self.redis().get(name) or 0)

            def _more() -> bool:
                redis_is_up()
                ring("lane")
                return int(self.redis().get(name) or 0) > seen

            assert wait_until(_more, PATIENCE_S)


# The database is not needed to listen, so the work is replaced by one that takes its time.
_LISTENER = """
import contextlib, sys, time
from redis.exceptions import RedisError
from app.doorbell import rq
from app.factory import create_app
from tests.conftest import test_settings
from workers import cli, jobs

def count(name):
    with contextlib.suppress(RedisError):
        rq.queue.connection.incr(name)

def work(lane):
    count("begun")
    time.sleep(0.5)
    count("done")

jobs.work = work
app = create_app(test_settings(redis_url=sys.argv[1]))
with app.app_context():
    cli.listen("lane", jobs.begin("lane"))
"""


def _freeze(server: PrivateValkey) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)


def _thaw(server: PrivateValkey) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGCONT)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[PrivateValkey]:
    """A Valkey of this test's own, to freeze and stop."""
    with PrivateValkey(tmp_path / "valkey") as server:
        yield server
        if server.pid is not None:
            os.kill(server.pid, signal.SIGCONT)


@pytest.fixture
def deaf_app(valkey: PrivateValkey) -> Flask:
    """The application on that Valkey, without a database."""
    return create_app(test_settings(redis_url=valkey.url))
