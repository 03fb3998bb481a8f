"""The kinds of notices, and for each the rules that the policy goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Channel(StrEnum):
    """How a notice travels."""

    SMS = "SMS"
    EMAIL = "EMAIL"


class Topic(StrEnum):
    """What customers subscribe to or leave; the order is that of the sending lanes' priority."""

    SAFETY = "SAFETY"
    PLANNED = "PLANNED"
    FAULT = "FAULT"
    METER_SWAP = "METER_SWAP"
    CONNECTION = "CONNECTION"


# Lower leaves first: a flood of one topic never holds up a more urgent one (REQ-27).
TOPIC_PRIORITY: Mapping[Topic, int] = {topic: 10 * place for place, topic in enumerate(Topic)}


class NoticeType(StrEnum):
    """One kind of notice with its own text."""

    METER_SWAP_STARTED = "METER_SWAP_STARTED"
    METER_SWAP_DONE = "METER_SWAP_DONE"
    METER_SWAP_FAILED = "METER_SWAP_FAILED"


class Urgency(StrEnum):
    """When quiet hours give way.

    SAFETY: always. LIVE: while the thing is happening, because somebody is at the door and the
    power is off or just back. ORDINARY: never.
    """

    SAFETY = "SAFETY"
    LIVE = "LIVE"
    ORDINARY = "ORDINARY"


@dataclass(frozen=True, slots=True)
class NoticeRule:
    """How the policy treats one kind of notice.

    live_for: how long after the event it still counts as happening. good_for: how long the text
    stays worth reading. repeats_after: how far apart two events of the same subject must be to be
    two things worth telling; None means that it is told once. supersedes: what it makes pointless
    while that has not left yet. only_while_it_lasts: pointless once the thing is over (REQ-18).
    """

    topic: Topic
    urgency: Urgency
    live_for: timedelta
    good_for: timedelta
    repeats_after: timedelta | None
    supersedes: frozenset[NoticeType] = frozenset()
    only_while_it_lasts: bool = False


_HALF_HOUR = timedelta(minutes=30)
_DAY = timedelta(hours=24)

NOTICE_RULES: Mapping[NoticeType, NoticeRule] = {
    NoticeType.METER_SWAP_STARTED: NoticeRule(
        Topic.METER_SWAP,
        Urgency.LIVE,
        live_for=_HALF_HOUR,
        good_for=_HALF_HOUR,
        repeats_after=timedelta(hours=2),
        supersedes=frozenset({NoticeType.METER_SWAP_FAILED}),
        only_while_it_lasts=True,
    ),
    NoticeType.METER_SWAP_DONE: NoticeRule(
        Topic.METER_SWAP,
        Urgency.LIVE,
        live_for=_HALF_HOUR,
        good_for=_DAY,
        repeats_after=None,
        supersedes=frozenset({NoticeType.METER_SWAP_STARTED, NoticeType.METER_SWAP_FAILED}),
    ),
    NoticeType.METER_SWAP_FAILED: NoticeRule(
        Topic.METER_SWAP,
        Urgency.LIVE,
        live_for=_HALF_HOUR,
        good_for=_DAY,
        repeats_after=timedelta(hours=2),
        supersedes=frozenset({NoticeType.METER_SWAP_STARTED}),
    ),
}
