"""Twilio's codes and statuses, row by row."""

from __future__ import annotations

import pytest

from integrations.outcomes import (
    CallError,
    ContractBroken,
    LaneDown,
    Rejected,
    Retryable,
    UnknownOutcome,
)
from integrations.twilio_sms.codes import (
    CODES,
    STATES,
    STATUSES,
    UNKNOWN_CODE,
    outcome_of,
    rule_for,
)

LANE_DOWN = {10001, 20003, 20005, 20008, 20403, 20404, 30404, 63038, 70051}
RETRYABLE = {14107, 20429, 21611, 63017}
BAD_NUMBER = {21211, 21217, 21265, 21268, 21614, 21635}
HARD_BOUNCE = {30005, 30006}
OPTED_OUT = {21610}
PERMANENT = BAD_NUMBER | HARD_BOUNCE | OPTED_OUT | {21266, 21602, 21604, 21612, 21617, 21619, 30036}
REPAIRABLE = {
    *(21212, 21267, 21401, 21408, 21601, 21603, 21606, 21608, 21609, 21624),
    *(21657, 21659, 21660, 21661, 90007),
    *(30001, 30002, 30003, 30004, 30007, 30008, 30024, 30042),
}


def test_every_code_stands_in_exactly_one_of_the_groups() -> None:
    assert set(CODES) == LANE_DOWN | RETRYABLE | PERMANENT | REPAIRABLE
    assert sum(map(len, (LANE_DOWN, RETRYABLE, PERMANENT, REPAIRABLE))) == len(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_row_means_what_its_group_says(code: int) -> None:
    rule = CODES[code]
    expected = LaneDown if code in LANE_DOWN else Retryable if code in RETRYABLE else Rejected
    assert rule.outcome is expected
    assert rule.permanent == (code in PERMANENT)
    assert rule.marks_contact_invalid == (code in BAD_NUMBER)
    assert rule.is_hard_bounce == (code in HARD_BOUNCE)
    assert rule.means_opted_out == (code in OPTED_OUT)
    assert rule.text


@pytest.mark.parametrize("code", ["21610", 21610])
def test_a_code_is_found_as_number_and_as_text(code: int | str) -> None:
    assert rule_for(code).means_opted_out


@pytest.mark.parametrize("code", [None, "", "abc", 0, 12345, "99999"])
def test_an_unknown_code_is_rejected_but_says_nothing_about_the_contact(
    code: int | str | None,
) -> None:
    rule = rule_for(code)
    assert rule is UNKNOWN_CODE
    assert rule.outcome is Rejected
    assert not rule.marks_contact_invalid
    assert not rule.means_opted_out


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, ContractBroken),
        (400, Rejected),
        (401, LaneDown),
        (403, LaneDown),
        (404, LaneDown),
        (408, UnknownOutcome),
        (422, Rejected),
        (429, Retryable),
        (500, UnknownOutcome),
        (503, UnknownOutcome),
    ],
)
def test_a_status_becomes_its_outcome(status: int, kind: type[CallError]) -> None:
    assert outcome_of(status) is kind
    assert set(STATUSES) == {401, 403, 404, 408, 429}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("accepted", "SENT"),
        ("scheduled", "SENT"),
        ("queued", "SENT"),
        ("sending", "SENT"),
        ("sent", "SENT"),
        ("delivered", "DELIVERED"),
        ("read", "DELIVERED"),
        ("undelivered", "UNDELIVERED"),
        ("failed", "UNDELIVERED"),
        ("canceled", "UNDELIVERED"),
    ],
)
def test_a_message_status_becomes_the_state_of_our_notice(status: str, state: str) -> None:
    assert STATES[status] == state
    assert len(STATES) == 10
