"""SendGrid's statuses and events, and what they mean to us, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from integrations.outcomes import (
    CallError,
    ContractBroken,
    LaneDown,
    Rejected,
    Retryable,
    UnknownOutcome,
)

# 202 alone means accepted; 200 is the sandbox, which sends nothing, and is left to the default.
STATUSES: Mapping[int, type[CallError]] = MappingProxyType(
    {
        400: Rejected,
        # The key, or the sender address that is not verified.
        401: LaneDown,
        403: LaneDown,
        # The base address is wrong, or the account may not send from this region.
        404: LaneDown,
        405: LaneDown,
        451: LaneDown,
        408: UnknownOutcome,
        413: Rejected,
        429: Retryable,
    }
)


def outcome_of(status: int) -> type[CallError]:
    """The error that an answer other than 202 stands for after an e-mail was posted."""
    if status in STATUSES:
        return STATUSES[status]
    if 400 <= status < 500:
        return Rejected
    return ContractBroken if 300 <= status < 400 else UnknownOutcome


@dataclass(frozen=True, slots=True)
class EventRule:
    """One kind of event; state is that of our notice, None where it says nothing about it."""

    state: str | None
    marks_contact_invalid: bool = False
    means_opted_out: bool = False


EVENTS: Mapping[str, EventRule] = MappingProxyType(
    {
        "processed": EventRule("SENT"),
        "deferred": EventRule("SENT"),
        "delivered": EventRule("DELIVERED"),
        "bounce": EventRule("UNDELIVERED", marks_contact_invalid=True),
        # SendGrid did not even try, because the address is on a list of the account.
        "dropped": EventRule("UNDELIVERED"),
        "spamreport": EventRule(None, means_opted_out=True),
        "unsubscribe": EventRule(None, means_opted_out=True),
        "group_unsubscribe": EventRule(None, means_opted_out=True),
        "group_resubscribe": EventRule(None),
        "open": EventRule(None),
        "click": EventRule(None),
    }
)

UNKNOWN_EVENT = EventRule(None)

# A bounce of this type is the receiving server's passing refusal, not a dead address.
PASSING_BOUNCE = "blocked"

# The reason of a "dropped" event, in lower case; other reasons keep the plain rule.
DROP_REASONS: Mapping[str, EventRule] = MappingProxyType(
    {
        "bounced address": EventRule("UNDELIVERED", marks_contact_invalid=True),
        "invalid": EventRule("UNDELIVERED", marks_contact_invalid=True),
        "unsubscribed address": EventRule("UNDELIVERED", means_opted_out=True),
        "spam reporting address": EventRule("UNDELIVERED", means_opted_out=True),
    }
)


def rule_for(event: str, reason: str | None = None, bounce_type: str | None = None) -> EventRule:
    """What one event means; an unknown kind means nothing and is kept for people to read."""
    if event == "dropped":
        return DROP_REASONS.get((reason or "").strip().lower(), EVENTS[event])
    if event == "bounce" and bounce_type == PASSING_BOUNCE:
        return EventRule("UNDELIVERED")
    return EVENTS.get(event, UNKNOWN_EVENT)
