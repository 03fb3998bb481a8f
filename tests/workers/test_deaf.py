"""Without Redis every worker looks after its own lane, and one that is stuck slows no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.doorbell import lanes_ringing, queue_of
from app.models import Run, Schedule
from app.services import schedules
from deploy.processes import wait_until
from tests.integrations.stub_server import Behaviour, Reply, StubServer
from tests.workers.test_lane_bounds import put
from workers.deaf import OwnLook

NOWHERE = "unix:///nowhere.sock"
# Far more than is needed: the processes begin while other tests run.
PATIENCE_S = 120.0
_SETTLED = text("SELECT max(settled_at) FROM outbox_item WHERE lane = 'nis'")
_GIVEN_UP = text(
    "SELECT min(a.finished_at) FROM attempt a JOIN outbox_item i ON i.id = a.outbox_item_id"
    " WHERE i.lane = 'dms'"
)
LATE = datetime.now(UTC) + timedelta(hours=1)


def test_a_stuck_lane_does_not_slow_another_when_redis_is_gone(
    app: Flask, postgres_url: str
) -> None:
    """Two real workers that hear nothing: one waits for an answer that never comes."""
    with (
        app.app_context(),
        StubServer(Behaviour.HANG) as dms,
        StubServer(Reply(200, {"ref": "NIS-1"})) as nis,
        _worker(postgres_url, "dms", dms_url=dms.url),
        _worker(postgres_url, "nis", nis_url=nis.url),
    ):
        put("nis", 1, prefix="first")
        assert wait_until(lambda: _states("nis") == {"SENT": 1}, PATIENCE_S)
        put("dms", 300)
        assert wait_until(lambda: dms.connections > 0, PATIENCE_S)
        # What comes later is found, too, and still without any bell.
        put("nis", 100)
        assert wait_until(lambda: _states("nis") == {"SENT": 101}, PATIENCE_S)
        with transaction() as session:
            triggers = session.scalars(select(Run.trigger).where(Run.process == "drain nis"))
            assert set(triggers) == {"no Redis"}
            settled_at = session.execute(_SETTLED).scalar_one()
            given_up_at = session.execute(_GIVEN_UP).scalar_one()
        # All of one lane was sent while no call of the other had come to its end.
        assert given_up_at is None or settled_at < given_up_at
        dms.hang_up()


def test_a_lane_of_the_clock_is_worked_on_when_its_time_has_come(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        began = session.scalars(select(Schedule.last_at).where(Schedule.lane == "poll_cis")).one()
        since = began or datetime.now(UTC)
        assert not schedules.lane_is_due(session, "poll_cis", since, datetime.now(UTC))
        schedules.move_on(session, LATE)
        assert schedules.lane_is_due(session, "poll_cis", since, LATE)
        assert not schedules.lane_is_due(session, "poll_cis", LATE, LATE)
        session.execute(text("UPDATE lane SET paused = true WHERE name = 'poll_cis'"))
        assert not schedules.lane_is_due(session, "poll_cis", since, LATE)


def test_a_worker_rings_itself_when_nobody_else_does(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is there, and the dispatcher cannot reach it."""
    with app.app_context():
        put("nis", 1)
        queue_of("nis").connection.flushall()
        own = OwnLook("nis", datetime.now(UTC))
        own.ring_if_due()
        # The dispatcher is asked first; it rings within a quarter of a second.
        assert lanes_ringing(["nis"]) == {"nis": 0}
        monkeypatch.setattr("workers.deaf._LOOK_EVERY_S", 0.0)
        own.ring_if_due()
        own.ring_if_due()
        assert lanes_ringing(["nis"]) == {"nis": 1}


def _states(lane: str) -> dict[str, int]:
    with transaction() as session:
        rows = session.execute(
            text("SELECT state, count(*) FROM outbox_item WHERE lane = :lane GROUP BY state"),
            {"lane": lane},
        )
        return {row[0]: row[1] for row in rows}


def test_what_the_clock_rang_and_was_done_is_not_rung_again(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.deaf._LOOK_EVERY_S", 0.0)
    with app.app_context():
        own = OwnLook("poll_cis", datetime.now(UTC))
        with transaction() as session:
            # Nothing waits there; only the clock rings it.
            session.execute(text("UPDATE schedule SET next_at = :now"), {"now": datetime.now(UTC)})
            schedules.move_on(session, datetime.now(UTC))
        queue_of("poll_cis").connection.flushall()
        own.was_rung()
        own.ring_if_due()
        assert lanes_ringing(["poll_cis"]) == {"poll_cis": 0}


@contextmanager
def _worker(postgres_url: str, lane: str, **settings: str) -> Iterator[None]:
    """A worker's process as `flask worker` makes it, with a Redis that nobody runs."""
    script = f"""
from app.factory import create_app
from tests.conftest import test_settings
from workers import jobs
from workers.cli import listen
app = create_app(test_settings(
    database_url={postgres_url!r}, redis_url={NOWHERE!r}, **{settings!r}))
with app.app_context():
    state = jobs.begin({lane!r})
    try:
        listen({lane!r}, state)
    finally:
        jobs.end()
"""
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    try:
        yield
    finally:
        # A call under way may hold it for ten seconds; nobody has to wait for that here.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
