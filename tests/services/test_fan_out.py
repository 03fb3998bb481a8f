"""An order is REPORTED when all systems know its newest version, whoever of them is last."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import db, transaction
from app.domain.lanes import DOWNSTREAM_LANES
from app.models import OutboxItem, WorkOrder, WorkOrderChange
from app.services import fan_out, outbox, settlement
from app.services.outbox import Claimed, Settlement
from tests.field_work import ORDER, add_order, arrive, at, gsrn, make_ack

NOW = at(60)
LATER = at(61)


def test_the_order_is_reported_with_the_last_of_the_four(completed: Flask) -> None:
    for lane in DOWNSTREAM_LANES:
        assert _state() == "COMPLETED"
        _settle(lane, "SENT")
    assert _state() == "REPORTED"
    last = _history()[-1]
    assert (last.from_state, last.states) == ("COMPLETED", ["REPORTED"])


def test_a_refusal_by_one_of_them_leaves_the_order_open(completed: Flask) -> None:
    for lane in DOWNSTREAM_LANES[:3]:
        _settle(lane, "SENT")
    _settle(DOWNSTREAM_LANES[3], "DEAD")
    assert _state() == "COMPLETED"


def test_req_20_a_held_bill_keeps_the_order_open_until_somebody_lets_it_go(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            add_order(session)
        doubtful = make_ack("COMPLETED", 20)
        doubtful["oldMeter"]["readings"][0]["value"] = 1
        arrive(doubtful, 20)
        for lane in ("cis", "nis", "dms"):
            _settle(lane, "SENT")
        assert _state() == "COMPLETED"
        with transaction() as session:
            held = session.execute(select(OutboxItem.id).where(OutboxItem.state == "HELD"))
            outbox.release_held(session, "billing", [held.scalar_one()], NOW)
        _settle("billing", "SENT")
        assert _state() == "REPORTED"
        db.session.remove()


def test_what_is_settled_of_an_older_version_reports_nothing(completed: Flask) -> None:
    on_the_wire = {lane: _claim(lane, 7) for lane in DOWNSTREAM_LANES}
    arrive(make_ack("CORRECTED", 40), 40)
    for lane, items in on_the_wire.items():
        _settle_items(lane, 7, items, "SENT")
    assert _state() == "CORRECTED"
    for lane in ("cis", "dms", "billing"):
        assert _state() == "CORRECTED"
        _settle(lane, "SENT")
    assert _state() == "REPORTED"
    assert [change.states for change in _history()][-2:] == [["CORRECTED"], ["REPORTED"]]


def test_a_correction_after_the_report_is_reported_again(completed: Flask) -> None:
    for lane in DOWNSTREAM_LANES:
        _settle(lane, "SENT")
    arrive(make_ack("CORRECTED", 40), 40)
    assert _state() == "CORRECTED"
    # The same meter hangs there since the same time, so the NIS hears nothing.
    lanes = {item.lane for item in _waiting()} - {"sms"}
    assert lanes == {"cis", "dms", "billing"}
    for lane in ("cis", "dms", "billing"):
        _settle(lane, "SENT")
    assert _state() == "REPORTED"


def test_a_correction_is_told_to_the_cis_and_to_those_for_whom_something_differs(
    completed: Flask,
) -> None:
    told = {item.lane: item.version for item in _waiting()}
    corrected = make_ack("CORRECTED", 20)
    corrected["newMeter"]["model"] = "6550"
    arrive(corrected, 40)
    after = {item.lane: item for item in _waiting()}
    assert {lane for lane, item in after.items() if item.version > told[lane]} == {"cis", "nis"}
    assert after["nis"].payload["model"] == "6550"
    for lane in DOWNSTREAM_LANES:
        assert _state() == "CORRECTED"
        _settle(lane, "SENT")
    assert _state() == "REPORTED"


def test_req_20_a_correction_that_ends_a_doubt_lets_the_same_bill_go(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            add_order(session)
        doubtful = make_ack("COMPLETED", 20)
        # Somebody else's clock: the time is doubted, what is billed is not.
        doubtful["site"] = {"lat": 60.0, "lon": 20.0, "accuracyM": 5}
        arrive(doubtful, 20)
        assert [i.hold_reason for i in _waiting() if i.lane == "billing"] == ["GPS_FAR"]
        arrive(make_ack("CORRECTED", 20), 40)
        bills = [item for item in _waiting() if item.lane == "billing"]
        assert [(item.state, item.version) for item in bills] == [("READY", 2)]
        db.session.remove()


def test_a_late_report_that_changes_nothing_leaves_a_reported_order_alone(
    completed: Flask,
) -> None:
    for lane in DOWNSTREAM_LANES:
        _settle(lane, "SENT")
    arrive(make_ack("ACCEPTED", -300), 50)
    arrive(make_ack("STARTED", 0), 51)
    assert _state() == "REPORTED"


def test_lanes_that_settle_at_the_same_moment_do_not_both_miss_it(app: Flask) -> None:
    count = 12
    with app.app_context():
        for number in range(count):
            with transaction() as session:
                add_order(
                    session,
                    f"WO-{number}",
                    gsrn=gsrn(number),
                    old_meter_number=f"5530-{number}",
                )
            ack = make_ack("COMPLETED", 20, order_id=f"WO-{number}")
            ack["oldMeter"]["number"] = f"5530-{number}"
            ack["newMeter"]["number"] = f"6534-{number}"
            arrive(ack, 20)
        db.session.remove()
    start = threading.Barrier(len(DOWNSTREAM_LANES))

    def _drain(lane: str) -> None:
        with app.app_context():
            for number in range(count):
                items = _claim(lane, 1, business_key=f"WO-{number}")
                start.wait(timeout=30)
                _settle_items(lane, 1, items, "SENT")
            db.session.remove()

    threads = [threading.Thread(target=_drain, args=(lane,)) for lane in DOWNSTREAM_LANES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    with app.app_context():
        states = db.session.execute(select(WorkOrder.state)).scalars().all()
        assert set(states) == {"REPORTED"}
        assert len(states) == count
        db.session.remove()


def test_a_later_order_of_the_point_is_newer_to_all_than_an_earlier_ones_corrections(
    completed: Flask,
) -> None:
    arrive(make_ack("CORRECTED", 40), 40)
    with transaction() as session:
        add_order(session, "WO-2", old_meter_number="6534-88")
    arrive(_swap_again(), 500)
    told = {(item.lane, item.business_key): item for item in _waiting()}
    for lane in DOWNSTREAM_LANES:
        assert told[lane, "WO-2"].version > told[lane, ORDER].version
    assert told["nis", "WO-2"].payload["meterNumber"] == "6534-99"


def test_a_late_correction_does_not_tell_the_nis_of_a_meter_that_has_gone_since(
    completed: Flask,
) -> None:
    with transaction() as session:
        add_order(session, "WO-2", old_meter_number="6534-88")
    arrive(_swap_again(), 500)
    arrive(make_ack("CORRECTED", 40), 510)
    told = {item.lane: item for item in _waiting() if item.business_key == ORDER}
    assert set(told) == {"cis", "dms", "billing"}
    assert told["dms"].payload["meterNumber"] == "6534-99"
    assert told["cis"].payload["metering_point"]["meter"]["meter_number"] == "6534-99"
    assert told["billing"].payload["newMeter"]["number"] == "6534-88"


def test_settling_many_orders_at_once_names_each(completed: Flask) -> None:
    with transaction() as session:
        fan_out.note_settled(session, [], NOW)
    for lane in DOWNSTREAM_LANES:
        _settle(lane, "SENT")
    assert len([c for c in _history() if c.states == ["REPORTED"]]) == 1


def _swap_again() -> dict[str, Any]:
    """Later the new meter is taken down again and another one hung."""
    ack = make_ack("COMPLETED", 400, order_id="WO-2")
    ack["oldMeter"]["number"] = "6534-88"
    ack["newMeter"]["number"] = "6534-99"
    return ack


def _waiting() -> Sequence[OutboxItem]:
    waits = OutboxItem.state.in_(("READY", "HELD"))
    statement = select(OutboxItem).where(waits).order_by(OutboxItem.id)
    return db.session.execute(statement).scalars().all()


def _settle(lane: str, state: str) -> None:
    _settle_items(lane, 1, _claim(lane, 1), state)


def _claim(lane: str, lease: int, business_key: str | None = None) -> list[Claimed]:
    """What a drain does; for one order only where a test wants several lanes in step."""
    with transaction() as session:
        if business_key is not None:
            session.execute(
                text(
                    "UPDATE outbox_item SET priority = 1 WHERE lane = :lane AND business_key = :key"
                ),
                {"lane": lane, "key": business_key},
            )
        limit = 1 if business_key else 100
        return outbox.claim(session, lane, lease, limit, NOW, 60.0)


def _settle_items(lane: str, lease: int, items: Sequence[Claimed], state: str) -> None:
    assert items
    outcome = "SENT" if state == "SENT" else "REJECTED"
    done = [Settlement(item, uuid4(), outcome, state, NOW, NOW) for item in items]
    with transaction() as session:
        moved = outbox.settle(session, lease, done, LATER, 60.0)
        assert moved == {item.id for item in items}
        settlement.apply(session, lane, done, LATER)


def _state() -> str:
    return db.session.get_one(WorkOrder, ORDER, populate_existing=True).state


def _history() -> Sequence[WorkOrderChange]:
    statement = select(WorkOrderChange).order_by(WorkOrderChange.id)
    return db.session.execute(statement).scalars().all()


@pytest.fixture
def completed(app: Flask) -> Iterator[Flask]:
    """One order whose completion waits to be told to four systems."""
    with app.app_context():
        with transaction() as session:
            add_order(session)
        arrive(make_ack("COMPLETED", 20), 20)
        yield app
        db.session.remove()
