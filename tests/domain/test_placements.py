"""Where meters hang does not depend on the order in which reports about it arrive."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.domain.placements import (
    Stay,
    Swap,
    current,
    is_overtaken,
    latest,
    with_swap,
    without,
)

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
POINT = "649999000000000013"


def test_a_swap_ends_one_stay_and_begins_another() -> None:
    stays = with_swap([_shown("old")], _swap("A", 10, "old", "new"))
    assert stays == [
        Stay("old", POINT, START, _at(10), None, "A"),
        Stay("new", POINT, _at(10), None, "A", None),
    ]


def test_a_meter_taken_down_before_we_heard_that_it_was_hung_had_one_stay() -> None:
    later = with_swap([_shown("m0")], _swap("B", 20, "m1", "m2"))
    both = with_swap(later, _swap("A", 10, "m0", "m1"))
    assert Stay("m1", POINT, _at(10), _at(20), "A", "B") in both
    assert len(both) == 3


def test_a_swap_is_overtaken_by_a_later_one_whichever_was_reported_first() -> None:
    first, second = _swap("A", 10, "m0", "m1"), _swap("B", 20, "m1", "m2")
    for order in ((first, second), (second, first)):
        stays = [_shown("m0")]
        for swap in order:
            stays = with_swap(stays, swap)
        assert is_overtaken(stays, first)
        assert not is_overtaken(stays, second)


def test_a_swap_is_overtaken_when_its_meter_came_down_or_another_went_up_beside_it() -> None:
    swap = _swap("A", 10, "old", "new")
    alone = with_swap([_shown("old")], swap)
    assert not is_overtaken(alone, swap)
    assert is_overtaken(with_swap(alone, _swap("B", 20, "new", None)), swap)
    assert is_overtaken(with_swap(alone, _swap("B", 20, "mistyped", "newer")), swap)
    # The old meter never came down where the report names another; that is no later work.
    mistyped = _swap("A", 10, "mistyped", "new")
    assert not is_overtaken(with_swap([_shown("old")], mistyped), mistyped)


def test_a_correction_leaves_nothing_of_what_it_corrects() -> None:
    wrong = with_swap([_shown("old")], _swap("A", 10, "mistyped", "new"))
    right = with_swap(wrong, _swap("A", 10, "old", "newer"))
    assert right == with_swap([_shown("old")], _swap("A", 10, "old", "newer"))


def test_of_two_reports_about_one_end_the_earlier_ended_it_and_both_stay_on_record() -> None:
    for first, second in (("A", "B"), ("B", "A")):
        times = {"A": 10, "B": 20}
        stays = [_shown("old")]
        for order in (first, second):
            stays = with_swap(stays, _swap(order, times[order], "old", None))
        assert Counter(stays) == Counter(
            [
                Stay("old", POINT, START, _at(10), None, "A"),
                Stay("old", POINT, None, _at(20), "B", "B"),
            ]
        )


def test_a_meter_reported_as_both_the_old_and_the_new_one_stays_where_it_is() -> None:
    assert with_swap([_shown("old")], _swap("A", 10, "old", "old")) == [_shown("old")]


def test_the_latest_open_stay_is_where_a_meter_hangs() -> None:
    here, there = Stay("m", "1", _at(1), None, "A", None), Stay("m", "2", _at(5), None, "B", None)
    assert current([here, there]) == there
    ended = Stay("m", "3", _at(6), _at(7), "C", "D")
    assert latest([here, ended]) == here
    assert latest([ended]) == ended
    assert current([ended]) is None


orders = st.permutations(["A", "B", "C", "D"])
meters = st.sampled_from(["m0", "m1", "m2", None])


@st.composite
def histories(draw: st.DrawFn) -> list[Swap]:
    """What up to four orders report: chains, contradictions and all, each at a time of its own."""
    minutes = draw(st.permutations(range(1, 5)))
    return [
        _swap(order, minute, draw(meters), draw(meters), draw(st.sampled_from(["P", "Q"])))
        for order, minute in zip("ABCD", minutes, strict=True)
    ]


@given(histories(), orders)
def test_taking_a_report_back_and_giving_it_again_changes_nothing(
    history: list[Swap], order: list[str]
) -> None:
    stays: list[Stay] = [_shown("m0", "P")]
    for swap in history:
        stays = with_swap(stays, swap)
    by_order = {swap.order_id: swap for swap in history}
    again = with_swap(stays, by_order[order[0]])
    assert Counter(with_swap(again, by_order[order[0]])) == Counter(again)


@given(st.permutations(["A", "B", "C"]), st.booleans())
def test_a_chain_of_swaps_ends_the_same_however_it_is_told(order: list[str], shown: bool) -> None:
    chain = {
        "A": _swap("A", 10, "m0", "m1"),
        "B": _swap("B", 20, "m1", "m2"),
        "C": _swap("C", 30, "m2", "m3"),
    }
    first = [_shown("m0")] if shown else []
    told = list(first)
    for name in order:
        told = with_swap(told, chain[name])
    straight = list(first)
    for name in "ABC":
        straight = with_swap(straight, chain[name])
    assert Counter(told) == Counter(straight)


@given(histories())
def test_no_report_is_lost_and_none_outlives_its_order(history: list[Swap]) -> None:
    stays: list[Stay] = []
    for swap in history:
        stays = with_swap(stays, swap)
    ends = {(s.number, s.removed_by) for s in stays if s.removed_by}
    for swap in history:
        if swap.old_number is not None and swap.old_number != swap.new_number:
            assert (swap.old_number, swap.order_id) in ends
    for swap in history:
        stays = without(stays, swap.order_id)
    assert stays == []


def _at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def _shown(number: str, gsrn: str = POINT) -> Stay:
    return Stay(number, gsrn, START, None, None, None)


def _swap(order: str, minutes: int, old: str | None, new: str | None, gsrn: str = POINT) -> Swap:
    return Swap(order, gsrn, _at(minutes), old, new)
