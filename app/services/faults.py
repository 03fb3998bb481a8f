"""Faults: the only writer of their rows, which follow from facts and from nothing else.

Whatever happens, a fact is kept and `refresh` derives the fault anew from all of them: the state,
each point's times, and what customers are to hear, in one transaction. So facts may come late,
repeatedly and in any order, and end in the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from app.domain.fault_course import Course, PointTimes, derive_course
from app.domain.fault_news import Before
from app.domain.lock_spaces import LockSpace
from app.domain.states import FaultState
from app.models.outage import Outage, OutageEvent
from app.services import alarms, fault_telling, storm_areas
from app.services.announcements import Telling
from app.services.fault_facts import facts_of

KIND = "FAULT"
ETR_EXPIRED = "FAULT_ETR_EXPIRED"
STILL_OUT = "FAULT_STILL_OUT"
UNCONFIRMED = "FAULT_UNCONFIRMED"

# In these states nobody has to look after a fault any more.
OVER = frozenset({FaultState.CLOSED, FaultState.MERGED, FaultState.FALSE_ALARM})

_TAKE_PEN = text("SELECT pg_advisory_xact_lock(:space, 1)")


@dataclass(frozen=True, slots=True)
class NewFault:
    """A fault that nobody had heard of."""

    source: str
    source_ref: str
    started_at: datetime
    feeder: str | None = None
    transformer: str | None = None


def take_pen(session: Session) -> None:
    """Be the only one who writes faults until the commit.

    Faults change each other (parts, wholes, points in two at once), so locking single ones would
    end in deadlocks; one change takes milliseconds.
    """
    session.execute(_TAKE_PEN, {"space": LockSpace.FAULTS.value})


def find(session: Session, source: str, source_ref: str) -> int | None:
    """The fault with this name, if there is one."""
    return session.execute(
        select(Outage.id).where(
            Outage.kind == KIND, Outage.source == source, Outage.source_ref == source_ref
        )
    ).scalar_one_or_none()


def open_fault(session: Session, fault: NewFault, now: datetime) -> int:
    """The row of a fault, made if it is not there; its content follows with the first refresh."""
    session.execute(
        pg_insert(Outage)
        .values(
            source=fault.source,
            source_ref=fault.source_ref,
            kind=KIND,
            state=FaultState.DETECTED,
            version=0,
            started_at=fault.started_at,
            feeder=fault.feeder,
            transformer=fault.transformer,
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing(index_elements=["source", "source_ref"])
    )
    found = find(session, fault.source, fault.source_ref)
    if found is None:
        raise ValueError(f"{fault.source} {fault.source_ref} is an outage of another kind")
    return found


def record(
    session: Session,
    outage_id: int,
    kind: str,
    at: datetime,
    now: datetime,
    *,
    by: str,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Add one line to the fault's course, for good; a fact counts from the next refresh on."""
    session.execute(
        insert(OutageEvent).values(
            outage_id=outage_id,
            type=str(kind),
            occurred_at=at,
            by=by,
            facts=dict(facts or {}),
            created_at=now,
        )
    )


def refresh(session: Session, outage_id: int, now: datetime, *, by: str) -> Course:
    """Derive the fault from its facts, write what differs, and tell what that is worth.

    The wholes that it belongs to, or belonged to, follow. The caller holds the pen.
    """
    outage = session.get_one(Outage, outage_id, populate_existing=True, with_for_update=True)
    points = _stored_points(session, outage_id)
    before = Before(
        state=FaultState(outage.state),
        confirmed=outage.confirmed_at is not None,
        off=frozenset(gsrn for gsrn, times in points.items() if times.on_at is None),
        on=frozenset(gsrn for gsrn, times in points.items() if times.on_at is not None),
    )
    parent_id = outage.parent_id
    course = derive_course(facts_of(session, outage))
    changed = _write_points(session, outage_id, points, course)
    _write(outage, course, now, changed=changed)
    session.flush()
    if course.state not in OVER:
        storm_areas.attach(session, outage)
    fault_telling.tell(Telling(session, outage, now, by), before, course)
    _close_alarms(session, outage, course, now)
    for whole in dict.fromkeys((parent_id, course.parent_id)):
        if whole is not None and (changed or parent_id != course.parent_id):
            refresh(session, whole, now, by=by)
    return course


def _stored_points(session: Session, outage_id: int) -> dict[str, PointTimes]:
    rows = session.execute(
        text("SELECT gsrn, off_at, on_at FROM outage_point WHERE outage_id = :id"),
        {"id": outage_id},
    )
    return {row.gsrn: PointTimes(row.off_at, row.on_at) for row in rows}


_PUT_POINTS = text(
    """
    INSERT INTO outage_point (outage_id, gsrn, off_at, on_at)
    SELECT :id, t.gsrn, t.off_at, t.on_at
    FROM unnest(CAST(:gsrns AS text[]), CAST(:offs AS timestamptz[]), CAST(:ons AS timestamptz[]))
        AS t (gsrn, off_at, on_at)
    ON CONFLICT (outage_id, gsrn) DO UPDATE SET off_at = excluded.off_at, on_at = excluded.on_at
    """
)
_DROP_POINTS = text("DELETE FROM outage_point WHERE outage_id = :id AND gsrn = ANY(:gsrns)")


def _write_points(
    session: Session, outage_id: int, known: Mapping[str, PointTimes], course: Course
) -> bool:
    changed = {
        gsrn: times for gsrn, times in sorted(course.points.items()) if known.get(gsrn) != times
    }
    gone = sorted(known.keys() - course.points.keys())
    if changed:
        session.execute(
            _PUT_POINTS,
            {
                "id": outage_id,
                "gsrns": list(changed),
                "offs": [times.off_at for times in changed.values()],
                "ons": [times.on_at for times in changed.values()],
            },
        )
    if gone:
        session.execute(_DROP_POINTS, {"id": outage_id, "gsrns": gone})
    return bool(changed or gone)


def _write(outage: Outage, course: Course, now: datetime, *, changed: bool) -> None:
    values = {
        "state": course.state,
        "confirmed_at": course.confirmed_at,
        "cause_code": course.cause_code,
        "started_at": course.started_at or outage.started_at,
        "restored_at": course.restored_at,
        "etr_at": course.etr_at,
        "etr_confidence": course.etr_confidence,
        "etr_set_at": course.etr_set_at,
        "parent_id": course.parent_id,
        "closed_at": course.closed_at,
    }
    differs = {name: value for name, value in values.items() if getattr(outage, name) != value}
    for name, value in differs.items():
        setattr(outage, name, value)
    if differs or changed:
        outage.version += 1
        outage.updated_at = now


def _close_alarms(session: Session, outage: Outage, course: Course, now: datetime) -> None:
    subject = alarm_subject(outage.id)
    is_over = course.state in OVER or not course.off
    if is_over or (course.etr_at is not None and course.etr_at > now):
        alarms.close_alarm(session, ETR_EXPIRED, subject, now)
    if is_over:
        alarms.close_alarm(session, STILL_OUT, subject, now)
    if is_over or course.confirmed_at is not None:
        alarms.close_alarm(session, UNCONFIRMED, subject, now)


def alarm_subject(outage_id: int) -> str:
    """How alarms name a fault."""
    return f"fault:{outage_id}"


def open_points(session: Session, gsrns: Iterable[str]) -> dict[str, list[int]]:
    """The faults under way that keep each of these points without power."""
    found: dict[str, list[int]] = {}
    rows = session.execute(_HOLDING, {"gsrns": list(gsrns)})
    for row in rows:
        found.setdefault(row.gsrn, []).append(row.outage_id)
    return found


_HOLDING = text(
    """
    SELECT p.gsrn, p.outage_id FROM outage_point p JOIN outage o ON o.id = p.outage_id
    WHERE p.gsrn = ANY(:gsrns) AND p.on_at IS NULL AND o.kind = 'FAULT'
      AND o.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM')
    ORDER BY p.outage_id
    """
)
