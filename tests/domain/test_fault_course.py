"""The course of a fault follows from its facts, in whatever order they are given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.fault_course import Course, Fact, FactType, derive_course
from app.domain.states import FaultState

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
T, S = FactType, FaultState


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def off(minutes: float, *gsrns: str) -> Fact:
    return Fact(T.POINTS_OFF, at(minutes), gsrns)


def on(minutes: float, *gsrns: str) -> Fact:
    return Fact(T.POINTS_ON, at(minutes), gsrns)


def etr(minutes: float, to: float | None) -> Fact:
    return Fact(T.ETR, at(minutes), etr_at=None if to is None else at(to))


def word(kind: FactType, minutes: float, *gsrns: str, parent: int | None = None) -> Fact:
    return Fact(kind, at(minutes), gsrns, parent_id=parent)


CONFIRMED = word(T.CONFIRMED, 2)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ([], S.DETECTED),
        ([off(0, "a")], S.DETECTED),
        ([off(0, "a"), CONFIRMED], S.CONFIRMED),
        ([off(0, "a"), CONFIRMED, etr(3, 60)], S.ETR_SET),
        ([off(0, "a"), CONFIRMED, etr(3, 60), etr(4, 90)], S.ETR_CHANGED),
        ([off(0, "a"), CONFIRMED, etr(3, 60), etr(4, 60)], S.ETR_SET),
        ([off(0, "a", "b"), CONFIRMED, on(9, "a")], S.PARTLY_RESTORED),
        ([off(0, "a", "b"), CONFIRMED, on(9, "a"), etr(10, 60)], S.PARTLY_RESTORED),
        ([off(0, "a", "b"), CONFIRMED, on(9, "a"), on(12, "b")], S.RESTORED),
        ([off(0, "a", "b"), on(9)], S.RESTORED),
        # Power that came back goes again.
        ([off(0, "a"), CONFIRMED, on(9), off(11, "a")], S.REOPENED),
        ([off(0, "a", "b"), CONFIRMED, on(9), word(T.REOPENED, 11, "b")], S.REOPENED),
        ([off(0, "a"), CONFIRMED, on(9), word(T.REOPENED, 11), etr(12, 60)], S.ETR_SET),
        ([off(0, "a"), CONFIRMED, on(9), word(T.REOPENED, 11), on(20)], S.RESTORED),
        ([off(0, "a", "b"), CONFIRMED, on(9, "a"), off(11, "a")], S.REOPENED),
        ([off(0, "a", "b"), CONFIRMED, on(9, "a"), off(11, "c")], S.PARTLY_RESTORED),
        # A suspicion stays one until somebody confirms it; then all that was said of it counts.
        ([off(0, "a"), etr(3, 60)], S.DETECTED),
        ([off(0, "a", "b"), on(9, "a")], S.DETECTED),
        ([off(0, "a", "b"), on(9, "a"), off(11, "a")], S.DETECTED),
        ([off(0, "a"), etr(1, 60), CONFIRMED], S.ETR_SET),
        ([off(0, "a", "b"), on(1, "a"), etr(1, 60), CONFIRMED], S.PARTLY_RESTORED),
        ([off(0, "a"), on(1), word(T.REOPENED, 2), etr(3, 60)], S.REOPENED),
        # A new point of a fault that was over.
        ([off(0, "a"), CONFIRMED, on(9), off(11, "b")], S.REOPENED),
        # The end of it.
        ([off(0, "a"), CONFIRMED, on(9), word(T.CLOSED, 99)], S.CLOSED),
        ([off(0, "a"), CONFIRMED, word(T.CLOSED, 99)], S.CONFIRMED),
        ([off(0, "a"), on(9), word(T.CLOSED, 99), word(T.REOPENED, 100)], S.REOPENED),
        ([off(0, "a"), CONFIRMED, word(T.FALSE_ALARM, 5)], S.FALSE_ALARM),
        ([off(0, "a"), word(T.FALSE_ALARM, 5), word(T.REOPENED, 6)], S.REOPENED),
        # Part of another, and again one of its own.
        ([off(0, "a"), word(T.MERGED, 5, parent=7)], S.MERGED),
        ([off(0, "a"), word(T.MERGED, 5, parent=7), on(6)], S.MERGED),
        ([off(0, "a"), word(T.MERGED, 5, parent=7), word(T.SPLIT, 6)], S.REOPENED),
        ([off(0, "a"), on(3), word(T.MERGED, 5, parent=7), word(T.SPLIT, 6)], S.RESTORED),
    ],
)
def test_the_state_follows_from_the_facts(facts: list[Fact], state: FaultState) -> None:
    assert derive_course(facts).state is state


def test_partial_restoration_is_exact_per_point() -> None:
    course = derive_course([off(0, "a", "b"), off(1, "c"), on(9, "a"), on(12, "b")])
    assert _times(course) == {"a": (0, 9), "b": (0, 12), "c": (1, None)}
    assert course.started_at == at(0)
    assert course.restored_at is None
    assert derive_course([off(0, "a"), off(1, "c"), on(9, "a"), on(12)]).restored_at == at(12)


def test_a_point_that_goes_again_has_been_without_power_since_the_first_time() -> None:
    course = derive_course([off(0, "a"), on(9, "a"), off(11, "a")])
    assert _times(course) == {"a": (0, None)}
    assert course.reopened_at == at(11)


def test_a_meter_that_reports_power_before_the_cut_restores_nothing() -> None:
    assert _times(derive_course([on(-5, "a"), off(0, "a")])) == {"a": (0, None)}


def test_of_two_acts_at_the_same_moment_the_later_counts() -> None:
    acts = [
        off(0, "a"),
        Fact(T.POINTS_ON, at(9), place=1),
        Fact(T.REOPENED, at(9), place=2),
        Fact(T.POINTS_ON, at(9), place=3),
    ]
    assert derive_course(acts).state is S.RESTORED
    assert derive_course(acts[:3]).state is S.REOPENED


def test_a_false_alarm_leaves_no_time_without_power() -> None:
    assert _times(derive_course([off(0, "a"), word(T.FALSE_ALARM, 5)])) == {"a": (0, 0)}


def test_the_latest_word_about_estimate_and_cause_counts() -> None:
    cause = [Fact(T.CAUSE, at(n), cause_code=code) for n, code in ((3, "TREE"), (5, "SNOW"))]
    course = derive_course([off(0, "a"), etr(9, 120), etr(4, 60), *reversed(cause)])
    assert (course.etr_at, course.etr_set_at, course.cause_code) == (at(120), at(9), "SNOW")
    assert derive_course([off(0, "a"), etr(4, 60), etr(9, None)]).etr_at is None


_minutes = st.integers(0, 12)
_gsrns = st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True).map(tuple)
_facts = st.one_of(
    st.builds(lambda m, g: Fact(T.POINTS_OFF, at(m), g), _minutes, _gsrns),
    st.builds(lambda m, g: Fact(T.POINTS_ON, at(m), g), _minutes, _gsrns),
    st.builds(lambda m, e: Fact(T.ETR, at(m), etr_at=at(60 * e)), _minutes, st.integers(1, 4)),
    st.builds(lambda m, p: Fact(T.MERGED, at(m), parent_id=p), _minutes, st.integers(1, 3)),
    st.builds(
        lambda m, kind: Fact(kind, at(m)),
        _minutes,
        st.sampled_from([T.CONFIRMED, T.FALSE_ALARM, T.CLOSED, T.SPLIT, T.REOPENED]),
    ),
)


@given(st.lists(_facts, max_size=14), st.randoms(use_true_random=False))
def test_shuffled_and_repeated_facts_give_the_same_course(facts: list[Fact], random) -> None:  # type: ignore[no-untyped-def] # Hypothesis's own.
    """Also: no set of facts, however odd, makes the walk leave the table of moves."""
    expected = derive_course(facts)
    again = [*facts, *facts[: len(facts) // 2]]
    random.shuffle(again)
    assert derive_course(again) == expected


def _times(course: Course) -> dict[str, tuple[float, float | None]]:
    def minutes(moment: datetime | None) -> float | None:
        return None if moment is None else (moment - START) / timedelta(minutes=1)

    return {
        gsrn: (minutes(times.off_at) or 0, minutes(times.on_at))
        for gsrn, times in course.points.items()
    }
