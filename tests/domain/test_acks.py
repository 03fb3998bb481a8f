"""What acknowledgements make of an order, in whatever order they arrive."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.acks import (
    AckEffect,
    AckFact,
    AckType,
    Derived,
    Reading,
    derive_order_state,
    keep_reporting,
)
from app.domain.states import AckVerdict, SwapOutageState, WorkOrderState

S, V = WorkOrderState, AckVerdict
NINE = datetime(2025, 11, 24, 9, tzinfo=UTC)


def test_a_whole_visit_in_every_order_of_arrival_ends_completed_with_its_times() -> None:
    facts = [
        ack("a1", "ACCEPTED", 0),
        ack("a2", "SCHEDULED", 10, schedule_from=at(60), schedule_to=at(120)),
        ack("a3", "EN_ROUTE", 50),
        ack("a4", "STARTED", 65, off_at=at(66)),
        ack("a5", "COMPLETED", 85, on_at=at(84), new_meter_number="N1"),
    ]
    for arrival in permutations(facts):
        derived = derive(arrival)
        assert derived.state is S.COMPLETED
        assert set(derived.verdicts.values()) == {V.APPLIED}
        assert (derived.schedule_from, derived.schedule_to) == (at(60), at(120))
        assert derived.en_route_at == at(50)
        assert (derived.started_at, derived.started_ack_id) == (at(65), "a4")
        assert (derived.off_at, derived.on_at) == (at(66), at(84))
        assert (derived.completed_at, derived.completed_ack_id) == (at(85), "a5")
        assert derived.swap_outage is SwapOutageState.CLOSED
        assert derived.attempts == 1


@pytest.mark.parametrize(
    ("types", "state", "verdict"),
    [
        (["STARTED", "CANCELLED"], S.CANCELLED, V.APPLIED),
        (["STARTED", "FAILED"], S.CANCELLED, V.APPLIED),
        (["STARTED", "REJECTED"], S.STARTED, V.STALE),
        (["STARTED", "COMPLETED"], S.COMPLETED, V.APPLIED),
        (["STARTED", "CANCELLED", "COMPLETED"], S.COMPLETED, V.APPLIED),
    ],
)
def test_work_on_an_order_that_was_called_off_stops_fails_or_is_done(
    types: list[str], state: WorkOrderState, verdict: AckVerdict
) -> None:
    facts = [ack(f"a{n}", kind, 10 * n) for n, kind in enumerate(types)]
    for arrival in permutations(facts):
        derived = derive_order_state(S.CANCELLED, arrival, revision=1, partner_code="voima")
        assert derived.state is state
        assert derived.verdicts[f"a{len(types) - 1}"] is verdict


@pytest.mark.parametrize(
    ("types", "state"),
    [
        ([], S.SENT),
        (["ACCEPTED"], S.ACCEPTED),
        (["REJECTED"], S.PARTNER_REJECTED),
        (["REJECTED", "ACCEPTED"], S.ACCEPTED),
        (["ACCEPTED", "REJECTED"], S.PARTNER_REJECTED),
        (["SCHEDULED"], S.SCHEDULED),
        (["ACCEPTED", "SCHEDULED", "RESCHEDULED"], S.RESCHEDULED),
        (["SCHEDULED", "RESCHEDULED", "SCHEDULED"], S.SCHEDULED),
        (["SCHEDULED", "RESCHEDULED", "RESCHEDULED"], S.RESCHEDULED),
        (["SCHEDULED", "ACCEPTED"], S.SCHEDULED),
        (["EN_ROUTE"], S.SENT),
        (["STARTED"], S.STARTED),
        (["COMPLETED"], S.COMPLETED),
        (["FAILED"], S.FAILED),
        (["STARTED", "SCHEDULED"], S.STARTED),
        (["STARTED", "CANCELLED"], S.STARTED),
        (["STARTED", "FAILED", "SCHEDULED"], S.SCHEDULED),
        (["STARTED", "FAILED", "STARTED", "COMPLETED"], S.COMPLETED),
        (["FAILED", "FAILED"], S.FAILED),
        (["FAILED", "FAILED", "FAILED"], S.RETURNED),
        (["FAILED", "SCHEDULED", "FAILED", "STARTED", "FAILED"], S.RETURNED),
        (["FAILED", "FAILED", "FAILED", "SCHEDULED"], S.RETURNED),
        (["FAILED", "FAILED", "FAILED", "STARTED"], S.STARTED),
        (["FAILED", "FAILED", "FAILED", "COMPLETED"], S.COMPLETED),
        (["COMPLETED", "FAILED"], S.COMPLETED),
        (["COMPLETED", "STARTED"], S.COMPLETED),
        (["COMPLETED", "REJECTED"], S.COMPLETED),
        (["COMPLETED", "CORRECTED"], S.CORRECTED),
        (["COMPLETED", "CORRECTED", "CORRECTED"], S.CORRECTED),
        (["CORRECTED", "COMPLETED"], S.CORRECTED),
        (["CORRECTED"], S.SENT),
        (["ACCEPTED", "CANCELLED"], S.CANCELLED),
        (["CANCELLED", "STARTED"], S.STARTED),
        (["REJECTED", "COMPLETED"], S.COMPLETED),
    ],
)
def test_what_happened_in_this_order_makes_this_state(
    types: list[str], state: WorkOrderState
) -> None:
    facts = [ack(f"a{n}", kind, n * 10) for n, kind in enumerate(types)]
    assert derive(facts).state is state
    assert derive(reversed(facts)).state is state


@pytest.mark.parametrize(
    ("base", "kind", "state", "verdict"),
    [
        (S.ROUTED, "ACCEPTED", S.ACCEPTED, V.APPLIED),
        (S.ROUTED, "STARTED", S.STARTED, V.APPLIED),
        (S.VALIDATED, "COMPLETED", S.COMPLETED, V.APPLIED),
        (S.NO_ROUTE, "ACCEPTED", S.NO_ROUTE, V.STALE),
        (S.REJECTED, "COMPLETED", S.REJECTED, V.REJECTED),
        (S.RECEIVED, "STARTED", S.RECEIVED, V.REJECTED),
        (S.RECEIVED, "FAILED", S.RECEIVED, V.REJECTED),
        (S.CANCELLED, "CANCELLED", S.CANCELLED, V.APPLIED),
        (S.CANCELLED, "ACCEPTED", S.CANCELLED, V.STALE),
        (S.CANCELLED, "STARTED", S.STARTED, V.APPLIED),
        (S.CANCELLED, "COMPLETED", S.COMPLETED, V.APPLIED),
        (S.CANCELLED, "FAILED", S.CANCELLED, V.STALE),
    ],
)
def test_how_far_our_side_had_brought_the_order_decides_what_counts(
    base: WorkOrderState, kind: str, state: WorkOrderState, verdict: AckVerdict
) -> None:
    derived = derive([ack("a1", kind, 0)], base)
    assert (derived.state, derived.verdicts["a1"]) == (state, verdict)


def test_a_cancelled_order_stays_cancelled_when_the_visit_under_way_fails() -> None:
    derived = derive([ack("a1", "STARTED", 0), ack("a2", "FAILED", 10)], S.CANCELLED)
    assert derived.state is S.CANCELLED
    assert derived.verdicts == {"a1": V.APPLIED, "a2": V.APPLIED}
    assert (derived.on_at, derived.failed_count) == (at(10), 0)


def test_plans_for_an_older_revision_or_from_a_former_partner_no_longer_count() -> None:
    facts = [
        ack("a1", "ACCEPTED", 0, revision=1),
        ack("a2", "ACCEPTED", 1, revision=2, partner_code="piiri"),
    ]
    derived = derive(facts, revision=2)
    assert derived.state is S.SENT
    assert derived.verdicts == {"a1": V.STALE, "a2": V.STALE}
    assert "older revision than 2" in derived.notes["a1"].text
    assert "gone to voima" in derived.notes["a2"].text


def test_a_failed_visit_for_an_older_revision_counts_as_a_visit_and_changes_nothing_else() -> None:
    visit = [ack("a1", "STARTED", 0, revision=1), ack("a2", "FAILED", 10, revision=1)]
    derived = derive(visit, revision=2)
    assert (derived.state, derived.failed_count, derived.attempts) == (S.SENT, 0, 1)
    again = derive([*visit, ack("a3", "ACCEPTED", 60, revision=2)], revision=2)
    assert again.state is S.ACCEPTED


def test_work_done_for_an_older_revision_or_by_a_former_partner_is_done() -> None:
    done = ack("a1", "COMPLETED", 0, revision=1, partner_code="piiri")
    assert derive([done], revision=2).state is S.COMPLETED


def test_the_same_report_under_another_id_is_a_duplicate_and_the_first_to_arrive_counts() -> None:
    first = ack("z", "COMPLETED", 0, received_at=at(1), new_meter_number="N1")
    again = ack("a", "COMPLETED", 0, received_at=at(2), new_meter_number="N1")
    for arrival in ([first, again], [again, first]):
        derived = derive(arrival)
        assert derived.completed_ack_id == "z"
        assert derived.verdicts == {"z": V.APPLIED, "a": V.DUPLICATE}


def test_a_second_completion_with_other_words_is_refused_and_explained() -> None:
    facts = [
        ack("a1", "COMPLETED", 0, new_meter_number="N1"),
        ack("a2", "COMPLETED", 5, new_meter_number="N2"),
        ack("a3", "FAILED", 9, reason_code="CUS_ABSENT"),
    ]
    derived = derive(facts)
    assert derived.completed_ack_id == "a1"
    assert derived.verdicts == {"a1": V.APPLIED, "a2": V.REJECTED, "a3": V.REJECTED}
    assert "only a CORRECTED acknowledgement" in derived.notes["a2"].text


def test_a_correction_replaces_the_completion_and_keeps_its_time() -> None:
    facts = [
        ack("a1", "STARTED", 0, off_at=at(0)),
        ack("a2", "COMPLETED", 20, on_at=at(19), new_meter_number="N1"),
        ack("a3", "CORRECTED", 300, new_meter_number="N2", on_at=at(18)),
    ]
    for arrival in permutations(facts):
        derived = derive(arrival)
        assert (derived.state, derived.completed_ack_id) == (S.CORRECTED, "a3")
        assert (derived.completed_at, derived.on_at) == (at(20), at(18))


def test_a_correction_waits_for_its_completion_even_when_it_is_dated_before_it() -> None:
    early = ack("a1", "CORRECTED", 0, new_meter_number="N2")
    alone = derive([early])
    assert (alone.state, alone.verdicts["a1"]) == (S.SENT, V.HELD)
    assert "has not been reported yet" in alone.notes["a1"].text
    both = derive([early, ack("a2", "COMPLETED", 5, new_meter_number="N1")])
    assert (both.state, both.completed_ack_id) == (S.CORRECTED, "a1")
    assert both.verdicts == {"a1": V.APPLIED, "a2": V.APPLIED}
    assert both.notes == {}


def test_a_correction_with_a_reason_takes_the_completion_back() -> None:
    facts = [
        ack("a1", "COMPLETED", 0, new_meter_number="N1"),
        ack("a2", "CORRECTED", 60, reason_code="DATA_ADDR"),
    ]
    derived = derive(facts)
    assert (derived.state, derived.completed_ack_id, derived.completed_at) == (S.FAILED, None, None)
    assert (derived.failed_reason, derived.attempts) == ("DATA_ADDR", 1)
    again = derive([*facts, ack("a3", "COMPLETED", 1440, new_meter_number="N2")])
    assert (again.state, again.completed_ack_id, again.attempts) == (S.COMPLETED, "a3", 2)


def test_a_meter_that_hangs_without_a_connection_completes_the_order() -> None:
    hung = ack("a1", "FAILED", 20, reason_code="TECH_NOCOMM", new_meter_number="N1")
    derived = derive([ack("a0", "STARTED", 0), hung])
    assert (derived.state, derived.completed_ack_id) == (S.COMPLETED, "a1")
    assert (derived.comm_missing, derived.failed_count) == (True, 0)
    confirmed = derive([hung, ack("a2", "COMPLETED", 25, new_meter_number="N1")])
    assert confirmed.completed_ack_id == "a2"
    assert confirmed.verdicts == {"a1": V.APPLIED, "a2": V.APPLIED}


def test_a_missing_connection_reported_after_the_completion_is_noted() -> None:
    facts = [
        ack("a1", "COMPLETED", 0, new_meter_number="N1"),
        ack("a2", "FAILED", 5, reason_code="TECH_NOCOMM"),
    ]
    derived = derive(facts)
    assert (derived.state, derived.comm_missing) == (S.COMPLETED, True)


def test_a_missing_connection_without_a_meter_is_only_a_failed_visit() -> None:
    derived = derive([ack("a1", "FAILED", 0, reason_code="TECH_NOCOMM")])
    assert (derived.state, derived.comm_missing) == (S.FAILED, False)


@pytest.mark.parametrize(
    ("reason", "on_at"), [("CUS_ABSENT", 15), ("TECH_BOARD", 15), ("TECH_NEUTRAL", None)]
)
def test_power_comes_back_with_the_end_of_a_visit_unless_it_had_to_stay_off(
    reason: str, on_at: int | None
) -> None:
    facts = [ack("a1", "STARTED", 0), ack("a2", "FAILED", 15, reason_code=reason)]
    derived = derive(facts)
    assert derived.on_at == (None if on_at is None else at(on_at))
    assert derived.swap_outage is SwapOutageState.CLOSED


def test_a_visit_without_an_outage_has_none() -> None:
    facts = [ack("a1", "STARTED", 0, no_outage=True), ack("a2", "COMPLETED", 15)]
    derived = derive(facts)
    assert (derived.off_at, derived.on_at, derived.swap_outage) == (None, None, None)


def test_the_second_visit_has_its_own_times() -> None:
    first = [ack("a1", "STARTED", 0), ack("a2", "FAILED", 15, reason_code="WEATHER")]
    second = derive([*first, ack("a3", "STARTED", 1440)])
    assert (second.started_at, second.off_at, second.on_at) == (at(1440), at(1440), None)
    assert second.swap_outage is SwapOutageState.OPEN
    without_start = derive([*first, ack("a4", "COMPLETED", 1460)])
    assert (without_start.started_at, without_start.off_at) == (None, None)


def test_power_never_comes_back_before_it_went() -> None:
    facts = [ack("a1", "STARTED", 0), ack("a2", "COMPLETED", 20, on_at=at(-60))]
    assert derive(facts).on_at == at(0)


def test_a_start_heard_of_too_late_is_stale_and_its_times_are_kept() -> None:
    late = ack("a1", "STARTED", 0, received_at=at(31))
    derived = derive([late])
    assert (derived.state, derived.started_at) == (S.STARTED, at(0))
    assert derived.verdicts["a1"] is V.STALE
    in_time = derive([ack("a1", "STARTED", 0, received_at=at(30))])
    assert in_time.verdicts["a1"] is V.APPLIED


@pytest.mark.parametrize("end", ["COMPLETED", "FAILED"])
def test_a_start_that_arrives_after_the_end_is_stale(end: str) -> None:
    start = ack("a1", "STARTED", 0, received_at=at(20))
    ended = ack("a2", end, 15, received_at=at(16))
    derived = derive([start, ended])
    assert derived.verdicts == {"a1": V.STALE, "a2": V.APPLIED}
    assert derived.off_at == at(0)


def test_a_time_in_the_future_counts_as_the_time_of_arrival() -> None:
    ahead = ack("a1", "STARTED", 60 * 24 * 365, received_at=at(0), effect=AckEffect.HOLD)
    derived = derive([ahead, ack("a2", "COMPLETED", 20)])
    assert (derived.state, derived.started_at) == (S.COMPLETED, at(0))
    assert derived.verdicts["a1"] is V.HELD


def test_doubts_hold_the_bill_but_not_the_order() -> None:
    derived = derive([ack("a1", "COMPLETED", 0, effect=AckEffect.HOLD)])
    assert (derived.state, derived.verdicts["a1"]) == (S.COMPLETED, V.HELD)
    assert derived.billing_held
    corrected = derive(
        [ack("a1", "COMPLETED", 0, effect=AckEffect.HOLD), ack("a2", "CORRECTED", 9)]
    )
    assert not corrected.billing_held


def test_what_the_checks_refused_does_not_count_in_any_way() -> None:
    refused = ack("a1", "COMPLETED", 0, effect=AckEffect.REFUSE)
    derived = derive([refused, replace(refused, ack_id="a2", effect=AckEffect.APPLY)])
    assert derived.verdicts == {"a1": V.REJECTED, "a2": V.APPLIED}
    assert derived.completed_ack_id == "a2"


@pytest.mark.parametrize(
    ("current", "reported", "completed", "state"),
    [
        ("REPORTED", "a1", "a1", S.REPORTED),
        ("CLOSED", "a1", "a1", S.CLOSED),
        ("COMPLETED", None, "a1", S.COMPLETED),
        ("REPORTED", "a1", "a2", S.COMPLETED),
        ("REPORTED", "a1", None, S.COMPLETED),
        ("SENT", None, "a1", S.COMPLETED),
    ],
)
def test_a_reported_order_stays_reported_while_the_same_completion_counts(
    current: str, reported: str | None, completed: str | None, state: WorkOrderState
) -> None:
    derived = Derived(S.COMPLETED, completed_ack_id=completed)
    assert keep_reporting(derived, current, reported) is state


minutes = st.integers(0, 60).map(lambda n: n * 3)
facts_given = st.lists(
    st.builds(
        lambda name, kind, happened, delay, power, more: ack(
            f"a{name}",
            kind,
            happened,
            received_at=at(happened + delay),
            off_at=None if power[0] is None else at(power[0]),
            on_at=None if power[1] is None else at(power[1]),
            **more,
        ),
        st.integers(0, 30),
        st.sampled_from(list(AckType)),
        minutes,
        st.integers(-30, 60),
        st.tuples(st.none() | minutes, st.none() | minutes),
        st.fixed_dictionaries(
            {
                "revision": st.integers(1, 2),
                "partner_code": st.sampled_from(["voima", "piiri"]),
                "reason_code": st.sampled_from([None, "CUS_ABSENT", "TECH_NOCOMM", "TECH_NEUTRAL"]),
                "new_meter_number": st.sampled_from([None, "N1", "N2"]),
                "effect": st.sampled_from(list(AckEffect)),
            }
        ),
    ),
    max_size=9,
)
bases = st.sampled_from(
    [S.RECEIVED, S.REJECTED, S.VALIDATED, S.NO_ROUTE, S.ROUTED, S.SENT, S.CANCELLED]
)


@given(bases, facts_given, st.data())
def test_any_order_and_any_repetition_of_arrival_give_the_same_answer(
    base: WorkOrderState, facts: list[AckFact], data: st.DataObject
) -> None:
    once = derive(facts, base)
    repeated = facts + data.draw(st.lists(st.sampled_from(facts or [ack("a1", "ACCEPTED", 0)])))
    repeated = repeated if facts else []
    shuffled = data.draw(st.permutations(repeated))
    assert derive(shuffled, base) == once
    assert set(once.verdicts) == {fact.ack_id for fact in facts}


@given(facts_given, facts_given)
def test_only_a_correction_undoes_a_completion_whatever_arrives_later(
    known: list[AckFact], later: list[AckFact]
) -> None:
    known = distinct([fact for fact in known if fact.type is not AckType.CORRECTED])
    later = [fact for fact in later if fact.type is not AckType.CORRECTED]
    before = derive(known)
    after = derive(distinct([*known, *later]))
    assert before.state is not S.COMPLETED or after.state is S.COMPLETED


@given(facts_given)
def test_power_is_never_back_before_it_went_and_no_visit_is_counted_twice(
    facts: list[AckFact],
) -> None:
    derived = derive(facts)
    if derived.off_at and derived.on_at:
        assert derived.on_at >= derived.off_at
    ends = {fact.ack_id for fact in facts if fact.type in {"COMPLETED", "FAILED", "CORRECTED"}}
    assert derived.failed_count <= derived.attempts
    assert derived.attempts <= len(ends)
    assert (derived.completed_ack_id is not None) == (derived.state in {S.COMPLETED, S.CORRECTED})


def distinct(facts: list[AckFact]) -> list[AckFact]:
    """The first fact under each id, as the database keeps them."""
    return list({fact.ack_id: fact for fact in reversed(facts)}.values())


def derive(facts: Any, base: WorkOrderState = S.SENT, revision: int | None = None) -> Derived:
    """Derive an order at voima, by default at revision 1."""
    return derive_order_state(base, facts, revision=revision or 1, partner_code="voima")


def at(minute: int) -> datetime:
    """So many minutes after nine."""
    return NINE + timedelta(minutes=minute)


def ack(ack_id: str, kind: str, minute: int, **parts: Any) -> AckFact:
    """An acknowledgement of voima, received at once unless told otherwise."""
    told = AckFact(
        ack_id,
        "T-1",
        1,
        AckType(kind),
        "voima",
        occurred_at=at(minute),
        reported_at=at(minute),
        received_at=at(minute),
        old_readings=(Reading("1.8.0", Decimal(1000)),),
    )
    return replace(told, **parts)
