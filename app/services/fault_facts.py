"""Everything that is known of one fault, as facts: the DMS's newest word, events, meters, its parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.fault_course import Fact, FactType
from app.models.outage import Outage, OutageEvent
from app.services import network_points
from integrations.dms.outage_types import DmsOutage
from integrations.dms.outages import read_stored

DMS = "DMS"

_NEWEST = text(
    """
    SELECT payload, version FROM dms_statement
    WHERE source_ref = :ref AND verdict IN ('APPLIED', 'STALE')
    ORDER BY version DESC LIMIT 1
    """
)
_CONFIRMED = text(
    """
    SELECT min(stated_at) FROM dms_statement
    WHERE source_ref = :ref AND verdict IN ('APPLIED', 'STALE')
      AND coalesce(payload ->> 'state', 'CONFIRMED') <> 'DETECTED'
    """
)
_PARTS = text(
    """
    SELECT p.gsrn, p.off_at, p.on_at FROM outage o JOIN outage_point p ON p.outage_id = o.id
    WHERE o.parent_id = :id AND o.kind = 'FAULT' AND o.state = 'MERGED'
    """
)
_RESTORES = text(
    """
    SELECT gsrn, at FROM meter_event
    WHERE gsrn = ANY(:gsrns) AND code = 'RESTORE' AND at >= :since ORDER BY at
    """
)
_OUTAGE_ID = text("SELECT id FROM outage WHERE source = 'DMS' AND source_ref = :ref")


def facts_of(session: Session, outage: Outage) -> list[Fact]:
    """All facts of one fault, in no particular order."""
    facts = list(_recorded(session, outage.id))
    if outage.source == DMS:
        newest = session.execute(_NEWEST, {"ref": outage.source_ref}).one_or_none()
        if newest is not None:
            outage.source_version = newest.version
            facts += statement_facts(session, outage, read_stored(newest.payload))
    facts += _of_parts(session, outage.id)
    return facts + _of_meters(session, facts)


def statement_facts(session: Session, outage: Outage, stated: DmsOutage) -> list[Fact]:
    """What one version of the DMS's outage says; points that we do not know are left out."""
    facts: list[Fact] = []
    offs: defaultdict[datetime, list[str]] = defaultdict(list)
    ons: defaultdict[datetime, list[str]] = defaultdict(list)
    for gsrn, off_at, on_at in _points(session, stated):
        offs[off_at].append(gsrn)
        if on_at is not None:
            ons[on_at].append(gsrn)
    facts += [Fact(FactType.POINTS_OFF, at, tuple(sorted(gsrns))) for at, gsrns in offs.items()]
    facts += [Fact(FactType.POINTS_ON, at, tuple(sorted(gsrns))) for at, gsrns in ons.items()]
    at = stated.stated_at
    if stated.state != "DETECTED":
        # Since the first version that said so, whichever came first.
        first = session.execute(_CONFIRMED, {"ref": stated.source_ref}).scalar_one()
        facts.append(Fact(FactType.CONFIRMED, first or at))
    if stated.cause_code is not None:
        facts.append(Fact(FactType.CAUSE, at, cause_code=stated.cause_code))
    if stated.etr_at is not None:
        facts.append(
            Fact(
                FactType.ETR,
                stated.etr_set_at or at,
                etr_at=stated.etr_at,
                etr_confidence=stated.etr_confidence,
            )
        )
    if stated.parent is not None:
        parent_id = session.execute(_OUTAGE_ID, {"ref": stated.parent}).scalar_one_or_none()
        # A whole that is not known yet: the part stands alone until it comes.
        if parent_id is not None and not _leads_back(session, parent_id, outage.id):
            facts.append(Fact(FactType.MERGED, at, parent_id=parent_id))
    if stated.state == "FALSE_ALARM":
        facts.append(Fact(FactType.FALSE_ALARM, at))
    if stated.state == "CLOSED":
        facts.append(Fact(FactType.CLOSED, at))
    return facts


def _points(session: Session, stated: DmsOutage) -> Iterator[tuple[str, datetime, datetime | None]]:
    # A fault without a beginning is refused on arrival.
    started_at = stated.started_at or stated.stated_at
    if stated.points:
        known = network_points.known(session, (point.gsrn for point in stated.points))
        for point in stated.points:
            if point.gsrn in known:
                off_at = point.off_at or started_at
                on_at = point.on_at or stated.restored_at
                yield point.gsrn, off_at, on_at
        return
    found = network_points.behind(session, feeder=stated.feeder, transformer=stated.transformer)
    for gsrn in found:
        yield gsrn, started_at, stated.restored_at


def _recorded(session: Session, outage_id: int) -> Iterator[Fact]:
    statement = (
        select(OutageEvent.id, OutageEvent.type, OutageEvent.occurred_at, OutageEvent.facts)
        .where(OutageEvent.outage_id == outage_id, OutageEvent.type.in_([*FactType]))
        .order_by(OutageEvent.id)
    )
    for number, kind, at, facts in session.execute(statement):
        yield _fact(FactType(kind), at, facts, number)


def _fact(kind: FactType, at: datetime, facts: dict[str, Any], number: int) -> Fact:
    etr_at = facts.get("etr_at")
    return Fact(
        kind,
        at,
        gsrns=tuple(facts.get("gsrns", ())),
        etr_at=datetime.fromisoformat(etr_at) if etr_at else None,
        etr_confidence=facts.get("etr_confidence"),
        cause_code=facts.get("cause_code"),
        parent_id=facts.get("parent_id"),
        place=number,
    )


def _of_parts(session: Session, outage_id: int) -> Iterator[Fact]:
    """The points of faults that became part of this one follow it, with their own times."""
    for gsrn, off_at, on_at in session.execute(_PARTS, {"id": outage_id}):
        yield Fact(FactType.POINTS_OFF, off_at, (gsrn,))
        if on_at is not None:
            yield Fact(FactType.POINTS_ON, on_at, (gsrn,))


def _of_meters(session: Session, facts: Iterable[Fact]) -> list[Fact]:
    """A meter that has power again is the surest sign of it, whoever else says what."""
    offs = [fact for fact in facts if fact.type is FactType.POINTS_OFF]
    if not offs:
        return []
    values = {
        "gsrns": sorted({gsrn for fact in offs for gsrn in fact.gsrns}),
        "since": min(fact.at for fact in offs),
    }
    rows = session.execute(_RESTORES, values)
    return [Fact(FactType.POINTS_ON, row.at, (row.gsrn,)) for row in rows]


def _leads_back(session: Session, parent_id: int, outage_id: int) -> bool:
    """Whether the parent is, by way of its own parents, part of this very outage."""
    seen: set[int] = set()
    current: int | None = parent_id
    while current is not None and current not in seen:
        if current == outage_id:
            return True
        seen.add(current)
        current = session.execute(
            select(Outage.parent_id).where(Outage.id == current)
        ).scalar_one_or_none()
    return False
