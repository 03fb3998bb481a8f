"""Whether one contact is told of one announcement: now, later or not at all, in which words, and why.

Works beside notice_policy.py, which decides about one metering point and one visit. Here one
announcement concerns many points, one contact may have several of them, and what the contact has
been told of the same outage before decides what is still worth telling. The ledger given must hold
all notices of the announcement's subject to this contact.
Source: REQ-01..10, 16, 27, 31, 34, 38 in docs/domain.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from app.domain.clock import HELSINKI
from app.domain.night_hold import quiet_end
from app.domain.notice_policy import Action, Decision, Recipient, SuppressReason
from app.domain.notice_types import NOTICE_RULES, NoticeType
from app.domain.states import NoticeState
from app.domain.telling import (
    ABOUT_THE_REST,
    CUT_TOLD,
    KNOWS_OF_CUT,
    NAMES_ESTIMATE,
    ON_THE_WAY,
    UPDATES,
    WAITING,
    PointFacts,
    Telling,
    TellingDecision,
    TellingRow,
    TellingView,
)
from app.domain.telling_obstacles import find_obstacle, unended_points, unheard_points
from app.domain.telling_times import decide_time, quiet_time


def decide_telling(
    telling: Telling,
    recipient: Recipient,
    points: Sequence[PointFacts],
    ledger: Sequence[TellingRow],
    now: datetime,
) -> TellingDecision:
    """Decide about telling one contact; points are all of the contact's that the event touches."""
    view = TellingView(telling, recipient, tuple(points), tuple(ledger), now)
    waiting = _superseded(view, WAITING)
    overtaken = _superseded(view, ON_THE_WAY)
    obstacle = find_obstacle(view)
    if obstacle is not None:
        reason, why = obstacle
        if reason is SuppressReason.NEVER_TOLD and _slept_through(view):
            return replace(_summary(view, waiting), overtaken=overtaken)
        keep = reason in (SuppressReason.DUPLICATE, SuppressReason.SOME_STILL_OFF)
        supersedes = () if keep else waiting
        if reason in (SuppressReason.STALE, SuppressReason.SAME_ESTIMATE):
            supersedes = _but_starts(view, waiting)
        decision = Decision(Action.SUPPRESS, why, reason, supersedes=supersedes)
        overtaken = () if keep else overtaken
        return TellingDecision(decision, view.points, telling.type, _dedupe(telling), overtaken)
    decision = decide_time(view, waiting)
    if decision.reason is SuppressReason.STALE and telling.type in UPDATES:
        return _at_least_the_start(view, waiting, decision)
    kind = telling.type if telling.old_etr_at is None else _kind_of_change(view)
    return TellingDecision(decision, _spoken_of(view), kind, _dedupe(telling), overtaken)


def _kind_of_change(view: TellingView) -> NoticeType:
    """To whoever has not read the estimate before it, a changed one is the first."""
    read = view.left(NAMES_ESTIMATE)
    has_read = any(row.etr_at == view.telling.old_etr_at for row in read)
    return view.telling.type if has_read else NoticeType.FAULT_ETR


def _superseded(view: TellingView, states: frozenset[NoticeState]) -> tuple[int, ...]:
    """Older texts in these states that this event makes pointless or untrue.

    News may come late: an end that happened before an estimate passed is reported after somebody
    was to hear that the repair takes longer. Once all points are back, nothing of the cut is true.
    """
    telling = view.telling
    if not view.ledger:
        return ()
    kinds = NOTICE_RULES[telling.type].supersedes
    over = (
        telling.type is NoticeType.FAULT_RESTORED
        and bool(view.points)
        and all(point.on_at for point in view.points)
    )
    return tuple(
        row.notice_id
        for row in view.ledger
        if row.state in states
        and (
            (row.type in kinds and (over or row.event_at <= telling.event_at))
            or (telling.corrects_id is not None and row.announcement_id == telling.corrects_id)
        )
    )


def _but_starts(view: TellingView, waiting: tuple[int, ...]) -> tuple[int, ...]:
    """An estimate that cannot be told leaves the news of the cut itself alone."""
    if view.telling.type not in UPDATES:
        return waiting
    starts = {row.notice_id for row in view.waiting((NoticeType.FAULT_STARTED,))}
    return tuple(one for one in waiting if one not in starts)


def _at_least_the_start(
    view: TellingView, waiting: tuple[int, ...], stale: Decision
) -> TellingDecision:
    """By the morning the estimate will have passed; that there is a cut is still true (REQ-09)."""
    supersedes = _but_starts(view, waiting)
    until, _ = quiet_time(view, view.now)
    told = view.left(KNOWS_OF_CUT) or view.waiting((NoticeType.FAULT_STARTED,))
    start = NOTICE_RULES[NoticeType.FAULT_STARTED]
    expires_at = view.telling.event_at + start.good_for
    if told or until is None or until >= expires_at:
        decision = replace(stale, supersedes=supersedes)
        return TellingDecision(decision, view.points, view.telling.type, _dedupe(view.telling))
    decision = Decision(
        Action.HOLD,
        "Held until the end of quiet hours, when the estimate will have passed.",
        until=until,
        expires_at=expires_at,
        supersedes=supersedes,
        hide_address=view.recipient.safety_ban,
    )
    return TellingDecision(
        decision, _spoken_of(view), NoticeType.FAULT_STARTED, _dedupe(view.telling)
    )


def _slept_through(view: TellingView) -> bool:
    """Whether the start was held for the morning, so that the night is worth one sentence.

    An update may also be held since another one left less than an hour ago; that is no night.
    """
    person = view.recipient
    return view.telling.type is NoticeType.FAULT_RESTORED and any(
        row.state is NoticeState.HELD
        and row.told_at is not None
        and quiet_end(row.told_at, person.quiet_from, person.quiet_to) is not None
        for row in view.waiting(CUT_TOLD)
    )


def _summary(view: TellingView, waiting: tuple[int, ...]) -> TellingDecision:
    """Restored at night: one summary in the morning instead of a start and an end (REQ-09)."""
    until = quiet_end(view.now, view.recipient.quiet_from, view.recipient.quiet_to)
    morning = (until or view.now).astimezone(HELSINKI).date()
    rule = NOTICE_RULES[NoticeType.MORNING_SUMMARY]
    decision = Decision(
        Action.HOLD if until else Action.SEND,
        "The power went and came back while the recipient was not to be disturbed.",
        until=until,
        expires_at=view.telling.event_at + rule.good_for,
        supersedes=waiting,
        hide_address=view.recipient.safety_ban,
    )
    # The night is news whatever was told of earlier ends of the same outage.
    back = tuple(point for point in view.points if not point.off_elsewhere)
    return TellingDecision(decision, back, NoticeType.MORNING_SUMMARY, f"morning/{morning}")


def _spoken_of(view: TellingView) -> tuple[PointFacts, ...]:
    """The points that the text is about: those still out, or for an end those that are back."""
    if view.telling.type is NoticeType.FAULT_RESTORED:
        return unended_points(view)
    if view.telling.type is NoticeType.FAULT_STARTED:
        return tuple(p for p in view.points if p.on_at is None and not p.off_elsewhere)
    if view.telling.type is NoticeType.PLANNED_NOTICE:
        return unheard_points(view)
    if view.telling.type in ABOUT_THE_REST:
        return tuple(point for point in view.points if point.on_at is None)
    return view.points


def _dedupe(telling: Telling) -> str:
    return f"announcement/{telling.announcement_id}"
