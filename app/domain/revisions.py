"""What to do with a revision of a work order, given the one that we know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from app.domain.findings import Finding, find
from app.domain.reject_codes import RejectCode
from app.domain.states import WorkOrderState


class Action(StrEnum):
    """What the CIS asks for."""

    NEW = "NEW"
    UPDATE = "UPDATE"
    CANCEL = "CANCEL"


class Verdict(StrEnum):
    """What becomes of a revision.

    NEW, UPDATE, CANCEL: take it. DUPLICATE, STALE: nothing to do, answer kindly. CONFLICT,
    CANCEL_TOO_LATE: refuse it, the order stays as it is. CANCEL_UNKNOWN: keep it with a warning,
    so that the order does not come alive when its first revision arrives after it. HOLD, ASK: the
    work is going on; a change waits for the end of the visit, a cancellation asks the installer to
    stop, and the end of the visit answers it.
    """

    NEW = "NEW"
    UPDATE = "UPDATE"
    CANCEL = "CANCEL"
    DUPLICATE = "DUPLICATE"
    STALE = "STALE"
    CONFLICT = "CONFLICT"
    CANCEL_TOO_LATE = "CANCEL_TOO_LATE"
    CANCEL_UNKNOWN = "CANCEL_UNKNOWN"
    HOLD = "HOLD"
    ASK = "ASK"


@dataclass(frozen=True, slots=True)
class Known:
    """The revision that we have of an order: its number, the hash of its content, its state.

    waiting: changes that wait for the end of the visit, as revision -> hash of the content.
    """

    revision: int
    content_hash: str
    state: WorkOrderState
    waiting: Mapping[int, str] = field(default_factory=dict)


# Work that is done cannot be changed or called off. A failed or returned order is between visits:
# the CIS may order another model or call it off.
_WORK_DONE = frozenset(
    {
        WorkOrderState.COMPLETED,
        WorkOrderState.CORRECTED,
        WorkOrderState.REPORTED,
        WorkOrderState.CLOSED,
    }
)

# What the CIS hears: code, field, words.
_WORDED = {
    Verdict.STALE: (
        RejectCode.STALE_REVISION,
        "Revision",
        "Revision {revision} is older than revision {known}, which is in use.",
    ),
    Verdict.DUPLICATE: (
        RejectCode.DUPLICATE,
        "Revision",
        "Revision {revision} was received before.",
    ),
    Verdict.CONFLICT: (
        RejectCode.REVISION_CONFLICT,
        "Revision",
        "Revision {revision} was received before with other content.",
    ),
    Verdict.CANCEL_TOO_LATE: (
        RejectCode.CANCEL_TOO_LATE,
        "Action",
        "Revision {revision} cancels an order that is {state}: work has begun.",
    ),
    Verdict.HOLD: (
        RejectCode.REVISION_WAITS,
        "Revision",
        "Revision {revision} arrived while the work is going on; it waits for the visit's end.",
    ),
    Verdict.ASK: (
        RejectCode.CANCEL_ASKED,
        "Action",
        "Revision {revision} cancels an order whose work has begun: "
        "the installer is asked to stop, and the visit's end answers.",
    ),
}
_AFTER_START = (
    RejectCode.REVISION_CONFLICT,
    "Revision",
    "Revision {revision} arrived after the start of the work: "
    "the order is {state} and can no longer be changed.",
)


def decide_revision(
    existing: Known | None, revision: int, content_hash: str, action: str
) -> Verdict:
    """Say what becomes of a revision; one that arrives late never undoes a newer one.

    An order that we rejected takes the same or a higher revision as new: the CIS, or our code
    lists, may have been put right in the meantime.
    """
    cancels = action == Action.CANCEL
    if existing is None:
        return Verdict.CANCEL_UNKNOWN if cancels else Verdict.NEW
    if existing.state == WorkOrderState.REJECTED and revision >= existing.revision:
        return Verdict.CANCEL if cancels else Verdict.NEW
    known = {**existing.waiting, existing.revision: existing.content_hash}
    if revision in known:
        return Verdict.DUPLICATE if content_hash == known[revision] else Verdict.CONFLICT
    if revision < max(known):
        return Verdict.STALE
    return _decide_newer(existing.state, cancels)


def revision_finding(verdict: Verdict, existing: Known | None, revision: int) -> Finding | None:
    """Put a verdict that the CIS should hear of into words; None where there is nothing to say."""
    if verdict is Verdict.CANCEL_UNKNOWN:
        return find(
            RejectCode.CANCEL_UNKNOWN,
            "Action",
            f"Revision {revision} cancels an order that was never received; it is kept.",
        )
    if existing is None or verdict not in _WORDED:
        return None
    known = {existing.revision, *existing.waiting}
    if verdict is Verdict.CONFLICT and revision not in known:
        code, path, text = _AFTER_START
    else:
        code, path, text = _WORDED[verdict]
    words = text.format(revision=revision, known=max(known), state=existing.state)
    return find(code, path, words)


def _decide_newer(state: WorkOrderState, cancels: bool) -> Verdict:
    if state is WorkOrderState.STARTED:
        return Verdict.ASK if cancels else Verdict.HOLD
    if state in _WORK_DONE:
        return Verdict.CANCEL_TOO_LATE if cancels else Verdict.CONFLICT
    if cancels and state == WorkOrderState.CANCELLED:
        return Verdict.DUPLICATE
    return Verdict.CANCEL if cancels else Verdict.UPDATE
