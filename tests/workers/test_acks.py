"""The acks lane reads everything that waits; one bad message never stops the next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import db, transaction
from app.models import InboundMessage, Run, Step, WorkOrder
from app.services import ack_receipt, inbound
from app.settings import Settings
from integrations.installer.acks import parse_ack
from tests.field_work import ORDER, add_order, encode, gsrn, make_ack
from workers.acks import interpret_acks


def test_everything_that_waits_is_read_in_one_run(lane: Flask) -> None:
    for kind, minutes in (("ACCEPTED", 0), ("SCHEDULED", 5), ("EN_ROUTE", 10)):
        _receive(make_ack(kind, minutes))
    _read(lane)
    assert _state() == "SCHEDULED"
    (run,) = _runs()
    assert (run.process, run.state, run.counts, run.lease) == ("acks", "OK", {"APPLIED": 3}, 1)
    steps = db.session.execute(select(Step).order_by(Step.id)).scalars().all()
    assert [step.name for step in steps] == ["acknowledgement"] * 3
    first = make_ack("ACCEPTED", 0)
    assert {ORDER, gsrn(), first["ackId"]} <= set(steps[0].keys)
    assert "SENT -> ACCEPTED" in (steps[0].detail or "")


def test_meters_can_be_found_by_the_step_that_changed_them(lane: Flask) -> None:
    ack = make_ack("COMPLETED", 20)
    _receive(ack)
    _read(lane)
    step = db.session.execute(select(Step)).scalar_one()
    assert {ack["oldMeter"]["number"], ack["newMeter"]["number"]} <= set(step.keys)


def test_nothing_waiting_leaves_no_run(lane: Flask) -> None:
    _read(lane)
    assert _runs() == []


def test_a_fault_of_ours_postpones_one_message_and_lets_the_next_pass(lane: Flask) -> None:
    with transaction() as session:
        add_order(session, "WO-BROKEN", gsrn=gsrn(2), old_meter_number="5530-78")
        # Nothing that we write looks like this, so reading it is a fault of ours.
        session.execute(
            text(
                "INSERT INTO ack SELECT 'voima', 'broken', 'WO-BROKEN', 1, NULL, 'ACCEPTED', now(),"
                " now(), now(), '{}', 'x', 'APPLIED', '[]', 1, now()"
            )
        )
    _receive(make_ack("ACCEPTED", 0, order_id="WO-BROKEN"))
    _receive(make_ack("ACCEPTED", 0))
    _read(lane)
    assert _state() == "ACCEPTED"
    broken = _message("WO-BROKEN")
    assert (broken.state, broken.attempts) == ("STORED", 1)
    assert broken.next_at > datetime.now(UTC)
    (run,) = _runs()
    assert (run.state, run.counts) == ("PARTLY", {"APPLIED": 1, "POSTPONED": 1})


def test_a_message_that_keeps_failing_ends_with_a_person(lane: Flask) -> None:
    test_a_fault_of_ours_postpones_one_message_and_lets_the_next_pass(lane)
    for _ in range(4):
        with transaction() as session:
            session.execute(text("UPDATE inbound_message SET next_at = now() - interval '1 s'"))
        _read(lane)
    broken = _message("WO-BROKEN")
    assert broken.state == "HELD"
    assert (broken.reason_code or "").startswith("INTERNAL")


def test_an_acknowledgement_faster_than_its_order_waits_and_is_read_when_it_comes(
    lane: Flask,
) -> None:
    _receive(make_ack("ACCEPTED", 0, order_id="WO-LATER"))
    _read(lane)
    assert _message("WO-LATER").state == "HELD"
    (run,) = _runs()
    assert run.state == "PARTLY"
    with transaction() as session:
        add_order(session, "WO-LATER", gsrn=gsrn(3), old_meter_number="5530-79")
        inbound.reopen(session, "ACK", ["WO-LATER"], "ACK_UNKNOWN_ORDER")
    _read(lane)
    assert _message("WO-LATER").state == "INTERPRETED"
    assert _state("WO-LATER") == "ACCEPTED"


def test_two_workers_read_each_message_once(lane: Flask) -> None:
    for minutes in range(5):
        _receive(make_ack("EN_ROUTE", minutes))
    with db.engine.connect() as other:
        # Another worker at work holds the lane's lock.
        other.exec_driver_sql("SELECT pg_advisory_lock(7403006, 1)")
        _read(lane)
        assert _runs() == []
        other.exec_driver_sql("SELECT pg_advisory_unlock(7403006, 1)")
    _read(lane)
    (run,) = _runs()
    assert run.counts == {"APPLIED": 5}


def _receive(ack: dict[str, object]) -> None:
    body = encode(ack)
    with transaction() as session:
        moment = datetime.now(UTC) - timedelta(seconds=1)
        ack_receipt.keep(session, "voima", body, parse_ack(body), moment)


def _read(app: Flask) -> None:
    settings: Settings = app.extensions["tiedolla_settings"]
    interpret_acks(settings, 1, "test")


def _state(order_id: str = ORDER) -> str:
    return db.session.get_one(WorkOrder, order_id, populate_existing=True).state


def _message(order_id: str) -> InboundMessage:
    statement = select(InboundMessage).where(InboundMessage.business_key == order_id)
    return db.session.execute(statement.execution_options(populate_existing=True)).scalar_one()


def _runs() -> list[Run]:
    statement = select(Run).order_by(Run.id).execution_options(populate_existing=True)
    return list(db.session.execute(statement).scalars())


@pytest.fixture
def lane(app: Flask) -> Iterator[Flask]:
    """The application with one order in the partner's hands, inside its context."""
    with app.app_context():
        with transaction() as session:
            add_order(session)
        yield app
        db.session.remove()
