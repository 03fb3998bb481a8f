"""How far a mass order is, told by the states of its orders."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.lanes import DOWNSTREAM_LANES
from app.domain.states import MassOrderState, WorkOrderState

# The partner does not have these yet.
_WAITING = (
    WorkOrderState.RECEIVED,
    WorkOrderState.VALIDATED,
    WorkOrderState.NO_ROUTE,
    WorkOrderState.ROUTED,
)
_WELL_OVER = (WorkOrderState.REPORTED, WorkOrderState.CLOSED)
_BADLY_OVER = (WorkOrderState.REJECTED, WorkOrderState.CANCELLED, WorkOrderState.RETURNED)
REFUSED = "REFUSED"
# Who has to hear of every order of a batch, and confirm it.
PARTNER = "partner"
SYSTEMS = (PARTNER, *DOWNSTREAM_LANES)


def course_of(counts: Mapping[str, int], *, called_off: bool = False) -> MassOrderState:
    """The state of a mass order whose orders are in these states; REFUSED never became orders."""
    total = sum(counts.values())
    waiting = sum(counts.get(state, 0) for state in _WAITING)
    well = sum(counts.get(state, 0) for state in _WELL_OVER)
    badly = sum(counts.get(state, 0) for state in _BADLY_OVER) + counts.get(REFUSED, 0)
    if waiting:
        return MassOrderState.DISPATCHING
    if well + badly < total:
        return MassOrderState.RUNNING
    if called_off and not well:
        return MassOrderState.CANCELLED
    return MassOrderState.PARTIAL if badly else MassOrderState.DONE


def progress_of(counts: Mapping[str, int]) -> dict[str, int]:
    """The five numbers of a progress bar; they add up to all items."""
    get = counts.get
    rejected = get("REJECTED", 0) + get(REFUSED, 0)
    waiting = sum(get(state, 0) for state in _WAITING)
    done = sum(get(state, 0) for state in ("COMPLETED", "CORRECTED", "REPORTED", "CLOSED"))
    failed = sum(get(state, 0) for state in ("FAILED", "RETURNED", "PARTNER_REJECTED"))
    cancelled = get("CANCELLED", 0)
    total = sum(counts.values())
    return {
        "waiting": waiting,
        "dispatched": total - rejected - waiting - done - failed - cancelled,
        "done": done,
        "failed": failed,
        "rejected": rejected,
        "cancelled": cancelled,
    }
