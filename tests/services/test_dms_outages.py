"""What the DMS states: versions, late ones, contradictions, growth, parts and wholes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import db, transaction
from app.models import DmsStatement
from app.services.audience import family
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
    final_rows,
    gsrn,
    kinds,
    meters,
    record,
    state,
    times,
)


def test_a_stated_fault_has_its_points_and_is_told(network: None) -> None:
    assert state(record(points={A: None, B: None}, causeCode="TREE", etrAt=120)) == ["APPLIED"]
    outage = fault()
    assert (outage.state, outage.cause_code, outage.etr_at) == ("ETR_SET", "TREE", at(120))
    assert times(outage) == {A: (0, None), B: (0, None)}
    assert kinds(outage) == ["FAULT_STARTED", "FAULT_ETR"]
    assert course_of(outage) == ["DMS_STATED"]


def test_the_points_behind_a_transformer_or_feeder_are_all_meant(network: None) -> None:
    build_network([gsrn(9)], transformer="M049-0002", municipality="049")
    state(record(transformer="M837-0001"), record(ref="F-2", feeder="M049-07"))
    assert set(times(fault())) == {A, B, C, D}
    assert set(times(fault("F-2"))) == {gsrn(9)}


def test_the_same_version_again_is_nothing_and_with_other_content_a_contradiction(
    network: None,
) -> None:
    first = record(points={A: None})
    assert state(first, first) == ["APPLIED", "DUPLICATE"]
    assert state(record(points={B: None})) == ["CONFLICT"]
    assert set(times(fault())) == {A}
    assert _verdicts() == [(1, "APPLIED"), (1, "CONFLICT")]


def test_an_older_version_that_comes_late_is_kept_and_never_applied(network: None) -> None:
    newer = record(2, points={A: 30}, causeCode="SNOW")
    assert state(newer, record(1, points={A: None, B: None}, causeCode="TREE")) == [
        "APPLIED",
        "STALE",
    ]
    assert (fault().cause_code, fault().source_version, times(fault())) == ("SNOW", 2, {A: (0, 30)})
    assert _verdicts() == [(1, "STALE"), (2, "APPLIED")]
    assert state(record(1, points={A: None, B: None}, causeCode="TREE")) == ["DUPLICATE"]


def test_one_bad_record_never_stops_its_neighbours(network: None) -> None:
    bad: list[dict[str, Any]] = [
        {"sourceRef": "F-3"},
        record(ref="F-4", points={gsrn(99): None}),
        record(ref="F-5", kind="PLANNED", points={A: None}),
        record(
            ref="F-9",
            kind="PLANNED",
            points={A: None},
            plannedFrom=at(600).isoformat(),
            plannedTo=at(60).isoformat(),
        ),
        record(ref="F-6", points={A: None}, startedAt=600),
        record(ref="F-7"),
        record(ref="F-8", points=[{"gsrn": A, "onAt": at(-5).isoformat()}]),
    ]
    good = record(points={A: None})
    assert state(*bad, good) == ["REJECTED"] * len(bad) + ["APPLIED"]
    with transaction() as session:
        assert session.execute(text("SELECT source_ref FROM outage")).scalars().all() == [DMS]


def test_a_planned_cut_is_handed_to_those_who_write_them(network: None) -> None:
    plan = {"plannedFrom": at(6000).isoformat(), "plannedTo": at(6120).isoformat()}
    first = record(ref="S-1", kind="PLANNED", started=None, points={A: None}, **plan)
    del first["startedAt"]
    assert state(first, first) == ["APPLIED", "DUPLICATE"]
    with transaction() as session:
        row = session.execute(text("SELECT kind, state, planned_from_at FROM outage")).one()
    assert tuple(row) == ("PLANNED", "DRAFT", at(6000))
    assert state({**first, "version": 3, "state": "CANCELLED"}, {**first, "version": 2}) == [
        "APPLIED",
        "STALE",
    ]
    with transaction() as session:
        assert session.execute(text("SELECT state FROM outage")).scalar_one() == "CANCELLED"


def test_points_of_a_planned_cut_that_are_back_early_are_taken_as_such(network: None) -> None:
    plan = {"plannedFrom": at(0).isoformat(), "plannedTo": at(120).isoformat()}
    points = {A: None, B: None}
    assert state(record(ref="S-1", kind="PLANNED", points=points, **plan), minutes=5) == ["APPLIED"]
    back = record(2, ref="S-1", kind="PLANNED", points={A: 30, B: None}, **plan)
    assert state(back, minutes=31) == ["APPLIED"]
    outage = fault("S-1")
    assert (outage.kind, outage.state, times(outage)) == (
        "PLANNED",
        "ONGOING",
        {A: (0, 30), B: (0, None)},
    )


def test_points_that_are_not_ours_are_left_out(network: None) -> None:
    assert state(record(points={A: None, gsrn(99): None})) == ["APPLIED"]
    assert set(times(fault())) == {A}


def test_req_03_growth_is_announced_anew_and_repetition_is_not(network: None) -> None:
    state(record(1, points={A: None}))
    all_told()
    state(record(2, points={A: None, B: None}))
    state(record(3, points={A: None, B: None}, causeCode="TREE"))
    outage = fault()
    assert kinds(outage) == ["FAULT_STARTED", "FAULT_STARTED"]
    assert len({one.occurrence for one in announced(outage)}) == 2


def test_partial_restoration_is_told_to_both_sides(network: None) -> None:
    state(record(1, points={A: None, B: None}, etrAt=120))
    all_told()
    state(record(2, points={A: 30, B: None}, etrAt=120, etrSetAt=5, stated=31), minutes=32)
    outage = fault()
    assert outage.state == "PARTLY_RESTORED"
    assert times(outage) == {A: (0, 30), B: (0, None)}
    assert kinds(outage)[-2:] == ["FAULT_RESTORED", "FAULT_PARTLY_RESTORED"]
    state(record(3, points={A: 30, B: 50}, stated=51), minutes=52)
    outage = fault()
    assert (outage.state, outage.restored_at) == ("RESTORED", at(50))
    assert kinds(outage)[-1] == "FAULT_RESTORED"


def test_req_38_a_brief_cut_is_told_neither_at_its_start_nor_at_its_end(network: None) -> None:
    state(record(1, points={A: None}, stated=1), minutes=1)
    (start,) = announced()
    assert (start.type, start.state, start.not_before_at) == ("FAULT_STARTED", "PENDING", at(3))
    state(record(2, points={A: 2}, stated=2), minutes=2.5)
    assert announced() == []
    assert kinds(withdrawn=True) == ["FAULT_STARTED"]


def test_req_07_wavering_by_ten_minutes_is_told_once(network: None) -> None:
    state(record(1, points={A: None}, etrAt=180))
    all_told()
    for version, minute in enumerate((190, 170, 190, 170, 180), start=2):
        state(record(version, points={A: None}, etrAt=minute), minutes=20)
    assert kinds() == ["FAULT_STARTED", "FAULT_ETR"]
    state(record(9, points={A: None}, etrAt=240), minutes=20)
    assert kinds()[-1] == "FAULT_ETR_CHANGED"
    assert announced()[-1].facts["old_etr_at"] == at(180).isoformat()


def test_an_estimate_that_nobody_heard_gives_way_to_the_newest(network: None) -> None:
    state(record(1, points={A: None}, etrAt=180))
    state(record(2, points={A: None}, etrAt=240))
    assert [(one.type, one.facts["etr_at"]) for one in announced()[1:]] == [
        ("FAULT_ETR", at(240).isoformat())
    ]


def test_a_false_alarm_is_corrected_once_to_each_announcement_that_was_told(network: None) -> None:
    state(record(1, points={A: None}, etrAt=120))
    all_told()
    state(record(2, points={A: None}, etrAt=240))
    state(record(3, points={A: None}, state="FALSE_ALARM"))
    outage = fault()
    assert outage.state == "FALSE_ALARM"
    assert times(outage) == {A: (0, 0)}
    assert kinds(outage) == ["FAULT_STARTED", "FAULT_ETR"]
    corrections = [one for one in announced() if one.type == "CORRECTION"]
    assert [one.corrects_id for one in corrections] == [one.id for one in announced(outage)]
    # One mistake is one event, so that the policy tells each person once.
    assert len({one.event_at for one in corrections}) == 1
    state(record(4, points={A: None}, state="FALSE_ALARM", causeCode="ANIMAL"))
    assert kinds().count("CORRECTION") == 2


def test_req_05_a_newer_version_may_take_back_the_return_of_some_points(network: None) -> None:
    state(record(1, points={A: None, B: None}))
    all_told()
    state(record(2, points={A: 30, B: 30}, stated=31), minutes=32)
    all_told()
    assert state(record(3, points={A: 30, B: None}, stated=45), minutes=46) == ["APPLIED"]
    outage = fault()
    assert (outage.state, times(outage)) == ("PARTLY_RESTORED", {A: (0, 30), B: (0, None)})
    assert (kinds(outage)[-1], announced(outage)[-1].event_at) == ("FAULT_STARTED", at(46))


def test_a_part_gives_its_points_to_the_whole_and_takes_them_along_again(network: None) -> None:
    state(record(points={A: None}), record(ref="F-2", points={B: None, C: None}))
    all_told()
    state(record(2, ref="F-2", points={B: None, C: 20}, parent=DMS, stated=21), minutes=22)
    whole, part = fault(), fault("F-2")
    assert (part.state, part.parent_id) == ("MERGED", whole.id)
    assert times(whole) == {A: (0, None), B: (0, None), C: (0, 20)}
    # The whole is told to its new points; who knows of the part is known by the family's ledger.
    assert kinds(whole)[1:] == ["FAULT_STARTED"]
    assert kinds(part) == ["FAULT_STARTED"]
    state(record(3, ref="F-2", points={B: None, C: 20}, stated=30), minutes=31)
    assert (fault("F-2").state, fault("F-2").parent_id) == ("PARTLY_RESTORED", None)
    assert times(fault()) == {A: (0, None)}


def test_a_part_that_comes_before_its_whole_joins_it_later(network: None) -> None:
    state(record(ref="F-2", points={B: None}, parent=DMS))
    assert (fault("F-2").state, fault("F-2").parent_id) == ("CONFIRMED", None)
    state(record(points={A: None}))
    assert (fault("F-2").state, fault("F-2").parent_id) == ("MERGED", fault().id)
    assert set(times(fault())) == {A, B}


def test_wholes_that_name_each_other_do_not_go_round_in_circles(network: None) -> None:
    state(record(points={A: None}), record(ref="F-2", points={B: None}, parent=DMS))
    assert state(record(2, points={A: None}, parent="F-2")) == ["APPLIED"]
    assert (fault().state, fault("F-2").state) == ("CONFIRMED", "MERGED")


def test_a_fault_that_was_split_off_remembers_where_from(network: None) -> None:
    state(record(points={A: None, B: None}))
    all_told()
    state(record(ref="F-2", points={B: None}, splitFrom=DMS), record(2, points={A: None}))
    whole, part = fault().id, fault("F-2").id
    with transaction() as session:
        assert family(session, part) == [whole, part]
    assert (set(times(fault())), set(times(fault("F-2")))) == ({A}, {B})


def test_a_closed_fault_of_more_than_twelve_hours_is_compensated(network: None) -> None:
    state(record(1, points={A: None, B: None}))
    all_told()
    points = {A: 13 * 60, B: 30}
    state(record(2, points=points, stated=800, state="CLOSED"), minutes=801)
    outage = fault()
    assert (outage.state, outage.closed_at) == ("CLOSED", at(800))
    assert kinds(outage)[-2:] == ["FAULT_RESTORED", "COMPENSATION"]


def _story() -> list[tuple[str, Any]]:
    """A fault that grows, is estimated, comes back in parts, and one that becomes part of it."""
    ab = {A: None, B: None}
    return [
        ("dms", record(1, points={A: None}, stated=2)),
        ("dms", record(2, points=ab, causeCode="TREE", etrAt=120, stated=6)),
        ("dms", record(3, points={**ab, C: None}, causeCode="TREE", etrAt=200, stated=20)),
        ("dms", record(4, points={A: 40, B: None, C: None}, etrAt=200, etrSetAt=20, stated=41)),
        ("dms", record(5, points={A: 40, B: 60, C: 70}, stated=71)),
        ("dms", record(1, ref="F-2", points={D: None}, started=3, stated=8)),
        ("dms", record(2, ref="F-2", points={D: 66}, started=3, stated=30, parent=DMS)),
        ("meter", (B, "RESTORE", 58)),
        ("meter", (D, "RESTORE", 65)),
        ("meter", (C, "RESTORE", -20)),
    ]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(draw=st.randoms(use_true_random=False))
def test_all_events_of_a_fault_shuffled_and_repeated_give_the_same_rows(
    network: None, draw: random.Random
) -> None:
    story = _story()
    rows = []
    for told in (story, _shuffled(story, draw)):
        with transaction() as session:
            session.execute(
                text(
                    "TRUNCATE announcement, outage_point, outage_event, outage, dms_statement,"
                    " meter_event CASCADE"
                )
            )
        for kind, what in told:
            if kind == "dms":
                state(what, minutes=100)
            else:
                meters(what, minutes=100)
        rows.append(list(final_rows()))
    assert rows[0] == rows[1]
    assert times(fault()) == {A: (0, 40), B: (0, 58), C: (0, 70), D: (3, 65)}


def _shuffled(story: list[tuple[str, Any]], draw: random.Random) -> list[tuple[str, Any]]:
    again = [*story, *draw.sample(story, len(story) // 2)]
    draw.shuffle(again)
    return again


def _verdicts() -> list[tuple[int, str]]:
    with transaction() as session:
        rows = session.query(DmsStatement.version, DmsStatement.verdict)
        return sorted((row.version, row.verdict) for row in rows)


@pytest.fixture
def network(app: Flask) -> Iterator[None]:
    """Four points on one transformer."""
    with app.app_context():
        build_network()
        yield
        db.session.remove()
