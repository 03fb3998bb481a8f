"""A run may only be judged when nothing moves any more, in the product or outside."""

from __future__ import annotations

from typing import Any

from tests.chaos.calm import is_at_rest

QUIET = {'tiedolla_lane_items{lane="sms",state="DEAD"}': 1.0, "tiedolla_unknown_attempts": 0.0}
ORDER = {"kind": "order", "order_id": "A-1"}
END = {
    "kind": "ack",
    "order_id": "A-1",
    "ack_id": "1",
    "type": "COMPLETED",
    "callbacks": "normal",
}
TAKEN = {"kind": "ack_answer", "ack_id": "1", "done": True}


def test_nothing_waits_and_every_order_has_ended() -> None:
    assert is_at_rest(QUIET, ledger(ORDER, END, TAKEN)) is None


def test_a_portal_that_does_not_answer_is_no_rest() -> None:
    assert is_at_rest(None, {}) == "the portal does not answer"


def test_whatever_waits_in_a_lane_moves() -> None:
    for state in ("READY", "CLAIMED", "STORED", "WAITING", "UNKNOWN"):
        waits = {f'tiedolla_lane_items{{lane="sms",state="{state}"}}': 2.0}
        assert is_at_rest({**QUIET, **waits}, {}) == f"2 items of sms are {state}"


def test_a_call_of_unknown_outcome_moves() -> None:
    assert is_at_rest({"tiedolla_unknown_attempts": 3.0}, {}) == "3 calls of unknown outcome"


def test_an_order_without_an_end_moves() -> None:
    assert "1 orders in the hands of crews" in str(is_at_rest(QUIET, ledger(ORDER)))


def test_a_report_that_nobody_has_taken_moves_unless_it_never_leaves() -> None:
    untaken = is_at_rest(QUIET, ledger(ORDER, END))
    assert untaken == "1 acknowledgements not taken yet"
    assert is_at_rest(QUIET, ledger(ORDER, {**END, "callbacks": "none"})) is None


def ledger(*entries: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {"installer": list(entries)}
