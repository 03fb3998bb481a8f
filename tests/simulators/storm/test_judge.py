"""What the judge of a storm calls wrong, and what it lets pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from simulators.storm.course import Statement
from simulators.storm.grid import Grid, Home
from simulators.storm.judge import Bounds, Judge, Judgement, Message
from simulators.storm.replay import Taken
from simulators.storm.stamps import Stamps

BEGAN = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
ME, OTHER = "+358401234560", "+358401234561"
GRID = Grid(
    {
        1: Home(1, "649999000000000013", "837", ME),
        2: Home(2, "649999000000000020", "837", OTHER),
    },
    [[1, 2]],
    [[1, 2]],
)
STARTED = "Sähkökatko alkoi klo 12.00, Koivutie 12. Vikaa selvitetään."
RESTORED = "Sähköt palautettu klo 13.00, Koivutie 12."
PARTLY = "Osa sähköistä on palautettu, mutta katko jatkuu yhä, Koivutie 12."
BULLETIN = "Laaja sähköhäiriö, Tampere. Vikoja n. 12."


def at(minutes: float) -> datetime:
    return BEGAN + timedelta(minutes=minutes)


def estimate(clock: str) -> str:
    return (
        f"Sähkökatko, Koivutie 12: korjaus arviolta valmis 24.11. klo {clock}. Syy: puu linjalla."
    )


def stated(version: int, minute: float, on: float | None = None, **more: object) -> Statement:
    """One version of the fault at point 1; times in minutes."""
    one = Statement(
        at_s=minute * 60,
        ref="F",
        version=version,
        state="CONFIRMED",
        started_s=0.0,
        points=((1, 0.0, None if on is None else on * 60),),
    )
    return replace(one, **more)  # type: ignore[arg-type] # The tests name the fields rightly.


# Off at 10.00, estimated at 10.20 for 12.00, back at 11.00 UTC (13.00 in Finland).
COURSE = (
    stated(1, 1),
    stated(2, 20, etr_s=7_200.0, etr_set_s=1_200.0),
    stated(3, 60, on=60, etr_s=7_200.0, etr_set_s=1_200.0),
)


def judge(
    *messages: tuple[float, str], to: str = ME, course: tuple[Statement, ...] = COURSE
) -> Judgement:
    taken = [Taken(at(one.at_s / 60), at(one.at_s / 60), one, 0) for one in course]
    bounds = Bounds(timedelta(minutes=1))
    told = [Message(at(minute), to, "SMS", text, text, 1) for minute, text in messages]
    return Judge(GRID, Stamps(BEGAN), taken, bounds).judge(told)


def wrong(judgement: Judgement) -> dict[str, int]:
    return dict(judgement.wrong)


GOOD = ((4.0, STARTED), (20.5, estimate("14.00")), (60.5, RESTORED))


def test_a_cut_that_is_told_from_its_start_to_its_end_is_right() -> None:
    found = judge(*GOOD)
    assert wrong(found) == {}
    assert found.kept
    assert (found.messages, found.people, found.most) == (3, 1, 3)


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ((5.0, STARTED), "duplicate"),
        ((90.0, STARTED.replace("12.00", "12.01")), "contradictory"),
        ((62.0, estimate("14.00")), "stale"),
        ((30.0, estimate("15.00")), "stale"),
        ((30.0, RESTORED), "contradictory"),
        ((40.0, estimate("14.05")), "too often"),
    ],
)
def test_what_must_not_be_is_found(more: tuple[float, str], kind: str) -> None:
    found = judge(*GOOD, more)
    assert kind in wrong(found)
    assert not found.kept
    assert found.examples[kind]


def test_news_and_message_may_pass_each_other_on_their_way() -> None:
    assert wrong(judge(GOOD[0], (60.9, estimate("14.00")), (61.5, RESTORED))) == {}


def test_an_estimate_that_has_passed_is_never_shown() -> None:
    course = (stated(1, 1), stated(2, 20, etr_s=1_800.0, etr_set_s=1_200.0), stated(3, 60, on=60))
    found = judge(GOOD[0], (45.0, estimate("12.30")), GOOD[2], course=course)
    assert wrong(found) == {"stale": 1}


def test_wavering_of_an_estimate_makes_no_message_untrue() -> None:
    course = (*COURSE[:2], stated(3, 25, etr_s=7_800.0, etr_set_s=1_500.0), stated(4, 60, on=60))
    assert wrong(judge(GOOD[0], (30.0, estimate("14.00")), GOOD[2], course=course)) == {}


def test_bulletins_may_say_the_same_again_after_an_hour_and_not_before() -> None:
    assert wrong(judge((5.0, BULLETIN), (65.0, BULLETIN))) == {}
    assert wrong(judge((5.0, BULLETIN), (50.0, BULLETIN))) == {"duplicate": 1}


def test_a_start_may_be_told_again_after_an_end_that_was_none() -> None:
    course = (stated(1, 1), stated(2, 20, on=20), stated(3, 30), stated(4, 60, on=60))
    told = (GOOD[0], (20.5, RESTORED), (30.5, STARTED), (60.5, RESTORED.replace("13.00", "13.01")))
    assert wrong(judge(*told, course=course)) == {}


def test_that_a_cut_is_partly_repaired_may_be_told_again_of_the_next_one() -> None:
    later = STARTED.replace("12.00", "12.30")
    told = (GOOD[0], (10.0, PARTLY), (31.0, later), (40.0, PARTLY), GOOD[2])
    assert "duplicate" not in wrong(judge(*told))
    assert "duplicate" in wrong(judge(*told[:2], *told[3:]))


def test_a_cut_that_was_over_before_its_message_had_left_is_judged_by_all_of_the_grace() -> None:
    course = (stated(1, 59.2), stated(2, 59.6, on=59.5))
    assert "stale" not in wrong(judge((60.0, STARTED), (60.1, RESTORED), course=course))
    assert "stale" in wrong(judge((61.0, STARTED), (61.1, RESTORED), course=course))


def test_whoever_heard_of_a_cut_and_never_of_its_end_is_found() -> None:
    assert wrong(judge(GOOD[0])) == {"no end": 1}


def test_whoever_heard_nothing_of_a_long_cut_is_found_and_of_a_short_one_is_not() -> None:
    assert wrong(judge()) == {"forgotten": 1}
    assert wrong(judge(course=(stated(1, 1), stated(2, 20, on=20)))) == {}


def test_a_cut_that_was_slept_through_is_nobodys_fault() -> None:
    night = tuple(replace(one, at_s=one.at_s + 12 * 3600) for one in COURSE)
    found = judge(course=night)
    assert wrong(found) == {}


def test_a_message_in_quiet_hours_is_found_but_for_a_correction() -> None:
    night = tuple(replace(one, at_s=one.at_s + 12 * 3600) for one in COURSE)
    assert "at night" in wrong(judge((725.0, STARTED), (781.0, RESTORED), course=night))
    words = "Korjaus: klo 0.10 lähetetty viesti oli virheellinen. Sähkönjakelu toimii normaalisti."
    assert wrong(judge((725.0, words), course=night)) == {}


def test_a_message_to_somebody_who_is_not_concerned_is_found() -> None:
    assert "stranger" in wrong(judge((4.0, STARTED), to="+358409999999"))
    # Power that was never off there is as wrong as a number that nobody knows.
    assert "stale" in wrong(judge((4.0, STARTED), to=OTHER))


def test_a_false_alarm_ends_with_its_correction() -> None:
    course = (stated(1, 1), stated(2, 30, state="FALSE_ALARM"))
    words = "Korjaus: klo 12.04 lähetetty viesti oli virheellinen. Sähkönjakelu toimii normaalisti."
    assert wrong(judge(GOOD[0], (30.5, words), course=course)) == {}
    assert "no end" in wrong(judge(GOOD[0], course=course))


def test_versions_that_come_late_do_not_undo_what_is_known() -> None:
    late = replace(COURSE[1], at_s=COURSE[1].at_s)
    taken = [
        Taken(at(1), at(1), COURSE[0], 0),
        Taken(at(60), at(60), COURSE[2], 0),
        Taken(at(70), at(70), late, 0),
    ]
    told = [Message(at(71), ME, "SMS", estimate("14.00"), "x", 1)]
    found = Judge(GRID, Stamps(BEGAN), taken, Bounds(timedelta(minutes=1))).judge(told)
    assert "stale" in wrong(found)
