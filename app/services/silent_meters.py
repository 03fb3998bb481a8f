"""Meters that say nothing although the power is said to be back: a fault that nobody has seen (REQ-05).

A meter that said that it lost its power, and is silent while a neighbour behind the same transformer has
said that it has it again, is without power or out of reach. Before anybody there is told of the end, its
point becomes a suspected fault: then the end is not told, staff look at it, and it is told once
the meter speaks or somebody has dismissed the suspicion. The silence of a whole neighbourhood says nothing:
its connection may be down with the power.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.fault_course import FactType
from app.services import fault_candidates, faults
from app.services.faults import NewFault

BY = "system:silent-meters"
# Upkeep comes round several times in it. A point that is known to be without power, or whose silence has its
# reason, is no question; it must not stand in the way of those that are.
_BEFORE_IT_LEAVES = timedelta(minutes=1)
_LIMIT = 200

_SILENT = text(
    """
    SELECT DISTINCT ON (p.gsrn) p.outage_id, p.gsrn, m.transformer, g.at
    FROM outbox_item item
    JOIN notice n ON n.id = CAST(item.payload ->> 'notice_id' AS bigint)
        AND n.type IN ('FAULT_RESTORED', 'MORNING_SUMMARY')
    CROSS JOIN LATERAL (SELECT n.gsrn UNION
        SELECT np.gsrn FROM notice_point np WHERE np.notice_id = n.id) mine (gsrn)
    JOIN outage_point p ON p.outage_id = n.outage_id AND p.gsrn = mine.gsrn
    JOIN metering_point m ON m.gsrn = p.gsrn
    JOIN meter_event g ON g.gsrn = p.gsrn AND g.code = 'LAST_GASP'
        AND g.at BETWEEN p.off_at - interval '30 minutes' AND p.on_at
    WHERE item.lane IN ('sms', 'email') AND item.state = 'READY' AND item.kind = 'NOTICE'
      AND item.next_at BETWEEN :now AND :soon
      AND NOT EXISTS (SELECT 1 FROM meter_event r
        WHERE r.gsrn = p.gsrn AND r.code = 'RESTORE' AND r.at >= g.at)
      AND EXISTS (
        SELECT 1 FROM metering_point near
        JOIN outage_point w ON w.outage_id = p.outage_id AND w.gsrn = near.gsrn
        JOIN meter_event r ON r.gsrn = near.gsrn AND r.code = 'RESTORE' AND r.at >= w.off_at
        WHERE near.transformer = m.transformer AND near.gsrn <> p.gsrn)
      AND NOT EXISTS (
        SELECT 1 FROM outage_point q JOIN outage s ON s.id = q.outage_id
        WHERE q.gsrn = p.gsrn AND (q.off_at = g.at AND s.source_ref LIKE 'silent/%'
            OR q.on_at IS NULL AND (
                s.kind = 'PLANNED' AND s.state IN ('ONGOING', 'OVERRUN')
                OR s.kind <> 'PLANNED' AND s.state NOT IN ('CLOSED', 'MERGED', 'FALSE_ALARM'))))
    ORDER BY p.gsrn, g.at DESC LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class Silent:
    """A point whose meter went silent at `at` in this outage."""

    outage_id: int
    gsrn: str
    transformer: str
    at: datetime


def find(session: Session, now: datetime) -> list[Silent]:
    """Points that somebody is about to be told to have power, against what their meters say."""
    values = {"now": now, "soon": now + _BEFORE_IT_LEAVES, "limit": _LIMIT}
    return [Silent(*row) for row in session.execute(_SILENT, values)]


def suspect(session: Session, silent: Silent, now: datetime) -> None:
    """Make the point part of a suspected fault, one for each transformer and outage."""
    faults.take_pen(session)
    if fault_candidates.is_expected(session, silent.gsrn):
        return
    if faults.open_points(session, [silent.gsrn]):
        return
    name = f"silent/{silent.outage_id}/{silent.transformer}"
    fault = NewFault(fault_candidates.METER, name, silent.at, transformer=silent.transformer)
    outage_id = faults.open_fault(session, fault, now)
    facts = {"gsrns": [silent.gsrn]}
    faults.record(session, outage_id, FactType.POINTS_OFF, silent.at, now, by=BY, facts=facts)
    faults.refresh(session, outage_id, now, by=BY)
