"""A doubt ends by sending once more or by giving up, never by sending for ever or too late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.notice_types import Topic
from app.domain.unknown_policy import RESENDS, UnknownAction, UnknownFacts, decide_unknown

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
LIVE = UnknownFacts(Topic.METER_SWAP, "UNKNOWN", None, NOW + timedelta(minutes=5), 0)


@pytest.mark.parametrize(
    ("facts", "action", "why"),
    [
        (LIVE, UnknownAction.RESEND, "NOT_FOUND"),
        (replace(LIVE, expires_at=None), UnknownAction.RESEND, "NOT_FOUND"),
        (replace(LIVE, expires_at=NOW), UnknownAction.GIVE_UP, "STALE"),
        (replace(LIVE, stopped="SUPERSEDED"), UnknownAction.GIVE_UP, "SUPERSEDED"),
        (replace(LIVE, stopped="OPTED_OUT"), UnknownAction.GIVE_UP, "OPTED_OUT"),
        (replace(LIVE, resent_count=1), UnknownAction.GIVE_UP, "RESENT_ALREADY"),
        (replace(LIVE, topic=Topic.SERVICE), UnknownAction.GIVE_UP, "NOT_RESENT"),
        (replace(LIVE, topic=Topic.STORM), UnknownAction.GIVE_UP, "NOT_RESENT"),
        (replace(LIVE, state="DELIVERED"), UnknownAction.GIVE_UP, "DELIVERED"),
    ],
)
def test_each_doubt_ends_as_the_table_says(
    facts: UnknownFacts, action: UnknownAction, why: str
) -> None:
    assert decide_unknown(facts, NOW) == (action, why)


def test_every_topic_has_its_own_word_on_sending_again() -> None:
    assert RESENDS.keys() == set(Topic)
