"""From what the DMS and operators say to what customers read, through the planner and its policy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, current_app
from sqlalchemy import text

from app.db import db, transaction
from app.domain.notice_types import NoticeType
from app.models import PlannedCut
from app.services import fault_actions, fault_watch, planned_running
from tests.services.announcing import POINTS, add_outage, plan_all, settle_people
from tests.services.fault_world import at, kinds, operator, record, sent, state
from tests.services.world import NOW, claim, end, gate, ledger, scalar
from workers.notices import plan_slices

A, B, C = POINTS


def test_a_fault_from_its_start_to_its_end_in_order(people: None) -> None:
    state(record(1, points={A: None}), minutes=10)
    assert sent(10) == ["FAULT_STARTED"]
    state(record(2, points={A: None}, etrAt=120, causeCode="TREE", stated=14), minutes=15)
    assert sent(15) == ["FAULT_ETR"]
    state(record(3, points={A: None}, etrAt=240, etrSetAt=30, stated=30), minutes=31)
    assert sent(31) == []
    assert sent(76) == ["FAULT_ETR_CHANGED"]
    state(record(4, points={A: 90}, stated=91), minutes=92)
    assert sent(92) == ["FAULT_RESTORED"]
    body = ledger()[-1].body or ""
    assert "klo 13.30" in body
    assert "1 h 30 min" in body


def test_a_start_and_an_estimate_that_come_at_once_are_one_message(people: None) -> None:
    state(record(1, points={A: None}, etrAt=120), minutes=10)
    assert sent(10) == ["FAULT_ETR"]


def test_req_03_growth_tells_the_new_ones_of_the_estimate_and_nobody_twice(people: None) -> None:
    state(record(1, points={A: None}, etrAt=240, etrSetAt=5), minutes=10)
    sent(10)
    state(record(2, points={A: None, B: None}, etrAt=240, etrSetAt=5), minutes=20)
    assert sent(20) == ["FAULT_ETR"]
    assert [notice.gsrn for notice in ledger() if notice.state == "SENT"] == [A, B]


def test_req_03_growth_tells_the_new_ones_of_the_estimate_though_it_wavers_meanwhile(
    people: None,
) -> None:
    state(record(1, points={A: None}, etrAt=240, etrSetAt=5), minutes=10)
    assert sent(10) == ["FAULT_ETR"]
    grown = [{"gsrn": A}, {"gsrn": B, "offAt": at(19).isoformat()}]
    state(record(2, points=grown, etrAt=245, etrSetAt=18, stated=20), minutes=20)
    state(record(3, points=grown, etrAt=246, etrSetAt=21, stated=21), minutes=21)
    assert sent(22) == ["FAULT_ETR"]
    assert ledger()[-1].gsrn == B


def test_growth_tells_nobody_an_estimate_twice_when_the_dms_does_not_say_when_it_was_set(
    people: None,
) -> None:
    state(record(1, points={A: None}, etrAt=240), minutes=10)
    assert sent(10) == ["FAULT_ETR"]
    state(record(2, points={A: None, B: None}, etrAt=240), minutes=20)
    assert sent(90) == ["FAULT_ETR"]
    assert [notice.gsrn for notice in ledger() if notice.state == "SENT"] == [A, B]


def test_parts_and_wholes_tell_nobody_twice(people: None) -> None:
    state(record(1, points={A: None}), record(1, ref="F-2", points={B: None}), minutes=10)
    assert len(sent(10)) == 2
    state(record(2, ref="F-2", points={B: None}, parent="F-1"), minutes=20)
    assert sent(20) == []
    state(
        record(2, points={A: 60}, stated=61),
        record(3, ref="F-2", points={B: 50}, parent="F-1", stated=61),
        minutes=62,
    )
    assert sent(62) == ["FAULT_RESTORED", "FAULT_RESTORED"]
    assert sent(300) == []


def test_who_was_told_of_the_whole_is_told_the_end_of_the_part_that_was_split_off(
    people: None,
) -> None:
    state(record(1, points={A: None, B: None}), minutes=10)
    assert len(sent(10)) == 2
    state(
        record(1, ref="F-2", points={B: None}, splitFrom="F-1"),
        record(2, points={A: None}),
        minutes=20,
    )
    assert sent(20) == []
    state(record(2, ref="F-2", points={B: 60}, splitFrom="F-1", stated=61), minutes=62)
    assert sent(62) == ["FAULT_RESTORED"]
    assert ledger()[-1].gsrn == B


def test_req_09_whoever_sleeps_through_an_end_that_was_none_reads_of_the_cut_in_the_morning(
    people: None,
) -> None:
    """The end had stopped their start, and was stopped itself before they could read of it."""
    state(record(1, points={A: None}, started=670, stated=671), minutes=680)
    assert sent(680) == []
    state(record(2, points={A: 720}, started=670, stated=721), minutes=722)
    assert sent(722) == []
    with transaction() as session:
        number = session.execute(text("SELECT id FROM outage")).scalar_one()
        fault_actions.reopen(operator(session, 800), number, at(800))
    assert sent(800) == []
    assert sent(1141) == ["FAULT_STARTED"]
    with transaction() as session:
        fault_actions.restore(operator(session, 1200), number, at(1200))
    assert sent(1200) == ["FAULT_RESTORED"]


def test_req_38_a_cut_that_was_brief_and_comes_again_is_told_when_it_lasts(people: None) -> None:
    state(record(1, points={A: None}), minutes=1)
    state(record(2, points={A: 2}, stated=2), minutes=2)
    assert sent(4) == []
    with transaction() as session:
        number = session.execute(text("SELECT id FROM outage")).scalar_one()
        fault_actions.reopen(operator(session, 20), number, at(20))
    assert sent(20) == []
    assert sent(23) == ["FAULT_STARTED"]


def test_req_05_an_end_that_was_none_is_corrected_and_the_real_end_is_told(people: None) -> None:
    state(record(1, points={A: None, B: None}), minutes=10)
    sent(10)
    state(record(2, points={A: 30, B: 30}, stated=31), minutes=32)
    assert sent(32) == ["FAULT_RESTORED", "FAULT_RESTORED"]
    with transaction() as session:
        number = session.execute(text("SELECT id FROM outage")).scalar_one()
        fault_actions.reopen(operator(session, 40), number, at(40))
    assert sent(40) == ["CORRECTION_STILL_OFF", "CORRECTION_STILL_OFF"]
    with transaction() as session:
        fault_actions.restore(operator(session, 80), number, at(80))
    assert sent(80) == ["FAULT_RESTORED", "FAULT_RESTORED"]


def test_req_03_a_fault_inside_another_is_told_to_those_only_who_know_of_none(
    people: None,
) -> None:
    state(record(1, points={A: None}), minutes=10)
    assert sent(10) == ["FAULT_STARTED"]
    state(record(1, ref="F-2", points={A: None, B: None}, started=20, stated=21), minutes=30)
    assert sent(30) == ["FAULT_STARTED"]
    assert ledger()[-1].gsrn in {A, B}
    assert {(n.gsrn, n.suppress_reason) for n in ledger()} == {
        (A, None),
        (B, None),
        (A, "KNOWS_OTHER"),
    }


def test_req_05_the_end_of_a_nest_of_faults_is_told_once_with_the_last(people: None) -> None:
    state(record(1, points={A: None}), minutes=10)
    sent(10)
    state(record(1, ref="F-2", points={A: None, B: None}, started=20, stated=21), minutes=30)
    sent(30)
    state(record(2, points={A: 60}, stated=61), minutes=62)
    assert sent(62) == []
    state(record(2, ref="F-2", points={A: 90, B: 90}, stated=91), minutes=92)
    assert sent(92) == ["FAULT_RESTORED", "FAULT_RESTORED"]
    ends = {n.gsrn: n.body or "" for n in ledger() if n.state == "SENT" and "REST" in n.type}
    assert all("klo 13.30" in body for body in ends.values())
    assert "1 h 30 min" in ends[A]
    assert sent(300) == []


def test_req_05_a_nest_may_last_for_longer_than_half_a_day(people: None) -> None:
    state(record(1, points={A: None}), minutes=10)
    sent(10)
    state(record(1, ref="F-2", points={A: None}, started=20, stated=21), minutes=30)
    assert sent(30) == []
    state(record(2, points={A: 60}, stated=61), minutes=62)
    assert sent(62) == []
    state(record(2, ref="F-2", points={A: 1150}, stated=1151), minutes=1152)
    assert sent(1152) == ["FAULT_RESTORED"]


def test_the_end_of_a_nested_fault_decides_nothing_about_those_who_were_not_in_it(
    people: None,
) -> None:
    state(record(1, points={A: None, B: 1}), minutes=10)
    sent(10)
    state(record(1, ref="F-2", points={A: None}, started=20, stated=21), minutes=30)
    state(record(2, points={A: 60, B: 1}, stated=61), minutes=62)
    sent(62)
    before = [(n.gsrn, n.suppress_reason) for n in ledger() if n.gsrn == B]
    assert (B, "NEVER_TOLD") in before
    state(record(2, ref="F-2", points={A: 90}, stated=91), minutes=92)
    assert sent(92) == ["FAULT_RESTORED"]
    assert [(n.gsrn, n.suppress_reason) for n in ledger() if n.gsrn == B] == before


def test_req_09_an_end_held_for_the_night_stays_when_the_power_is_off_again_in_the_morning(
    people: None,
) -> None:
    state(record(1, points={A: None}), minutes=10)
    sent(10)
    state(record(2, points={A: 605}, stated=606), minutes=607)
    assert sent(607) == []
    state(record(1, ref="F-2", points={A: None}, started=620, stated=621), minutes=622)
    assert sent(1141) == ["FAULT_STARTED"]
    assert ("FAULT_RESTORED", "STILL_OFF") in {(n.type, n.suppress_reason) for n in ledger()}
    state(record(2, ref="F-2", points={A: 1200}, stated=1201), minutes=1202)
    assert sent(1202) == ["FAULT_RESTORED"]
    assert sent(1300) == []


def test_req_03_who_has_heard_of_no_end_hears_of_no_second_start(people: None) -> None:
    state(record(1, points={A: None}), minutes=10)
    assert sent(10) == ["FAULT_STARTED"]
    state(record(1, ref="F-2", points={A: None}, started=20, stated=21), minutes=30)
    state(record(2, points={A: 60}, stated=61), minutes=62)
    assert sent(62) == []
    # The second fault grows, so that all its people are looked at anew.
    state(record(2, ref="F-2", points={A: None, B: None}, started=20, stated=70), minutes=71)
    assert sent(71) == ["FAULT_STARTED"]
    assert ledger()[-1].gsrn == B or ledger()[-2].gsrn == B
    state(record(3, ref="F-2", points={A: 90, B: 90}, stated=91), minutes=92)
    assert sent(92) == ["FAULT_RESTORED", "FAULT_RESTORED"]


def test_req_07_an_estimate_of_a_nested_fault_is_news_only_if_it_lasts_longer(
    people: None,
) -> None:
    state(record(1, points={A: None}), minutes=10)
    state(record(1, ref="F-2", points={A: None}, started=1, stated=2), minutes=12)
    assert sent(12) == ["FAULT_STARTED"]
    state(record(2, points={A: None}, etrAt=200, stated=20), minutes=21)
    assert sent(21) == ["FAULT_ETR"]
    state(record(2, ref="F-2", points={A: None}, etrAt=200, stated=30), minutes=31)
    assert sent(31) == []
    assert ledger()[-1].suppress_reason == "KNOWS_OTHER"
    state(record(3, ref="F-2", points={A: None}, etrAt=400, stated=100), minutes=101)
    assert sent(101) == ["FAULT_ETR"]


@pytest.mark.parametrize(
    ("second", "told"), [(200, []), (150, ["FAULT_ETR"]), (400, ["FAULT_ETR"])]
)
def test_req_07_the_estimate_of_a_fault_that_ended_unheard_is_no_news_from_the_next_one(
    people: None, second: int, told: list[str]
) -> None:
    state(record(1, points={A: None}), minutes=10)
    state(record(1, ref="F-2", points={A: None}, started=1, stated=2), minutes=12)
    assert sent(12) == ["FAULT_STARTED"]
    state(record(2, points={A: None}, etrAt=200, stated=20), minutes=21)
    assert sent(21) == ["FAULT_ETR"]
    state(record(3, points={A: 60}, etrAt=200, stated=61), minutes=62)
    assert sent(62) == []
    state(record(2, ref="F-2", points={A: None}, etrAt=second, stated=90), minutes=91)
    assert sent(91) == told
    state(record(3, ref="F-2", points={A: None}, etrAt=600, stated=160), minutes=161)
    assert len(sent(161)) == 1


def test_req_06_that_a_second_fault_takes_longer_is_no_news_until_an_estimate_is_told_again(
    people: None,
) -> None:
    state(record(1, points={A: None}, etrAt=130), minutes=10)
    state(record(1, ref="F-2", points={A: None}, etrAt=130, started=1, stated=2), minutes=12)
    assert sent(12) == ["FAULT_ETR"]
    _pass_estimates(131)
    assert sent(131) == ["FAULT_ETR_DELAYED"]
    assert ledger()[-1].suppress_reason == "KNOWS_OTHER"
    state(record(2, ref="F-2", points={A: None}, etrAt=300, started=1, stated=240), minutes=241)
    assert len(sent(241)) == 1
    _pass_estimates(302)
    assert sent(302) == ["FAULT_ETR_DELAYED"]


def test_req_06_the_earlier_of_two_estimates_passes_in_silence_for_whoever_read_the_later(
    people: None,
) -> None:
    state(record(1, points={A: None}, etrAt=130), minutes=10)
    state(record(1, ref="F-2", points={A: None}, etrAt=100, started=1, stated=2), minutes=12)
    assert sent(12) == ["FAULT_ETR"]
    _pass_estimates(101)
    assert sent(101) == []
    assert ledger()[-1].suppress_reason == "KNOWS_OTHER"
    _pass_estimates(131)
    assert sent(131) == ["FAULT_ETR_DELAYED"]


def test_req_07_what_was_read_last_is_not_told_again_in_the_name_of_a_second_fault(
    people: None,
) -> None:
    state(record(1, points={A: None}, etrAt=200), minutes=10)
    assert sent(10) == ["FAULT_ETR"]
    # Too little to be told, and enough for the second one to be the later.
    state(record(2, points={A: None}, etrAt=195, stated=20), minutes=21)
    state(record(1, ref="F-2", points={A: None}, etrAt=200, started=25, stated=26), minutes=30)
    assert sent(30) == []
    assert ledger()[-1].suppress_reason == "KNOWS_OTHER"
    # The power is not back before the second one is mended.
    state(record(3, points={A: None}, etrAt=140, stated=99), minutes=100)
    assert sent(100) == []
    assert (ledger()[-1].type, ledger()[-1].suppress_reason) == ("FAULT_ETR_CHANGED", "KNOWS_OTHER")
    # What it was meanwhile has not been read.
    state(record(4, points={A: None}, etrAt=300, stated=109), minutes=110)
    assert sent(110) == ["FAULT_ETR"]
    state(record(2, ref="F-2", points={A: None}, etrAt=240, started=25, stated=111), minutes=112)
    assert sent(175) == []


def test_req_07_whoever_read_a_later_time_is_not_told_of_a_part_with_an_earlier_one(
    people: None,
) -> None:
    state(record(1, points={A: None, B: None}, etrAt=140), minutes=10)
    state(record(1, ref="F-2", points={A: None}, etrAt=300, started=20, stated=21), minutes=30)
    # Of two that come at once the later one leaves.
    assert sent(30) == ["FAULT_ETR", "FAULT_ETR"]
    assert [one.gsrn for one in ledger() if one.suppress_reason == "KNOWS_OTHER" and one.body] == [
        A
    ]
    state(record(2, points={A: None, B: 100}, etrAt=140, stated=101), minutes=102)
    assert sent(102) == ["FAULT_RESTORED"]
    part = [one for one in ledger() if one.type == "FAULT_PARTLY_RESTORED"]
    assert [(one.gsrn, one.suppress_reason) for one in part] == [(A, "KNOWS_OTHER")]


def test_req_07_of_two_estimates_that_waited_for_the_morning_the_later_leaves(people: None) -> None:
    state(record(1, points={A: None, B: None}, started=670, etrAt=1300, stated=671), minutes=680)
    assert sent(680) == []
    # Too little to be told, and enough for the others to be the later.
    state(record(2, points={A: None, B: None}, etrAt=1290, started=670, stated=681), minutes=682)
    second = {"ref": "F-2", "started": 690}
    state(record(1, points={A: None}, etrAt=1400, stated=691, **second), minutes=700)
    third = {"ref": "F-3", "started": 690}
    state(record(1, points={B: None}, etrAt=1300, stated=691, **third), minutes=700)
    assert sent(700) == []
    assert sent(1141) == ["FAULT_ETR", "FAULT_ETR"]
    told = [(one.gsrn, one.outage_id) for one in ledger() if one.state == "SENT"]
    assert sorted(told) == [(A, 2), (B, 1)]
    stopped = [one for one in ledger() if one.suppress_reason == "KNOWS_OTHER" and one.body]
    assert sorted((one.gsrn, one.outage_id) for one in stopped) == [(A, 1), (B, 3)]


def test_req_07_an_estimate_that_comes_back_is_news_although_a_second_fault_is_open(
    people: None,
) -> None:
    state(record(1, points={A: None}, etrAt=240), minutes=10)
    assert sent(10) == ["FAULT_ETR"]
    state(record(1, ref="F-2", points={A: None}, etrAt=200, started=11, stated=12), minutes=15)
    assert sent(15) == []
    state(record(2, points={A: None}, etrAt=300, stated=79), minutes=80)
    assert sent(80) == ["FAULT_ETR_CHANGED"]
    state(record(3, points={A: None}, etrAt=240, stated=149), minutes=150)
    assert sent(150) == ["FAULT_ETR_CHANGED"]


def test_req_07_an_estimate_that_came_and_went_before_it_was_read_is_none(people: None) -> None:
    state(record(1, points={A: None}, etrAt=240), minutes=10)
    assert sent(10) == ["FAULT_ETR"]
    state(record(2, points={A: None}, etrAt=180, stated=20), minutes=21)
    assert sent(21) == []
    state(record(3, points={A: None}, etrAt=240, stated=30), minutes=31)
    assert sent(75) == []
    states = [(one.type, one.state, one.suppress_reason) for one in ledger()[-2:]]
    assert states == [
        ("FAULT_ETR_CHANGED", "SUPERSEDED", "SUPERSEDED"),
        ("FAULT_ETR_CHANGED", "SUPPRESSED", "SAME_ESTIMATE"),
    ]


@pytest.mark.parametrize(
    ("estimate", "told"), [({}, "FAULT_STARTED"), ({"etrAt": 1300}, "FAULT_ETR")]
)
def test_req_05_whoever_had_not_read_of_the_fault_that_hid_another_reads_of_that_one(
    people: None, estimate: dict[str, int], told: str
) -> None:
    """The first one's news waits for the morning, and it is over by then."""
    state(record(1, points={A: None}, started=670, stated=671, **estimate), minutes=680)
    assert sent(680) == []
    more = {"ref": "F-2", "started": 690} | estimate
    state(record(1, points={A: None}, stated=691, **more), minutes=700)
    assert sent(700) == []
    assert ledger()[-1].suppress_reason == "KNOWS_OTHER"
    state(record(2, points={A: 720}, started=670, stated=721), minutes=722)
    assert sent(722) == []
    assert sent(1141) == [told]
    state(record(2, ref="F-2", points={A: 1200}, started=690, stated=1201), minutes=1202)
    assert sent(1202) == ["FAULT_RESTORED"]


def test_req_05_whoever_has_read_of_the_fault_that_hid_another_reads_of_no_second_start(
    people: None,
) -> None:
    state(record(1, points={A: None, B: None}), minutes=10)
    plan_all(at(10))
    state(record(1, ref="F-2", points={A: None, B: None}, started=2, stated=11), minutes=12)
    # One of the two has it from the wire, the other not yet.
    (first, _) = claim(now=at(12))
    attempts, _ = gate([first], at(12))
    end(first, attempts[first.id], "SENT", "SENT", now=at(12))
    state(record(2, points={A: 13, B: 13}, stated=13), minutes=14)
    assert sent(14) == ["FAULT_STARTED"]
    state(record(2, ref="F-2", points={A: 30, B: 30}, started=2, stated=31), minutes=32)
    assert sent(32) == ["FAULT_RESTORED", "FAULT_RESTORED"]


def test_req_06_a_fault_that_keeps_nobody_without_power_is_late_with_nothing(people: None) -> None:
    """Only so many are looked at in one go, the longest waiting first."""
    for number, points in enumerate(([], [A])):
        etr_at, ref = at(30 + number), f"F-{number}"
        more = {"state": "ETR_SET", "confirmed_at": NOW, "etr_at": etr_at, "source_ref": ref}
        last = add_outage(points, **more)
    with transaction() as session:
        assert fault_watch.expired(session, at(40)) == [last]


def test_req_05_nobody_is_looked_for_to_whom_no_end_is_owed(people: None) -> None:
    """A storm's faults overlap by the hundred, and of most all has been said."""
    state(record(1, points={A: None, B: None}), minutes=10)
    assert len(sent(10)) == 2
    state(record(1, ref="F-2", points={A: None}, started=20, stated=21), minutes=30)
    sent(30)
    # B has heard of its end, A is owed it.
    state(record(2, points={A: 50, B: 50}, stated=51), minutes=52)
    assert sent(52) == ["FAULT_RESTORED"]
    state(record(2, ref="F-2", points={A: 60}, started=20, stated=61), minutes=62)
    assert sent(62) == ["FAULT_RESTORED"]
    after = "SELECT count(*) FROM announcement WHERE occurrence LIKE 'after:%'"
    assert scalar(after) == 1
    # One that had begun before, so that it was overlapped by both.
    state(record(1, ref="F-3", points={A: None, B: None}, started=40, stated=70), minutes=71)
    sent(71)
    state(record(2, ref="F-3", points={A: 80, B: 80}, started=40, stated=81), minutes=82)
    sent(82)
    assert scalar(after) == 1


def test_req_05_an_end_that_is_just_being_planned_is_looked_at_again_after_the_next_one(
    people: None,
) -> None:
    """The planner may see a third cut that ends before it has written down that it is on."""
    state(record(1, points={A: None}), minutes=10)
    assert sent(10) == ["FAULT_STARTED"]
    state(record(1, ref="F-2", points={A: None}, started=20, stated=21), minutes=22)
    state(record(2, points={A: 30}, stated=31), minutes=32)
    assert sent(32) == []
    state(record(1, ref="F-3", points={A: None}, started=50, stated=51), minutes=52)
    state(record(2, ref="F-2", points={A: 55}, started=20, stated=56), minutes=57)
    # Nothing has been planned of this yet.
    state(record(2, ref="F-3", points={A: 58}, started=50, stated=59), minutes=60)
    after = scalar(
        "SELECT count(*) FROM announcement a JOIN outage o ON o.id = a.outage_id"
        " WHERE o.source_ref = 'F-1' AND a.occurrence LIKE 'after:%'"
    )
    assert after == 2
    assert sent(60) == ["FAULT_RESTORED"]


def test_req_08_beginnings_and_ends_are_planned_before_estimates(people: None) -> None:
    state(record(1, points={A: None}), minutes=10)
    assert sent(10) == ["FAULT_STARTED"]
    state(record(2, points={A: None}, etrAt=300, stated=20), minutes=21)
    state(record(1, ref="F-2", points={B: None}, started=20, stated=21), minutes=22)
    with transaction() as session:
        order = session.execute(
            text(
                "SELECT o.source_ref || ' ' || a.type FROM announcement a"
                " JOIN outage o ON o.id = a.outage_id WHERE a.state = 'PENDING'"
                " ORDER BY a.priority, a.id"
            )
        ).scalars()
        assert order.all() == ["F-2 FAULT_STARTED", "F-1 FAULT_ETR"]


def test_req_05_whoever_heard_of_the_end_at_one_point_is_owed_that_at_the_other(app: Flask) -> None:
    with app.app_context():
        settle_people(2, phones=["+358401234560"] * 2)
        state(record(1, points={A: None, B: None}), minutes=10)
        assert sent(10) == ["FAULT_STARTED"]
        state(record(2, points={A: 20, B: None}, stated=21), minutes=22)
        assert sent(22) == ["FAULT_PARTLY_RESTORED"]
        state(record(1, ref="F-2", points={B: None}, started=40, stated=41), minutes=42)
        assert sent(42) == []
        state(record(3, points={A: 20, B: 50}, stated=51), minutes=52)
        assert sent(52) == ["FAULT_RESTORED"]
        assert (ledger()[-1].gsrn, ledger()[-1].point_count) == (A, 1)
        state(record(2, ref="F-2", points={B: 60}, started=40, stated=61), minutes=62)
        assert sent(62) == ["FAULT_RESTORED"]
        assert ledger()[-1].gsrn == B


def test_req_05_an_end_that_two_faults_stopped_is_told_where_each_of_them_ends(app: Flask) -> None:
    """Neither is told, since both are brief; the text that they stopped was filed by the first point."""
    with app.app_context():
        settle_people(2, phones=["+358401234560"] * 2)
        state(record(1, points={A: None, B: None}), minutes=10)
        assert sent(10) == ["FAULT_STARTED"]
        state(record(2, points={A: 20, B: 20}, stated=20), minutes=20)
        plan_all(at(20))
        faults = (("F-2", A, 22), ("F-3", B, 23))
        for ref, point, _ in faults:
            state(record(1, ref=ref, points={point: None}, started=21, stated=21), minutes=21)
        assert sent(21) == []
        assert ledger()[-1].suppress_reason == "STILL_OFF"
        for ref, point, on in faults:
            state(record(2, ref=ref, points={point: on}, started=21, stated=on), minutes=on)
            assert sent(on) == ["FAULT_RESTORED"]
            assert (ledger()[-1].gsrn, ledger()[-1].point_count) == (point, 1)


def test_req_05_an_end_that_left_a_point_out_is_told_there_when_the_other_fault_is_over(
    app: Flask,
) -> None:
    """The second fault is brief, or was only suspected, so that nothing is told of it."""
    with app.app_context():
        settle_people(2, phones=["+358401234560"] * 2)
        state(record(1, points={A: None, B: None}), minutes=10)
        assert sent(10) == ["FAULT_STARTED"]
        state(record(2, points={A: 20, B: 20}, stated=20), minutes=20)
        plan_all(at(20))
        state(record(1, ref="F-2", points={A: None}, started=21, stated=21), minutes=21)
        assert sent(21) == ["FAULT_RESTORED"]
        assert (ledger()[-1].gsrn, ledger()[-1].point_count) == (B, 1)
        state(record(2, ref="F-2", points={A: 22}, started=21, stated=22), minutes=22)
        assert sent(22) == ["FAULT_RESTORED"]
        assert (ledger()[-1].gsrn, ledger()[-1].point_count) == (A, 1)


@pytest.mark.parametrize("surely", [True, False], ids=["told", "perhaps told"])
def test_req_05_the_end_of_a_planned_cut_tells_that_of_the_fault_in_it(
    people: None, surely: bool
) -> None:
    """Also to somebody of whom nobody can tell whether the beginning reached them."""
    state(record(1, points={A: None}), minutes=10)
    assert sent(10) == ["FAULT_STARTED"]
    if not surely:
        with transaction() as session:
            session.execute(text("UPDATE notice SET state = 'EXPIRED'"))
            session.execute(text("UPDATE attempt SET outcome = 'UNKNOWN'"))
    cut = add_outage(
        (A,),
        off_at=at(30),
        kind="PLANNED",
        source_ref="K-1",
        state="ONGOING",
        planned_from_at=at(30),
        planned_to_at=at(200),
    )
    with transaction() as session:
        session.add(
            PlannedCut(
                outage_id=cut,
                name="K",
                plan_version=1,
                created_by="staff:paula",
                changed_by="staff:paula",
            )
        )
    state(record(2, points={A: 60}, stated=61), minutes=62)
    assert sent(62) == []
    with transaction() as session:
        planned_running.end_now(session, cut, at(120), by="staff:otso", now=at(121), version=None)
    assert sent(121)[-1:] == ["FAULT_RESTORED"]
    assert "klo 14.00" in (ledger()[-1].body or "")


@pytest.mark.parametrize("looked", [41, 92], ids=["at once", "too late"])
def test_whoever_believes_in_a_false_alarm_around_a_fault_is_told_its_end_only(
    people: None, looked: int
) -> None:
    """That the power is off stays true; who hears of the alarm's end may be behind that of the fault."""
    state(record(1, points={A: None}), minutes=10)
    sent(10)
    state(record(1, ref="F-2", points={A: None}, started=20, stated=21), minutes=30)
    assert sent(30) == []
    state(record(2, points={A: None}, state="FALSE_ALARM", stated=40), minutes=41)
    if looked == 41:
        assert sent(41) == []
    else:
        _plan(NoticeType.CORRECTION, 42)
    state(record(2, ref="F-2", points={A: 90}, stated=91), minutes=92)
    assert sent(92) == ["FAULT_RESTORED"]
    assert sent(300) == []


def test_whoever_reads_that_a_false_alarm_was_none_is_told_of_the_fault_in_it(app: Flask) -> None:
    with app.app_context():
        settle_people(2, phones=["+358401234567"] * 2)
        state(record(1, points={A: None, B: None}), minutes=10)
        assert sent(10) == ["FAULT_STARTED"]
        state(record(1, ref="F-2", points={A: None}, started=20, stated=21), minutes=30)
        assert sent(30) == []
        state(record(2, points={A: None, B: None}, state="FALSE_ALARM", stated=40), minutes=41)
        assert sent(41) == ["CORRECTION", "FAULT_STARTED"]
        state(record(2, ref="F-2", points={A: 90}, stated=91), minutes=92)
        assert sent(92) == ["FAULT_RESTORED"]
        db.session.remove()


def test_a_start_that_waits_for_the_morning_is_told_although_its_point_was_split_off_at_night(
    people: None,
) -> None:
    """Its fault has the point no more; the one that has it counts it among those who know."""
    state(record(1, points={A: None, B: None}, started=610, stated=611), minutes=620)
    assert sent(620) == []
    state(
        record(1, ref="F-2", points={B: None}, splitFrom="F-1", started=610, stated=640),
        record(2, points={A: None}, started=610, stated=641),
        minutes=642,
    )
    assert sent(642) == []
    assert sent(1141) == ["FAULT_STARTED", "FAULT_STARTED"]
    state(
        record(2, ref="F-2", points={B: 1200}, splitFrom="F-1", started=610, stated=1201),
        minutes=1202,
    )
    assert sent(1202) == ["FAULT_RESTORED"]


def test_req_34_whoever_believes_in_a_false_alarm_is_corrected_when_the_one_inside_it_was_none_either(
    people: None,
) -> None:
    state(record(1, points={A: None, B: None}), minutes=10)
    assert len(sent(10)) == 2
    state(record(1, ref="F-2", points={A: None}, started=20, stated=21), minutes=30)
    assert sent(30) == []
    state(record(2, points={A: None, B: None}, state="FALSE_ALARM", stated=40), minutes=41)
    assert sent(41) == ["CORRECTION"]
    assert ledger()[-1].gsrn == B or ledger()[-2].gsrn == B
    state(record(2, ref="F-2", points={A: None}, state="FALSE_ALARM", stated=50), minutes=51)
    assert sent(51) == ["CORRECTION"]
    told = [one.gsrn for one in ledger() if one.type == "CORRECTION" and one.state == "SENT"]
    assert told == [B, A]


def test_req_05_whoever_believes_in_a_false_alarm_hears_of_the_end_of_a_fault_that_was_only_suspected(
    people: None,
) -> None:
    """While it is suspected, nobody says that all is well there."""
    state(record(1, points={A: None}), minutes=10)
    assert sent(10) == ["FAULT_STARTED"]
    suspected = record(1, ref="F-2", points={A: None}, started=20, stated=21, state="DETECTED")
    state(suspected, minutes=30)
    state(record(2, points={A: None}, state="FALSE_ALARM", stated=40), minutes=41)
    assert sent(41) == []
    back = record(2, ref="F-2", points={A: 90}, started=20, stated=91, state="DETECTED")
    state(back, minutes=92)
    assert sent(92) == ["FAULT_RESTORED"]
    assert sent(300) == []


def test_req_34_points_left_out_and_corrected_are_not_corrected_again_with_the_false_alarm(
    people: None,
) -> None:
    state(record(1, points={A: None, B: None}), minutes=10)
    assert len(sent(10)) == 2
    state(record(2, points={A: None}, stated=20), minutes=21)
    assert sent(26) == ["CORRECTION"]
    state(record(3, points={A: None}, state="FALSE_ALARM", stated=40), minutes=41)
    assert sent(41) == ["CORRECTION"]
    assert sorted(one.gsrn for one in ledger() if one.type == "CORRECTION") == [A, B]


def test_that_a_second_fault_is_partly_repaired_is_no_news_to_whoever_read_so_of_the_first(
    people: None,
) -> None:
    state(record(1, points={A: None, B: None}), minutes=10)
    state(record(1, ref="F-2", points={A: None, C: None}, started=20, stated=21), minutes=30)
    assert len(sent(30)) == 3
    state(record(2, points={A: None, B: 40}, stated=41), minutes=42)
    assert sent(42) == ["FAULT_RESTORED", "FAULT_PARTLY_RESTORED"]
    state(record(2, ref="F-2", points={A: None, C: 120}, started=20, stated=121), minutes=122)
    assert sent(122) == ["FAULT_RESTORED"]
    told = [one for one in ledger() if one.type == "FAULT_PARTLY_RESTORED"]
    assert [(one.gsrn, one.suppress_reason) for one in told] == [(A, None), (A, "KNOWS_OTHER")]


def test_overlapping_faults_are_one_interruption_with_one_compensation(people: None) -> None:
    """The longer one ends last and tells of it, from the beginning of the first."""
    state(record(1, points={A: None, B: None}), minutes=10)
    state(record(1, ref="F-2", points={A: None}, started=60, stated=61), minutes=70)
    sent(70)
    state(record(2, points={A: 13 * 60, B: 13 * 60}, stated=781), minutes=782)
    state(record(2, ref="F-2", points={A: 14 * 60}, stated=841), minutes=842)
    sent(1440)
    state(record(3, points={A: 13 * 60, B: 13 * 60}, stated=1441, state="CLOSED"), minutes=1441)
    state(
        record(3, ref="F-2", points={A: 14 * 60}, started=60, stated=1442, state="CLOSED"),
        minutes=1442,
    )
    assert sent(1443) == ["COMPENSATION", "COMPENSATION"]
    told = {one.gsrn: one.body or "" for one in ledger() if one.type == "COMPENSATION"}
    assert "14 h" in told[A]
    assert "13 h" in told[B]


def test_whoever_reads_of_two_nested_faults_in_the_morning_reads_of_the_night_once(
    people: None,
) -> None:
    """Told of the outer one in the evening; the inner one's news was held, and it ended last."""
    state(record(1, points={A: None}), minutes=10)
    assert sent(10) == ["FAULT_STARTED"]
    state(record(1, ref="F-2", points={A: None}, started=20, stated=21, etrAt=600), minutes=30)
    state(record(2, ref="F-2", points={A: None}, started=20, stated=620, etrAt=800), minutes=621)
    assert sent(621) == []
    state(record(2, points={A: 700}, stated=701), minutes=702)
    assert sent(702) == []
    state(record(3, ref="F-2", points={A: 720}, started=20, stated=721), minutes=722)
    assert sent(722) == []
    assert len(sent(1400)) == 1


def test_req_34_points_that_a_new_version_leaves_out_are_corrected_after_a_while(
    people: None,
) -> None:
    state(record(1, points={A: None, B: None}), minutes=10)
    assert len(sent(10)) == 2
    state(record(2, points={A: None}, stated=20), minutes=21)
    assert sent(25) == []
    assert sent(26) == ["CORRECTION"]
    assert ledger()[-1].gsrn == B
    # It was in it after all.
    state(record(3, points={A: None, B: None}, stated=40), minutes=41)
    assert sent(41) == ["FAULT_STARTED"]


def test_points_that_are_in_another_fault_by_then_are_not_corrected(people: None) -> None:
    state(record(1, points={A: None, B: None}), minutes=10)
    sent(10)
    state(record(2, points={A: None}, stated=20), minutes=21)
    state(record(1, ref="F-2", points={B: None}, splitFrom="F-1", stated=22), minutes=23)
    assert sent(30) == []
    state(record(2, ref="F-2", points={B: 60}, splitFrom="F-1", stated=61), minutes=62)
    assert sent(62) == ["FAULT_RESTORED"]


def test_req_34_a_false_alarm_is_corrected_once_to_each_who_heard_of_it(people: None) -> None:
    state(record(1, points={A: None, B: None}), minutes=10)
    assert len(sent(10)) == 2
    state(record(2, points={A: None, B: None}, etrAt=240), minutes=12)
    assert len(sent(12)) == 2
    state(record(3, points={A: None, B: None}, state="FALSE_ALARM"), minutes=20)
    assert kinds().count("CORRECTION") == 2
    assert sent(20) == ["CORRECTION", "CORRECTION"]
    assert len({notice.sent_to for notice in ledger() if notice.type == "CORRECTION"}) == 2


def test_req_38_a_brief_cut_reaches_nobody(people: None) -> None:
    state(record(1, points={A: None}, stated=1), minutes=1)
    assert sent(1) == []
    state(record(2, points={A: 2.5}, stated=2.5), minutes=2.6)
    assert sent(30) == []
    assert ledger() == []


def test_req_01_a_brief_look_at_restoration_in_parts(people: None) -> None:
    """Whoever has power again hears the end; the other hears at most an update an hour."""
    state(record(1, points={A: None, B: None}, etrAt=600), minutes=10)
    sent(10)
    state(record(2, points={A: 30, B: None}, etrAt=600, etrSetAt=6, stated=31), minutes=32)
    assert sent(32) == ["FAULT_RESTORED"]
    assert sent(80) == ["FAULT_PARTLY_RESTORED"]
    assert [(n.type, n.gsrn) for n in ledger()][-2:] == [
        ("FAULT_RESTORED", A),
        ("FAULT_PARTLY_RESTORED", B),
    ]


def _plan(kind: NoticeType, minutes: float) -> None:
    """Only announcements of this kind have been planned by then."""
    with transaction() as session:
        number = session.execute(
            text("SELECT id FROM announcement WHERE type = :kind"), {"kind": str(kind)}
        ).scalar_one()
    settings = current_app.extensions["tiedolla_settings"]
    list(plan_slices(number, settings, lambda: at(minutes)))


@pytest.fixture
def people(app: Flask) -> Iterator[None]:
    """Three homes with a customer each who wants everything by SMS."""
    with app.app_context():
        settle_people(3)
        yield
        db.session.remove()


def _pass_estimates(minutes: float) -> None:
    """Upkeep notices whose estimate has passed."""
    with transaction() as session:
        for outage_id in fault_watch.expired(session, at(minutes)):
            assert fault_watch.note_expiry(session, outage_id, at(minutes))
