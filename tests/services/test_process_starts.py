"""Each cause starts its process exactly once, whoever notices it and whoever dies meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.processes import Overlap, TriggerKind
from app.domain.states import ProcessStartState
from app.doorbell import lanes_ringing
from app.models import MeterModel, Process, ProcessChange, ProcessStart, ProcessTrigger
from app.services import (
    inbound,
    process_setup,
    process_starts,
    process_triggers,
    processes,
    runs,
    triggers,
)
from app.services.process_starts import Cause
from app.services.processes import ProcessRefused
from app.services.triggers import KeyReused, NotAllowed

NOW = datetime(2027, 1, 15, 10, 0, tzinfo=UTC)
CODE = "purge"


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_a_schedule_that_is_due_starts_once_however_often_the_clock_is_asked() -> None:
    _add("SCHEDULE", cron="*/10 * * * *")
    for _ in range(3):
        with transaction() as session:
            triggers.fire_due(session, NOW + timedelta(minutes=10))
    [start] = _starts()
    assert (start.kind, start.state) == ("SCHEDULE", "WAITING")
    assert _trigger("SCHEDULE", "*/10 * * * *").next_at == NOW + timedelta(minutes=20)


def test_a_schedule_that_was_missed_for_days_starts_once() -> None:
    _add("SCHEDULE", cron="*/10 * * * *")
    with transaction() as session:
        triggers.fire_due(session, NOW + timedelta(days=3, minutes=1))
    assert len(_starts()) == 1


def test_a_death_between_the_cause_and_its_commit_leaves_the_cause_to_be_noticed_again() -> None:
    _add("SCHEDULE", cron="*/10 * * * *")
    late = NOW + timedelta(minutes=10)
    _killed_after(lambda session: triggers.fire_due(session, late))
    assert _starts() == []
    with transaction() as session:
        triggers.fire_due(session, late)
    assert len(_starts()) == 1


def test_a_committed_change_starts_once_and_one_that_was_rolled_back_never() -> None:
    _add("CHANGE", table="meter_model")
    _killed_after(_change_model)
    _consume()
    assert _starts() == []
    with transaction() as session:
        _change_model(session)
    assert len(_changes()) == 1
    _killed_after(lambda session: triggers.consume_changes(session, NOW))
    assert len(_changes()) == 1
    _consume()
    _consume()
    [start] = _starts()
    assert start.params["operation"] == "UPDATE"
    assert start.params["table"] == "meter_model"
    assert _changes() == []


def test_a_change_that_nobody_listens_for_is_not_even_written() -> None:
    with transaction() as session:
        _change_model(session)
    assert _changes() == []


def test_a_row_that_is_written_as_it_was_is_no_change() -> None:
    _add("CHANGE", table="meter_model")
    with transaction() as session:
        session.execute(text("UPDATE meter_model SET maker = maker"))
    assert _changes() == []


def test_the_end_of_a_run_starts_what_waits_for_such_an_end() -> None:
    _add("END", process="poll-cis", ended="BAD")
    for state in ("OK", "FAILED"):
        with transaction() as session:
            run_id = runs.start_run(session, "poll CIS", "schedule", NOW)
            other = runs.start_run(session, "network", "schedule", NOW)
        with transaction() as session:
            runs.finish_run(session, run_id, state, NOW)
            runs.finish_run(session, other, state, NOW)
    _consume()
    _consume()
    [start] = _starts()
    assert (start.kind, start.params["state"]) == ("END", "FAILED")
    assert start.cause == "poll-cis FAILED"


def test_a_killed_run_has_ended_too() -> None:
    _add("END", process="poll-cis", ended="BAD")
    with transaction() as session:
        runs.start_run(session, "poll CIS", "schedule", NOW, lease=7)
    with transaction() as session:
        runs.close_killed_runs(session, [7], NOW)
    _consume()
    assert len(_starts()) == 1


def test_a_file_starts_once_and_its_repetition_not_at_all() -> None:
    _add("FILE", source="cis", name="orders*.xml")
    for name in ("orders-1.xml", "orders-again.xml", "other.xml"):
        body = b"other" if name == "other.xml" else b"orders"
        with transaction() as session:
            inbound.store(session, source="cis", kind="CIS_FILE", name=name, chunks=[body], now=NOW)
    _consume()
    [start] = _starts()
    assert start.params == {"message": 1}


def test_a_request_starts_once_per_key_and_a_key_used_for_something_else_is_noticed() -> None:
    _add("HTTP", partner="dms")
    first = _request(b"{}", "k-1")
    again = _request(b"{}", "k-1")
    assert (first.new, again.new, again.id) == (True, False, first.id)
    with pytest.raises(KeyReused):
        _request(b'{"a": 1}', "k-1")
    with pytest.raises(NotAllowed), transaction() as session:
        triggers.request_came(session, CODE, "voima", "k-2", b"{}", {}, NOW)
    assert len(_starts()) == 1


def test_two_that_notice_the_same_cause_at_once_start_it_once(app: Flask) -> None:
    _overlap(Overlap.QUEUE_ALL)
    barrier, found = threading.Barrier(4), []

    def ask() -> None:
        with app.app_context():
            barrier.wait()
            with transaction() as session:
                found.append(process_starts.ask(session, CODE, _cause("one"), NOW).new)
            db.session.remove()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(found) == [False, False, False, True]
    assert len(_starts()) == 1


def test_the_policies_decide_what_becomes_of_a_start_that_meets_another() -> None:
    _ask("a")
    assert _claim() is not None
    _ask("b")
    _ask("c")
    assert _states() == ["RUNNING", "WAITING", "SKIPPED"]
    assert _starts()[2].reason == "ONE_WAITS"
    _overlap(Overlap.REPLACE)
    _ask("d")
    assert _states() == ["RUNNING", "SKIPPED", "SKIPPED", "WAITING"]
    with transaction() as session:
        assert process_starts.stop_is_asked(session, 1)
    _overlap(Overlap.SKIP)
    _ask("e")
    assert _states()[-1] == "SKIPPED"


def test_one_runs_at_a_time_unless_the_policy_lets_them_run_beside() -> None:
    _overlap(Overlap.QUEUE_ALL)
    _ask("a")
    _ask("b")
    assert _claim() is not None
    assert _claim() is None
    _overlap(Overlap.PARALLEL)
    assert _claim() is not None
    assert _states() == ["RUNNING", "RUNNING"]


def test_of_two_workers_that_look_at_once_one_takes_it_and_the_other_finds_nothing(
    app: Flask,
) -> None:
    _overlap(Overlap.QUEUE_ALL)
    _ask("a")
    _ask("b")
    found: list[int | None] = []
    looked, committed = threading.Event(), threading.Event()

    def second() -> None:
        with app.app_context():
            looked.set()
            with transaction() as session:
                # It has seen the first start waiting, and then waits for the process's row.
                taken = process_starts.claim(session, 2, "doorbell", NOW)
                assert committed.is_set()
                found.append(None if taken is None else taken.id)
            db.session.remove()

    thread = threading.Thread(target=second)
    with transaction() as session:
        taken = process_starts.claim(session, 1, "doorbell", NOW)
        assert taken is not None
        thread.start()
        looked.wait(10)
        _wait_for_a_waiter()
        committed.set()
    thread.join(20)
    assert found == [None]


def test_the_database_itself_refuses_a_second_one_of_what_runs_alone() -> None:
    _overlap(Overlap.QUEUE_ALL)
    _ask("a")
    _ask("b")
    assert _claim() is not None
    with pytest.raises(IntegrityError), transaction() as session:
        session.execute(text("UPDATE process_start SET state = 'RUNNING'"))


def test_what_a_dead_worker_had_waits_again_and_is_given_up_after_three_deaths() -> None:
    _ask("a")
    for lease in (5, 6, 7):
        taken = _claim(lease)
        assert taken is not None
        with transaction() as session:
            assert process_starts.give_back(session, lease, NOW) == 1
    assert _claim(8) is None
    [start] = _starts()
    assert (start.state, start.reason) == ("FAILED", "INTERNAL WorkerDied")


def test_a_worker_that_was_taken_for_dead_does_not_end_what_another_has() -> None:
    _ask("a")
    taken = _claim(5)
    assert taken is not None
    with transaction() as session:
        process_starts.give_back(session, 5, NOW)
    with transaction() as session:
        process_starts.finish(session, taken.id, ProcessStartState.DONE, NOW, None)
    assert _states() == ["WAITING"]


def test_a_stopped_process_keeps_its_causes_and_lets_the_clock_pass() -> None:
    _add("SCHEDULE", cron="*/10 * * * *")
    _add("CHANGE", table="meter_model")
    with transaction() as session:
        processes.stop(session, CODE, NOW, by="staff:otso")
    with transaction() as session:
        triggers.fire_due(session, NOW + timedelta(hours=1))
        _change_model(session)
    _consume()
    assert [start.kind for start in _starts()] == ["CHANGE"]
    assert _claim() is None
    later = NOW + timedelta(hours=1, minutes=5)
    with transaction() as session:
        processes.go_on(session, CODE, later, by="staff:otso")
    assert lanes_ringing(["processes"]) == {"processes": 1}
    assert _trigger("SCHEDULE", "*/10 * * * *").next_at == NOW + timedelta(hours=1, minutes=10)
    assert _claim() is not None


def test_stopping_ends_what_waits_and_asks_what_runs() -> None:
    _ask("a")
    assert _claim() is not None
    _ask("b")
    with transaction() as session:
        assert processes.stop(session, CODE, NOW, by="staff:otso") == 1
    first, second = _starts()
    assert (first.state, first.stop_asked_by) == ("RUNNING", "staff:otso")
    assert (second.state, second.reason) == ("STOPPED", "STOPPED_WAITING")


def test_what_watches_over_everything_cannot_be_stopped() -> None:
    with pytest.raises(ProcessRefused, match="ESSENTIAL"), transaction() as session:
        processes.stop(session, "upkeep", NOW, by="staff:otso")


def test_a_lane_is_rung_at_once_and_not_while_it_is_paused() -> None:
    with transaction() as session:
        asked = processes.start(session, "poll-cis", "1", NOW, by="staff:otso")
    assert asked.state == "DONE"
    assert lanes_ringing(["poll_cis"]) == {"poll_cis": 1}
    with transaction() as session:
        processes.stop(session, "poll-cis", NOW, by="staff:otso")
    with pytest.raises(ProcessRefused, match="IS_STOPPED"), transaction() as session:
        processes.start(session, "poll-cis", "2", NOW, by="staff:otso")
    with transaction() as session:
        cause = Cause(TriggerKind.END, "end/1/1", "", "system:clock", {})
        assert process_starts.ask(session, "poll-cis", cause, NOW).state == "SKIPPED"


def test_a_replay_runs_under_the_keys_of_what_it_repeats() -> None:
    _ask("a", params={"lane": "nis"})
    assert _claim() is not None
    with pytest.raises(ProcessRefused, match="NOT_OVER"), transaction() as session:
        processes.replay(session, 1, "n", NOW, by="staff:otso")
    with transaction() as session:
        process_starts.finish(session, 1, ProcessStartState.DONE, NOW, None)
    for _ in range(2):
        with transaction() as session:
            processes.replay(session, 1, "n", NOW, by="staff:otso")
    taken = _claim()
    assert taken is not None
    assert (taken.id, taken.key_id, taken.params) == (2, 1, {"lane": "nis"})
    assert len(_starts()) == 2


def test_triggers_are_checked_before_they_are_stored() -> None:
    for kind, spec, code in (
        ("SCHEDULE", {"cron": "61 * * * *"}, "CRON_INVALID"),
        ("CHANGE", {"table": "staff_account"}, "TABLE_UNKNOWN"),
        ("HTTP", {"partner": "nobody"}, "PARTNER_UNKNOWN"),
        ("END", {"process": "nothing", "ended": "OK"}, "PROCESS_UNKNOWN"),
        ("END", {"process": CODE, "ended": "OK"}, "CIRCLE"),
        ("MANUAL", {}, "VALUE_UNKNOWN"),
    ):
        with pytest.raises(ProcessRefused, match=code), transaction() as session:
            process_triggers.add_trigger(session, CODE, kind, spec, NOW, by="staff:otso")
    _add("END", process="read-held", ended="OK")
    with pytest.raises(ProcessRefused, match="TRIGGER_KNOWN"):
        _add("END", process="read-held", ended="OK")
    spec = {"process": CODE, "ended": "ANY"}
    with pytest.raises(ProcessRefused, match="CIRCLE"), transaction() as session:
        process_triggers.add_trigger(session, "read-held", "END", spec, NOW, by="staff:otso")


def test_installing_again_changes_nothing_that_somebody_has_set() -> None:
    with transaction() as session:
        before = len(session.execute(select(Process)).scalars().all())
        session.execute(text("UPDATE process SET owner = 'aino', log_level = 'ERRORS'"))
        process_setup.install(session, "test", NOW)
    with transaction() as session:
        rows = session.execute(select(Process)).scalars().all()
        assert len(rows) == before
        assert {row.owner for row in rows} == {"aino"}


def test_the_level_of_detail_decides_which_steps_are_kept() -> None:
    kept = {}
    for level in ("ERRORS", "RESULTS", "EVERYTHING"):
        with transaction() as session:
            session.execute(text("UPDATE process SET log_level = :level"), {"level": level})
            run_id = runs.start_run(session, "poll CIS", "schedule", NOW)
            good = runs.StepRow("a", "STORED", ("k",), NOW, payload_hash="h")
            bad = runs.StepRow("b", "REJECTED", ("k",), NOW, payload_hash="h")
            runs.add_steps(session, run_id, iter((good, bad)))
            rows = session.execute(
                text("SELECT state, payload_hash FROM step WHERE run_id = :run ORDER BY id"),
                {"run": run_id},
            ).all()
            kept[level] = [tuple(row) for row in rows]
    assert kept == {
        "ERRORS": [("REJECTED", "h")],
        "RESULTS": [("STORED", None), ("REJECTED", None)],
        "EVERYTHING": [("STORED", "h"), ("REJECTED", "h")],
    }


def _wait_for_a_waiter() -> None:
    """Until another session of this database waits for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 10
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(waiting).scalar_one():
            assert time.monotonic() < deadline, "nobody waits"


def _killed_after(act: Callable[[Session], object]) -> None:
    """Do it in a transaction whose process dies before the commit."""

    def die() -> None:
        with transaction() as session:
            act(session)
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        die()


def _add(kind: str, **spec: str) -> None:
    with transaction() as session:
        session.execute(text("DELETE FROM process_trigger WHERE created_by = 'system:setup'"))
        process_triggers.add_trigger(session, CODE, kind, spec, NOW, by="staff:otso")


def _ask(key: str, params: dict[str, Any] | None = None) -> None:
    with transaction() as session:
        process_starts.ask(session, CODE, _cause(key, params), NOW)


def _cause(key: str, params: dict[str, Any] | None = None) -> Cause:
    return Cause(TriggerKind.MANUAL, f"manual/{key}", "", "staff:otso", params or {})


def _claim(lease: int = 1) -> process_starts.Taken | None:
    with transaction() as session:
        return process_starts.claim(session, lease, "doorbell", NOW)


def _request(body: bytes, key: str) -> process_starts.Asked:
    with transaction() as session:
        return triggers.request_came(session, CODE, "dms", key, body, {}, NOW)


def _consume() -> None:
    with transaction() as session:
        triggers.consume_changes(session, NOW)


def _change_model(session: Any) -> None:
    model = session.execute(select(MeterModel).order_by(MeterModel.model)).scalars().first()
    session.execute(
        text("UPDATE meter_model SET maker = maker || '!' WHERE model = :model"),
        {"model": model.model},
    )


def _overlap(overlap: Overlap) -> None:
    with transaction() as session:
        session.execute(text("UPDATE process SET overlap = :to"), {"to": overlap.value})


def _starts() -> list[ProcessStart]:
    with transaction() as session:
        rows = session.execute(
            select(ProcessStart).order_by(ProcessStart.id).execution_options(populate_existing=True)
        )
        return list(rows.scalars())


def _states() -> list[str]:
    return [start.state for start in _starts()]


def _changes() -> list[ProcessChange]:
    with transaction() as session:
        return list(session.execute(select(ProcessChange)).scalars())


def _trigger(kind: str, key: str) -> ProcessTrigger:
    with transaction() as session:
        return session.execute(
            select(ProcessTrigger)
            .where(ProcessTrigger.kind == kind, ProcessTrigger.key == key)
            .execution_options(populate_existing=True)
        ).scalar_one()
