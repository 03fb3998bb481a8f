"""Storms: bulletins for areas, no single estimates until damage is assessed (REQ-08)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db, transaction
from app.models import Storm
from app.services import storms
from app.services.storms import StormRefused
from tests.services.announcing import plan_all, want_everything
from tests.services.fault_world import (
    A,
    B,
    C,
    all_told,
    announced,
    at,
    build_network,
    fault,
    gsrn,
    kinds,
    record,
    sent,
    state,
)
from tests.services.world import add_customer, ledger

INKOO = gsrn(9)
_OFF_AT = {A: 0, B: 1690, C: 1790}


def test_req_08_a_storm_sends_bulletins_and_keeps_estimates_back(network: None) -> None:
    state(record(points={A: None}, etrAt=300))
    storm = _open("837", "149")
    assert [(one.type, one.subject) for one in announced()] == [
        ("FAULT_STARTED", f"outage:{fault().id}"),
        ("STORM_BULLETIN", f"storm:{storm}/837"),
    ]
    bulletin = announced()[-1]
    assert bulletin.facts["count"] == 1
    assert bulletin.facts["area"] == {"fi": "Tampere", "sv": "Tammerfors", "en": "Tampere"}
    assert fault().storm_id == storm
    # Also faults that come later, while starts go as ever.
    all_told()
    state(record(ref="F-2", points={B: None}, etrAt=300), record(2, points={A: None}, etrAt=500))
    assert kinds() == ["FAULT_STARTED", "STORM_BULLETIN", "FAULT_STARTED"]
    assert fault("F-2").storm_id == storm


def test_req_08_once_assessed_every_current_estimate_is_told(network: None) -> None:
    storm = _open("837")
    state(record(points={A: None}, etrAt=300), record(ref="F-2", points={B: None}, etrAt=400))
    state(record(ref="F-3", points={gsrn(3): None}))
    with transaction() as session:
        storms.assess(session, storm, at(60), by="staff:otso")
    told = [(one.type, one.facts["etr_at"]) for one in announced() if "ETR" in one.type]
    assert told == [("FAULT_ETR", at(300).isoformat()), ("FAULT_ETR", at(400).isoformat())]
    assert kinds().count("STORM_BULLETIN") == 0


def test_req_08_an_estimate_that_the_storm_took_back_is_told_once_assessed(
    network: None,
) -> None:
    state(record(points={A: None}, etrAt=300))
    assert kinds() == ["FAULT_STARTED", "FAULT_ETR"]
    storm = _open("837")
    assert "FAULT_ETR" not in kinds()
    with transaction() as session:
        storms.assess(session, storm, at(60), by="staff:otso")
    assert kinds().count("FAULT_ETR") == 1
    state(record(2, points={A: None}, etrAt=300, etrSetAt=5), minutes=70)
    assert kinds().count("FAULT_ETR") == 1


def test_req_08_an_estimate_of_long_before_is_news_of_the_assessment(network: None) -> None:
    storm = _open("837")
    state(record(points={A: None}, etrAt=3000))
    late = 14 * 60
    with transaction() as session:
        storms.assess(session, storm, at(late), by="staff:otso")
    (estimate,) = [one for one in announced() if one.type == "FAULT_ETR"]
    # As old as it is, its reader would not hear of it.
    assert estimate.event_at == at(late)


@pytest.mark.parametrize("assessed", [60, 14 * 60 + 1], ids=["soon", "after half a day"])
def test_req_08_an_estimate_that_waits_for_the_morning_is_kept_back_and_told_after_all(
    network: None, assessed: float
) -> None:
    with transaction() as session:
        add_customer(session, "C1", gsrn=A, contacts={"+358401234561": "SMS"})
        add_customer(session, "C2", gsrn=B, contacts={"+358401234562": "SMS"})
        want_everything(session)
    state(record(points={A: None, B: None}, etrAt=assessed + 600))
    plan_all(at(10))
    # One has left, the other waits.
    with transaction() as session:
        session.execute(
            text("UPDATE notice SET state = 'SENT' WHERE gsrn = :a AND type = 'FAULT_ETR'"),
            {"a": A},
        )
    storm = _open("837")
    plan_all(at(16))
    assert _estimates() == {A: ["SENT"], B: ["SUPERSEDED"]}
    # It had stopped the news of the cut itself, which does not wait for the assessment.
    starts = [(one.gsrn, one.state) for one in ledger() if one.type == "FAULT_STARTED"]
    assert starts[-1] == (B, "QUEUED")
    assert [one for one in starts if one[0] == A] == [(A, "SUPERSEDED")]
    with transaction() as session:
        storms.assess(session, storm, at(assessed), by="staff:otso")
    plan_all(at(assessed + 1))
    told = "QUEUED" if assessed == 60 else "HELD"
    assert _estimates() == {A: ["SENT"], B: ["SUPERSEDED", told]}


def test_req_08_what_waited_before_others_joined_is_told_after_all_too(network: None) -> None:
    with transaction() as session:
        add_customer(session, "C1", gsrn=A, contacts={"+358401234561": "SMS"})
        add_customer(session, "C2", gsrn=B, contacts={"+358401234562": "SMS"})
        want_everything(session)
    state(record(points={A: None}, etrAt=3000), minutes=10)
    plan_all(at(10))
    state(record(2, points={A: None, B: None}, etrAt=3000), minutes=12)
    plan_all(at(12))
    # Whoever joined has been told; the other waits.
    with transaction() as session:
        session.execute(
            text("UPDATE notice SET state = 'SENT' WHERE gsrn = :b AND type = 'FAULT_ETR'"),
            {"b": B},
        )
    storm = _open("837")
    with transaction() as session:
        storms.assess(session, storm, at(60), by="staff:otso")
    plan_all(at(61))
    assert _estimates() == {A: ["SUPERSEDED", "QUEUED"], B: ["SENT"]}


def test_req_03_growth_after_the_storm_tells_the_estimate_to_those_who_are_new_only(
    network: None,
) -> None:
    with transaction() as session:
        add_customer(session, "C1", gsrn=A, contacts={"+358401234561": "SMS"})
        add_customer(session, "C2", gsrn=B, contacts={"+358401234562": "SMS"})
        want_everything(session)
    state(record(points={A: None}, etrAt=3000))
    plan_all(at(10))
    storm = _open("837")
    with transaction() as session:
        storms.assess(session, storm, at(60), by="staff:otso")
    assert "FAULT_ETR" in sent(61)
    # Long after it was news first, which is no matter to somebody who had power until now.
    a, b, c = ({"gsrn": one, "offAt": at(off).isoformat()} for one, off in _OFF_AT.items())
    state(record(2, points=[a, b], etrAt=3000, stated=1700), minutes=1700)
    assert sent(1700) == ["FAULT_ETR"]
    assert _estimates() == {A: ["SUPERSEDED", "SENT"], B: ["SENT"]}
    # Nor is it news to those who were new before.
    state(record(3, points=[a, b, c], etrAt=3000, stated=1800), minutes=1800)
    assert sent(1800) == []


def test_a_fault_outside_the_area_is_told_as_ever(network: None) -> None:
    _open("837")
    state(record(points={INKOO: None}, etrAt=300))
    assert kinds() == ["FAULT_STARTED", "FAULT_ETR"]
    assert fault().storm_id is None


def test_bulletins_of_one_area_are_an_hour_apart_at_least(network: None) -> None:
    state(record(points={A: None}))
    storm = _open("837", "149", minutes=10)
    counts = [_bulletins(storm, minute) for minute in (30, 69, 70, 71, 129, 130)]
    assert counts == [0, 0, 1, 0, 0, 1]
    # An area without faults gets none, and its first when it has one.
    state(record(ref="F-9", points={INKOO: None}))
    assert _bulletins(storm, 131) == 1
    assert announced()[-1].facts["area"]["sv"] == "Ingå"


def test_no_bulletins_once_the_storm_is_assessed_or_over(network: None) -> None:
    state(record(points={A: None}))
    storm = _open("837")
    with transaction() as session:
        storms.end(session, storm, at(60), by="staff:otso")
    assert _bulletins(storm, 300) == 0


def test_a_storm_needs_an_area_of_its_own(network: None) -> None:
    _open("837", "149")
    for codes, code in (((), "NO_AREA"), (("149", "092"), "TAKEN")):
        with pytest.raises(StormRefused) as refused, transaction() as session:
            storms.open_storm(session, "Paavo", codes, at(20), by="staff:otso")
        assert refused.value.code == code


def test_what_was_done_is_not_done_again(network: None) -> None:
    storm = _open("837")
    with transaction() as session:
        storms.assess(session, storm, at(60), by="staff:otso")
    with pytest.raises(StormRefused), transaction() as session:
        storms.assess(session, storm, at(61), by="staff:otso")


def _estimates() -> dict[str, list[str]]:
    states: dict[str, list[str]] = {}
    for notice in ledger():
        if notice.type == "FAULT_ETR":
            states.setdefault(notice.gsrn, []).append(notice.state)
    return states


def _open(*codes: str, minutes: float = 15) -> int:
    with transaction() as session:
        return storms.open_storm(session, "Jari", codes, at(minutes), by="staff:otso")


def _bulletins(storm_id: int, minutes: float) -> int:
    with transaction() as session:
        storm = session.get_one(Storm, storm_id)
        return len(storms.send_bulletins(session, storm, at(minutes)))


@pytest.fixture
def network(app: Flask) -> Iterator[None]:
    """Four points in Tampere and one in Inkoo."""
    with app.app_context():
        build_network()
        build_network([INKOO], transformer="M149-0001", municipality="149")
        yield
        db.session.remove()
