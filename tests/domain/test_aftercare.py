"""What is owed when a message did not arrive, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.aftercare import Aftercare, FailedNotice, decide_aftercare
from app.domain.notice_types import NOTICE_RULES, NoticeType, Topic
from app.domain.states import NoticeState

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
FAILED = FailedNotice(
    NoticeType.PLANNED_NOTICE,
    Topic.PLANNED,
    NoticeState.UNDELIVERED,
    None,
    NOW + timedelta(days=2),
    true_until=NOW + timedelta(days=3),
    other_contact=True,
)
SUPPRESSED = replace(
    FAILED, state=NoticeState.SUPPRESSED, suppress_reason="NO_CONTACT", expires_at=None
)


@pytest.mark.parametrize(
    ("notice", "owed"),
    [
        (FAILED, Aftercare.FALLBACK),
        (replace(FAILED, state=NoticeState.FAILED), Aftercare.FALLBACK),
        (replace(FAILED, other_contact=False), Aftercare.LETTER),
        # The other channel is taken once (REQ-26).
        (replace(FAILED, is_fallback=True), Aftercare.LETTER),
        (replace(FAILED, told_otherwise=True), Aftercare.NOTHING),
        # The plan was changed or called off since.
        (replace(FAILED, outdated=True), Aftercare.NOTHING),
        (replace(FAILED, expires_at=NOW), Aftercare.LETTER),
        (replace(FAILED, true_until=NOW), Aftercare.NOTHING),
        (
            replace(FAILED, other_contact=False, true_until=NOW + timedelta(hours=23)),
            Aftercare.NOTHING,
        ),
        (replace(FAILED, topic=Topic.FAULT, type=NoticeType.FAULT_ETR), Aftercare.NOTHING),
        (replace(FAILED, topic=Topic.SERVICE, type=NoticeType.VERIFY_CODE), Aftercare.NOTHING),
        (replace(FAILED, topic=Topic.SAFETY, type=NoticeType.SAFETY_WARNING), Aftercare.FALLBACK),
        (
            replace(
                FAILED,
                topic=Topic.SAFETY,
                type=NoticeType.SAFETY_WARNING,
                other_contact=False,
            ),
            Aftercare.NOTHING,
        ),
        (
            replace(FAILED, type=NoticeType.PLANNED_REMINDER, other_contact=False),
            Aftercare.NOTHING,
        ),
        (replace(SUPPRESSED, other_contact=False), Aftercare.LETTER),
        (
            replace(SUPPRESSED, suppress_reason="OPTED_OUT", other_contact=False),
            Aftercare.LETTER,
        ),
        (replace(SUPPRESSED, suppress_reason="OPTED_OUT"), Aftercare.FALLBACK),
        (replace(SUPPRESSED, suppress_reason="DUPLICATE"), Aftercare.NOTHING),
        (replace(SUPPRESSED, suppress_reason="NEVER_TOLD"), Aftercare.NOTHING),
        (replace(SUPPRESSED, suppress_reason="STALE"), Aftercare.NOTHING),
    ],
)
def test_what_is_owed(notice: FailedNotice, owed: Aftercare) -> None:
    decided, why = decide_aftercare(notice, NOW)
    assert decided is owed
    assert why.endswith(".")


def test_only_topics_that_are_owed_are_cared_for() -> None:
    for kind, rule in NOTICE_RULES.items():
        decided, _ = decide_aftercare(replace(FAILED, type=kind, topic=rule.topic), NOW)
        owed = rule.topic in (Topic.SAFETY, Topic.PLANNED, Topic.COMPENSATION)
        assert (decided is Aftercare.NOTHING) != owed
