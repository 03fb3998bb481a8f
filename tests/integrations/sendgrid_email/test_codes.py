"""SendGrid's statuses and events, row by row."""

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
from integrations.sendgrid_email.codes import (
    DROP_REASONS,
    EVENTS,
    STATUSES,
    EventRule,
    outcome_of,
    rule_for,
)


def test_the_table_of_statuses_row_by_row() -> None:
    assert {
        400: Rejected,
        401: LaneDown,
        403: LaneDown,
        404: LaneDown,
        405: LaneDown,
        408: UnknownOutcome,
        413: Rejected,
        429: Retryable,
        451: LaneDown,
    } == STATUSES


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, UnknownOutcome), (302, ContractBroken), (418, Rejected), (500, UnknownOutcome)],
)
def test_other_statuses_go_by_their_class(status: int, kind: type[CallError]) -> None:
    assert outcome_of(status) is kind


@pytest.mark.parametrize(
    ("event", "state", "invalid", "opted_out"),
    [
        ("processed", "SENT", False, False),
        ("deferred", "SENT", False, False),
        ("delivered", "DELIVERED", False, False),
        ("bounce", "UNDELIVERED", True, False),
        ("dropped", "UNDELIVERED", False, False),
        ("spamreport", None, False, True),
        ("unsubscribe", None, False, True),
        ("group_unsubscribe", None, False, True),
        ("group_resubscribe", None, False, False),
        ("open", None, False, False),
        ("click", None, False, False),
        ("of_tomorrow", None, False, False),
    ],
)
def test_an_event_means_what_the_table_says(
    event: str, state: str | None, invalid: bool, opted_out: bool
) -> None:
    assert rule_for(event) == EventRule(state, invalid, opted_out)
    assert len(EVENTS) == 11


@pytest.mark.parametrize(
    ("reason", "invalid", "opted_out"),
    [
        ("Bounced Address", True, False),
        ("Invalid", True, False),
        ("Unsubscribed Address", False, True),
        ("Spam Reporting Address", False, True),
        ("Spam Content (if Spam Checker app is enabled)", False, False),
        ("Recipient List over Package Quota", False, False),
        (None, False, False),
    ],
)
def test_a_dropped_email_is_judged_by_its_reason(
    reason: str | None, invalid: bool, opted_out: bool
) -> None:
    assert rule_for("dropped", reason) == EventRule("UNDELIVERED", invalid, opted_out)
    assert len(DROP_REASONS) == 4


@pytest.mark.parametrize(("kind", "invalid"), [("bounce", True), (None, True), ("blocked", False)])
def test_a_blocked_bounce_does_not_condemn_the_address(kind: str | None, invalid: bool) -> None:
    assert rule_for("bounce", "550", kind) == EventRule("UNDELIVERED", invalid)
