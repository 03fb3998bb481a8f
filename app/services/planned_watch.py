"""Planned cuts for which somebody has to decide something: an alarm each, with its age (I5)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.planned_course import Trouble, trouble_of
from app.models.outage import Outage
from app.models.planned_cut import PlannedCut
from app.services import alarms
from app.services.holiday_calendar import days_off
from app.services.planned_rows import KIND, Plan, course_of

_PREFIX = "PLANNED_"
_WORDS = {
    Trouble.NOT_APPROVED: "Nobody has approved the draft; soon it is too late to announce it in time.",
    Trouble.NOTICE_LATE: "It is approved, but can be announced only later than two working days ahead.",
    Trouble.NOT_ANNOUNCED: "It should have begun at {from_at} and nobody has been told of it.",
    Trouble.OVERRUN: "It should have ended at {to_at} and nobody has reported the end.",
    Trouble.CHANGE_WAITS: "The DMS wants it changed: {why}.",
}


def alarm_kind(trouble: Trouble) -> str:
    """The name of the alarm."""
    return _PREFIX + trouble


def subject_of(outage_id: int) -> str:
    """The subject under which an alarm speaks of a planned cut."""
    return f"planned-cut:{outage_id}"


def raise_alarms(session: Session, now: datetime) -> None:
    """Open an alarm for each cut that needs somebody, and close those that need nobody any more."""
    rows = session.execute(
        select(Outage, PlannedCut)
        .join(PlannedCut, PlannedCut.outage_id == Outage.id)
        .where(
            Outage.kind == KIND,
            Outage.state.not_in(("ENDED", "CANCELLED")),
            # One row without times, which the clock complains about, must not hide all others.
            Outage.planned_from_at.is_not(None),
            Outage.planned_to_at.is_not(None),
        )
    )
    found: set[tuple[str, str]] = set()
    for outage, cut in rows:
        plan = Plan(outage, cut)
        trouble = trouble_of(course_of(plan), now, days_off(plan.from_at))
        if trouble is None:
            continue
        found.add((alarm_kind(trouble), subject_of(plan.id)))
        words = _WORDS[trouble].format(
            from_at=_utc(plan.from_at),
            to_at=_utc(plan.to_at),
            why=cut.wanted_why or "",
        )
        alarms.open_alarm(session, alarm_kind(trouble), subject_of(plan.id), words, now)
    is_open = session.execute(
        text("SELECT kind, subject FROM alarm WHERE closed_at IS NULL AND kind = ANY(:kinds)"),
        {"kinds": [alarm_kind(trouble) for trouble in Trouble]},
    )
    for kind, subject in {tuple(row) for row in is_open} - found:
        alarms.close_alarm(session, kind, subject, now)


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
