"""The dispatcher rings, cleans up after the dead, and stands in when Redis is gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from rq import Callback
from rq.webhook import Webhook
from sqlalchemy import event, select, text

from app.db import db, transaction, try_session_lock
from app.domain.processes import TriggerKind
from app.doorbell import JOB, lanes_ringing, queue_of, ring
from app.factory import create_app
from app.models import Alarm, Drainer, OutboxItem, ProcessStart, Run, Schedule
from app.services import (
    alarms,
    inbound,
    leases,
    outbox,
    process_starts,
    runs,
    schedules,
    triggers,
)
from app.services.outbox import NewItem
from app.services.process_starts import Cause
from tests.conftest import test_settings
from workers.cli import LaneWorker
from workers.dispatcher import Dispatcher
from workers.holder import Holder

NOW = datetime.now(UTC)


def test_lanes_that_have_something_due_are_rung_once(app: Flask, dispatcher: Dispatcher) -> None:
    with app.app_context():
        _put_item("a")
        dispatcher.tick(datetime.now(UTC))
        dispatcher.tick(datetime.now(UTC))
        assert lanes_ringing(["nis", "dms"]) == {"nis": 1, "dms": 0}


def test_a_ring_carries_nothing_but_the_lane(app: Flask) -> None:
    with app.app_context():
        ring("nis")
        (job,) = queue_of("nis").jobs
        assert (job.func_name, list(job.args), job.kwargs) == (JOB, ["nis"], {})


def test_everything_lost_from_redis_is_rung_again(app: Flask, dispatcher: Dispatcher) -> None:
    with app.app_context():
        _put_item("a")
        dispatcher.tick(datetime.now(UTC))
        queue_of("nis").connection.flushall()
        dispatcher.tick(datetime.now(UTC))
        assert lanes_ringing(["nis"]) == {"nis": 1}


@pytest.mark.parametrize(
    ("function", "extras"),
    [
        ("os.system", {}),
        (JOB, {"on_success": Callback("os.system")}),
        (JOB, {"on_failure": Callback("os.system")}),
        (JOB, {"on_stopped": Callback("os.system")}),
        (JOB, {"webhooks": [Webhook("http://127.0.0.1:1/", "finished")]}),
    ],
)
def test_a_worker_refuses_every_job_but_ours(
    app: Flask, function: str, extras: dict[str, Any]
) -> None:
    with app.app_context():
        queue = queue_of("nis")
        queue.enqueue(function, "touch should-not-exist", **extras)
        worker = LaneWorker(
            [queue],
            connection=queue.connection,
            job_class=queue.job_class,
            serializer=queue.serializer,
        )
        (job,) = queue.jobs
        assert worker.perform_job(job, queue) is False


def test_a_missed_schedule_rings_once_and_two_dispatchers_ring_it_once(app: Flask) -> None:
    with app.app_context():
        late = NOW + timedelta(hours=1)
        with transaction() as session:
            first = schedules.move_on(session, late)
        with transaction() as session:
            second = schedules.move_on(session, late)
            assert sorted(first) == ["partner_files", "poll_cis", "upkeep"]
            assert second == []
            assert all(row.next_at > late for row in session.scalars(select(Schedule)))


def test_what_a_killed_worker_held_goes_back_and_its_run_is_closed(
    app: Flask, dispatcher: Dispatcher
) -> None:
    with app.app_context():
        _put_item("a")
        lease = _lease_of_a_killed_process(app)
        with transaction() as session:
            assert len(outbox.claim(session, "nis", lease, 10, NOW, 3600)) == 1
            runs.start_run(session, "drain nis", "test", NOW, lease=lease)
        dispatcher.tick(datetime.now(UTC))
        with transaction() as session:
            assert session.scalars(select(OutboxItem.state)).one() == "READY"
            assert session.scalars(select(Run.state)).one() == "KILLED"
            drainer = session.get(Drainer, lease)
            assert drainer is not None
            assert drainer.ended_at is not None


def test_a_living_worker_keeps_what_it_holds(app: Flask, dispatcher: Dispatcher) -> None:
    with app.app_context():
        _put_item("a")
        holder = Holder("nis")
        lease = holder.lease(NOW)
        with transaction() as session:
            outbox.claim(session, "nis", lease, 10, datetime.now(UTC), 3600)
        dispatcher.tick(datetime.now(UTC))
        with transaction() as session:
            assert session.scalars(select(OutboxItem.state)).one() == "CLAIMED"
        holder.close()


def test_a_new_worker_is_nobody_s_dead_from_the_first_moment(app: Flask) -> None:
    """Whoever looks for the dead may look just when the row of a lease can be seen."""
    taken: list[int] = []
    with app.app_context(), db.engine.connect() as other:

        def _look(_session: object) -> None:
            taken.extend(leases.dead(other, 0))

        holder = Holder("nis")
        event.listen(db.session, "after_commit", _look)
        try:
            lease = holder.lease(NOW)
        finally:
            event.remove(db.session, "after_commit", _look)
        assert taken == []
        holder.close()
        assert leases.dead(other, 0) == [lease]
        leases.let_go(other, lease)


def test_a_worker_whose_lease_ran_out_loses_it(app: Flask, dispatcher: Dispatcher) -> None:
    with app.app_context():
        _put_item("a")
        holder = Holder("nis")
        lease = holder.lease(NOW)
        with transaction() as session:
            outbox.claim(session, "nis", lease, 10, datetime.now(UTC), 0)
        dispatcher.tick(datetime.now(UTC) + timedelta(seconds=1))
        with transaction() as session:
            assert session.scalars(select(OutboxItem.state)).one() == "READY"
        holder.close()


def test_a_start_that_a_killed_worker_had_waits_again_and_its_lane_is_rung(
    app: Flask, dispatcher: Dispatcher
) -> None:
    with app.app_context():
        with transaction() as session:
            cause = Cause(TriggerKind.MANUAL, "manual/1", "", "staff:otso", {})
            process_starts.ask(session, "purge", cause, NOW)
        lease = _lease_of_a_killed_process(app)
        with transaction() as session:
            assert process_starts.claim(session, lease, "doorbell", NOW) is not None
        queue_of("nis").connection.flushall()
        dispatcher.tick(datetime.now(UTC))
        with transaction() as session:
            asked = select(ProcessStart).where(ProcessStart.kind == TriggerKind.MANUAL)
            start = session.scalars(asked).one()  # a schedule may come due in the same tick
            assert (start.state, start.attempts, start.lease) == ("WAITING", 1, None)
            assert session.scalars(select(Run.state)).one() == "KILLED"
        assert lanes_ringing(["processes"]) == {"processes": 1}


def test_causes_become_starts_and_a_fault_in_that_keeps_no_lane_from_being_rung(
    app: Flask, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        _put_item("a")
        moment = datetime.now(UTC)  # one for both ticks: no minute of a schedule lies between
        with transaction() as session:
            session.execute(text("UPDATE process_trigger SET next_at = :now"), {"now": NOW})

        def broken(*_args: Any) -> int:
            raise ValueError("no")

        with monkeypatch.context() as patch:
            patch.setattr(triggers, "consume_changes", broken)
            dispatcher.tick(moment)
        assert lanes_ringing(["nis", "processes"]) == {"nis": 1, "processes": 1}
        assert _open_alarms() == [("UPKEEP_FAILED", "triggers")]
        dispatcher.tick(moment)
        assert _open_alarms() == []
        with transaction() as session:
            kinds = session.scalars(select(ProcessStart.kind)).all()
            due = session.scalars(
                text("SELECT count(*) FROM process_trigger WHERE kind = 'SCHEDULE'")
            ).one()
        assert kinds == ["SCHEDULE"] * due


def test_a_lane_that_somebody_paused_is_not_rung_for_what_waits(
    app: Flask, dispatcher: Dispatcher
) -> None:
    with app.app_context():
        with transaction() as session:
            inbound.store_small(
                session, source="cis", kind="CIS_FILE", name="x", body=b"<x/>", now=NOW
            )
            session.execute(text("UPDATE lane SET paused = true WHERE name = 'intake'"))
        queue_of("nis").connection.flushall()
        dispatcher.tick(datetime.now(UTC))
        assert lanes_ringing(["intake"]) == {"intake": 0}


def test_a_holder_whose_connection_died_works_on_under_another_number(app: Flask) -> None:
    with app.app_context():
        holder = Holder("nis")
        before = holder.lease(NOW)
        with db.engine.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                    " AND classid = :space AND objid = :lease"
                ),
                {"space": leases.DRAINER_SPACE, "lease": before},
            )
            connection.rollback()
        after = holder.lease(NOW)
        assert after != before
        with db.engine.connect() as connection:
            assert try_session_lock(connection, leases.DRAINER_SPACE, before)
            assert not try_session_lock(connection, leases.DRAINER_SPACE, after)
            connection.invalidate()
        holder.close()


def test_without_redis_the_dispatcher_raises_an_alarm_and_is_not_kept_by_any_lane(
    app: Flask, deaf_app: Flask
) -> None:
    """It works on nothing itself: the workers look, see test_deaf.py."""
    with deaf_app.app_context():
        with transaction() as session:
            inbound.store(
                session,
                source="cis",
                kind="CIS_FILE",
                name="nonsense.xml",
                chunks=[b"nonsense"],
                now=datetime.now(UTC),
            )
        holder = Holder("dispatcher")
        dispatcher = Dispatcher(deaf_app.extensions["tiedolla_settings"], holder)
        assert dispatcher._leads()
        try:
            dispatcher.tick(datetime.now(UTC))
        finally:
            dispatcher._resign()
            holder.close()
        with transaction() as session:
            message = session.execute(text("SELECT state FROM inbound_message")).scalar_one()
            assert message == "STORED"
            assert schedules.lane_is_due(session, "intake", NOW, datetime.now(UTC))
            kinds = session.scalars(select(Alarm.kind).where(Alarm.closed_at.is_(None))).all()
            assert "REDIS_DOWN" in kinds


def test_the_alarm_ends_when_redis_is_back_whichever_dispatcher_raised_it(
    app: Flask, dispatcher: Dispatcher
) -> None:
    with app.app_context():
        with transaction() as session:
            alarms.open_alarm(session, "REDIS_DOWN", "redis", "raised before a restart", NOW)
        dispatcher.tick(datetime.now(UTC))
        with transaction() as session:
            query = select(Alarm.kind).where(Alarm.closed_at.is_(None), Alarm.kind == "REDIS_DOWN")
            assert session.scalars(query).all() == []


@pytest.fixture
def dispatcher(app: Flask) -> Iterator[Dispatcher]:
    with app.app_context():
        # The clock's own rings are another test's matter.
        with transaction() as session:
            session.execute(text("UPDATE schedule SET active = false"))
        holder = Holder("dispatcher")
        dispatcher = Dispatcher(app.extensions["tiedolla_settings"], holder)
        assert dispatcher._leads()
        yield dispatcher
        dispatcher._resign()
        holder.close()


@pytest.fixture
def deaf_app(app: Flask, postgres_url: str) -> Iterator[Flask]:
    """The same database, and a Redis that nobody runs."""
    deaf = create_app(test_settings(database_url=postgres_url, redis_url="unix:///nowhere.sock"))
    with deaf.app_context(), transaction() as session:
        session.execute(text("UPDATE schedule SET active = false"))
    yield deaf
    with deaf.app_context():
        db.session.remove()
        db.engine.dispose()


def _put_item(key: str) -> None:
    with transaction() as session:
        outbox.put(
            session,
            [NewItem("nis", "NIS_DEVICE", key, key, 1, key, {"key": key})],
            NOW - timedelta(seconds=1),
        )
    queue_of("nis").connection.flushall()


def _lease_of_a_killed_process(app: Flask) -> int:
    """A process that takes a lease and is killed the hard way."""
    url = app.config["SQLALCHEMY_DATABASE_URI"]
    script = f"""
import os, signal
from datetime import UTC, datetime
from app.factory import create_app
from tests.conftest import test_settings
from workers.holder import Holder
app = create_app(test_settings(database_url={url!r}, redis_url="unix:///nowhere.sock"))
with app.app_context():
    print(Holder("nis").lease(datetime.now(UTC)), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -9, done.stderr
    return int(done.stdout)


def _open_alarms() -> list[tuple[str, str]]:
    with transaction() as session:
        rows = session.execute(select(Alarm.kind, Alarm.subject).where(Alarm.closed_at.is_(None)))
        return [(row.kind, row.subject) for row in rows]
