"""No "restored" against a meter's word: one that fell silent while its neighbour speaks (REQ-05)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, current_app
from sqlalchemy import text

from app.db import db, transaction
from app.models import Notice, Outage
from app.services import fault_actions, silent_meters
from tests.services.announcing import POINTS, add_outage, settle_people
from tests.services.fault_world import at, fault, meters, operator, record, sent, state
from tests.services.world import ledger, scalar
from workers.fault_upkeep import look_after_faults

A, B, C = POINTS


def test_req_05_a_meter_that_is_silent_while_its_neighbour_speaks_keeps_the_end_from_being_told(
    cut: None,
) -> None:
    meters((B, "RESTORE", 60), minutes=61)
    assert sent(62) == ["FAULT_RESTORED", "FAULT_RESTORED"]
    held = _of(A)
    assert (held.state, held.not_before_at) == ("HELD", at(66))
    assert held.decision == "Held: a meter has not said yet that it has its power again."
    assert _look(65) == {"SILENT": 1}
    assert _look(65.2) == {}
    assert sent(66) == []
    assert _of(A).suppress_reason == "STILL_OFF"
    assert _suspected().state == "DETECTED"
    # It was a fuse of this house.
    meters((A, "RESTORE", 90), minutes=91)
    assert sent(91) == ["FAULT_RESTORED"]
    assert "klo 13.30" in (_of(A).body or "")
    assert sent(300) == []


def test_req_05_whoever_has_several_points_reads_of_those_only_whose_meters_do_not_say_otherwise(
    app: Flask,
) -> None:
    with app.app_context():
        settle_people(3, phones=["+358401234560"] * 3)
        with transaction() as session:
            session.execute(text("UPDATE metering_point SET transformer = 'M1'"))
        state(record(1, points={A: None, B: None, C: None}), minutes=10)
        meters((A, "LAST_GASP", 0), (B, "LAST_GASP", 0), minutes=11)
        assert sent(11) == ["FAULT_STARTED"]
        state(record(2, points={A: 60, B: 60, C: 60}, stated=61), minutes=61)
        meters((B, "RESTORE", 60), minutes=61)
        assert sent(62) == []
        assert _look(65) == {"SILENT": 1}
        assert sent(66) == ["FAULT_RESTORED"]
        assert "2 käyttöpaikkaa" in (ledger()[-1].body or "")
        meters((A, "RESTORE", 90), minutes=91)
        assert sent(91) == ["FAULT_RESTORED"]
        assert (ledger()[-1].gsrn, ledger()[-1].point_count) == (A, 1)
        assert sent(300) == []
        db.session.remove()


def test_req_05_a_meter_that_speaks_in_time_is_believed(cut: None) -> None:
    meters((B, "RESTORE", 60), minutes=61)
    sent(62)
    meters((A, "RESTORE", 60.5), minutes=64)
    assert _look(65) == {}
    assert sent(66) == ["FAULT_RESTORED"]


@pytest.mark.parametrize(
    ("kind", "state", "asked"),
    [
        ("PLANNED", "ONGOING", False),
        ("METER_SWAP", "OPEN", False),
        ("FAULT", "CONFIRMED", False),
        ("PLANNED", "ANNOUNCED", True),
        ("FAULT", "CLOSED", True),
    ],
)
def test_a_silence_that_has_its_reason_does_not_stand_before_those_that_have_none(
    cut: None, kind: str, state: str, asked: bool
) -> None:
    meters((B, "RESTORE", 60), minutes=61)
    sent(62)
    add_outage([A], off_at=at(63), kind=kind, state=state, confirmed_at=at(63))
    with transaction() as session:
        assert [one.gsrn for one in silent_meters.find(session, at(65))] == [A] * asked


def test_the_silence_of_a_whole_neighbourhood_says_nothing(cut: None) -> None:
    """Its connection may be down with the power: the DMS is believed after a while."""
    assert sent(62) == ["FAULT_RESTORED"]
    assert _of(C).state == "SENT"
    assert _look(65) == {}
    assert sent(66) == ["FAULT_RESTORED", "FAULT_RESTORED"]


def test_a_neighbour_behind_another_transformer_is_no_witness(cut: None) -> None:
    with transaction() as session:
        session.execute(
            text("UPDATE metering_point SET transformer = 'M2' WHERE gsrn = :b"), {"b": B}
        )
    meters((B, "RESTORE", 60), minutes=61)
    sent(62)
    assert _look(65) == {}


def test_req_05_what_somebody_has_dismissed_is_told_and_not_suspected_again(cut: None) -> None:
    meters((B, "RESTORE", 60), minutes=61)
    sent(62)
    _look(65)
    sent(66)
    number = _suspected().id
    with transaction() as session:
        fault_actions.false_alarm(operator(session, 70), number)
    assert sent(70) == []
    assert _look(73.5) == {}
    assert sent(74) == ["FAULT_RESTORED"]


def test_the_dms_that_repeats_itself_does_not_end_the_suspicion(cut: None) -> None:
    meters((B, "RESTORE", 60), minutes=61)
    sent(62)
    _look(65)
    state(record(3, points={A: 60, B: 60, C: None}, stated=80), minutes=81)
    assert _suspected().state == "DETECTED"


def test_a_fault_that_the_dms_states_there_afterwards_takes_the_suspicion_in(cut: None) -> None:
    meters((B, "RESTORE", 60), minutes=61)
    sent(62)
    _look(65)
    sent(66)
    state(record(1, ref="F-2", points={A: None}, started=70, stated=80), minutes=81)
    assert _suspected().state == "MERGED"
    assert sent(84) == []
    state(record(2, ref="F-2", points={A: 120}, started=70, stated=121), minutes=122)
    meters((A, "RESTORE", 120), minutes=122)
    assert sent(126) == ["FAULT_RESTORED"]
    assert sent(300) == []


def _of(gsrn: str) -> Notice:
    return [one for one in ledger() if one.gsrn == gsrn and one.type == "FAULT_RESTORED"][-1]


def _suspected() -> Outage:
    number = scalar("SELECT id FROM outage WHERE source_ref LIKE 'silent/%'")
    return fault(scalar("SELECT source_ref FROM outage WHERE id = :id", id=number), "METER")


def _look(minutes: float) -> dict[str, int]:
    settings = current_app.extensions["tiedolla_settings"]
    return dict(look_after_faults(settings, 1, "test", at(minutes)))


@pytest.fixture
def cut(app: Flask) -> Iterator[None]:
    """Three homes behind one transformer, told of a cut that the DMS says is over; C has no such meter."""
    with app.app_context():
        settle_people(3)
        with transaction() as session:
            session.execute(text("UPDATE metering_point SET transformer = 'M1'"))
        state(record(1, points={A: None, B: None, C: None}), minutes=10)
        meters((A, "LAST_GASP", 0), (B, "LAST_GASP", 0), minutes=11)
        assert len(sent(11)) == 3
        state(record(2, points={A: 60, B: 60, C: 60}, stated=61), minutes=61)
        yield
        db.session.remove()
