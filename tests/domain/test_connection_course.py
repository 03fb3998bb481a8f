"""The course of a connection order and what its customer hears of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.connection_checks import check_connection
from app.domain.connection_course import ConnectionCourse, ConnectionFacts, course_of
from app.domain.connection_news import news_of
from app.domain.notice_types import NoticeType as T
from app.domain.states import CONNECTION_CORRECTIONS, CONNECTION_MOVES, CONNECTION_PATH
from app.domain.states import ConnectionStage as S

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
VISIT = (datetime(2026, 3, 10, 8, tzinfo=UTC), datetime(2026, 3, 10, 10, tzinfo=UTC))
SWITCH = (datetime(2026, 5, 12, 6, tzinfo=UTC), datetime(2026, 5, 12, 9, tzinfo=UTC))


def version(number: int, stage: S = S.ORDERED, **more: Any) -> ConnectionFacts:
    """Version `number`, made that many days after the start."""
    at = START + timedelta(days=number - 1)
    return ConnectionFacts(number, at, "C1", stage, **more)


def planned(number: int, stage: S = S.SITE_PLANNING, **more: Any) -> ConnectionFacts:
    return version(number, stage, visit_from=VISIT[0], visit_to=VISIT[1], **more)


def switched(number: int, stage: S = S.READY, **more: Any) -> ConnectionFacts:
    return version(number, stage, energise_from=SWITCH[0], energise_to=SWITCH[1], **more)


def told(*versions: ConnectionFacts) -> list[T]:
    """What the last version makes the customer hear."""
    *before, _ = versions
    old = course_of(before) if before else None
    return [kind for kind, _, _ in news_of(old, course_of(versions), "L-1").tell]


def test_a_stage_may_be_skipped() -> None:
    course = course_of([version(1), version(2, S.READY), version(3, S.COMPLETED)])
    assert course.facts.stage is S.COMPLETED
    assert course.refused == frozenset()


@pytest.mark.parametrize("earlier", CONNECTION_PATH[:5])
def test_a_stage_never_goes_back_silently(earlier: S) -> None:
    course = course_of([version(1, S.ENERGISED), version(2, earlier, target_week="2027-W01")])
    assert course.facts == version(1, S.ENERGISED)
    assert course.refused == {2}


def test_a_correction_may_go_back_and_is_remembered_as_one() -> None:
    course = course_of([version(1, S.READY), version(2, S.BUILDING, correction=True)])
    assert course.facts.stage is S.BUILDING
    assert ("BACK", "BUILDING") in [(one.what, one.value) for one in course.happenings]


def test_an_order_on_hold_goes_on_from_where_it_was_and_not_from_before() -> None:
    held = [version(1, S.BUILDING), version(2, S.ON_HOLD)]
    assert course_of(held).held_stage is S.BUILDING
    assert course_of([*held, version(3, S.SITE_PLANNING)]).refused == {3}
    assert course_of([*held, version(3, S.BUILDING)]).facts.stage is S.BUILDING
    assert course_of([*held, version(3, S.READY)]).held_stage is None


def test_what_is_over_stays_over() -> None:
    assert course_of([version(1, S.COMPLETED), version(2, S.ON_HOLD)]).refused == {2}
    assert course_of([version(1, S.CANCELLED), version(2, S.READY)]).refused == {2}


def test_every_stage_has_its_moves() -> None:
    assert set(CONNECTION_MOVES.table) == set(S) - {S.COMPLETED, S.CANCELLED}
    assert set(CONNECTION_CORRECTIONS.table) == set(S)


@pytest.mark.parametrize(
    ("versions", "kinds"),
    [
        ([version(1)], [T.CONN_RECEIVED]),
        ([version(1, S.CONTRACTED)], [T.CONN_RECEIVED]),
        # Site planning is not next any more.
        ([version(1, S.BUILDING)], []),
        ([version(1), version(2, S.CONTRACTED)], []),
        ([version(1), planned(2)], [T.CONN_PLANNING]),
        ([version(1), planned(2), planned(3, S.BUILDING)], []),
        (
            [
                planned(1),
                version(
                    2,
                    S.SITE_PLANNING,
                    visit_from=VISIT[0] + timedelta(1),
                    visit_to=VISIT[1] + timedelta(1),
                ),
            ],
            [T.CONN_PLANNING],
        ),
        ([planned(1), version(2, S.BUILDING)], []),
        # The planner has been there already.
        ([version(1), replace(planned(2), changed_at=VISIT[0])], []),
        ([version(1, S.BUILDING), switched(2)], [T.CONN_ENERGISE]),
        ([version(1, S.BUILDING), switched(2, S.ENERGISED)], []),
        ([switched(1), version(2, S.READY)], [T.CONN_DELAYED]),
        ([version(1, target_week="2026-W20"), version(2, target_week="2026-W19")], []),
        (
            [version(1, target_week="2026-W20"), version(2, target_week="2026-W21")],
            [T.CONN_DELAYED],
        ),
        (
            [version(1, target_week="2026-W53"), version(2, target_week="2027-W01")],
            [T.CONN_DELAYED],
        ),
        ([version(1), version(2, delay_reason="PERMIT")], [T.CONN_DELAYED]),
        ([version(1, delay_reason="PERMIT"), version(2, delay_reason="PERMIT")], []),
        ([version(1, S.BUILDING, delay_reason="PERMIT")], [T.CONN_DELAYED]),
        # The date says more than the delay.
        (
            [version(1, S.READY, target_week="2026-W18"), switched(2, target_week="2026-W20")],
            [T.CONN_ENERGISE],
        ),
        ([version(1), version(2, S.ON_HOLD)], []),
        ([switched(1), version(2, S.ON_HOLD)], []),
        ([switched(1), switched(2, S.ON_HOLD), switched(3)], [T.CONN_ENERGISE]),
        ([version(1), planned(2, S.CANCELLED)], []),
        ([version(1, S.METERED), version(2, S.COMPLETED, meter_number="M1")], [T.CONN_COMPLETED]),
        # The text names the meter, so it waits for it.
        ([version(1, S.METERED), version(2, S.COMPLETED)], []),
        ([version(1, S.COMPLETED), version(2, S.COMPLETED, meter_number="M1")], [T.CONN_COMPLETED]),
        (
            [
                version(1, S.COMPLETED, meter_number="M1"),
                version(2, S.COMPLETED, meter_number="M1", gsrn="1"),
            ],
            [],
        ),
        # A version that does not count tells nothing.
        ([version(1, S.READY), planned(2)], []),
    ],
)
def test_the_table_of_news(versions: list[ConnectionFacts], kinds: list[T]) -> None:
    assert told(*versions) == kinds


def test_a_version_that_comes_late_makes_no_news_even_if_it_undoes_a_newer_one() -> None:
    newest, late = planned(2), switched(1)
    old, new = course_of([newest]), course_of([late, newest])
    assert new.facts == late
    assert news_of(old, new, "L-1").tell == ()


def test_what_the_texts_are_filled_with() -> None:
    old = course_of([version(1, target_week="2026-W20")])
    late = version(2, target_week="2027-W03", delay_reason="FROST")
    ((kind, at, facts),) = news_of(
        old, course_of([version(1, target_week="2026-W20"), late]), "L-1"
    ).tell
    assert (kind, at) == (T.CONN_DELAYED, late.changed_at)
    assert facts == {
        "order_no": "L-1",
        "week": "3/2027",
        "reason": {"fi": "maa on jäässä", "sv": "marken är frusen", "en": "the ground is frozen"},
    }
    ((_, _, first),) = news_of(None, old, "L-1").tell
    assert first == {"order_no": "L-1", "week": "20"}
    ((_, _, unknown),) = news_of(None, course_of([version(1)]), "L-1").tell
    assert unknown["week"]["en"] == "(not known yet)"


def test_an_order_taken_over_from_the_past_is_old_news() -> None:
    ordered = version(1, stage_dates={"ORDERED": date(2025, 6, 1)})
    ((_, at, _),) = news_of(None, course_of([ordered]), "L-1").tell
    assert at == datetime(2025, 6, 1, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("versions", "kinds"),
    [
        ([planned(1), version(2, S.BUILDING)], {T.CONN_PLANNING}),
        ([switched(1), switched(2, S.ENERGISED)], {T.CONN_ENERGISE, T.CONN_DELAYED}),
        ([switched(1), version(2, S.ON_HOLD)], {T.CONN_ENERGISE}),
        (
            [switched(1), version(2, S.CANCELLED)],
            {T.CONN_RECEIVED, T.CONN_PLANNING, T.CONN_ENERGISE, T.CONN_DELAYED},
        ),
        ([version(1, delay_reason="GRID"), version(2, delay_reason="GRID")], set()),
    ],
)
def test_what_is_not_true_any_more_is_taken_back(
    versions: list[ConnectionFacts], kinds: set[T]
) -> None:
    *before, _ = versions
    assert set(news_of(course_of(before), course_of(versions), "L-1").take_back) == kinds


def test_delay_is_measured_against_the_first_week_and_ends_with_the_power() -> None:
    first, late = version(1, target_week="2026-W20"), version(2, target_week="2026-W22")
    assert not course_of([first]).delayed
    assert course_of([first, late]).delayed
    assert not course_of([first, late, version(3, S.ENERGISED, target_week="2026-W22")]).delayed


WEEKS = st.sampled_from([None, "2026-W20", "2026-W21", "2026-W22"])
WINDOWS = st.sampled_from([None, VISIT, SWITCH])


@st.composite
def histories(draw: st.DrawFn) -> list[ConnectionFacts]:
    """Any versions of one order, sensible or not, in an order of delivery with repetitions."""
    count = draw(st.integers(1, 6))
    versions = []
    for number in range(1, count + 1):
        visit, switch = draw(WINDOWS), draw(WINDOWS)
        facts = version(
            number,
            draw(st.sampled_from(list(S))),
            correction=draw(st.booleans()),
            target_week=draw(WEEKS),
            delay_reason=draw(st.sampled_from([None, "PERMIT", "GRID"])),
            meter_number=draw(st.sampled_from([None, "M1"])),
        )
        if visit:
            facts = replace(facts, visit_from=visit[0], visit_to=visit[1])
        if switch:
            facts = replace(facts, energise_from=switch[0], energise_to=switch[1])
        versions.append(facts)
    repeated = versions + draw(st.lists(st.sampled_from(versions), max_size=4))
    return draw(st.permutations(repeated))


@given(histories())
def test_shuffled_and_repeated_deliveries_end_the_same_and_tell_each_thing_once(
    deliveries: list[ConnectionFacts],
) -> None:
    known: dict[int, ConnectionFacts] = {}
    course: ConnectionCourse | None = None
    announced: list[tuple[T, int]] = []
    all_counted = True
    for facts in deliveries:
        if facts.version in known:
            continue
        known[facts.version] = facts
        new = course_of(known.values())
        announced += [(kind, new.facts.version) for kind, _, _ in news_of(course, new, "L-1").tell]
        course = new
        all_counted = all_counted and not new.refused
    assert course == course_of(sorted(known.values(), key=lambda one: -one.version))
    if all_counted:
        # Nobody hears the same twice, nor of an older version after a newer one.
        assert len(announced) == len(set(announced))
        numbers = [number for _, number in announced]
        assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"gsrn": "1"}, [("GSRN_INVALID", "ERROR", "Identification")]),
        ({"target_week": "2025-W53"}, [("FIELD_INVALID", "ERROR", "TargetWeek")]),
        ({"visit_from": VISIT[0]}, [("FIELD_MISSING", "ERROR", "PlannerVisitTo")]),
        ({"energise_to": SWITCH[1]}, [("FIELD_MISSING", "ERROR", "EnergiseFrom")]),
        (
            {"visit_from": VISIT[1], "visit_to": VISIT[0]},
            [("WINDOW_INVALID", "ERROR", "PlannerVisitTo")],
        ),
        ({"delay_reason": "MOOD"}, [("FIELD_INVALID", "WARN", "DelayReason")]),
        ({"stage": S.COMPLETED}, [("FIELD_MISSING", "WARN", "MeterIdentification")]),
    ],
)
def test_the_checks(change: dict[str, Any], found: list[tuple[str, str, str]]) -> None:
    facts = replace(version(1, target_week="2026-W53"), **change)
    findings = check_connection(facts, customer_known=True)
    assert [(str(f.code), str(f.severity), f.path) for f in findings] == found


def test_a_customer_that_nobody_sent_is_refused() -> None:
    (finding,) = check_connection(version(1), customer_known=False)
    assert (finding.path, str(finding.severity)) == ("CustomerId", "ERROR")
