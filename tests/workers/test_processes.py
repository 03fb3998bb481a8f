"""The lane of processes: does chores, stops when asked, gives back what it cannot finish."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select, text

from app import clients
from app.db import transaction
from app.domain.processes import Overlap, TriggerKind
from app.models import OutboxItem, ProcessStart, Replay, Run
from app.services import (
    outbox,
    process_starts,
    process_triggers,
    processes,
    replays,
    signals,
    triggers,
)
from app.services.outbox import NewItem
from app.services.process_starts import Cause
from app.services.replays import ReplayRefused
from tests.conftest import test_settings
from tests.integrations.stub_server import Reply, StubServer
from workers import chores
from workers.drain import Drain, drain
from workers.processes import Working, run_processes
from workers.task import Task

SETTINGS = test_settings(alarm_webhook_url="http://127.0.0.1:1/x", alarm_webhook_secret="s" * 32)


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_a_start_is_done_with_a_run_that_says_so_and_starts_what_follows() -> None:
    with transaction() as session:
        spec = {"process": "purge", "ended": "OK"}
        process_triggers.add_trigger(session, "read-held", "END", spec, _now(), by="staff:otso")
    _ask("purge", "1")
    assert run_processes(_working()) == 1
    with transaction() as session:
        triggers.consume_changes(session, _now())
        triggers.consume_changes(session, _now())
    assert run_processes(_working()) == 1
    assert [(start.process_code, start.state) for start in _starts()] == [
        ("purge", "DONE"),
        ("read-held", "DONE"),
    ]
    assert [(run.process, run.state) for run in _runs()] == [("purge", "OK"), ("read held", "OK")]
    assert _runs()[1].trigger == "end: purge OK"


def test_what_was_given_up_is_tried_again_by_its_lane_and_a_notice_never() -> None:
    with transaction() as session:
        for lane in ("nis", "dms", "sms"):
            outbox.put(session, [NewItem(lane, "K", lane, lane, 1, lane, {})], _now())
        session.execute(text("UPDATE outbox_item SET state = 'DEAD'"))
    _ask("retry-dead", "1", {"lane": "nis"})
    _ask("retry-dead", "2", {"lane": "sms"})
    run_processes(_working())
    with transaction() as session:
        rows = session.execute(select(OutboxItem.lane, OutboxItem.state).order_by(OutboxItem.id))
        assert [tuple(row) for row in rows] == [("nis", "READY"), ("dms", "DEAD"), ("sms", "DEAD")]


def test_the_button_of_a_process_is_no_way_round_the_second_person() -> None:
    with transaction() as session:
        items = [NewItem("nis", "K", f"k{n}", f"k{n}", 1, f"k{n}", {}) for n in range(101)]
        outbox.put(session, items, _now())
        session.execute(text("UPDATE outbox_item SET state = 'DEAD'"))
    for nonce in ("1", "2"):
        _ask("retry-dead", nonce)
        run_processes(_working())
    with transaction() as session:
        states = set(session.execute(select(OutboxItem.state)).scalars())
        wish = session.execute(select(Replay)).scalar_one()
        assert (states, wish.state, wish.item_count) == ({"DEAD"}, "PROPOSED", 101)
        with pytest.raises(ReplayRefused):
            replays.confirm(session, wish.id, by="staff:otso", now=_now())
    assert [run.counts for run in _runs()] == [{"PROPOSED": 101}, {}]
    with transaction() as session:
        replays.confirm(session, wish.id, by="staff:aino", now=_now())
        assert replays.carry_out(session, wish.id, _now()) == (101, False)


def test_what_something_newer_has_overtaken_is_not_tried_again() -> None:
    with transaction() as session:
        items = [NewItem("nis", "K", "k", "k", n, f"k-{n}", {}) for n in (1, 2)]
        outbox.put(session, items, _now())
        session.execute(
            text("UPDATE outbox_item SET state = CASE version WHEN 1 THEN 'DEAD' ELSE 'SENT' END")
        )
    _ask("retry-dead", "1")
    run_processes(_working())
    with transaction() as session:
        states = session.execute(select(OutboxItem.state).order_by(OutboxItem.id)).scalars()
        assert list(states) == ["DEAD", "SENT"]


def test_a_signal_leaves_once_also_when_its_start_is_run_again() -> None:
    _ask("signal", "1", {"file": 7})
    run_processes(_working())
    for nonce in ("a", "b"):
        with transaction() as session:
            processes.replay(session, 1, nonce, _now(), by="staff:otso")
    assert run_processes(_working()) == 2
    with transaction() as session:
        [payload] = session.execute(
            select(OutboxItem.payload).where(OutboxItem.lane == "webhook")
        ).scalars()
    assert payload["text"] == "file=7"


def test_a_running_one_ends_when_somebody_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []

    def chore(task: Task) -> Mapping[str, int]:
        heard.append(task.stopping())
        with transaction() as session:
            assert processes.stop(session, "purge", _now(), by="staff:otso") == 1
        heard.append(task.stopping())
        return {"STORED": 1}

    _use(monkeypatch, chore)
    _ask("purge", "1")
    run_processes(_working())
    assert heard == [False, True]
    [start] = _starts()
    assert (start.state, start.reason, start.stop_asked_by) == ("STOPPED", "STOPPED", "staff:otso")
    assert _runs()[0].state == "PARTLY"


def test_a_worker_that_has_to_end_gives_its_start_back(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def chore(task: Task) -> Mapping[str, int]:
        told.append(True)
        assert task.stopping()
        return {}

    _use(monkeypatch, chore)
    _ask("purge", "1")
    run_processes(_working(stopping=told))
    [start] = _starts()
    assert (start.state, start.attempts, start.lease) == ("WAITING", 0, None)


def test_a_fault_of_ours_ends_its_own_start_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def chore(task: Task) -> Mapping[str, int]:
        raise ValueError("no")

    with transaction() as session:
        session.execute(text("UPDATE process SET overlap = 'QUEUE_ALL'"))
    _use(monkeypatch, chore)
    _ask("purge", "1")
    _ask("read-held", "2")
    assert run_processes(_working()) == 2
    first, second = _starts()
    assert (first.state, first.reason) == ("FAILED", "INTERNAL ValueError")
    assert second.state == "DONE"


@pytest.mark.parametrize(
    ("answer", "state", "attempts"),
    [(Reply(204), "SENT", 1), (Reply(503), "READY", 1), (Reply(400), "DEAD", 1)],
)
def test_a_signal_ends_in_the_outbox_as_its_receiver_answers(
    answer: Reply, state: str, attempts: int
) -> None:
    loop = asyncio.new_event_loop()
    with StubServer(answer) as hook:
        settings = test_settings(alarm_webhook_url=hook.url, alarm_webhook_secret="s" * 32)
        with transaction() as session:
            signals.put_process_signal(session, settings, "signal", 7, {}, _now())
            signals.put_process_signal(session, settings, "signal", 7, {}, _now())
        drain(Drain("webhook", 1, settings, loop))
        clients.close_clients(loop)
        loop.close()
        [request] = hook.received
    assert request.headers["idempotency-key"] == "signal/process/signal/7"
    with transaction() as session:
        item = session.execute(select(OutboxItem)).scalar_one()
        assert (item.state, item.attempts) == (state, attempts)


def _use(monkeypatch: pytest.MonkeyPatch, chore: chores.Chore) -> None:
    """A chore of the test's own in the place of a shipped one."""
    monkeypatch.setitem(chores._CHORES, "purge", chore)  # type: ignore[arg-type]


def _ask(code: str, key: str, params: Mapping[str, object] | None = None) -> None:
    with transaction() as session:
        session.execute(
            text("UPDATE process SET overlap = :to WHERE code = 'retry-dead'"),
            {"to": Overlap.QUEUE_ALL.value},
        )
        cause = Cause(TriggerKind.MANUAL, f"manual/{code}/{key}", "", "staff:otso", params or {})
        process_starts.ask(session, code, cause, _now())


def _working(stopping: list[bool] | None = None) -> Working:
    return Working(SETTINGS, 1, "doorbell", lambda: bool(stopping))


def _starts() -> list[ProcessStart]:
    with transaction() as session:
        statement = select(ProcessStart).order_by(ProcessStart.id)
        return list(session.execute(statement.execution_options(populate_existing=True)).scalars())


def _runs() -> list[Run]:
    with transaction() as session:
        statement = select(Run).order_by(Run.id).execution_options(populate_existing=True)
        return list(session.execute(statement).scalars())


def _now() -> datetime:
    return datetime.now(UTC)
