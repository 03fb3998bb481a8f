"""What planned cuts do by the clock: announce, remind, begin, overrun; each step once.

Whatever the clock missed is made good in order, except what has become untrue: nobody is reminded
of a cut that has begun.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.planned_course import OVERRUN_AFTER, REMINDER_BEFORE, Step, next_step
from app.services import planned_running, planned_telling
from app.services.holiday_calendar import days_off
from app.services.planned_rows import CLOCK, course_of, hold

# Announced, begun and overrun at once is the most that a long standstill leaves to be done.
_STEPS_MOST = len(Step)

_DUE = text(
    """
    SELECT o.id FROM outage o JOIN planned_cut c ON c.outage_id = o.id
    WHERE o.kind = 'PLANNED' AND CASE o.state
        WHEN 'APPROVED' THEN o.planned_from_at > :now AND coalesce(c.announce_at, :now) <= :now
        WHEN 'ANNOUNCED' THEN o.planned_from_at <= :soon
        WHEN 'RESCHEDULED' THEN o.planned_from_at <= :soon
        WHEN 'REMINDED' THEN o.planned_from_at <= :now
        WHEN 'ONGOING' THEN o.planned_to_at <= :late
        WHEN 'OVERRUN' THEN o.etr_at <= :late
        ELSE false END
    ORDER BY o.planned_from_at, o.id
    """
)


def due_ids(session: Session, now: datetime) -> list[int]:
    """The cuts for which something may be due."""
    values = {"now": now, "soon": now + REMINDER_BEFORE, "late": now - OVERRUN_AFTER}
    return list(session.execute(_DUE, values).scalars())


def turn(session: Session, outage_id: int, now: datetime) -> list[Step]:
    """Do what is due for one cut and tell which steps that were."""
    plan = hold(session, outage_id)
    off = days_off(plan.from_at)
    done: list[Step] = []
    while len(done) < _STEPS_MOST:
        step = next_step(course_of(plan), now, off)
        match step:
            case Step.ANNOUNCE:
                by = plan.cut.approved_by or CLOCK
                planned_telling.announce_plan(session, plan, by=by, now=now)
            case Step.REMIND:
                planned_telling.remind(session, plan, now)
            case Step.BEGIN:
                planned_running.begin(session, plan, plan.from_at, by=CLOCK, now=now)
            case Step.OVERRUN:
                planned_running.overrun(session, plan, now)
            case None:
                break
        done.append(step)
    return done
