"""Revisions of a work order: which one counts, whatever order they arrive in."""

from __future__ import annotations

import pytest

from app.domain.reject_codes import RejectCode, Severity
from app.domain.revisions import Known, Verdict, decide_revision, revision_finding
from app.domain.states import WORK_ORDER_MOVES, WorkOrderState

S = WorkOrderState
SAME, OTHER = "hash-a", "hash-b"


@pytest.mark.parametrize(
    ("existing", "arriving", "verdict"),
    [
        (None, (1, SAME, "NEW"), Verdict.NEW),
        (None, (7, SAME, "UPDATE"), Verdict.NEW),
        (None, (2, SAME, "CANCEL"), Verdict.CANCEL_UNKNOWN),
        (Known(2, SAME, S.SENT), (2, SAME, "UPDATE"), Verdict.DUPLICATE),
        (Known(2, SAME, S.SENT), (2, OTHER, "UPDATE"), Verdict.CONFLICT),
        (Known(2, SAME, S.SENT), (2, OTHER, "CANCEL"), Verdict.CONFLICT),
        (Known(2, SAME, S.SENT), (1, OTHER, "NEW"), Verdict.STALE),
        (Known(2, SAME, S.SENT), (1, SAME, "CANCEL"), Verdict.STALE),
        (Known(2, SAME, S.SENT), (3, SAME, "UPDATE"), Verdict.UPDATE),
        (Known(2, SAME, S.SENT), (3, OTHER, "NEW"), Verdict.UPDATE),
        (Known(2, SAME, S.SENT), (3, OTHER, "CANCEL"), Verdict.CANCEL),
        (Known(1, SAME, S.NO_ROUTE), (2, OTHER, "UPDATE"), Verdict.UPDATE),
        (Known(1, SAME, S.RESCHEDULED), (2, OTHER, "CANCEL"), Verdict.CANCEL),
        (Known(1, SAME, S.FAILED), (2, OTHER, "UPDATE"), Verdict.UPDATE),
        (Known(1, SAME, S.FAILED), (2, OTHER, "CANCEL"), Verdict.CANCEL),
        (Known(1, SAME, S.RETURNED), (2, OTHER, "UPDATE"), Verdict.UPDATE),
        (Known(1, SAME, S.STARTED), (2, OTHER, "UPDATE"), Verdict.HOLD),
        (Known(1, SAME, S.STARTED), (2, OTHER, "CANCEL"), Verdict.ASK),
        (Known(1, SAME, S.STARTED, {2: OTHER}), (2, OTHER, "UPDATE"), Verdict.DUPLICATE),
        (Known(1, SAME, S.STARTED, {2: OTHER}), (2, SAME, "UPDATE"), Verdict.CONFLICT),
        (Known(1, SAME, S.STARTED, {3: OTHER}), (2, SAME, "UPDATE"), Verdict.STALE),
        (Known(1, SAME, S.STARTED, {2: OTHER}), (3, SAME, "UPDATE"), Verdict.HOLD),
        (Known(1, SAME, S.STARTED, {2: OTHER}), (3, SAME, "CANCEL"), Verdict.ASK),
        (Known(2, SAME, S.STARTED, {2: SAME}), (2, SAME, "CANCEL"), Verdict.DUPLICATE),
        (Known(1, SAME, S.STARTED), (1, SAME, "NEW"), Verdict.DUPLICATE),
        (Known(1, SAME, S.COMPLETED), (2, OTHER, "NEW"), Verdict.CONFLICT),
        (Known(1, SAME, S.CLOSED), (2, OTHER, "CANCEL"), Verdict.CANCEL_TOO_LATE),
        (Known(2, SAME, S.CANCELLED), (1, OTHER, "NEW"), Verdict.STALE),
        (Known(2, SAME, S.CANCELLED), (3, OTHER, "CANCEL"), Verdict.DUPLICATE),
        (Known(2, SAME, S.CANCELLED), (3, OTHER, "UPDATE"), Verdict.UPDATE),
        (Known(2, SAME, S.REJECTED), (1, OTHER, "NEW"), Verdict.STALE),
        (Known(2, SAME, S.REJECTED), (2, SAME, "NEW"), Verdict.NEW),
        (Known(2, SAME, S.REJECTED), (2, OTHER, "UPDATE"), Verdict.NEW),
        (Known(2, SAME, S.REJECTED), (3, OTHER, "UPDATE"), Verdict.NEW),
        (Known(2, SAME, S.REJECTED), (2, OTHER, "CANCEL"), Verdict.CANCEL),
    ],
)
def test_a_revision_gets_the_verdict_of_the_table(
    existing: Known | None, arriving: tuple[int, str, str], verdict: Verdict
) -> None:
    assert decide_revision(existing, *arriving) is verdict


@pytest.mark.parametrize("state", list(WorkOrderState))
@pytest.mark.parametrize("action", ["UPDATE", "CANCEL"])
def test_a_revision_that_is_taken_is_always_an_allowed_move(
    state: WorkOrderState, action: str
) -> None:
    verdict = decide_revision(Known(1, SAME, state), 2, OTHER, action)
    target = S.CANCELLED if action == "CANCEL" else S.VALIDATED
    taken = verdict in {Verdict.NEW, Verdict.UPDATE, Verdict.CANCEL}
    assert not taken or state == target or WORK_ORDER_MOVES.allow(state, target)


@pytest.mark.parametrize(
    ("verdict", "state", "revision", "code", "words"),
    [
        (Verdict.STALE, S.SENT, 1, RejectCode.STALE_REVISION, "older than revision 2"),
        (Verdict.DUPLICATE, S.SENT, 2, RejectCode.DUPLICATE, "received before"),
        (Verdict.CONFLICT, S.SENT, 2, RejectCode.REVISION_CONFLICT, "with other content"),
        (Verdict.CONFLICT, S.COMPLETED, 3, RejectCode.REVISION_CONFLICT, "after the start"),
        (Verdict.CANCEL_TOO_LATE, S.COMPLETED, 3, RejectCode.CANCEL_TOO_LATE, "work has begun"),
        (Verdict.HOLD, S.STARTED, 3, RejectCode.REVISION_WAITS, "waits for the visit's end"),
        (Verdict.ASK, S.STARTED, 3, RejectCode.CANCEL_ASKED, "asked to stop"),
    ],
)
def test_a_verdict_is_explained_to_the_cis(
    verdict: Verdict, state: WorkOrderState, revision: int, code: RejectCode, words: str
) -> None:
    finding = revision_finding(verdict, Known(2, SAME, state), revision)
    assert finding is not None
    assert finding.code is code
    assert words in finding.text


def test_cancelling_an_unknown_order_is_a_warning_and_taking_a_revision_needs_no_words() -> None:
    warning = revision_finding(Verdict.CANCEL_UNKNOWN, None, 3)
    assert warning is not None
    assert warning.severity is Severity.WARN
    assert revision_finding(Verdict.NEW, None, 1) is None
    assert revision_finding(Verdict.UPDATE, Known(1, SAME, S.SENT), 2) is None
