"""The tables of allowed moves."""

from __future__ import annotations

import pytest

from app.domain.states import (
    DIFFERENCE_MOVES,
    METER_MOVES,
    NOTICE_MOVES,
    OUTBOX_MOVES,
    REPLAY_MOVES,
    ROUTE_MOVE_MOVES,
    RULE_SET_MOVES,
    RUN_MOVES,
    SWAP_OUTAGE_MOVES,
    WORK_ORDER_MOVES,
    DifferenceState,
    IllegalMove,
    MeterState,
    Moves,
    NoticeState,
    OutboxState,
    ReplayState,
    RouteMoveState,
    RuleSetState,
    RunState,
    SwapOutageState,
    WorkOrderState,
    check_move,
)

MACHINES = [
    (WORK_ORDER_MOVES, WorkOrderState, WorkOrderState.RECEIVED),
    (NOTICE_MOVES, NoticeState, NoticeState.CREATED),
    (METER_MOVES, MeterState, MeterState.ORDERED),
    (SWAP_OUTAGE_MOVES, SwapOutageState, SwapOutageState.OPEN),
    (OUTBOX_MOVES, OutboxState, OutboxState.READY),
    (RUN_MOVES, RunState, RunState.RUNNING),
    (RULE_SET_MOVES, RuleSetState, RuleSetState.DRAFT),
    (REPLAY_MOVES, ReplayState, ReplayState.PREVIEWED),
    (ROUTE_MOVE_MOVES, RouteMoveState, RouteMoveState.PROPOSED),
    (DIFFERENCE_MOVES, DifferenceState, DifferenceState.OPEN),
]


@pytest.mark.parametrize(
    ("moves", "states", "first"), [(moves, states, first) for moves, states, first in MACHINES]
)
def test_every_state_of_a_machine_can_be_reached_from_its_first(
    moves: Moves, states: type, first: str
) -> None:
    reached = {first}
    while True:
        more = {to for state in reached for to in moves.table.get(state, ())} - reached
        if not more:
            break
        reached |= more
    assert reached == set(states)


@pytest.mark.parametrize(("moves", "states"), [(moves, states) for moves, states, _ in MACHINES])
def test_no_state_moves_to_itself(moves: Moves, states: type) -> None:
    assert not [state for state in states if moves.allow(state, state)]


@pytest.mark.parametrize(
    ("moves", "last"),
    [
        (NOTICE_MOVES, NoticeState.DELIVERED),
        (NOTICE_MOVES, NoticeState.SUPPRESSED),
        (NOTICE_MOVES, NoticeState.SUPERSEDED),
        (NOTICE_MOVES, NoticeState.FALLBACK),
        (OUTBOX_MOVES, OutboxState.CANCELLED),
        (RUN_MOVES, RunState.OK),
        (RUN_MOVES, RunState.KILLED),
        (METER_MOVES, MeterState.SCRAPPED),
    ],
)
def test_a_last_state_moves_nowhere(moves: Moves, last: str) -> None:
    assert last not in moves.table


@pytest.mark.parametrize(
    ("from_state", "to_state"),
    [
        ("RECEIVED", "VALIDATED"),
        ("VALIDATED", "NO_ROUTE"),
        ("NO_ROUTE", "VALIDATED"),
        ("ROUTED", "SENT"),
        ("SENT", "COMPLETED"),
        ("SCHEDULED", "RESCHEDULED"),
        ("RESCHEDULED", "SCHEDULED"),
        ("ACCEPTED", "VALIDATED"),
        ("FAILED", "RETURNED"),
        ("COMPLETED", "REPORTED"),
        ("COMPLETED", "CORRECTED"),
        ("CORRECTED", "REPORTED"),
        ("REPORTED", "CLOSED"),
    ],
)
def test_a_work_order_moves_as_the_field_does(from_state: str, to_state: str) -> None:
    check_move(WORK_ORDER_MOVES, from_state, to_state)


@pytest.mark.parametrize(
    ("from_state", "to_state"),
    [
        ("STARTED", "VALIDATED"),
        ("STARTED", "ACCEPTED"),
        ("COMPLETED", "FAILED"),
        ("COMPLETED", "VALIDATED"),
        ("REPORTED", "COMPLETED"),
        ("CANCELLED", "FAILED"),
        ("CLOSED", "REPORTED"),
        ("NOWHERE", "RECEIVED"),
    ],
)
def test_a_move_outside_the_table_is_refused_by_name(from_state: str, to_state: str) -> None:
    with pytest.raises(IllegalMove, match=f"work order may not move from {from_state} to"):
        check_move(WORK_ORDER_MOVES, from_state, to_state)


@pytest.mark.parametrize("later", ["SENT", "QUEUED", "SENDING", "UNKNOWN", "UNDELIVERED"])
def test_a_delivered_notice_never_moves_back(later: str) -> None:
    assert not NOTICE_MOVES.allow(NoticeState.DELIVERED, later)


def test_only_what_has_not_left_can_expire_or_be_superseded() -> None:
    stoppable = {
        state for state in NoticeState if NOTICE_MOVES.allow(state, NoticeState.SUPERSEDED)
    }
    assert stoppable == {NoticeState.HELD, NoticeState.QUEUED, NoticeState.SENDING}
