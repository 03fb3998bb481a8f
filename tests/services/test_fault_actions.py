"""What operators do to faults, and what is refused; each act is on record with who did it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db, transaction
from app.models import Outage
from app.services import fault_actions, fault_watch
from app.services.fault_actions import Act, ActRefused, Wanted
from tests.services.fault_world import (
    DMS,
    A,
    B,
    C,
    D,
    all_told,
    announced,
    at,
    build_network,
    course_of,
    fault,
    gsrn,
    kinds,
    meters,
    operator,
    record,
    state,
    times,
)


def test_a_fault_made_by_hand_is_confirmed_and_told(network: None) -> None:
    outage = _create(Wanted(at(0), (A, B), cause_code="TREE", etr_at=at(90)))
    assert (outage.source, outage.state, outage.cause_code) == ("OPERATOR", "ETR_SET", "TREE")
    assert times(outage) == {A: (0, None), B: (0, None)}
    assert kinds(outage) == ["FAULT_STARTED", "FAULT_ETR"]
    assert [one.created_by for one in announced(outage)] == ["staff:otso", "staff:otso"]
    assert course_of(outage) == ["POINTS_OFF", "CONFIRMED", "CAUSE", "ETR"]
    assert _audit() == [("staff:otso", "FAULT_CREATED", f"outage:{outage.id}")]


def test_a_failed_transformer_takes_all_its_points_along(network: None) -> None:
    assert set(times(_create(Wanted(at(0), transformer="M837-0001")))) == {A, B, C, D}


def test_restoring_some_and_then_all_points(network: None) -> None:
    outage = _create(Wanted(at(0), (A, B)))
    all_told()
    _do(fault_actions.restore, outage, 31, at(30), [A])
    assert times(outage) == {A: (0, 30), B: (0, None)}
    assert kinds(outage)[1:] == ["FAULT_RESTORED", "FAULT_PARTLY_RESTORED"]
    _do(fault_actions.restore, outage, 51, at(50))
    assert fault(outage.source_ref, "OPERATOR").state == "RESTORED"


def test_req_05_reopening_the_whole_takes_the_end_back_from_those_who_heard_it(
    network: None,
) -> None:
    outage = _create(Wanted(at(0), (A, B)))
    all_told()
    _do(fault_actions.restore, outage, 31, at(30))
    all_told()
    _do(fault_actions.reopen, outage, 40, at(39))
    assert fault(outage.source_ref, "OPERATOR").state == "REOPENED"
    # Before the news for those who had heard of nothing, which is none to whoever is corrected.
    *_, correction, start = announced()
    assert (correction.type, start.type) == ("CORRECTION_STILL_OFF", "FAULT_STARTED")
    restored = next(one for one in announced(outage) if one.type == "FAULT_RESTORED")
    assert correction.corrects_id == restored.id
    _do(fault_actions.restore, outage, 61, at(60))
    assert kinds(outage)[-1] == "FAULT_RESTORED"


def test_the_latest_estimate_counts_whoever_gave_it(network: None) -> None:
    state(record(1, points={A: None}, etrAt=120))
    _do(fault_actions.set_estimate, fault(), 20, at(300))
    assert fault().etr_at == at(300)
    # The DMS repeats its own old estimate in a newer version, then sets a new one.
    state(record(2, points={A: None}, etrAt=120, etrSetAt=5, stated=25), minutes=26)
    assert fault().etr_at == at(300)
    state(record(3, points={A: None}, etrAt=200, etrSetAt=40, stated=40), minutes=41)
    assert fault().etr_at == at(200)


def test_merging_by_hand_makes_points_follow_and_splitting_gives_them_back(network: None) -> None:
    state(record(points={A: None}), record(ref="F-2", points={B: None}))
    _do(fault_actions.merge, fault("F-2"), 20, fault().id)
    assert (fault("F-2").state, set(times(fault()))) == ("MERGED", {A, B})
    _do(fault_actions.split, fault("F-2"), 30)
    assert (fault("F-2").state, fault("F-2").parent_id) == ("REOPENED", None)
    assert set(times(fault())) == {A}


def test_a_false_alarm_ends_it(network: None) -> None:
    outage = _create(Wanted(at(0), (A,)))
    all_told()
    _do(fault_actions.false_alarm, outage, 9)
    assert fault(outage.source_ref, "OPERATOR").state == "FALSE_ALARM"
    assert kinds()[-1] == "CORRECTION"


def test_confirming_a_candidate_tells_of_it(network: None) -> None:
    state(record(points={A: None}, state="DETECTED"))
    assert (fault().state, kinds()) == ("DETECTED", [])
    _do(fault_actions.confirm, fault(), 9)
    assert (fault().state, kinds()) == ("CONFIRMED", ["FAULT_STARTED"])


def test_an_estimate_leaves_a_suspicion_one_until_it_is_confirmed(network: None) -> None:
    """Else nobody is ever told: what is only suspected is kept back, and nothing asks for a look."""
    state(record(points={A: None, B: None}, state="DETECTED"))
    _do(fault_actions.set_estimate, fault(), 9, at(120))
    _do(fault_actions.restore, fault(), 10, at(9), [B])
    assert (fault().state, fault().etr_at, kinds()) == ("DETECTED", at(120), [])
    suspicion = fault().id
    with transaction() as session:
        assert fault_watch.unconfirmed(session, at(60)) == [suspicion]
    _do(fault_actions.confirm, fault(), 61)
    assert fault().state == "PARTLY_RESTORED"
    assert set(kinds()) == {"FAULT_STARTED", "FAULT_ETR"}
    with pytest.raises(ActRefused):
        _do(fault_actions.confirm, fault(), 62)


def test_a_candidate_that_goes_on_after_its_end_can_be_confirmed(network: None) -> None:
    meters((A, "LAST_GASP", 1), minutes=2)
    meters((A, "RESTORE", 5), minutes=6)
    with transaction() as session:
        candidate = session.query(Outage).one()
    _do(fault_actions.reopen, candidate, 9, at(8))
    with transaction() as session:
        assert session.query(Outage).one().state == "REOPENED"
        assert fault_watch.unconfirmed(session, at(60)) == [candidate.id]
    assert kinds(candidate) == []
    _do(fault_actions.confirm, candidate, 10)
    assert "FAULT_STARTED" in kinds(candidate)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (Wanted(at(0)), "NO_POINTS"),
        (Wanted(at(0), transformer="M-nowhere"), "NO_POINTS"),
        (Wanted(at(0), (A, gsrn(99))), "POINTS_UNKNOWN"),
        (Wanted(at(60), (A,)), "TIME_IN_FUTURE"),
        (Wanted(at(0), (A,), cause_code="GREMLINS"), "CAUSE_UNKNOWN"),
        (Wanted(at(0), (A,), etr_at=at(-5)), "ETR_IN_PAST"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_and_leaves_nothing(
    network: None, wanted: Wanted, code: str
) -> None:
    with pytest.raises(ActRefused) as refused:
        _create(wanted)
    assert refused.value.code == code
    with transaction() as session:
        assert session.query(Outage).count() == 0
    assert _audit() == []


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda act, one: fault_actions.restore(act, one, at(300)), "TIME_IN_FUTURE"),
        (lambda act, one: fault_actions.restore(act, one, at(-9)), "TIME_BEFORE_START"),
        (lambda act, one: fault_actions.restore(act, one, at(5), [C]), "POINTS_UNKNOWN"),
        (lambda act, one: fault_actions.set_estimate(act, one, at(1)), "ETR_IN_PAST"),
        (lambda act, one: fault_actions.set_cause(act, one, "GREMLINS"), "CAUSE_UNKNOWN"),
        (fault_actions.confirm, "WRONG_STATE"),
        (fault_actions.split, "WRONG_STATE"),
        (lambda act, one: fault_actions.merge(act, one, one), "CIRCLE"),
        (lambda act, one: fault_actions.merge(act, one, one + 99), "NOT_FOUND"),
        (lambda act, one: fault_actions.false_alarm(act, one + 99), "NOT_FOUND"),
    ],
)
def test_what_does_not_fit_is_refused(
    network: None, act: Callable[[Act, int], None], code: str
) -> None:
    state(record(points={A: None}))
    number = fault().id
    with pytest.raises(ActRefused) as refused, transaction() as session:
        act(operator(session, 10), number)
    assert refused.value.code == code
    assert course_of(fault()) == ["DMS_STATED"]


def test_what_is_over_is_left_alone(network: None) -> None:
    state(record(points={A: None}, state="FALSE_ALARM"))
    number = fault(DMS).id
    with pytest.raises(ActRefused), transaction() as session:
        fault_actions.restore(operator(session, 10), number, at(9))


def _create(wanted: Wanted) -> Outage:
    with transaction() as session:
        number = fault_actions.create(operator(session, 10), wanted)
    with transaction() as session:
        return session.get_one(Outage, number)


def _do(act: Callable[..., None], outage: Outage, minutes: float, *words: object) -> None:
    with transaction() as session:
        act(operator(session, minutes), outage.id, *words)


def _audit() -> list[tuple[str, str, str]]:
    with transaction() as session:
        rows = session.execute(text("SELECT actor, action, subject FROM audit_entry ORDER BY id"))
        return [(row.actor, row.action, row.subject) for row in rows]


@pytest.fixture
def network(app: Flask) -> Iterator[None]:
    """Four points on one transformer."""
    with app.app_context():
        build_network()
        yield
        db.session.remove()
