"""Planned cuts in the DMS's feed, handed to those who write planned cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.findings import Finding, find
from app.domain.reject_codes import RejectCode, Severity
from app.services import network_points, planned_dms
from app.services.planned_cuts import find_id
from app.services.planned_rows import PlanRefused
from integrations.dms.outage_types import DmsOutage

_CALLED_OFF = ("CANCELLED", "FALSE_ALARM")
_CODES = {
    "TIMES_INVALID": RejectCode.WINDOW_INVALID,
    "TOO_LONG": RejectCode.WINDOW_INVALID,
    "IN_THE_PAST": RejectCode.WINDOW_INVALID,
    "NO_POINTS": RejectCode.POINTS_UNKNOWN,
    "CAUSE_UNKNOWN": RejectCode.CAUSE_UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class _Record:
    """One version of a planned cut as planned_dms wants it."""

    source_ref: str
    version: int
    planned_from_at: datetime
    planned_to_at: datetime
    started_at: datetime | None
    restored_at: datetime | None
    cause_code: str | None
    gsrns: Sequence[str]


def take(
    session: Session, stated: DmsOutage, now: datetime
) -> tuple[int | None, tuple[Finding, ...]]:
    """Take one version; gives the cut and what was found. An ERROR means that nothing was changed."""
    try:
        with session.begin_nested():
            findings = _take(session, stated, now)
    except PlanRefused as error:
        code = _CODES.get(error.code, RejectCode.FIELD_INVALID)
        words = f"The planned cut cannot be taken: {error.code}."
        return None, (find(code, "$.plannedFrom", words, severity=Severity.ERROR),)
    return find_id(session, planned_dms.SOURCE, stated.source_ref), findings


def _take(session: Session, stated: DmsOutage, now: datetime) -> tuple[Finding, ...]:
    if stated.state in _CALLED_OFF:
        planned_dms.cancel_from_dms(session, stated.source_ref, stated.version, now)
        return ()
    # The reader of the feed has seen to it that a planned cut has both.
    planned_from = stated.planned_from or stated.stated_at
    planned_to = stated.planned_to or planned_from
    record = _Record(
        stated.source_ref,
        stated.version,
        planned_from,
        planned_to,
        stated.started_at,
        stated.restored_at,
        stated.cause_code,
        _gsrns(session, stated),
    )
    if planned_dms.take_from_dms(session, record, now) != "STALE":
        back = {point.gsrn: point.on_at for point in stated.points if point.on_at is not None}
        planned_dms.points_back(session, stated.source_ref, back, now)
    named = {point.gsrn for point in stated.points}
    missing = len(named) - len(set(record.gsrns) & named)
    if not missing:
        return ()
    words = f"{missing} of the metering points are not known to us."
    return (find(RejectCode.POINTS_UNKNOWN, "$.points", words),)


def _gsrns(session: Session, stated: DmsOutage) -> list[str]:
    if stated.points:
        return sorted(network_points.known(session, (point.gsrn for point in stated.points)))
    return network_points.behind(session, feeder=stated.feeder, transformer=stated.transformer)
