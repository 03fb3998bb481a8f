"""Whether an announcement is still worth telling to one contact: what speaks against it, by kind.

Each rule looks at what the contact has been told, or will be, about the same subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from app.domain.notice_policy import SuppressReason, contact_obstacle
from app.domain.notice_types import NOTICE_RULES, NoticeType
from app.domain.telling import (
    AMENDS_ESTIMATE,
    CUT_TOLD,
    ENDS,
    ESTIMATES,
    KNOWS_OF_CUT,
    LEFT,
    PLAN_TOLD,
    PointFacts,
    TellingView,
)
from app.domain.telling_times import UPDATE_GAP

Obstacle = tuple[SuppressReason, str]


def find_obstacle(view: TellingView) -> Obstacle | None:
    """The first reason not to tell it, with the sentence for the record; None if it is worth telling."""
    return (
        _decided_before(view)
        or contact_obstacle(view.recipient, must_reach=NOTICE_RULES[view.telling.type].must_reach)
        or _gone_stale(view)
        or _OF_TYPE.get(view.telling.type, _nothing)(view)
    )


def _decided_before(view: TellingView) -> Obstacle | None:
    if any(row.announcement_id == view.telling.announcement_id for row in view.ledger):
        return SuppressReason.DUPLICATE, "This was decided before."
    return None


def _gone_stale(view: TellingView) -> Obstacle | None:
    rule = NOTICE_RULES[view.telling.type]
    if view.telling.true_until is not None and view.now >= view.telling.true_until:
        return SuppressReason.STALE, "What it says has passed already."
    if view.now - view.telling.event_at > rule.good_for:
        minutes = int((view.now - view.telling.event_at).total_seconds() // 60)
        return SuppressReason.STALE, f"It happened {minutes} min ago."
    if rule.only_while_it_lasts and view.points and all(point.on_at for point in view.points):
        return SuppressReason.STALE, "It was over before it could be told."
    return None


def _nothing(_view: TellingView) -> Obstacle | None:
    return None


def _start(view: TellingView) -> Obstacle | None:
    """Growth and repetition: whoever knows of the cut is not told of its start again (REQ-03)."""
    if _last(view, KNOWS_OF_CUT) > _last(view, ENDS):
        return SuppressReason.DUPLICATE, "The recipient knows of the cut already."
    if view.points and all(point.off_elsewhere for point in view.points):
        return SuppressReason.KNOWS_OTHER, "The recipient knows of another cut there."
    return None


def _restored(view: TellingView) -> Obstacle | None:
    """The end is told to whoever was told of the cut, once all their points are back (REQ-05)."""
    if any(point.on_at is None for point in view.points):
        return SuppressReason.SOME_STILL_OFF, "Some of the recipient's points are still off."
    if view.points and all(point.off_elsewhere for point in view.points):
        return SuppressReason.STILL_OFF, "Another outage still cuts the power there."
    told = view.left(KNOWS_OF_CUT)
    if not told:
        return SuppressReason.NEVER_TOLD, "The recipient was not told of the cut."
    ended = _last(view, ENDS)
    if ended > max(row.notice_id for row in told):
        if any(row.notice_id > ended for row in view.waiting(CUT_TOLD)):
            return SuppressReason.NEVER_TOLD, "The recipient was not told that it had gone again."
        if not unended_points(view):
            return SuppressReason.DUPLICATE, "The recipient knows of the end already."
    return None


def unended_points(view: TellingView) -> tuple[PointFacts, ...]:
    """The points that are back and of whose end no text has spoken since the last one of the cut.

    Of several points some may have been off in another outage when the others' end was told.
    """
    told = max((row.notice_id for row in view.left(KNOWS_OF_CUT)), default=0)
    ends = [row for row in (*view.left(ENDS), *view.waiting(ENDS)) if row.notice_id > told]
    if any(row.type is not NoticeType.FAULT_RESTORED for row in ends):
        # A correction and a summary are about everything.
        return ()
    ended = {gsrn for row in ends for gsrn in row.gsrns}
    return tuple(p for p in view.points if not p.off_elsewhere and p.gsrn not in ended)


def _last(view: TellingView, kinds: Iterable[NoticeType]) -> int:
    """The newest notice of these kinds, 0 if there is none.

    The order in which things were decided, since the times of events may overtake one another.
    """
    if not view.ledger:
        return 0
    rows = [*view.left(kinds), *view.waiting(kinds)]
    return max((row.notice_id for row in rows), default=0)


def _remaining(view: TellingView) -> Obstacle | None:
    """News for those who are still out; whoever heard the same piece is not told it again.

    A first estimate and a changed one of the same moment are the same piece: growth repeats it for
    those who are new, and the end of a storm for those from whom it was kept.
    """
    kinds = ESTIMATES if view.telling.type in ESTIMATES else (view.telling.type,)
    same = [*view.left(kinds), *view.waiting(kinds)]
    piece = view.telling.first_event_at or view.telling.event_at
    if any(row.event_at == piece for row in same):
        return SuppressReason.DUPLICATE, "The recipient has been told the same."
    if view.points and all(point.off_elsewhere for point in view.points):
        return SuppressReason.KNOWS_OTHER, "The recipient knows of another cut that lasts as long."
    read = _read_last(view) if view.telling.type in ESTIMATES else None
    if read is not None and read == view.telling.true_until:
        return SuppressReason.SAME_ESTIMATE, "The recipient has read this estimate last."
    return None


def _read_last(view: TellingView) -> datetime | None:
    """The estimate that the contact has read last, None if something else has been said since.

    What waits for its hour or for the morning has not been read: an estimate that comes and goes
    meanwhile is none (REQ-07).
    """
    read = view.left(AMENDS_ESTIMATE)
    last = max(read, key=lambda row: row.notice_id, default=None)
    return last.etr_at if last is not None else None


def _plan(view: TellingView) -> Obstacle | None:
    """Whoever knows the plan hears again only of points of theirs that it did not have then."""
    known = [*view.left(PLAN_TOLD), *view.waiting(PLAN_TOLD)]
    if known and not unheard_points(view):
        return SuppressReason.DUPLICATE, "The recipient has been told the same."
    return None


def unheard_points(view: TellingView) -> tuple[PointFacts, ...]:
    """The points that no text about the plan has spoken of yet."""
    known = [*view.left(PLAN_TOLD), *view.waiting(PLAN_TOLD)]
    heard = {gsrn for row in known for gsrn in row.gsrns}
    return tuple(point for point in view.points if point.gsrn not in heard)


def _change_of_plan(view: TellingView) -> Obstacle | None:
    """A change or an end of the plan is for exactly those who know the plan (REQ-16)."""
    if not view.left(PLAN_TOLD):
        return SuppressReason.NEVER_TOLD, "The recipient was not told of the plan."
    return None


def _correction(view: TellingView) -> Obstacle | None:
    """A correction reaches exactly those whom the wrong text may have reached (REQ-34)."""
    wrong = [
        row.notice_id
        for row in view.ledger
        if row.announcement_id == view.telling.corrects_id and row.state in LEFT
    ]
    if not wrong:
        return SuppressReason.NEVER_TOLD, "The wrong text had not left, and was stopped."
    if view.points and all(point.off_elsewhere for point in view.points):
        # That the supply is normal would be the next untruth.
        return SuppressReason.STILL_OFF, "Another outage still cuts the power there."
    # One mistake may have made several texts wrong, and may be corrected again for those who could not
    # be told so at once; whoever heard all of them is corrected once.
    if _last(view, (view.telling.type,)) > max(wrong):
        return SuppressReason.DUPLICATE, "The recipient has been told the same."
    return None


def _bulletin(view: TellingView) -> Obstacle | None:
    gap = NOTICE_RULES[view.telling.type].repeats_after or UPDATE_GAP
    same = [*view.left((view.telling.type,)), *view.waiting((view.telling.type,))]
    if any(view.telling.event_at - row.event_at < gap for row in same):
        return SuppressReason.DUPLICATE, "The recipient got such a bulletin less than an hour ago."
    return None


def _once(view: TellingView) -> Obstacle | None:
    same = (view.telling.type,)
    if view.left(same) or view.waiting(same):
        return SuppressReason.DUPLICATE, "The recipient has been told the same."
    return None


_T = NoticeType
_OF_TYPE: Mapping[NoticeType, Callable[[TellingView], Obstacle | None]] = {
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
