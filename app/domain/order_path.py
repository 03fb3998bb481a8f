"""The states that an order goes through when news brings it from one to another at once."""

from __future__ import annotations

from app.domain.states import WORK_ORDER_MOVES, WorkOrderState

# States that field reports bring an order through; planning states are never passed by the way.
_BY_THE_WAY = (
    WorkOrderState.STARTED,
    WorkOrderState.COMPLETED,
    WorkOrderState.CORRECTED,
    WorkOrderState.FAILED,
)


def path_between(from_state: str, to_state: str) -> tuple[str, ...]:
    """The shortest allowed way, without its beginning.

    Where the table knows no way, the step itself: late news may show that the order never was where
    we believed it to be, and then its state is derived anew from its beginning, along the table.
    """
    ways: list[tuple[str, ...]] = [()]
    seen = {from_state}
    while ways:
        way = ways.pop(0)
        here = way[-1] if way else from_state
        if WORK_ORDER_MOVES.allow(here, to_state):
            return (*way, to_state)
        for state in _BY_THE_WAY:
            if state not in seen and WORK_ORDER_MOVES.allow(here, state):
                seen.add(state)
                ways.append((*way, state))
    return (to_state,)
