"""Faults that nobody has stated yet: what meters and customers report, gathered by transformer.

A candidate waits until enough meters say the same, until an operator looks, or until the DMS states
a fault that covers it, of which it then becomes a part.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.fault_course import FactType
from app.services import alarms, faults, network_points
from app.services.faults import NewFault

METER = "METER"
BY_VISIT = "system:acks"
CUSTOMER = "CUSTOMER"

# Reports of one fault come within this time of each other.
WINDOW = timedelta(minutes=30)
# So many meters of one transformer do not lose their power by themselves.
METERS_CONFIRM = 3
# A report of "no power" so soon after an end says that the end was none (REQ-05).
STILL_OUT_WITHIN = timedelta(hours=12)


class Report(StrEnum):
    """What a report of "no power" turned out to be."""

    KNOWN = "KNOWN"
    EXPECTED = "EXPECTED"
    REOPENED = "REOPENED"
    NEW = "NEW"


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of a report, and the outage that it belongs to."""

    outcome: Report
    outage_id: int


def report_from_customer(
    session: Session, gsrn: str, at: datetime, by: str, *, now: datetime | None = None
) -> Reported:
    """A customer says that there is no power at a metering point.

    Known when a cut covers the point already; reopens a fault that was said to be over, and tells
    staff; else it becomes a candidate, or part of one. by: who said so, as "contact:12".
    """
    now = now or at
    faults.take_pen(session)
    planned = _expected(session, gsrn)
    if planned is not None:
        return Reported(Report.EXPECTED, planned)
    holding = faults.open_points(session, [gsrn]).get(gsrn)
    if holding:
        faults.record(session, holding[0], "REPORTED", at, now, by=by, facts={"gsrns": [gsrn]})
        return Reported(Report.KNOWN, holding[0])
    ended = session.execute(
        _JUST_ENDED, {"gsrn": gsrn, "since": at - STILL_OUT_WITHIN, "at": at}
    ).scalar_one_or_none()
    if ended is not None:
        reopen_point(session, ended, gsrn, at, now, by=by)
        return Reported(Report.REOPENED, ended)
    return Reported(Report.NEW, suspect(session, gsrn, at, now, source=CUSTOMER, by=by))


def reopen_point(
    session: Session, outage_id: int, gsrn: str, at: datetime, now: datetime, *, by: str
) -> None:
    """The power that was said to be back is not: the same fault goes on there, and staff hear of it."""
    facts = {"gsrns": [gsrn]}
    faults.record(session, outage_id, FactType.REOPENED, at, now, by=by, facts=facts)
    faults.refresh(session, outage_id, now, by=by)
    words = f"A customer at {gsrn} has no power although the fault was reported as over."
    alarms.open_alarm(session, faults.STILL_OUT, faults.alarm_subject(outage_id), words, now)


def suspect(
    session: Session, gsrn: str, at: datetime, now: datetime, *, source: str, by: str
) -> int:
    """Add a point to the candidate of its transformer, or make one; returns the candidate."""
    transformer = network_points.transformer_of(session, gsrn)
    outage_id = session.execute(
        _CANDIDATE,
        {
            "transformer": transformer,
            "gsrn": gsrn,
            "from": at - WINDOW,
            "to": at + WINDOW,
        },
    ).scalar_one_or_none()
    if outage_id is None:
        name = f"{transformer or gsrn}@{at.isoformat()}"
        fault = NewFault(source, name, at, transformer=transformer)
        outage_id = faults.open_fault(session, fault, now)
    facts = {"gsrns": [gsrn]}
    faults.record(session, outage_id, FactType.POINTS_OFF, at, now, by=by, facts=facts)
    _confirm_if_many(session, outage_id, now)
    faults.refresh(session, outage_id, now, by=by)
    return outage_id


def absorb(session: Session, outage_id: int, now: datetime, *, by: str) -> None:
    """Candidates whose points all lie in a stated fault become parts of it."""
    for candidate in session.execute(_COVERED, {"id": outage_id}).scalars().all():
        facts = {"parent_id": outage_id}
        faults.record(session, candidate, FactType.MERGED, now, now, by=by, facts=facts)
        faults.refresh(session, candidate, now, by=by)


def explain_by_visit(
    session: Session, gsrn: str, off_at: datetime, on_at: datetime | None, now: datetime
) -> None:
    """A visit of which we hear later than of the meter's last gasp: nobody has to look at that any more.

    Only where no other meter of the transformer, and no customer, says the same.
    """
    values = {"gsrn": gsrn, "from": off_at - WINDOW, "to": (on_at or now) + WINDOW}
    found = session.execute(_EXPLAINED, values).scalars().all()
    if not found:
        return
    faults.take_pen(session)
    for outage_id in session.execute(_EXPLAINED, values).scalars().all():
        facts = {"why": "METER_SWAP"}
        faults.record(session, outage_id, FactType.FALSE_ALARM, now, now, by=BY_VISIT, facts=facts)
        faults.refresh(session, outage_id, now, by=BY_VISIT)


_EXPLAINED = text(
    """
    SELECT o.id FROM outage_point p JOIN outage o ON o.id = p.outage_id
    WHERE p.gsrn = :gsrn AND p.on_at IS NULL AND p.off_at BETWEEN :from AND :to
      AND o.kind = 'FAULT' AND o.source = 'METER' AND o.state = 'DETECTED'
      AND NOT EXISTS (SELECT 1 FROM outage_point other
          WHERE other.outage_id = o.id AND other.gsrn <> :gsrn)
      AND NOT EXISTS (SELECT 1 FROM outage_event e
          WHERE e.outage_id = o.id AND e.by <> 'system:head-end')
    ORDER BY o.id
    """
)
_EXPECTED = text(
    """
    SELECT o.id FROM outage_point p JOIN outage o ON o.id = p.outage_id
    WHERE p.gsrn = :gsrn AND p.on_at IS NULL
      AND (o.kind = 'PLANNED' AND o.state IN ('ONGOING', 'OVERRUN')
           OR o.kind = 'METER_SWAP' AND o.state IN ('OPEN', 'STALE'))
    ORDER BY o.id LIMIT 1
    """
)
_JUST_ENDED = text(
    """
    SELECT o.id FROM outage_point p JOIN outage o ON o.id = p.outage_id
    WHERE p.gsrn = :gsrn AND o.kind = 'FAULT'
      AND o.state IN ('DETECTED', 'PARTLY_RESTORED', 'RESTORED', 'CLOSED', 'REOPENED')
      AND p.on_at > :since AND p.on_at <= :at
    ORDER BY p.on_at DESC, o.id DESC LIMIT 1
    """
)
_CANDIDATE = text(
    """
    SELECT id FROM outage
    WHERE kind = 'FAULT' AND source IN ('METER', 'CUSTOMER')
      AND state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM', 'RESTORED')
      AND started_at BETWEEN :from AND :to
      AND (transformer = :transformer
           OR EXISTS (SELECT 1 FROM outage_point p WHERE p.outage_id = outage.id AND p.gsrn = :gsrn))
    ORDER BY started_at, id LIMIT 1
    """
)
_COVERED = text(
    """
    SELECT c.id FROM outage c
    WHERE c.kind = 'FAULT' AND c.source IN ('METER', 'CUSTOMER') AND c.id <> :id
      AND c.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM', 'RESTORED')
      AND EXISTS (SELECT 1 FROM outage w WHERE w.id = :id
                  AND w.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM', 'RESTORED'))
      AND EXISTS (SELECT 1 FROM outage_point p WHERE p.outage_id = c.id)
      AND NOT EXISTS (
          SELECT 1 FROM outage_point p WHERE p.outage_id = c.id AND NOT EXISTS (
              SELECT 1 FROM outage_point w WHERE w.outage_id = :id AND w.gsrn = p.gsrn
                -- That one states an end is no answer to the suspicion that it was none (silent_meters.py).
                AND (w.on_at IS NULL OR c.source_ref NOT LIKE 'silent/%')))
    ORDER BY c.id
    """
)
_METERS = text(
    """
    SELECT count(DISTINCT g.gsrn), max(e.occurred_at)
    FROM outage_event e CROSS JOIN LATERAL jsonb_array_elements_text(e.facts -> 'gsrns') g (gsrn)
    WHERE e.outage_id = :id AND e.type = 'POINTS_OFF' AND e.by = 'system:head-end'
    """
)
_CONFIRMED = text(
    "SELECT EXISTS (SELECT 1 FROM outage_event WHERE outage_id = :id AND type = 'CONFIRMED')"
)


def _expected(session: Session, gsrn: str) -> int | None:
    return session.execute(_EXPECTED, {"gsrn": gsrn}).scalar_one_or_none()


def is_expected(session: Session, gsrn: str) -> bool:
    """Whether a planned cut or a meter swap keeps the point without power right now."""
    return _expected(session, gsrn) is not None


def _confirm_if_many(session: Session, outage_id: int, now: datetime) -> None:
    count, last = session.execute(_METERS, {"id": outage_id}).one()
    if count >= METERS_CONFIRM and not session.execute(_CONFIRMED, {"id": outage_id}).scalar():
        facts = {"meters": count}
        faults.record(
            session,
            outage_id,
            FactType.CONFIRMED,
            last,
            now,
            by="system:head-end",
            facts=facts,
        )
