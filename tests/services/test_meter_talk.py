"""An installed meter is COMMUNICATING from its first word where it hangs, whoever passes it on, and when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db, transaction
from app.models import Meter
from app.services import meter_talk
from tests.field_work import NEW_METER, OLD_METER, add_order, arrive, at, gsrn, make_ack


def test_a_meter_that_the_installer_reached_communicates(day: Flask) -> None:
    _complete(20, commTest={"ok": True, "at": at(19).isoformat(), "signal": -71})
    assert _state() == "COMMUNICATING"
    assert _meter().last_comm_at == at(20)


@pytest.mark.parametrize("test", [{}, {"commTest": {"ok": False}}])
def test_a_meter_that_nobody_heard_of_is_installed(day: Flask, test: dict[str, Any]) -> None:
    _complete(20, **test)
    assert (_state(), _meter().last_comm_at) == ("INSTALLED", None)


def test_an_event_of_the_head_end_is_a_word_of_the_meter(day: Flask) -> None:
    _complete(20)
    _event(60)
    assert (_state(), _meter().last_comm_at) == ("COMMUNICATING", at(60))
    # Older words, and the same once more, change nothing.
    _event(40)
    _hear()
    assert _meter().last_comm_at == at(60)


def test_a_word_before_the_report_counts_when_that_comes(day: Flask) -> None:
    _event(60)
    _complete(20)
    assert (_state(), _meter().last_comm_at) == ("COMMUNICATING", at(60))


def test_what_a_meter_said_before_it_hung_there_says_nothing_of_it(day: Flask) -> None:
    _event(10)
    _complete(20)
    _hear()
    assert _state() == "INSTALLED"


def test_a_meter_elsewhere_or_of_another_number_is_not_heard(day: Flask) -> None:
    _complete(20)
    _event(60, number="OTHER")
    _event(61, point=gsrn(2))
    assert _state() == "INSTALLED"


def test_a_connection_that_was_missing_is_told_of_later(day: Flask) -> None:
    failed = make_ack("FAILED", 20, failure={"reasonCode": "TECH_NOCOMM", "text": "x"})
    failed |= {"newMeter": make_ack("COMPLETED", 20)["newMeter"], "outage": {"noOutage": True}}
    arrive(failed, 20)
    assert _state() == "INSTALLED"
    _complete(20, reportedAt=at(50).isoformat(), commTest={"ok": True})
    assert _state() == "COMMUNICATING"


def test_a_meter_that_talked_is_taken_down_and_hung_elsewhere_without_a_word(day: Flask) -> None:
    _complete(20, commTest={"ok": True})
    with transaction() as session:
        add_order(session, "WO-2", gsrn=gsrn(2), old_meter_number="5530-2")
    moved = make_ack("COMPLETED", 500, "WO-2")
    moved["oldMeter"]["number"] = "5530-2"
    arrive(moved, 500)
    meter = _meter()
    assert (meter.gsrn, meter.state) == (gsrn(2), "INSTALLED")
    _event(600, point=gsrn(2))
    assert _state() == "COMMUNICATING"


def test_a_completion_that_is_taken_back_leaves_nobody_talking(day: Flask) -> None:
    _complete(20, commTest={"ok": True})
    arrive(make_ack("CORRECTED", 60, failure={"reasonCode": "TECH_BOARD"}, newMeter=None), 60)
    assert db.session.get(Meter, NEW_METER, populate_existing=True) is None
    old = db.session.get_one(Meter, OLD_METER, populate_existing=True)
    assert old.state == "INSTALLED"


def _complete(minutes: float, **more: Any) -> None:
    arrive(make_ack("COMPLETED", minutes, **more), minutes)


def _event(minutes: float, number: str = NEW_METER, point: str | None = None) -> None:
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO meter_event (gsrn, meter_number, code, at, verdict, received_at,"
                " inbound_message_id) VALUES (:gsrn, :number, 'RESTORE', :at, 'KNOWN', :at, 1)"
            ),
            {"gsrn": point or gsrn(), "number": number, "at": at(minutes)},
        )
    _hear()


def _hear() -> None:
    with transaction() as session:
        meter_talk.hear(session, 1, at(10_000))


def _meter() -> Meter:
    return db.session.get_one(Meter, NEW_METER, populate_existing=True)


def _state() -> str:
    return _meter().state


@pytest.fixture
def day(app: Flask) -> Iterator[Flask]:
    with app.app_context():
        with transaction() as session:
            add_order(session)
        yield app
        db.session.remove()
