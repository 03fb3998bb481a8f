"""What is told of a fault, and what is taken back, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.fault_course import Course, PointTimes
from app.domain.fault_news import (
    ALL_KINDS,
    CUT_KINDS,
    Before,
    Decided,
    Told,
    decide_news,
    delayed,
)
from app.domain.notice_types import NoticeType
from app.domain.states import FaultState

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
N, S = NoticeType, FaultState
TOLD = Told(somebody=True)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def course(
    state: FaultState,
    points: dict[str, tuple[float, float | None]],
    *,
    etr: float | None = None,
    set_at: float = 5,
    confirmed: bool = True,
    closed: float | None = None,
    reopened: float | None = None,
) -> Course:
    return Course(
        state=state,
        points={
            name: PointTimes(at(off), None if on is None else at(on))
            for name, (off, on) in points.items()
        },
        confirmed_at=at(2) if confirmed else None,
        etr_at=None if etr is None else at(etr),
        etr_set_at=None if etr is None else at(set_at),
        closed_at=None if closed is None else at(closed),
        reopened_at=None if reopened is None else at(reopened),
    )


def before(state: FaultState = S.CONFIRMED, off: str = "", on: str = "") -> Before:
    return Before(state, True, frozenset(off), frozenset(on))


def types(decided: Decided) -> list[NoticeType]:
    return [news.type for news in decided.news]


OUT = {"a": (0.0, None), "b": (0.0, None)}


def test_nothing_is_told_before_somebody_is_sure() -> None:
    now = course(S.DETECTED, OUT, confirmed=False)
    assert decide_news(Before(), now, Told(), at(10)) == Decided()


def test_a_confirmed_fault_is_told_to_all_its_points() -> None:
    first = Before(S.DETECTED, False, frozenset("ab"))
    decided = decide_news(first, course(S.CONFIRMED, OUT), Told(), at(10))
    assert types(decided) == [N.FAULT_STARTED]
    (news,) = decided.news
    assert (news.event_at, news.not_before) == (at(0), None)
    assert news.facts["off_at"] == at(0).isoformat()


def test_req_38_a_start_waits_until_the_cut_is_no_longer_brief() -> None:
    decided = decide_news(Before(), course(S.CONFIRMED, OUT), Told(), at(1))
    assert [news.not_before for news in decided.news] == [at(3)]


def test_req_38_what_was_over_before_anybody_was_told_is_not_told() -> None:
    now = course(S.RESTORED, {"a": (0, 2), "b": (0, 2)})
    decided = decide_news(before(off="ab"), now, Told(somebody=False), at(2))
    assert decided.withdraw == CUT_KINDS
    assert decided.news == []


def test_the_end_is_told_when_the_start_was() -> None:
    now = course(S.RESTORED, {"a": (0, 20), "b": (0, 30)})
    decided = decide_news(before(off="ab"), now, TOLD, at(31))
    assert types(decided) == [N.FAULT_RESTORED]
    facts = decided.news[0].facts
    assert (facts["on_at"], facts["duration_s"]) == (at(30).isoformat(), 1800)


def test_req_03_growth_is_an_event_of_its_own_and_repetition_is_none() -> None:
    grown = course(S.CONFIRMED, {**OUT, "c": (7.0, None)})
    decided = decide_news(before(off="ab"), grown, TOLD, at(20))
    assert types(decided) == [N.FAULT_STARTED]
    assert decided.news[0].occurrence.startswith("points:3/")
    assert decide_news(before(off="abc"), grown, TOLD, at(20)) == Decided()


def test_growth_hears_the_estimate_that_the_others_know_as_the_same_event() -> None:
    told = Told(etr_at=at(90), etr_event_at=at(4), somebody=True)
    now = course(S.ETR_SET, {**OUT, "c": (7.0, None)}, etr=95)
    decided = decide_news(before(off="ab"), now, told, at(20))
    assert types(decided) == [N.FAULT_STARTED, N.FAULT_ETR]
    facts = decided.news[1].facts
    assert (facts["etr_at"], facts["first_event_at"]) == (at(90).isoformat(), at(4).isoformat())
    # However long it has held, to those who are new it is news of the moment at which they lost power.
    assert decided.news[1].event_at == at(7)


def test_partial_restoration_tells_both_sides() -> None:
    now = course(S.PARTLY_RESTORED, {"a": (0, 20), "b": (0, None)}, etr=90)
    decided = decide_news(before(off="ab"), now, Told(at(90), somebody=True), at(21))
    assert types(decided) == [N.FAULT_RESTORED, N.FAULT_PARTLY_RESTORED]
    assert decided.news[1].facts["etr_at"] == at(90).isoformat()


def test_req_06_a_past_estimate_is_in_no_text() -> None:
    now = course(S.PARTLY_RESTORED, {"a": (0, 20), "b": (0, None)}, etr=15)
    decided = decide_news(before(off="ab"), now, Told(at(15), somebody=True), at(21))
    assert types(decided) == [N.FAULT_RESTORED, N.FAULT_PARTLY_RESTORED]
    assert decided.news[1].facts["etr_at"] is None
    assert types(decide_news(before(off="ab"), course(S.ETR_SET, OUT, etr=15), TOLD, at(21))) == []


@pytest.mark.parametrize(
    ("told_etr", "kind"), [(None, N.FAULT_ETR), (40, N.FAULT_ETR_CHANGED), (95, None)]
)
def test_the_first_estimate_and_one_that_changed_enough_are_told(
    told_etr: float | None, kind: NoticeType | None
) -> None:
    told = Told(None if told_etr is None else at(told_etr), somebody=True)
    decided = decide_news(before(off="ab"), course(S.ETR_SET, OUT, etr=90), told, at(10))
    assert types(decided) == ([] if kind is None else [kind])


def test_req_08_a_storm_keeps_estimates_back_and_nothing_else() -> None:
    told = Told(somebody=True, etr_withheld=True)
    first = Before(S.DETECTED, False, frozenset("ab"))
    assert types(decide_news(first, course(S.ETR_SET, OUT, etr=90), told, at(10))) == [
        N.FAULT_STARTED
    ]
    now = course(S.PARTLY_RESTORED, {"a": (0, 20), "b": (0, None)}, etr=90)
    decided = decide_news(before(off="ab"), now, told, at(21))
    assert decided.news[1].facts["etr_at"] is None


def test_a_false_alarm_is_corrected_to_those_who_heard_of_it() -> None:
    now = course(S.FALSE_ALARM, {"a": (0, 0), "b": (0, 0)})
    decided = decide_news(before(off="ab"), now, TOLD, at(10))
    assert (decided.withdraw, decided.corrects, decided.news) == (ALL_KINDS, N.CORRECTION, [])
    assert decide_news(before(S.FALSE_ALARM, on="ab"), now, TOLD, at(11)) == Decided()


def test_a_part_of_another_fault_says_nothing_of_its_own() -> None:
    now = course(S.MERGED, OUT, etr=90)
    decided = decide_news(before(off="ab"), now, TOLD, at(10))
    assert (decided.withdraw, decided.news) == (ALL_KINDS, [])


def test_req_05_power_that_went_again_everywhere_takes_the_end_back() -> None:
    now = course(S.REOPENED, OUT, reopened=40)
    decided = decide_news(before(S.RESTORED, on="ab"), now, TOLD, at(41))
    assert decided.corrects is N.CORRECTION_STILL_OFF
    assert decided.withdraw == (N.FAULT_RESTORED,)
    # Whoever reads so knows; the others hear of a cut, unless it is brief (REQ-38).
    (gone,) = decided.news
    assert (gone.type, gone.event_at, gone.not_before) == (N.FAULT_STARTED, at(40), at(43))


def test_req_05_power_that_went_again_at_some_points_is_told_as_a_cut_there() -> None:
    now = course(S.REOPENED, {"a": (0, 20), "b": (0, None)}, reopened=40)
    decided = decide_news(before(S.RESTORED, on="ab"), now, TOLD, at(41))
    assert types(decided) == [N.FAULT_STARTED]
    assert decided.news[0].event_at == at(40)


def test_req_05_a_return_that_a_newer_statement_takes_back_is_told_from_now_on() -> None:
    now = course(S.PARTLY_RESTORED, {"a": (0, 20), "b": (0, None)})
    decided = decide_news(before(S.RESTORED, on="ab"), now, TOLD, at(41))
    (again,) = decided.news
    assert (again.type, again.event_at) == (N.FAULT_STARTED, at(41))
    assert decided.corrects is None


@pytest.mark.parametrize(("hours", "told"), [(11.9, False), (12, True)])
def test_compensation_is_told_once_a_long_cut_is_closed(hours: float, told: bool) -> None:
    points: dict[str, tuple[float, float | None]] = {"a": (0, hours * 60), "b": (0, 9)}
    now = course(S.CLOSED, points, closed=1500)
    decided = decide_news(before(S.RESTORED, on="ab"), now, TOLD, at(1500))
    assert types(decided) == ([N.COMPENSATION] if told else [])
    assert types(decide_news(before(S.CLOSED, on="ab"), now, TOLD, at(1501))) == []


def test_req_06_an_estimate_that_passed_in_silence_is_told_once() -> None:
    now = course(S.ETR_SET, OUT, etr=60)
    assert delayed(now, at(59)) is None
    news = delayed(now, at(61))
    assert news is not None
    assert (news.type, news.occurrence) == (N.FAULT_ETR_DELAYED, at(60).isoformat())
    assert delayed(now, at(300)) == news
    back = course(S.RESTORED, {"a": (0, 50), "b": (0, 50)}, etr=60)
    assert delayed(back, at(61)) is None
