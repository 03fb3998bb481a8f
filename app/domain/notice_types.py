"""The kinds of notices, and for each the rules that the policy goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any


class Channel(StrEnum):
    """How a notice travels."""

    SMS = "SMS"
    EMAIL = "EMAIL"


class Topic(StrEnum):
    """What a notice is about; the order is that in which they leave (REQ-27).

    SERVICE is what somebody asked for: codes and replies. It and SAFETY cannot be left.
    """

    SAFETY = "SAFETY"
    SERVICE = "SERVICE"
    PLANNED = "PLANNED"
    FAULT = "FAULT"
    STORM = "STORM"
    METER_SWAP = "METER_SWAP"
    CONNECTION = "CONNECTION"
    COMPENSATION = "COMPENSATION"


# What customers choose, topic by topic.
CHOSEN_TOPICS = tuple(topic for topic in Topic if topic not in (Topic.SAFETY, Topic.SERVICE))

# Lower leaves first: a flood of one topic never holds up a more urgent one (REQ-27).
TOPIC_PRIORITY: Mapping[Topic, int] = {topic: 10 * place for place, topic in enumerate(Topic)}


class NoticeType(StrEnum):
    """One kind of notice with its own text."""

    METER_SWAP_ANNOUNCED = "METER_SWAP_ANNOUNCED"
    METER_SWAP_BOOK = "METER_SWAP_BOOK"
    METER_SWAP_REMINDER = "METER_SWAP_REMINDER"
    METER_SWAP_RESCHEDULED = "METER_SWAP_RESCHEDULED"
    METER_SWAP_CANCELLED = "METER_SWAP_CANCELLED"
    METER_SWAP_STARTED = "METER_SWAP_STARTED"
    METER_SWAP_DONE = "METER_SWAP_DONE"
    METER_SWAP_DONE_STILL_OFF = "METER_SWAP_DONE_STILL_OFF"
    METER_SWAP_FAILED = "METER_SWAP_FAILED"
    FAULT_STARTED = "FAULT_STARTED"
    FAULT_ETR = "FAULT_ETR"
    FAULT_ETR_CHANGED = "FAULT_ETR_CHANGED"
    FAULT_ETR_DELAYED = "FAULT_ETR_DELAYED"
    FAULT_PARTLY_RESTORED = "FAULT_PARTLY_RESTORED"
    FAULT_RESTORED = "FAULT_RESTORED"
    MORNING_SUMMARY = "MORNING_SUMMARY"
    PLANNED_NOTICE = "PLANNED_NOTICE"
    PLANNED_REMINDER = "PLANNED_REMINDER"
    PLANNED_CHANGED = "PLANNED_CHANGED"
    PLANNED_CANCELLED = "PLANNED_CANCELLED"
    PLANNED_OVERRUN = "PLANNED_OVERRUN"
    AREA_PLANNED = "AREA_PLANNED"
    STORM_BULLETIN = "STORM_BULLETIN"
    SAFETY_WARNING = "SAFETY_WARNING"
    COMPENSATION = "COMPENSATION"
    CORRECTION = "CORRECTION"
    CORRECTION_STILL_OFF = "CORRECTION_STILL_OFF"
    CONN_RECEIVED = "CONN_RECEIVED"
    CONN_PLANNING = "CONN_PLANNING"
    CONN_ENERGISE = "CONN_ENERGISE"
    CONN_COMPLETED = "CONN_COMPLETED"
    CONN_DELAYED = "CONN_DELAYED"
    VERIFY_CODE = "VERIFY_CODE"
    OPT_IN_OK = "OPT_IN_OK"
    OPT_OUT_OK = "OPT_OUT_OK"
    OPT_OUT_OTHERS_ACTIVE = "OPT_OUT_OTHERS_ACTIVE"
    STATUS_NO_OUTAGE = "STATUS_NO_OUTAGE"
    STATUS_OUTAGE = "STATUS_OUTAGE"
    STATUS_SUSPECTED = "STATUS_SUSPECTED"
    STATUS_PLANNED = "STATUS_PLANNED"
    STATUS_PLANNED_ON = "STATUS_PLANNED_ON"
    STATUS_SWAP = "STATUS_SWAP"
    STATUS_SWAP_UNCONFIRMED = "STATUS_SWAP_UNCONFIRMED"
    REPORT_RECEIVED = "REPORT_RECEIVED"
    BOOKING_OK = "BOOKING_OK"
    BOOKING_NO = "BOOKING_NO"
    HELP_REPLY = "HELP_REPLY"
    WHICH_SITE = "WHICH_SITE"
    NOT_UNDERSTOOD = "NOT_UNDERSTOOD"
    AGENT_REPLY = "AGENT_REPLY"
    STAFF_ALARM = "STAFF_ALARM"


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
    two things worth telling; None means that it is told once, zero that only its key counts. supersedes: what it makes pointless
    while that has not left yet. only_while_it_lasts: pointless once the thing is over (REQ-18).
    must_reach: leaves also to somebody who has left the topic.
    """

    topic: Topic
    urgency: Urgency
    good_for: timedelta
    live_for: timedelta = timedelta(0)
    repeats_after: timedelta | None = None
    supersedes: frozenset[NoticeType] = frozenset()
    only_while_it_lasts: bool = False
    must_reach: bool = False


_HALF_HOUR = timedelta(minutes=30)
_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)
_NEVER_THE_SAME = timedelta(0)


def _swap(*supersedes: NoticeType, **rest: timedelta | bool | None) -> NoticeRule:
    values: dict[str, Any] = {"good_for": _DAY, "repeats_after": _NEVER_THE_SAME} | rest
    return NoticeRule(
        Topic.METER_SWAP, Urgency.ORDINARY, supersedes=frozenset(supersedes), **values
    )


def _fault(*supersedes: NoticeType, lasts: bool = True) -> NoticeRule:
    """Good for longer than a night, so that what happened in the evening is told in the morning."""
    return NoticeRule(
        Topic.FAULT,
        Urgency.ORDINARY,
        good_for=_DAY,
        repeats_after=_NEVER_THE_SAME,
        supersedes=frozenset(supersedes),
        only_while_it_lasts=lasts,
    )


def _planned(
    *supersedes: NoticeType,
    urgency: Urgency = Urgency.ORDINARY,
    must_reach: bool = False,
    good_for: timedelta = _DAY,
    lasts: bool = False,
) -> NoticeRule:
    return NoticeRule(
        Topic.PLANNED,
        urgency,
        good_for=good_for,
        live_for=_HOUR,
        repeats_after=_NEVER_THE_SAME,
        supersedes=frozenset(supersedes),
        only_while_it_lasts=lasts,
        must_reach=must_reach,
    )


def _connection(*supersedes: NoticeType) -> NoticeRule:
    return NoticeRule(
        Topic.CONNECTION,
        Urgency.ORDINARY,
        good_for=3 * _DAY,
        repeats_after=_NEVER_THE_SAME,
        supersedes=frozenset(supersedes),
    )


def _service(good_for: timedelta = _HOUR) -> NoticeRule:
    """What somebody asked for a moment ago is answered at any hour."""
    return NoticeRule(
        Topic.SERVICE,
        Urgency.LIVE,
        good_for=good_for,
        live_for=good_for,
        repeats_after=_NEVER_THE_SAME,
        must_reach=True,
    )


_T = NoticeType
_VISITS_AHEAD = (
    _T.METER_SWAP_ANNOUNCED,
    _T.METER_SWAP_BOOK,
    _T.METER_SWAP_REMINDER,
    _T.METER_SWAP_RESCHEDULED,
)
_ESTIMATES = (
    _T.FAULT_ETR,
    _T.FAULT_ETR_CHANGED,
    _T.FAULT_ETR_DELAYED,
    _T.FAULT_PARTLY_RESTORED,
)
_PLANS = (_T.PLANNED_NOTICE, _T.PLANNED_REMINDER, _T.PLANNED_CHANGED)

NOTICE_RULES: Mapping[NoticeType, NoticeRule] = {
    _T.METER_SWAP_ANNOUNCED: _swap(good_for=3 * _DAY),
    _T.METER_SWAP_BOOK: _swap(good_for=3 * _DAY),
    _T.METER_SWAP_REMINDER: _swap(),
    _T.METER_SWAP_RESCHEDULED: _swap(*_VISITS_AHEAD),
    _T.METER_SWAP_CANCELLED: _swap(_T.METER_SWAP_STARTED, *_VISITS_AHEAD),
    _T.METER_SWAP_STARTED: NoticeRule(
        Topic.METER_SWAP,
        Urgency.LIVE,
        live_for=_HALF_HOUR,
        good_for=_HALF_HOUR,
        repeats_after=2 * _HOUR,
        supersedes=frozenset({_T.METER_SWAP_FAILED, *_VISITS_AHEAD}),
        only_while_it_lasts=True,
    ),
    _T.METER_SWAP_DONE: NoticeRule(
        Topic.METER_SWAP,
        Urgency.LIVE,
        live_for=_HALF_HOUR,
        good_for=_DAY,
        supersedes=frozenset({_T.METER_SWAP_STARTED, _T.METER_SWAP_FAILED, *_VISITS_AHEAD}),
    ),
    # The same news where another cut is on as it leaves (last_words.py).
    _T.METER_SWAP_DONE_STILL_OFF: NoticeRule(
        Topic.METER_SWAP,
        Urgency.LIVE,
        live_for=_HALF_HOUR,
        good_for=_DAY,
        supersedes=frozenset({_T.METER_SWAP_STARTED, _T.METER_SWAP_FAILED, *_VISITS_AHEAD}),
    ),
    _T.METER_SWAP_FAILED: NoticeRule(
        Topic.METER_SWAP,
        Urgency.LIVE,
        live_for=_HALF_HOUR,
        good_for=_DAY,
        repeats_after=2 * _HOUR,
        # After a completion only when that was taken back.
        supersedes=frozenset({_T.METER_SWAP_STARTED, _T.METER_SWAP_DONE, *_VISITS_AHEAD}),
    ),
    # Power that has gone again makes news of its return untrue.
    _T.FAULT_STARTED: _fault(_T.FAULT_RESTORED, _T.MORNING_SUMMARY),
    _T.FAULT_ETR: _fault(_T.FAULT_STARTED, *_ESTIMATES),
    _T.FAULT_ETR_CHANGED: _fault(_T.FAULT_STARTED, *_ESTIMATES),
    _T.FAULT_ETR_DELAYED: _fault(_T.FAULT_STARTED, *_ESTIMATES),
    _T.FAULT_PARTLY_RESTORED: _fault(_T.FAULT_STARTED, *_ESTIMATES),
    _T.FAULT_RESTORED: _fault(_T.FAULT_STARTED, *_ESTIMATES, lasts=False),
    _T.MORNING_SUMMARY: _fault(_T.FAULT_STARTED, *_ESTIMATES, _T.FAULT_RESTORED, lasts=False),
    # A plan is worth reading until it begins, which ends these texts by itself.
    _T.PLANNED_NOTICE: _planned(good_for=60 * _DAY),
    # It is about the next hour, so it may come before the quiet hours are over.
    _T.PLANNED_REMINDER: _planned(urgency=Urgency.LIVE),
    _T.PLANNED_CHANGED: _planned(*_PLANS, must_reach=True, good_for=60 * _DAY),
    _T.PLANNED_CANCELLED: _planned(*_PLANS, must_reach=True, good_for=60 * _DAY),
    # Not for those whose power came back before the others' (REQ-17).
    _T.PLANNED_OVERRUN: _planned(urgency=Urgency.LIVE, lasts=True),
    _T.AREA_PLANNED: _planned(_T.AREA_PLANNED),
    _T.STORM_BULLETIN: NoticeRule(
        Topic.STORM,
        Urgency.ORDINARY,
        good_for=_DAY / 4,
        repeats_after=_HOUR,
        supersedes=frozenset({_T.STORM_BULLETIN}),
    ),
    _T.SAFETY_WARNING: NoticeRule(
        Topic.SAFETY, Urgency.SAFETY, good_for=_DAY / 4, repeats_after=_HOUR, must_reach=True
    ),
    _T.COMPENSATION: NoticeRule(Topic.COMPENSATION, Urgency.ORDINARY, good_for=7 * _DAY),
    _T.CORRECTION: NoticeRule(
        Topic.FAULT,
        Urgency.LIVE,
        good_for=_DAY,
        live_for=_HOUR,
        repeats_after=_NEVER_THE_SAME,
        must_reach=True,
    ),
    _T.CORRECTION_STILL_OFF: NoticeRule(
        Topic.FAULT,
        Urgency.LIVE,
        good_for=_DAY,
        live_for=_HOUR,
        repeats_after=_NEVER_THE_SAME,
        must_reach=True,
    ),
    _T.CONN_RECEIVED: _connection(),
    _T.CONN_PLANNING: _connection(_T.CONN_PLANNING),
    _T.CONN_ENERGISE: _connection(_T.CONN_ENERGISE, _T.CONN_DELAYED),
    _T.CONN_COMPLETED: _connection(_T.CONN_ENERGISE, _T.CONN_DELAYED),
    _T.CONN_DELAYED: _connection(_T.CONN_ENERGISE, _T.CONN_DELAYED),
    # As long as the code is good.
    _T.VERIFY_CODE: _service(timedelta(minutes=10)),
    _T.OPT_IN_OK: _service(_DAY),
    _T.OPT_OUT_OK: _service(_DAY),
    _T.OPT_OUT_OTHERS_ACTIVE: _service(_DAY),
    _T.STATUS_NO_OUTAGE: _service(),
    _T.STATUS_OUTAGE: _service(),
    _T.STATUS_SUSPECTED: _service(),
    _T.STATUS_PLANNED: _service(),
    _T.STATUS_PLANNED_ON: _service(),
    _T.STATUS_SWAP: _service(),
    _T.STATUS_SWAP_UNCONFIRMED: _service(),
    _T.REPORT_RECEIVED: _service(),
    _T.BOOKING_OK: _service(),
    _T.BOOKING_NO: _service(),
    _T.HELP_REPLY: _service(),
    _T.WHICH_SITE: _service(),
    _T.NOT_UNDERSTOOD: _service(),
    _T.AGENT_REPLY: _service(_DAY),
    _T.STAFF_ALARM: _service(_DAY),
}
