"""What to do about a message of which nobody can tell whether it was sent.

Sending again may tell somebody twice, not sending may leave them untold. So it depends on the
kind of message: what is worth the risk is sent again once, and counted; the rest is given up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.notice_types import Topic


class UnknownAction(StrEnum):
    """How the doubt ends."""

    RESEND = "RESEND"
    GIVE_UP = "GIVE_UP"


@dataclass(frozen=True, slots=True)
class UnknownFacts:
    """What is known of the notice now; stopped is the reason for which it must not leave."""

    topic: Topic
    state: str
    stopped: str | None
    expires_at: datetime | None
    resent_count: int


# A second text that the power is off or back does no harm, none at all leaves people guessing. Who
# asked for a reply or a code asks again, and a bulletin is followed by the next one.
RESENDS: Mapping[Topic, int] = {
    Topic.SAFETY: 1,
    Topic.SERVICE: 0,
    Topic.PLANNED: 1,
    Topic.FAULT: 1,
    Topic.STORM: 0,
    Topic.METER_SWAP: 1,
    Topic.CONNECTION: 1,
    Topic.COMPENSATION: 1,
}


def decide_unknown(facts: UnknownFacts, now: datetime) -> tuple[UnknownAction, str]:
    """Decide, once everybody who could know has been asked in vain; the reason is for the record."""
    if facts.state != "UNKNOWN":
        return UnknownAction.GIVE_UP, facts.state
    if facts.stopped is not None:
        return UnknownAction.GIVE_UP, facts.stopped
    if facts.expires_at is not None and now >= facts.expires_at:
        return UnknownAction.GIVE_UP, "STALE"
    if RESENDS[facts.topic] == 0:
        return UnknownAction.GIVE_UP, "NOT_RESENT"
    if facts.resent_count >= RESENDS[facts.topic]:
        return UnknownAction.GIVE_UP, "RESENT_ALREADY"
    return UnknownAction.RESEND, "NOT_FOUND"
