"""What people are told of a planned cut before it begins: notice, change, cancellation, reminder.

Here it is decided what is to be told and when; who has been told before, and by which channel, is
known to the planner of announcements (REQ-16).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.notice_types import NoticeType
from app.domain.planned_course import REMINDER_BEFORE, Action
from app.domain.states import NoticeState, PlannedCutState
from app.domain.working_days import is_in_time, latest_notice_at
from app.models.notice import Notice
from app.services import planned_points
from app.services.announcements import about_outage, announce, withdraw
from app.services.holiday_calendar import days_off
from app.services.notice_sending import stop_older
from app.services.planned_points import Wanted
from app.services.planned_rows import (
    CLOCK,
    Plan,
    PlanRefused,
    check_allowed,
    facts_of,
    hold,
    move,
    note,
)

_AHEAD = (NoticeType.PLANNED_NOTICE, NoticeType.PLANNED_CHANGED, NoticeType.PLANNED_REMINDER)
_WAITING = (NoticeState.QUEUED, NoticeState.HELD)
_ON_THE_WAY = (NoticeState.SENDING, NoticeState.UNKNOWN, NoticeState.RESENT)


def check_notice(
    from_at: datetime, told_at: datetime, now: datetime, short_reason: str | None
) -> None:
    """Refuse a notice that would come too late, unless somebody confirms it with a reason (REQ-15).

    Raises: PlanRefused (IN_THE_PAST, SHORT_NOTICE).
    """
    if from_at <= max(now, told_at):
        raise PlanRefused("IN_THE_PAST")
    off = days_off(from_at)
    if not is_in_time(from_at, told_at, off) and not short_reason:
        raise PlanRefused("SHORT_NOTICE", latest_at=latest_notice_at(from_at, off))


def confirm_short(plan: Plan, told_at: datetime, short_reason: str | None, by: str) -> None:
    """Write down who confirmed a late notice; nothing where it is in time."""
    late = not is_in_time(plan.from_at, told_at, days_off(plan.from_at))
    plan.cut.short_reason = short_reason if late else None
    plan.cut.short_by = by if late else None


def announce_now(
    session: Session,
    outage_id: int,
    *,
    by: str,
    now: datetime,
    version: int | None,
    short_reason: str | None = None,
) -> Plan:
    """Announce an approved plan without waiting for its time, or late with a reason.

    Raises: PlanRefused.
    """
    plan = hold(session, outage_id, version)
    check_allowed(plan, Action.ANNOUNCE)
    reason = short_reason or plan.cut.short_reason
    check_notice(plan.from_at, now, now, reason)
    if short_reason:
        confirm_short(plan, now, short_reason, by)
    announce_plan(session, plan, by=by, now=now)
    return plan


def announce_plan(session: Session, plan: Plan, *, by: str, now: datetime) -> None:
    """Tell everybody at the points of the plan; its notice has been checked."""
    move(plan, PlannedCutState.ANNOUNCED)
    plan.cut.told_at = now
    _tell(session, plan, NoticeType.PLANNED_NOTICE, now, now, by)
    note(session, plan, "ANNOUNCED", _kpi_facts(session, plan, now), at=now, by=by, now=now)


def reschedule(
    session: Session,
    outage_id: int,
    from_at: datetime,
    to_at: datetime,
    *,
    by: str,
    now: datetime,
    version: int | None,
    wanted: Wanted | None = None,
    short_reason: str | None = None,
) -> Plan:
    """Give an announced cut another time, more points, or both.

    A new time is told to exactly those who were told of the old one; whoever is new, or whose
    notice had not left yet, gets a notice of the present plan (REQ-16).
    Raises: PlanRefused.
    """
    plan = hold(session, outage_id, version)
    check_allowed(plan, Action.RESCHEDULE)
    if to_at <= from_at:
        raise PlanRefused("TIMES_INVALID")
    check_notice(from_at, now, now, short_reason)
    moved = (from_at, to_at) != (plan.from_at, plan.to_at)
    found = planned_points.find_points(session, wanted or Wanted())
    added = planned_points.add_points(session, plan.id, found.gsrns, from_at)
    if wanted is not None:
        planned_points.keep_findings(session, plan.id, found.findings, now)
    if not moved and not added:
        raise PlanRefused("NO_CHANGE")
    plan.cut.plan_version += 1
    plan.cut.changed_by = by
    _forget_wish(plan)
    if moved:
        _move_times(session, plan, from_at, to_at, now, by)
    confirm_short(plan, now, short_reason, by)
    _tell(session, plan, NoticeType.PLANNED_NOTICE, now, now, by)
    facts = {**_kpi_facts(session, plan, now), "added": len(added), "short": short_reason}
    what = "RESCHEDULED" if moved else "POINTS_ADDED"
    note(session, plan, what, facts, at=now, by=by, now=now)
    return plan


def keep_as_it_is(
    session: Session, outage_id: int, *, by: str, now: datetime, version: int | None
) -> Plan:
    """Decide that a change which the DMS wants is not made. Raises: PlanRefused."""
    plan = hold(session, outage_id, version)
    if plan.cut.wanted_why is None:
        raise PlanRefused("NO_CHANGE")
    facts = {"wanted": plan.cut.wanted_why}
    _forget_wish(plan)
    note(session, plan, "CHANGE_DECLINED", facts, at=now, by=by, now=now)
    return plan


def cancel(
    session: Session, outage_id: int, *, reason: str, by: str, now: datetime, version: int | None
) -> Plan:
    """Call the cut off; exactly those who know of it are told, and nobody else (REQ-16).

    Raises: PlanRefused.
    """
    plan = hold(session, outage_id, version)
    check_allowed(plan, Action.CANCEL)
    announced = plan.cut.told_at is not None
    move(plan, PlannedCutState.CANCELLED)
    plan.cut.cancel_reason = reason
    plan.outage.closed_at = now
    _forget_wish(plan)
    withdraw(session, about_outage(plan.id), _AHEAD, now, reason="CUT_CANCELLED", by=by)
    _stop_waiting(session, plan, now)
    if announced:
        _tell(session, plan, NoticeType.PLANNED_CANCELLED, now, now, by)
    facts = {"reason": reason, "announced": announced}
    note(session, plan, "CANCELLED", facts, at=now, by=by, now=now)
    return plan


def remind(session: Session, plan: Plan, now: datetime) -> None:
    """Remind of a cut that begins within the hour; the text dies with its beginning."""
    move(plan, PlannedCutState.REMINDED)
    plan.cut.reminded_at = now
    due_at = plan.from_at - REMINDER_BEFORE
    _tell(session, plan, NoticeType.PLANNED_REMINDER, due_at, now, CLOCK)
    note(session, plan, "REMINDED", {}, at=now, by=CLOCK, now=now)


def withdraw_ahead(session: Session, plan: Plan, now: datetime, by: str) -> None:
    """What was to be told before the cut and has not been planned yet, is told no more."""
    withdraw(session, about_outage(plan.id), _AHEAD, now, reason="CUT_BEGAN", by=by)


_MOVE_POINTS = text(
    "UPDATE outage_point SET off_at = :from_at WHERE outage_id = :id AND on_at IS NULL"
)


def _move_times(
    session: Session, plan: Plan, from_at: datetime, to_at: datetime, now: datetime, by: str
) -> None:
    outage, cut = plan.outage, plan.cut
    move(plan, PlannedCutState.RESCHEDULED)
    before_at = plan.from_at
    outage.planned_from_at = outage.started_at = from_at
    outage.planned_to_at = to_at
    cut.told_at, cut.reminded_at = now, None
    session.execute(_MOVE_POINTS, {"id": plan.id, "from_at": from_at})
    withdraw(session, about_outage(plan.id), _AHEAD, now, reason="TIME_CHANGED", by=by)
    _stop_waiting(session, plan, now)
    _tell(session, plan, NoticeType.PLANNED_CHANGED, now, now, by, old_from_at=before_at)


def _stop_waiting(session: Session, plan: Plan, now: datetime) -> None:
    """What has not left tells of a plan that is none any more, however long its end waits to be told."""
    rows = session.execute(
        select(Notice.id, Notice.state)
        .where(
            Notice.outage_id == plan.id,
            Notice.type.in_(_AHEAD),
            Notice.state.in_((*_WAITING, *_ON_THE_WAY)),
        )
        .order_by(Notice.id)
    ).all()
    if rows:
        waiting = [row.id for row in rows if row.state in _WAITING]
        stop_older(session, waiting, [row.id for row in rows], now)


def _tell(
    session: Session,
    plan: Plan,
    kind: NoticeType,
    event_at: datetime,
    now: datetime,
    by: str,
    *,
    old_from_at: datetime | None = None,
) -> None:
    session.flush()
    facts = facts_of(plan) | {"event_at": event_at.isoformat()}
    if old_from_at is not None:
        facts["old_from_at"] = old_from_at.isoformat()
    announce(
        session,
        kind,
        about_outage(plan.id),
        occurrence=str(plan.cut.plan_version),
        event_at=event_at,
        facts=facts,
        now=now,
        by=by,
    )


def _forget_wish(plan: Plan) -> None:
    plan.cut.wanted_from_at = plan.cut.wanted_to_at = plan.cut.wanted_why = None


def _kpi_facts(session: Session, plan: Plan, now: datetime) -> dict[str, object]:
    """What the share of notices in time is counted from."""
    points: Sequence[str] = planned_points.points_of(session, plan.id)
    return {
        "from_at": plan.from_at.isoformat(),
        "to_at": plan.to_at.isoformat(),
        "points": len(points),
        "in_time": is_in_time(plan.from_at, now, days_off(plan.from_at)),
    }
