"""The second stage reads our own copy of a file, and no file, however bad, stops the next one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from app.db import transaction
from app.models import (
    ConnectionOrder,
    InboundFinding,
    InboundMessage,
    OutboxItem,
    Run,
    Step,
    WorkOrder,
)
from app.services import inbound, intake, runs
from app.settings import Settings
from simulators.cis.connections import Moved, write_connections
from simulators.cis.master_data import write_master_data
from simulators.cis.work_orders import Wish, write_work_orders
from simulators.cis.world import make_points
from workers import intake as worker

NOW = datetime.now(UTC)
GOOD_COUNT = 7


def test_master_data_and_orders_of_the_rehearsal_are_taken_whole(
    app: Flask, master_data: bytes, orders: bytes
) -> None:
    with app.app_context():
        _store(master_data, "master.xml")
        _store(orders, "orders.xml")
        _interpret(app)
        assert _messages() == {
            "master.xml": ("INTERPRETED", None),
            "orders.xml": ("INTERPRETED", None),
        }
        with transaction() as session:
            states = session.scalars(select(WorkOrder.state)).all()
            assert states == ["ROUTED"] * GOOD_COUNT
            found = session.scalar(
                text(
                    "SELECT count(*) FROM work_order o JOIN meter m ON m.number = o.old_meter_number"
                    " AND m.gsrn = o.gsrn JOIN occupancy c ON c.gsrn = o.gsrn"
                    " AND c.customer_id = o.customer_id"
                )
            )
            assert found == GOOD_COUNT


def test_connection_orders_of_the_rehearsal_are_taken_whole_and_bad_ones_are_answered(
    app: Flask, master_data: bytes, tmp_path: Path
) -> None:
    moved = [Moved(point, 3) for point in make_points(1, 1, GOOD_COUNT + 1)]
    write_connections(tmp_path / "orders.xml", moved, NOW.date(), NOW)
    with app.app_context():
        _store(master_data, "master.xml")
        _store((tmp_path / "orders.xml").read_bytes(), "connections.xml")
        _interpret(app)
        # The last order's customer is not among the master data.
        assert _messages()["connections.xml"] == ("PARTLY", "FIELD_INVALID")
        with transaction() as session:
            stages = session.scalars(select(ConnectionOrder.stage)).all()
            assert stages == ["SITE_PLANNING"] * GOOD_COUNT
            told = session.scalar(text("SELECT count(*) FROM announcement"))
            assert told == GOOD_COUNT
            rejects = session.scalars(
                select(OutboxItem.payload).where(OutboxItem.kind == "CIS_REJECT")
            ).all()
        assert [one["entries"][0]["path"] for one in rejects] == ["CustomerId"]


def test_reading_everything_again_changes_no_row(
    app: Flask, master_data: bytes, orders: bytes
) -> None:
    with app.app_context():
        _store(master_data, "master.xml")
        _store(orders, "orders.xml")
        _interpret(app)
        before = _rows()
        with transaction() as session:
            session.execute(text("UPDATE inbound_message SET state = 'STORED'"))
        _interpret(app)
        assert _rows() == before


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("empty.xml", b"", "XML_MALFORMED"),
        ("binary.xml", bytes(range(256)) * 4, "XML_MALFORMED"),
        ("gzip.xml", b"\x1f\x8b\x08\x00" + b"0" * 100, "XML_MALFORMED"),
        ("utf7.xml", b'<?xml version="1.0" encoding="UTF-7"?><a/>', "XML_MALFORMED"),
        (
            "bomb.xml",
            b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;&b;">]><a>&d;</a>',
            "XML_MALFORMED",
        ),
        ("root.xml", b'<Nonsense xmlns="urn:tiedolla:cis:work-order:1"/>', "XML_SCHEMA"),
        (
            "version.xml",
            b'<WorkOrderMessage xmlns="urn:tiedolla:cis:work-order:9"/>',
            "XML_VERSION",
        ),
        (
            "mass.xml",
            b'<MassWorkOrderMessage xmlns="urn:tiedolla:cis:work-order:1"/>',
            "HDR_MISSING",
        ),
        (
            "headless.xml",
            b'<WorkOrderMessage xmlns="urn:tiedolla:cis:work-order:1"></WorkOrderMessage>',
            "HDR_MISSING",
        ),
    ],
)
def test_a_bad_file_is_answered_with_a_code_and_the_next_file_is_taken(
    app: Flask, orders: bytes, name: str, body: bytes, code: str
) -> None:
    with app.app_context():
        _store(body, name)
        _store(orders, "orders.xml")
        _interpret(app)
        assert _messages() == {name: ("REJECTED", code), "orders.xml": ("INTERPRETED", None)}
        with transaction() as session:
            reject = session.scalars(select(OutboxItem).where(OutboxItem.lane == "cis")).one()
            assert reject.payload["file_name"] == name
            assert reject.payload["entries"][0]["code"] == code
            assert reject.payload["entries"][0]["text"]
            assert session.scalars(select(InboundFinding.code)).first() == code
            assert session.scalars(select(Run.state).order_by(Run.id)).all() == ["FAILED", "OK"]


def test_a_file_that_breaks_off_keeps_the_orders_before_the_break(
    app: Flask, orders: bytes
) -> None:
    cut = orders[: orders.rindex(b"<OrderId>")]
    with app.app_context():
        _store(cut, "cut.xml")
        _interpret(app)
        assert _messages() == {"cut.xml": ("PARTLY", "XML_MALFORMED")}
        with transaction() as session:
            assert len(session.scalars(select(WorkOrder.order_id)).all()) == GOOD_COUNT - 1


def test_a_worker_has_no_pages_in_memory() -> None:
    for command, wants in (("worker", False), ("dispatcher", False), ("routes", True)):
        asked = (
            "import sys, app.factory; from tests.conftest import test_settings;"
            f" app.factory.load_settings = test_settings; sys.argv[1:] = [{command!r}];"
            " import wsgi; print(*sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", asked], capture_output=True, text=True, check=True
        )
        assert ("app.web.register" in done.stdout.split()) is wants, command


def test_a_death_between_two_slices_costs_nothing_when_the_file_is_read_again(
    app: Flask, orders: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SLICE_COUNT", 2)
    take = worker._take_orders
    calls: list[int] = []

    def _die_at_the_third(part: Any, batch: list[object]) -> Any:
        calls.append(len(batch))
        if len(calls) >= 3:
            raise KeyboardInterrupt
        return take(part, batch)

    with app.app_context():
        _store(orders, "orders.xml")
        with monkeypatch.context() as patch:
            patch.setattr(worker, "_take_orders", _die_at_the_third)
            with pytest.raises(KeyboardInterrupt):
                _interpret(app)
        assert _messages() == {"orders.xml": ("STORED", None)}
        _interpret(app)
        assert _messages() == {"orders.xml": ("INTERPRETED", None)}
        with transaction() as session:
            keys = session.scalars(select(OutboxItem.dedupe_key)).all()
            assert len(keys) == len(set(keys)) == GOOD_COUNT
            counts = session.scalars(select(InboundMessage.counts)).one()
            assert counts == {"TAKEN_BEFORE": 4, "NEW": 3}


def test_revisions_of_one_order_in_neighbouring_slices_are_taken_in_the_order_of_the_file(
    app: Flask, orders: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SLICE_COUNT", 1)
    count = 12
    first, *rest = (part + b"</WorkOrder>" for part in orders.split(b"</WorkOrder>")[:-1])
    head, one = first[: first.index(b"<WorkOrder>")], first[first.index(b"<WorkOrder>") :]
    assert b"<Revision>1</Revision>" in one
    tail = orders[orders.rindex(b"</WorkOrder>") + len(b"</WorkOrder>") :]
    revisions = [
        one.replace(b"<Revision>1</Revision>", b"<Revision>%d</Revision>" % number)
        for number in range(1, count + 1)
    ]
    take, overtaken = worker._take_orders, Event()

    def _slow_at_first(part: Any, batch: list[object]) -> Any:
        if overtaken.is_set() or batch[0].order.revision != 1:  # type: ignore[attr-defined]
            overtaken.set()
        else:
            overtaken.wait(0.5)
        return take(part, batch)

    monkeypatch.setattr(worker, "_take_orders", _slow_at_first)
    with app.app_context():
        _store(head + b"".join(revisions) + rest[0] + tail, "orders.xml")
        _interpret(app)
        with transaction() as session:
            counts = session.scalars(select(InboundMessage.counts)).one()
            assert counts == {"NEW": 2, "UPDATE": count - 1}
            assert sorted(session.scalars(select(WorkOrder.revision))) == [1, count]


def test_a_fault_of_ours_postpones_the_file_and_lets_the_next_one_pass(
    app: Flask, orders: bytes, master_data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _fail(*_args: Any) -> Any:
        raise ZeroDivisionError

    with app.app_context():
        _store(orders, "orders.xml")
        _store(master_data, "master.xml")
        with monkeypatch.context() as patch:
            patch.setattr(intake, "take_slice", _fail)
            _interpret(app)
        assert _messages() == {"orders.xml": ("STORED", None), "master.xml": ("INTERPRETED", None)}
        with transaction() as session:
            late = NOW + timedelta(seconds=1)
            assert inbound.waiting(session, worker.KIND, late) == []
            session.execute(text("UPDATE inbound_message SET next_at = now()"))
        _interpret(app)
        assert _messages()["orders.xml"] == ("INTERPRETED", None)


def test_a_fault_of_ours_with_one_record_lets_its_neighbours_pass(
    app: Flask, orders: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_slice = intake.take_slice
    culprit: list[str] = []

    def _stumble(session: Any, part: Any, parsed: Any) -> Any:
        ids = [item.order.order_id for item in parsed if item.order]
        culprit.extend(ids[1:2] if not culprit else [])
        result = take_slice(session, part, parsed)
        if culprit[0] in ids:
            # Only now, so that what was written before has to be undone.
            raise ZeroDivisionError
        return result

    with app.app_context():
        _store(orders, "orders.xml")
        with monkeypatch.context() as patch:
            patch.setattr(intake, "take_slice", _stumble)
            _interpret(app)
        assert _messages() == {"orders.xml": ("STORED", None)}
        with transaction() as session:
            taken = set(session.scalars(select(WorkOrder.order_id)))
            run = session.scalars(select(Run)).one()
            assert (run.state, run.counts["FAILED"]) == ("FAILED", 1)
            assert len(taken) == run.counts["NEW"] > 1
            assert culprit[0] not in taken
            session.execute(text("UPDATE inbound_message SET next_at = now()"))
        _interpret(app)
        assert _messages()["orders.xml"] == ("INTERPRETED", None)
        with transaction() as session:
            assert session.get(WorkOrder, culprit[0]) is not None
            assert session.scalar(select(func.count()).select_from(WorkOrder)) == len(taken) + 1


@pytest.mark.parametrize(
    ("steps", "held"), [((500,) * 6, True), ((500, 250) * 3, True), ((0, 900) * 3, False)]
)
def test_a_file_over_which_the_worker_dies_again_and_again_is_put_aside(
    app: Flask, orders: bytes, master_data: bytes, steps: tuple[int, ...], held: bool
) -> None:
    with app.app_context():
        _store(orders, "orders.xml")
        _store(master_data, "master.xml")
        with transaction() as session:
            for number, count in enumerate(steps):
                at = NOW - timedelta(minutes=10 - number)
                run_id = runs.start_run(session, "intake", "test", at, subject="orders.xml")
                step = runs.StepRow("work order", "NEW", ("A",), at)
                runs.add_steps(session, run_id, [step] * count)
                if number < 5:
                    runs.finish_run(session, run_id, "KILLED", at)
        _interpret(app)
        first = ("HELD", "INTERNAL WorkerDied") if held else ("INTERPRETED", None)
        assert _messages() == {"orders.xml": first, "master.xml": ("INTERPRETED", None)}
        with transaction() as session:
            assert inbound.read_again(session, 1, NOW) == ("CIS_FILE" if held else None)
        _interpret(app)
        assert _messages()["orders.xml"] == ("INTERPRETED", None)


def test_a_test_message_is_not_acted_upon_in_production(app: Flask, orders: bytes) -> None:
    settings: Settings = app.extensions["tiedolla_settings"]
    production = settings.model_copy(update={"environment": "production"})
    with app.app_context():
        _store(orders, "test.xml")
        worker.interpret_files(production, 1, "test")
        assert _messages() == {"test.xml": ("REJECTED", "FIELD_INVALID")}
        with transaction() as session:
            assert session.scalars(select(WorkOrder)).all() == []


def test_each_order_is_found_by_its_keys_among_the_steps(app: Flask, orders: bytes) -> None:
    with app.app_context():
        _store(orders, "orders.xml")
        _interpret(app)
        with transaction() as session:
            order = session.scalars(select(WorkOrder)).first()
            assert order is not None
            for key in (order.order_id, order.gsrn):
                step = session.scalars(select(Step).where(Step.keys.contains([key]))).one()
                assert step.state == "NEW"


@pytest.fixture
def orders(tmp_path: Path) -> bytes:
    path = tmp_path / "orders.xml"
    write_work_orders(path, _points(), Wish("MVM", "NEW", 1, "T-"), NOW)
    return path.read_bytes()


@pytest.fixture
def master_data(tmp_path: Path) -> bytes:
    path = tmp_path / "master.xml"
    write_master_data(path, _points(), 1, NOW)
    return path.read_bytes()


def _points() -> Iterator[Any]:
    return make_points(1, 1, GOOD_COUNT)


def _store(body: bytes, name: str) -> None:
    with transaction() as session:
        inbound.store(
            session, source="cis", kind=worker.KIND, name=name, chunks=[body], now=datetime.now(UTC)
        )


def _interpret(app: Flask) -> None:
    worker.interpret_files(app.extensions["tiedolla_settings"], 1, "test")


def _messages() -> dict[str, tuple[str, str | None]]:
    with transaction() as session:
        rows = session.execute(
            select(InboundMessage.name, InboundMessage.state, InboundMessage.reason_code)
        ).all()
        return {row.name: (row.state, row.reason_code) for row in rows}


def _rows() -> list[Any]:
    tables = ("work_order", "outbox_item", "customer", "contact", "preference", "occupancy")
    tables += ("metering_point", "point_search", "meter", "meter_placement", "preference_change")
    with transaction() as session:
        return [session.execute(text(f"SELECT * FROM {t} ORDER BY 1")).all() for t in tables]
