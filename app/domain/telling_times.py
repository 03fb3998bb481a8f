"""When one contact is told of an announcement: at once, after the night, or never, since it goes stale."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from app.domain.night_hold import night_hold
from app.domain.notice_policy import Action, Decision, SuppressReason
from app.domain.notice_types import NOTICE_RULES, NoticeType
from app.domain.telling import CHANGES, UPDATES, TellingView

# No more than one piece of news about the same outage in this time (REQ-01).
UPDATE_GAP = timedelta(hours=1)
# So long an end waits for the word of a meter that has said that it lost its power; by then a
# neighbour's word may have made its silence a suspicion (silent_meters.py, REQ-05).
METER_SPEAKS_WITHIN = timedelta(minutes=4)


def true_until(kind: NoticeType, facts: Mapping[str, object]) -> datetime | None:
    """When a text of this kind turns untrue by itself: its estimate passes, its visit begins."""
    name = _TRUE_UNTIL.get(kind)
    return _moment(facts, name) if name else None


def first_event_at(facts: Mapping[str, object]) -> datetime | None:
    """When it was news first, if it is told again."""
    return _moment(facts, "first_event_at")


def old_etr_at(facts: Mapping[str, object]) -> datetime | None:
    """The estimate that a changed one takes the place of."""
    return _moment(facts, "old_etr_at")


def _moment(facts: Mapping[str, object], name: str) -> datetime | None:
    value = facts.get(name)
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def needed_by(kind: NoticeType, facts: Mapping[str, object]) -> datetime | None:
    """The beginning that people prepare for and that is changed or called off; the earlier one."""
    if kind not in CHANGES:
        return None
    named = (facts.get("from_at"), facts.get("old_from_at"))
    times = [datetime.fromisoformat(value) for value in named if isinstance(value, str)]
    return min(times, default=None)


def decide_time(view: TellingView, waiting: tuple[int, ...]) -> Decision:
    """Send, hold until a time, or suppress what would be stale by then; waiting is superseded by it."""
    telling, recipient, rule = view.telling, view.recipient, NOTICE_RULES[view.telling.type]
    expires_at = telling.event_at + rule.good_for
    if telling.true_until is not None:
        expires_at = min(expires_at, telling.true_until)
    until, why = quiet_time(view, view.now)
    capped = _update_cap(view)
    if capped is not None and capped > (until or view.now):
        until, why = capped, "Held: the recipient had an update less than an hour ago."
        # By then it may be night.
        morning, its_why = quiet_time(view, capped)
        if morning is not None:
            until, why = morning, its_why
    ended = telling.type is NoticeType.FAULT_RESTORED
    if until is None and ended and any(point.silent for point in view.points):
        until = view.now + METER_SPEAKS_WITHIN
        why = "Held: a meter has not said yet that it has its power again."
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


def quiet_time(view: TellingView, at: datetime) -> tuple[datetime | None, str]:
    """Until when quiet hours hold what would leave at this time, and why (REQ-09, REQ-10)."""
    telling, recipient = view.telling, view.recipient
    return night_hold(
        telling.type,
        at,
        event_at=telling.event_at,
        quiet_from=recipient.quiet_from,
        quiet_to=recipient.quiet_to,
        night_ok=recipient.night_ok,
        needed_by=telling.needed_by,
    )


def _update_cap(view: TellingView) -> datetime | None:
    """When the next update may leave, if one has left within the gap (REQ-01)."""
    if view.telling.type not in UPDATES:
        return None
    told = [row.told_at for row in view.left(UPDATES) if row.told_at is not None]
    last = max(told, default=None)
    if last is None or last + UPDATE_GAP <= view.now:
        return None
    return last + UPDATE_GAP


_T = NoticeType
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
