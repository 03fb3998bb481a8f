"""A planned cut from its beginning to its end: early returns, overrun, the power back (REQ-17)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.notice_types import NoticeType
from app.domain.planned_course import LONGEST, Action, overrun_at
from app.domain.states import NoticeState, PlannedCutState
from app.models.notice import Notice
from app.services import hidden_news
from app.services.announcements import Telling, about_outage, announce, withdraw
from app.services.notice_sending import stop_older
from app.services.planned_rows import (
    CLOCK,
    Plan,
    PlanRefused,
    check_allowed,
    course_of,
    facts_of,
    hold,
    move,
    note,
)
from app.services.planned_telling import withdraw_ahead

# Clocks of other systems are a little ahead at times.
_AHEAD = timedelta(minutes=5)

_OFF = text("UPDATE outage_point SET off_at = :at WHERE outage_id = :id AND on_at IS NULL")
_ON = text(
    "UPDATE outage_point SET on_at = greatest(off_at, :at)"
    " WHERE outage_id = :id AND on_at IS NULL RETURNING gsrn"
)
_SOME_ON = text(
    "UPDATE outage_point SET on_at = greatest(off_at, :at)"
    " WHERE outage_id = :id AND on_at IS NULL AND gsrn = ANY(:gsrns) RETURNING gsrn"
)
_STILL_OFF = text("SELECT count(*) FROM outage_point WHERE outage_id = :id AND on_at IS NULL")


def begin_now(
    session: Session, outage_id: int, at: datetime, *, by: str, now: datetime, version: int | None
) -> Plan:
    """Somebody says that the power went at `at`. Raises: PlanRefused."""
    plan = hold(session, outage_id, version)
    check_allowed(plan, Action.BEGIN)
    _check_past(at, now)
    begin(session, plan, at, by=by, now=now)
    return plan


def begin(session: Session, plan: Plan, at: datetime, *, by: str, now: datetime) -> None:
    """The power is off since `at`, by the clock or as the DMS says."""
    move(plan, PlannedCutState.ONGOING)
    set_beginning(session, plan, at)
    withdraw_ahead(session, plan, now, by)
    note(session, plan, "BEGAN", {}, at=at, by=by, now=now)


def set_beginning(session: Session, plan: Plan, at: datetime) -> None:
    """Say when the power really went, at all points that are still off."""
    plan.outage.started_at = at
    session.execute(_OFF, {"id": plan.id, "at": at})


def restore_points(
    session: Session,
    outage_id: int,
    gsrns: Sequence[str],
    at: datetime,
    *,
    by: str,
    now: datetime,
    version: int | None,
) -> list[str]:
    """Some points have power again before the others; returns those that were off until now.

    When none is left the cut has ended. Raises: PlanRefused.
    """
    plan = hold(session, outage_id, version)
    check_allowed(plan, Action.RESTORE)
    _check_past(at, now)
    values = {"id": plan.id, "at": at, "gsrns": list(gsrns)}
    back = sorted(session.execute(_SOME_ON, values).scalars())
    if not back:
        raise PlanRefused("NO_POINTS")
    note(session, plan, "POINTS_RESTORED", {"points": len(back)}, at=at, by=by, now=now)
    _tell_overshadowed(session, plan, back, now, by)
    if session.execute(_STILL_OFF, {"id": plan.id}).scalar_one() == 0:
        end(session, plan, at, by=by, now=now)
    return back


def extend(
    session: Session,
    outage_id: int,
    etr_at: datetime,
    *,
    by: str,
    now: datetime,
    version: int | None,
) -> Plan:
    """It takes until etr_at; those who are still off are told now. Raises: PlanRefused."""
    plan = hold(session, outage_id, version)
    check_allowed(plan, Action.EXTEND)
    if etr_at <= max(now, plan.to_at) or etr_at == plan.outage.etr_at:
        raise PlanRefused("TIMES_INVALID")
    if etr_at - plan.from_at > LONGEST:
        raise PlanRefused("TOO_LONG")
    _set_estimate(plan, etr_at, now)
    _overrun(session, plan, f"until {etr_at.isoformat()}", now, now, by)
    note(session, plan, "EXTENDED", {"etr_at": etr_at.isoformat()}, at=now, by=by, now=now)
    return plan


def overrun(session: Session, plan: Plan, now: datetime) -> None:
    """The promised end has passed and nobody has said that it is over: say so, without a guess."""
    due_at = overrun_at(course_of(plan)) or now
    _set_estimate(plan, None, now)
    _overrun(session, plan, f"after {due_at.isoformat()}", due_at, now, CLOCK)
    note(session, plan, "OVERRUN", {}, at=due_at, by=CLOCK, now=now)


def end_now(
    session: Session, outage_id: int, at: datetime, *, by: str, now: datetime, version: int | None
) -> Plan:
    """Somebody says that the power was back at `at`. Raises: PlanRefused."""
    plan = hold(session, outage_id, version)
    check_allowed(plan, Action.END)
    _check_past(at, now)
    if at < plan.outage.started_at:
        raise PlanRefused("TIMES_INVALID")
    end(session, plan, at, by=by, now=now)
    return plan


def end(session: Session, plan: Plan, at: datetime, *, by: str, now: datetime) -> None:
    """The power is back everywhere; news of an overrun that have not left are stopped."""
    move(plan, PlannedCutState.ENDED)
    plan.outage.restored_at = at
    plan.outage.etr_at = None
    plan.outage.closed_at = now
    plan.cut.wanted_from_at = plan.cut.wanted_to_at = plan.cut.wanted_why = None
    back = session.execute(_ON, {"id": plan.id, "at": at}).scalars().all()
    withdraw_ahead(session, plan, now, by)
    withdraw(
        session,
        about_outage(plan.id),
        (NoticeType.PLANNED_OVERRUN,),
        now,
        reason="CUT_ENDED",
        by=by,
    )
    _stop_overrun(session, plan, now)
    note(session, plan, "ENDED", {}, at=at, by=by, now=now)
    _tell_overshadowed(session, plan, back, now, by)


def _tell_overshadowed(
    session: Session, plan: Plan, back: Sequence[str], now: datetime, by: str
) -> None:
    """A fault whose end this cut kept from being told, since the power was off all the same."""
    if back:
        hidden_news.tell_ends(Telling(session, plan.outage, now, by), frozenset(back))


def _check_past(at: datetime, now: datetime) -> None:
    if at > now + _AHEAD:
        raise PlanRefused("IN_THE_FUTURE")


def _set_estimate(plan: Plan, etr_at: datetime | None, now: datetime) -> None:
    plan.outage.etr_at, plan.outage.etr_set_at = etr_at, now


def _overrun(
    session: Session, plan: Plan, occurrence: str, event_at: datetime, now: datetime, by: str
) -> None:
    """Tell those who know the plan; an earlier overrun text that waits is no longer true."""
    move(plan, PlannedCutState.OVERRUN)
    about = about_outage(plan.id)
    kinds = (NoticeType.PLANNED_OVERRUN,)
    withdraw(session, about, kinds, now, reason="ESTIMATE_CHANGED", by=by)
    _stop_overrun(session, plan, now)
    facts = facts_of(plan)
    if plan.outage.etr_at is not None:
        facts["etr_at"] = plan.outage.etr_at.isoformat()
    announce(
        session,
        NoticeType.PLANNED_OVERRUN,
        about,
        occurrence=f"{plan.cut.plan_version}/{occurrence}",
        event_at=event_at,
        facts=facts,
        now=now,
        by=by,
    )


def _stop_overrun(session: Session, plan: Plan, now: datetime) -> None:
    waiting = (NoticeState.CREATED, NoticeState.HELD, NoticeState.QUEUED)
    statement = (
        select(Notice.id)
        .where(
            Notice.outage_id == plan.id,
            Notice.type == NoticeType.PLANNED_OVERRUN,
            Notice.state.in_(waiting),
        )
        .order_by(Notice.id)
    )
    ids = list(session.execute(statement).scalars())
    if ids:
        stop_older(session, ids, ids, now)
