"""The metering points of a planned cut: from a list, a feeder or a transformer to rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Session

from app.domain.point_list import PointFinding, PointFindingCode, PointList
from app.models.outage import OutagePoint
from app.models.planned_cut import PlannedCutFinding

_CLOSED = ("AE04", "AE05")
# More lines of one list help nobody to mend it.
FINDINGS_MOST = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a planner names: numbers, and parts of the network."""

    points: PointList = field(default_factory=lambda: PointList({}, ()))
    feeder: str | None = None
    transformer: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Numbers that can be cut, in order, and what could not be taken."""

    gsrns: tuple[str, ...]
    findings: tuple[PointFinding, ...]


_STATUS = text("SELECT gsrn, status FROM metering_point WHERE gsrn = ANY(:gsrns)")
_OF_NETWORK = text(
    """
    SELECT gsrn FROM metering_point
    WHERE (transformer = :transformer OR feeder = :feeder) AND status <> ALL(:closed)
    ORDER BY gsrn
    """
)


def find_points(session: Session, wanted: Wanted) -> Found:
    """Resolve what was named; one bad line stops none of the others."""
    findings = list(wanted.points.findings)
    numbers = list(wanted.points.lines)
    rows = session.execute(_STATUS, {"gsrns": numbers})
    status: Mapping[str, str] = {row.gsrn: row.status for row in rows}
    found: dict[str, None] = {}
    for gsrn, line in wanted.points.lines.items():
        if gsrn not in status:
            findings.append(PointFinding(line, gsrn, PointFindingCode.POINT_UNKNOWN))
        elif status[gsrn] in _CLOSED:
            findings.append(PointFinding(line, gsrn, PointFindingCode.POINT_CLOSED))
        else:
            found[gsrn] = None
    for column in ("feeder", "transformer"):
        name = getattr(wanted, column)
        if not name:
            continue
        values = {"feeder": None, "transformer": None, column: name, "closed": list(_CLOSED)}
        of_network = session.execute(_OF_NETWORK, values).scalars().all()
        found.update(dict.fromkeys(of_network))
        if not of_network:
            findings.append(PointFinding(0, name, PointFindingCode.NOTHING_THERE))
    findings.sort(key=lambda finding: finding.line)
    return Found(tuple(sorted(found)), tuple(findings))


_ADD = text(
    """
    INSERT INTO outage_point (outage_id, gsrn, off_at)
    SELECT :outage_id, gsrn, :off_at FROM unnest(CAST(:gsrns AS text[])) AS gsrn
    ON CONFLICT (outage_id, gsrn) DO NOTHING
    RETURNING gsrn
    """
)
_OVERLAPPING = text(
    """
    SELECT DISTINCT p.gsrn FROM outage_point p JOIN outage o ON o.id = p.outage_id
    WHERE p.gsrn = ANY(:gsrns) AND o.id <> :outage_id AND o.kind = 'PLANNED'
      AND o.state NOT IN ('ENDED', 'CANCELLED')
      AND o.planned_from_at < :to_at AND o.planned_to_at > :from_at
    ORDER BY p.gsrn
    """
)


def add_points(
    session: Session, outage_id: int, gsrns: Sequence[str], off_at: datetime
) -> list[str]:
    """Add points; returns those that were not in the cut before."""
    values = {"outage_id": outage_id, "gsrns": list(gsrns), "off_at": off_at}
    return list(session.execute(_ADD, values).scalars())


def replace_points(
    session: Session, outage_id: int, gsrns: Sequence[str], off_at: datetime
) -> None:
    """Make these the points of a cut that nobody has been told of."""
    session.execute(delete(OutagePoint).where(OutagePoint.outage_id == outage_id))
    add_points(session, outage_id, gsrns, off_at)


def points_of(session: Session, outage_id: int) -> list[str]:
    """The numbers of the cut's points, in order."""
    statement = select(OutagePoint.gsrn).where(OutagePoint.outage_id == outage_id)
    return list(session.execute(statement.order_by(OutagePoint.gsrn)).scalars())


def cut_twice(
    session: Session,
    outage_id: int,
    gsrns: Sequence[str],
    wanted: Wanted,
    from_at: datetime,
    to_at: datetime,
) -> list[PointFinding]:
    """A remark for each point that another plan cuts at the same time."""
    values = {"outage_id": outage_id, "gsrns": list(gsrns), "from_at": from_at, "to_at": to_at}
    return [
        PointFinding(wanted.points.lines.get(gsrn, 0), gsrn, PointFindingCode.IN_ANOTHER_CUT)
        for gsrn in session.execute(_OVERLAPPING, values).scalars()
    ]


def keep_findings(
    session: Session, outage_id: int, findings: Sequence[PointFinding], now: datetime
) -> None:
    """Keep what was found in the latest list instead of what was found before."""
    session.execute(delete(PlannedCutFinding).where(PlannedCutFinding.outage_id == outage_id))
    rows = [
        {
            "outage_id": outage_id,
            "line": finding.line,
            "given": finding.given,
            "code": finding.code,
            "created_at": now,
        }
        for finding in findings[:FINDINGS_MOST]
    ]
    if rows:
        session.execute(insert(PlannedCutFinding), rows)
