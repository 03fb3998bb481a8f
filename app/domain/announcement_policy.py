"""Whether one contact is told of one announcement: now, later or not at all, in which words, and why.

Works beside notice_policy.py, which decides about one metering point and one visit. Here one
announcement concerns many points, one contact may have several of them, and what the contact has
been told of the same outage before decides what is still worth telling. The ledger given must hold
all notices of the announcement's subject to this contact.
Source: REQ-01..10, 16, 27, 31, 34, 38 in docs/domain.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from app.domain.clock import HELSINKI
from app.domain.notice_policy import (
    Action,
    Decision,
    Recipient,
    SuppressReason,
    contact_obstacle,
)
from app.domain.notice_types import NOTICE_RULES, NoticeType, Urgency
from app.domain.quiet_hours import quiet_until
from app.domain.states import NoticeState

# No more than one piece of news about the same outage in this time (REQ-01).
UPDATE_GAP = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Telling:
    """One announcement as the policy sees it.

    true_until: when the text stops being true by itself, for instance when the estimate in it
    passes. needed_by: when somebody who has not heard by then acts on what is no longer so.
    """

    announcement_id: int
    type: NoticeType
    event_at: datetime
    true_until: datetime | None = None
    corrects_id: int | None = None
    needed_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class PointFacts:
    """One metering point of the contact.

    off_elsewhere: another outage cuts it, too (REQ-05); for a start, one that the contact knows of;
    for an estimate, one that the contact knows to last as long.
    """

    gsrn: str
    off_at: datetime | None = None
    on_at: datetime | None = None
    off_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class TellingRow:
    """An earlier notice about the same subject to the same contact.

    gsrns: the points that it spoke of, where the policy asks for them (plans).
    """

    notice_id: int
    type: NoticeType
    state: NoticeState
    event_at: datetime
    told_at: datetime | None
    announcement_id: int | None
    gsrns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TellingDecision:
    """A decision, the points that the text speaks of, and the kind of text if it is another one.

    dedupe: the name under which the contact is told this once; unique in the ledger together with
    the contact's address. overtaken: older texts on the wire or in doubt, which may have arrived but
    must not leave again.
    """

    decision: Decision
    points: tuple[PointFacts, ...]
    type: NoticeType
    dedupe: str
    overtaken: tuple[int, ...] = ()


def decide_telling(
    telling: Telling,
    recipient: Recipient,
    points: Sequence[PointFacts],
    ledger: Sequence[TellingRow],
    now: datetime,
) -> TellingDecision:
    """Decide about telling one contact; points are all of the contact's that the event touches."""
    rule = NOTICE_RULES[telling.type]
    view = _View(telling, recipient, tuple(points), tuple(ledger), now)
    waiting = _superseded(view, _WAITING)
    overtaken = _superseded(view, _ON_THE_WAY)
    obstacle = (
        _decided_before(view)
        or contact_obstacle(recipient, must_reach=rule.must_reach)
        or _gone_stale(view)
        or _OF_TYPE.get(telling.type, _nothing)(view)
    )
    if obstacle is not None:
        reason, why = obstacle
        if reason is SuppressReason.NEVER_TOLD and _slept_through(view):
            return replace(_summary(view, waiting), overtaken=overtaken)
        keep = reason in (SuppressReason.DUPLICATE, SuppressReason.SOME_STILL_OFF)
        supersedes = () if keep else waiting
        if reason is SuppressReason.STALE:
            supersedes = _but_starts(view, waiting)
        decision = Decision(Action.SUPPRESS, why, reason, supersedes=supersedes)
        overtaken = () if keep else overtaken
        return TellingDecision(decision, view.points, telling.type, _dedupe(telling), overtaken)
    decision = _when(view, waiting)
    if decision.reason is SuppressReason.STALE and telling.type in _UPDATES:
        return _at_least_the_start(view, waiting, decision)
    return TellingDecision(decision, _spoken_of(view), telling.type, _dedupe(telling), overtaken)


def true_until(kind: NoticeType, facts: Mapping[str, object]) -> datetime | None:
    """When a text of this kind turns untrue by itself: its estimate passes, its visit begins."""
    name = _TRUE_UNTIL.get(kind)
    value = facts.get(name) if name else None
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def needed_by(kind: NoticeType, facts: Mapping[str, object]) -> datetime | None:
    """The beginning that people prepare for and that is changed or called off; the earlier one."""
    if kind not in _CHANGES:
        return None
    named = (facts.get("from_at"), facts.get("old_from_at"))
    times = [datetime.fromisoformat(value) for value in named if isinstance(value, str)]
    return min(times, default=None)


@dataclass(frozen=True, slots=True)
class _View:
    telling: Telling
    recipient: Recipient
    points: tuple[PointFacts, ...]
    ledger: tuple[TellingRow, ...]
    now: datetime

    def left(self, kinds: Iterable[NoticeType]) -> list[TellingRow]:
        """Notices of these kinds that have left or may have."""
        wanted = frozenset(kinds)
        return [row for row in self.ledger if row.type in wanted and row.state in _LEFT]

    def waiting(self, kinds: Iterable[NoticeType]) -> list[TellingRow]:
        wanted = frozenset(kinds)
        return [row for row in self.ledger if row.type in wanted and row.state in _WAITING]


_Obstacle = tuple[SuppressReason, str]


def _decided_before(view: _View) -> _Obstacle | None:
    if any(row.announcement_id == view.telling.announcement_id for row in view.ledger):
        return SuppressReason.DUPLICATE, "This was decided before."
    return None


def _gone_stale(view: _View) -> _Obstacle | None:
    rule = NOTICE_RULES[view.telling.type]
    if view.telling.true_until is not None and view.now >= view.telling.true_until:
        return SuppressReason.STALE, "What it says has passed already."
    if view.now - view.telling.event_at > rule.good_for:
        minutes = int((view.now - view.telling.event_at).total_seconds() // 60)
        return SuppressReason.STALE, f"It happened {minutes} min ago."
    if rule.only_while_it_lasts and view.points and all(point.on_at for point in view.points):
        return SuppressReason.STALE, "It was over before it could be told."
    return None


def _nothing(_view: _View) -> _Obstacle | None:
    return None


def _start(view: _View) -> _Obstacle | None:
    """Growth and repetition: whoever knows of the cut is not told of its start again (REQ-03)."""
    if _last(view, _KNOWS_OF_CUT) > _last(view, _ENDS):
        return SuppressReason.DUPLICATE, "The recipient knows of the cut already."
    if view.points and all(point.off_elsewhere for point in view.points):
        return SuppressReason.KNOWS_OTHER, "The recipient knows of another cut there."
    return None


def _restored(view: _View) -> _Obstacle | None:
    """The end is told to whoever was told of the cut, once all their points are back (REQ-05)."""
    if any(point.on_at is None for point in view.points):
        return SuppressReason.SOME_STILL_OFF, "Some of the recipient's points are still off."
    if view.points and all(point.off_elsewhere for point in view.points):
        return SuppressReason.STILL_OFF, "Another outage still cuts the power there."
    told = view.left(_KNOWS_OF_CUT)
    if not told:
        return SuppressReason.NEVER_TOLD, "The recipient was not told of the cut."
    ended = _last(view, _ENDS)
    if ended > max(row.notice_id for row in told):
        if any(row.notice_id > ended for row in view.waiting(_CUT_TOLD)):
            return SuppressReason.NEVER_TOLD, "The recipient was not told that it had gone again."
        return SuppressReason.DUPLICATE, "The recipient knows of the end already."
    return None


def _last(view: _View, kinds: Iterable[NoticeType]) -> int:
    """The newest notice of these kinds, 0 if there is none.

    The order in which things were decided, since the times of events may overtake one another.
    """
    rows = [*view.left(kinds), *view.waiting(kinds)]
    return max((row.notice_id for row in rows), default=0)


def _remaining(view: _View) -> _Obstacle | None:
    """News for those who are still out; whoever heard the same piece is not told it again.

    A first estimate and a changed one of the same moment are the same piece: growth repeats it for
    those who are new.
    """
    kinds = _ESTIMATES if view.telling.type in _ESTIMATES else (view.telling.type,)
    same = [*view.left(kinds), *view.waiting(kinds)]
    if any(row.event_at == view.telling.event_at for row in same):
        return SuppressReason.DUPLICATE, "The recipient has been told the same."
    if view.points and all(point.off_elsewhere for point in view.points):
        return SuppressReason.KNOWS_OTHER, "The recipient knows of another cut that lasts as long."
    return None


def _plan(view: _View) -> _Obstacle | None:
    """Whoever knows the plan hears again only of points of theirs that it did not have then."""
    known = [*view.left(_PLAN_TOLD), *view.waiting(_PLAN_TOLD)]
    if known and not _unheard(view):
        return SuppressReason.DUPLICATE, "The recipient has been told the same."
    return None


def _unheard(view: _View) -> tuple[PointFacts, ...]:
    """The points that no text about the plan has spoken of yet."""
    known = [*view.left(_PLAN_TOLD), *view.waiting(_PLAN_TOLD)]
    heard = {gsrn for row in known for gsrn in row.gsrns}
    return tuple(point for point in view.points if point.gsrn not in heard)


def _change_of_plan(view: _View) -> _Obstacle | None:
    """A change or an end of the plan is for exactly those who know the plan (REQ-16)."""
    if not view.left(_PLAN_TOLD):
        return SuppressReason.NEVER_TOLD, "The recipient was not told of the plan."
    return None


def _correction(view: _View) -> _Obstacle | None:
    """A correction reaches exactly those whom the wrong text may have reached (REQ-34)."""
    wrong = view.telling.corrects_id
    if not any(row.announcement_id == wrong and row.state in _LEFT for row in view.ledger):
        return SuppressReason.NEVER_TOLD, "The wrong text had not left, and was stopped."
    if view.points and all(point.off_elsewhere for point in view.points):
        # That the supply is normal would be the next untruth.
        return SuppressReason.STILL_OFF, "Another outage still cuts the power there."
    # One mistake may have made several texts wrong; whoever heard them all is corrected once.
    same = [*view.left((view.telling.type,)), *view.waiting((view.telling.type,))]
    if any(row.event_at == view.telling.event_at for row in same):
        return SuppressReason.DUPLICATE, "The recipient has been told the same."
    return None


def _bulletin(view: _View) -> _Obstacle | None:
    gap = NOTICE_RULES[view.telling.type].repeats_after or UPDATE_GAP
    same = [*view.left((view.telling.type,)), *view.waiting((view.telling.type,))]
    if any(view.telling.event_at - row.event_at < gap for row in same):
        return SuppressReason.DUPLICATE, "The recipient got such a bulletin less than an hour ago."
    return None


def _once(view: _View) -> _Obstacle | None:
    same = (view.telling.type,)
    if view.left(same) or view.waiting(same):
        return SuppressReason.DUPLICATE, "The recipient has been told the same."
    return None


def _when(view: _View, waiting: tuple[int, ...]) -> Decision:
    telling, recipient, rule = view.telling, view.recipient, NOTICE_RULES[view.telling.type]
    expires_at = telling.event_at + rule.good_for
    if telling.true_until is not None:
        expires_at = min(expires_at, telling.true_until)
    until, why = _quiet(view)
    capped = _update_cap(view)
    if capped is not None and capped > (until or view.now):
        until, why = capped, "Held: the recipient had an update less than an hour ago."
    if until is not None and until >= expires_at:
        reason = "It can be told only after it has gone stale."
        return Decision(Action.SUPPRESS, reason, SuppressReason.STALE, supersedes=waiting)
    return Decision(
        Action.SEND if until is None else Action.HOLD,
        why,
        until=until,
        expires_at=expires_at,
        supersedes=waiting,
        hide_address=recipient.safety_ban,
    )


def _quiet(view: _View) -> tuple[datetime | None, str]:
    """Until when quiet hours hold it, and the sentence for the record (REQ-09, REQ-10)."""
    rule = NOTICE_RULES[view.telling.type]
    until = _quiet_end(view.now, view.recipient.quiet_from, view.recipient.quiet_to)
    if until is None:
        return None, "Outside quiet hours."
    if rule.urgency is Urgency.SAFETY:
        return None, "In quiet hours, but it is about safety."
    if view.recipient.night_ok:
        return None, "In quiet hours, which the recipient has lifted for this topic."
    if rule.urgency is Urgency.LIVE and view.now - view.telling.event_at <= rule.live_for:
        return None, "In quiet hours, but it is happening right now."
    needed = view.telling.needed_by
    if needed is not None and view.now < needed <= until:
        return None, "In quiet hours, but it changes what begins before they end."
    return until, "Held until the end of quiet hours."


# Hundreds of thousands of recipients share a handful of quiet hours.
_quiet_end = lru_cache(maxsize=1024)(quiet_until)


def _update_cap(view: _View) -> datetime | None:
    """When the next update may leave, if one has left within the gap (REQ-01)."""
    if view.telling.type not in _UPDATES:
        return None
    told = [row.told_at for row in view.left(_UPDATES) if row.told_at is not None]
    last = max(told, default=None)
    if last is None or last + UPDATE_GAP <= view.now:
        return None
    return last + UPDATE_GAP


def _superseded(view: _View, states: frozenset[NoticeState]) -> tuple[int, ...]:
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


def _but_starts(view: _View, waiting: tuple[int, ...]) -> tuple[int, ...]:
    """An estimate that cannot be told leaves the news of the cut itself alone."""
    if view.telling.type not in _UPDATES:
        return waiting
    starts = {row.notice_id for row in view.waiting((NoticeType.FAULT_STARTED,))}
    return tuple(one for one in waiting if one not in starts)


def _at_least_the_start(view: _View, waiting: tuple[int, ...], stale: Decision) -> TellingDecision:
    """By the morning the estimate will have passed; that there is a cut is still true (REQ-09)."""
    supersedes = _but_starts(view, waiting)
    until, _ = _quiet(view)
    told = view.left(_KNOWS_OF_CUT) or view.waiting((NoticeType.FAULT_STARTED,))
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


def _slept_through(view: _View) -> bool:
    """Whether the start was held for the morning, so that the night is worth one sentence.

    An update may also be held since another one left less than an hour ago; that is no night.
    """
    person = view.recipient
    return view.telling.type is NoticeType.FAULT_RESTORED and any(
        row.state is NoticeState.HELD
        and row.told_at is not None
        and _quiet_end(row.told_at, person.quiet_from, person.quiet_to) is not None
        for row in view.waiting(_CUT_TOLD)
    )


def _summary(view: _View, waiting: tuple[int, ...]) -> TellingDecision:
    """Restored at night: one summary in the morning instead of a start and an end (REQ-09)."""
    until = _quiet_end(view.now, view.recipient.quiet_from, view.recipient.quiet_to)
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
    return TellingDecision(
        decision, _spoken_of(view), NoticeType.MORNING_SUMMARY, f"morning/{morning}"
    )


def _spoken_of(view: _View) -> tuple[PointFacts, ...]:
    """The points that the text is about: those still out, or for an end those that are back."""
    if view.telling.type is NoticeType.FAULT_RESTORED:
        return tuple(point for point in view.points if not point.off_elsewhere)
    if view.telling.type is NoticeType.FAULT_STARTED:
        return tuple(p for p in view.points if p.on_at is None and not p.off_elsewhere)
    if view.telling.type is NoticeType.PLANNED_NOTICE:
        return _unheard(view)
    if view.telling.type in _ABOUT_THE_REST:
        return tuple(point for point in view.points if point.on_at is None)
    return view.points


def _dedupe(telling: Telling) -> str:
    return f"announcement/{telling.announcement_id}"


_T = NoticeType
_UPDATES = frozenset(
    {_T.FAULT_ETR, _T.FAULT_ETR_CHANGED, _T.FAULT_ETR_DELAYED, _T.FAULT_PARTLY_RESTORED}
)
_ESTIMATES = (_T.FAULT_ETR, _T.FAULT_ETR_CHANGED)
_CUT_TOLD = _UPDATES | {_T.FAULT_STARTED}
_ABOUT_THE_REST = _CUT_TOLD | {_T.PLANNED_OVERRUN}
# Whoever was told that an end was none knows as well as at the start.
_KNOWS_OF_CUT = _CUT_TOLD | {_T.CORRECTION_STILL_OFF}
# Whoever read that the cut was a mistake has read of its end.
_ENDS = frozenset({_T.FAULT_RESTORED, _T.CORRECTION})
_CHANGES = frozenset({_T.PLANNED_CHANGED, _T.PLANNED_CANCELLED})
_PLAN_TOLD = frozenset({_T.PLANNED_NOTICE, _T.PLANNED_CHANGED})

_OF_TYPE: Mapping[NoticeType, Callable[[_View], _Obstacle | None]] = {
    _T.FAULT_STARTED: _start,
    _T.FAULT_ETR: _remaining,
    _T.FAULT_ETR_CHANGED: _remaining,
    _T.FAULT_ETR_DELAYED: _remaining,
    _T.FAULT_PARTLY_RESTORED: _remaining,
    _T.FAULT_RESTORED: _restored,
    _T.PLANNED_NOTICE: _plan,
    _T.PLANNED_CHANGED: _change_of_plan,
    _T.PLANNED_CANCELLED: _change_of_plan,
    _T.PLANNED_OVERRUN: _change_of_plan,
    _T.CORRECTION: _correction,
    _T.CORRECTION_STILL_OFF: _correction,
    _T.STORM_BULLETIN: _bulletin,
    _T.SAFETY_WARNING: _bulletin,
    _T.COMPENSATION: _once,
}

_TRUE_UNTIL: Mapping[NoticeType, str] = {
    _T.FAULT_ETR: "etr_at",
    _T.FAULT_ETR_CHANGED: "etr_at",
    _T.FAULT_PARTLY_RESTORED: "etr_at",
    _T.PLANNED_NOTICE: "from_at",
    _T.PLANNED_CHANGED: "from_at",
    _T.PLANNED_CANCELLED: "from_at",
    _T.PLANNED_REMINDER: "from_at",
    _T.PLANNED_OVERRUN: "etr_at",
    _T.AREA_PLANNED: "from_at",
    _T.METER_SWAP_ANNOUNCED: "from_at",
    _T.METER_SWAP_BOOK: "from_at",
    _T.METER_SWAP_REMINDER: "from_at",
    _T.METER_SWAP_RESCHEDULED: "from_at",
    _T.CONN_PLANNING: "from_at",
    _T.CONN_ENERGISE: "from_at",
}

_WAITING = frozenset({NoticeState.CREATED, NoticeState.HELD, NoticeState.QUEUED})
# What becomes of these nobody knows yet: they may still come back, or be sent again in doubt.
_ON_THE_WAY = frozenset({NoticeState.SENDING, NoticeState.UNKNOWN, NoticeState.RESENT})
_LEFT = frozenset(
    {
        NoticeState.SENDING,
        NoticeState.SENT,
        NoticeState.UNKNOWN,
        NoticeState.RESENT,
        NoticeState.DELIVERED,
        NoticeState.UNDELIVERED,
        NoticeState.FALLBACK,
    }
)
