"""The watchdog of faults: estimates that pass in silence, candidates nobody looks at, closing."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app.domain import fault_news
from app.domain.fault_course import FactType, derive_course
from app.models.outage import Outage
from app.services import alarms, fault_telling, faults
from app.services.announcements import SYSTEM, Telling
from app.services.fault_facts import facts_of

# An operator has so long to look at what meters and customers suspect.
_LOOK_WITHIN = timedelta(minutes=15)

_EXPIRED = text(
    """
    SELECT o.id FROM outage o LEFT JOIN storm s ON s.id = o.storm_id
    WHERE o.kind = 'FAULT' AND o.etr_at <= :now AND o.confirmed_at IS NOT NULL
      AND o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM', 'RESTORED')
      AND (s.id IS NULL OR s.assessed_at IS NOT NULL OR s.ended_at IS NOT NULL)
      -- One without such a point has nothing to be late with, and must not keep the others waiting.
      AND EXISTS (SELECT 1 FROM outage_point p WHERE p.outage_id = o.id AND p.on_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM alarm a WHERE a.kind = 'FAULT_ETR_EXPIRED'
                      AND a.subject = 'fault:' || o.id AND a.closed_at IS NULL)
    ORDER BY o.etr_at LIMIT :limit
    """
)
_UNCONFIRMED = text(
    """
    SELECT o.id FROM outage o
    WHERE o.kind = 'FAULT' AND o.confirmed_at IS NULL AND o.state IN ('DETECTED', 'REOPENED')
      AND o.created_at <= :before
      AND NOT EXISTS (SELECT 1 FROM alarm a WHERE a.kind = 'FAULT_UNCONFIRMED'
                      AND a.subject = 'fault:' || o.id AND a.closed_at IS NULL)
    ORDER BY o.id LIMIT :limit
    """
)
_RESTORED = text(
    """
    SELECT id FROM outage WHERE kind = 'FAULT' AND state = 'RESTORED' AND restored_at <= :before
    ORDER BY restored_at LIMIT :limit
    """
)
# At one look. Upkeep comes round every ten seconds: also when a storm's 1,400 estimates pass at once,
# the last of them is noticed well within ten minutes (REQ-06).
BATCH_COUNT = 200


def expired(session: Session, now: datetime) -> list[int]:
    """Faults whose estimate has passed and whose alarm is not open yet."""
    return _ids(session, _EXPIRED, now=now)


def note_expiry(session: Session, outage_id: int, now: datetime) -> bool:
    """Raise the alarm and tell customers that the estimate is late, once per estimate (REQ-06)."""
    faults.take_pen(session)
    outage = session.get_one(Outage, outage_id, with_for_update=True, populate_existing=True)
    course = derive_course(facts_of(session, outage))
    news = fault_news.delayed(course, now)
    if news is None or course.state in faults.OVER:
        return False
    words = f"The estimate {news.event_at:%Y-%m-%d %H:%M} UTC has passed without an update."
    subject = faults.alarm_subject(outage_id)
    alarms.open_alarm(session, faults.ETR_EXPIRED, subject, words, now)
    telling = Telling(session, outage, now, SYSTEM)
    fault_telling.withdraw_estimates(telling, "The estimate has passed.")
    announced = fault_telling.announce(telling, news)
    if announced is not None:
        facts = {"etr_at": news.event_at.isoformat()}
        faults.record(session, outage_id, "ETR_EXPIRED", now, now, by=SYSTEM, facts=facts)
    return announced is not None


def unconfirmed(session: Session, now: datetime) -> list[int]:
    """Candidates that nobody has looked at for too long and whose alarm is not open yet."""
    return _ids(session, _UNCONFIRMED, before=now - _LOOK_WITHIN)


def note_unconfirmed(session: Session, outage_id: int, now: datetime) -> None:
    """Ask an operator to look at a candidate."""
    words = "Meters or customers report no power, and nobody has confirmed or dismissed it."
    subject = faults.alarm_subject(outage_id)
    alarms.open_alarm(session, faults.UNCONFIRMED, subject, words, now)


def restored(session: Session, now: datetime, after: timedelta) -> list[int]:
    """Faults that have been over for so long that nobody will say otherwise."""
    return _ids(session, _RESTORED, before=now - after)


def close(session: Session, outage_id: int, now: datetime) -> None:
    """Close a fault that is over; compensation is told with it."""
    faults.take_pen(session)
    faults.record(session, outage_id, FactType.CLOSED, now, now, by=SYSTEM)
    faults.refresh(session, outage_id, now, by=SYSTEM)


def _ids(session: Session, statement: TextClause, **values: datetime) -> list[int]:
    rows = session.execute(statement, {"limit": BATCH_COUNT, **values})
    return list(rows.scalars())
