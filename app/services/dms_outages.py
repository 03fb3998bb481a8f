"""Outages that the DMS states: weighed by their version, kept, and handed to those who write them.

A version is a whole snapshot, so the newest is the truth and an older one that comes late changes
nothing. The same version again is nothing new; with another content it contradicts itself, and a
person has to look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app.domain.cause_codes import FAULT_CAUSES
from app.domain.findings import Finding, find
from app.domain.reject_codes import RejectCode, Severity
from app.models.dms_statement import DmsStatement
from app.services import dms_planned, fault_candidates, faults, network_points
from app.services.fault_facts import DMS
from integrations.dms.outage_types import DmsOutage
from integrations.dms.outages import Record, build_outage

BY = "system:dms"
# Clocks differ a little; more is somebody's mistake.
_CLOCKS_DIFFER = timedelta(minutes=5)

APPLIED, STALE, DUPLICATE, CONFLICT, REJECTED = (
    "APPLIED",
    "STALE",
    "DUPLICATE",
    "CONFLICT",
    "REJECTED",
)


@dataclass(frozen=True, slots=True)
class Arrived:
    """One record on its way in: the message that brought it, and when."""

    message_id: int
    outage: DmsOutage
    payload: dict[str, Any]
    body_hash: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one record, and what was found; keys are its business keys."""

    verdict: str
    keys: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    detail: str = ""


def take(session: Session, message_id: int, record: Record, now: datetime) -> Taken:
    """Weigh one record and apply it if it is the newest; in the caller's transaction.

    Raises nothing for the content's sake.
    """
    keys = (record.ref,) if record.ref else ()
    if record.outage is None:
        findings = tuple(_ours(code.code, code.path, code.text) for code in record.findings)
        return Taken(REJECTED, keys, findings, "cannot be read")
    taker = _TAKERS[record.outage.kind]
    payload = build_outage(record.outage)
    digest = hashlib.sha256(msgspec.json.encode(payload, order="sorted")).hexdigest()
    arrived = Arrived(message_id, record.outage, payload, digest, now)
    faults.take_pen(session)
    verdict = _weigh(session, arrived)
    if verdict == DUPLICATE:
        return Taken(verdict, keys, (find(RejectCode.DUPLICATE, "$.version"),))
    if verdict == CONFLICT:
        _keep(session, arrived, verdict, None)
        words = "This version came before with another content, which stays."
        return Taken(verdict, keys, (find(RejectCode.REVISION_CONFLICT, "$.version", words),))
    findings = taker(session, arrived, verdict)
    if any(finding.severity is Severity.ERROR for finding in findings):
        return Taken(REJECTED, keys, findings)
    if verdict == STALE:
        findings = (find(RejectCode.STALE_REVISION, "$.version"), *findings)
    return Taken(verdict, keys, findings, f"version {record.outage.version}")


_KNOWN = text(
    """
    SELECT version, body_hash FROM dms_statement
    WHERE source_ref = :ref AND verdict IN ('APPLIED', 'STALE') AND version >= :version
    ORDER BY version
    """
)


def _weigh(session: Session, arrived: Arrived) -> str:
    stated = arrived.outage
    values = {"ref": stated.source_ref, "version": stated.version}
    rows = session.execute(_KNOWN, values).all()
    same = next((row for row in rows if row.version == stated.version), None)
    if same is not None:
        return DUPLICATE if same.body_hash == arrived.body_hash else CONFLICT
    return STALE if rows else APPLIED


def _keep(session: Session, arrived: Arrived, verdict: str, outage_id: int | None) -> None:
    stated = arrived.outage
    session.execute(
        insert(DmsStatement).values(
            source_ref=stated.source_ref,
            version=stated.version,
            kind=stated.kind,
            body_hash=arrived.body_hash,
            payload=arrived.payload,
            verdict=verdict,
            stated_at=stated.stated_at,
            received_at=arrived.now,
            inbound_message_id=arrived.message_id,
            outage_id=outage_id,
            parent_ref=stated.parent,
            split_ref=stated.split_from,
        )
    )


def _take_fault(session: Session, arrived: Arrived, verdict: str) -> tuple[Finding, ...]:
    """Keep the statement with its fault, and derive the fault anew; only the newest one counts."""
    stated, now = arrived.outage, arrived.now
    findings = _check(session, stated, now)
    if any(finding.severity is Severity.ERROR for finding in findings):
        return findings
    known = faults.find(session, DMS, stated.source_ref)
    outage_id = known or faults.open_fault(
        session,
        faults.NewFault(
            DMS,
            stated.source_ref,
            stated.started_at or stated.stated_at,
            stated.feeder,
            stated.transformer,
        ),
        now,
    )
    _keep(session, arrived, verdict, outage_id)
    facts = {
        "version": stated.version,
        "state": stated.state,
        "points": len(stated.points),
        "verdict": verdict,
    }
    faults.record(session, outage_id, "DMS_STATED", stated.stated_at, now, by=BY, facts=facts)
    _note_split(session, outage_id, stated, now)
    faults.refresh(session, outage_id, now, by=BY)
    if verdict == APPLIED:
        fault_candidates.absorb(session, outage_id, now, by=BY)
    if known is None:
        _join_parts(session, stated.source_ref, now)
    return findings


def _check(session: Session, stated: DmsOutage, now: datetime) -> tuple[Finding, ...]:
    findings = []
    if stated.points:
        named = {point.gsrn for point in stated.points}
        missing = len(named) - len(network_points.known(session, named))
    else:
        named = set(
            network_points.behind(session, feeder=stated.feeder, transformer=stated.transformer)
        )
        missing = 0
    if missing or not named:
        words = f"{missing or 'All'} of the metering points are not known to us."
        weight = Severity.ERROR if missing == len(named) else Severity.WARN
        findings.append(find(RejectCode.POINTS_UNKNOWN, "$.points", words, severity=weight))
    if stated.cause_code is not None and stated.cause_code not in FAULT_CAUSES:
        words = f"{stated.cause_code} is told as a cause that is being investigated."
        findings.append(find(RejectCode.CAUSE_UNKNOWN, "$.causeCode", words))
    if stated.started_at is not None and stated.started_at > now + _CLOCKS_DIFFER:
        # A fault cannot be foreseen; applying it would tell people of a cut that is not.
        words = "A fault cannot begin in the future."
        findings.append(
            find(RejectCode.TIME_IN_FUTURE, "$.startedAt", words, severity=Severity.ERROR)
        )
    return tuple(findings)


def _take_planned(session: Session, arrived: Arrived, verdict: str) -> tuple[Finding, ...]:
    """Keep the statement with its planned cut, whose own rules say what comes of it."""
    stated = arrived.outage
    outage_id: int | None = None
    findings: tuple[Finding, ...] = ()
    if verdict == APPLIED:
        outage_id, findings = dms_planned.take(session, stated, arrived.now)
    if not any(finding.severity is Severity.ERROR for finding in findings):
        _keep(session, arrived, verdict, outage_id)
    return findings


_FORMER = text("SELECT id FROM outage WHERE source = 'DMS' AND source_ref = :ref")
_SPLIT_KNOWN = text(
    "SELECT EXISTS (SELECT 1 FROM outage_event WHERE outage_id = :id AND type = 'SPLIT_OFF')"
)


def _note_split(session: Session, outage_id: int, stated: DmsOutage, now: datetime) -> None:
    """Remember of which fault it was a part: whoever was told of that one knows of this one."""
    if stated.split_from is None or session.execute(_SPLIT_KNOWN, {"id": outage_id}).scalar():
        return
    former = session.execute(_FORMER, {"ref": stated.split_from}).scalar_one_or_none()
    if former is not None:
        facts = {"from_id": former}
        faults.record(session, outage_id, "SPLIT_OFF", stated.stated_at, now, by=BY, facts=facts)


_NAMED_BY = text(
    """
    SELECT DISTINCT ON (source_ref) outage_id, payload, parent_ref, split_ref FROM dms_statement
    WHERE source_ref IN (SELECT source_ref FROM dms_statement
                         WHERE parent_ref = :ref OR split_ref = :ref)
      AND verdict IN ('APPLIED', 'STALE') AND outage_id IS NOT NULL
    ORDER BY source_ref, version DESC
    """
)


def _join_parts(session: Session, ref: str, now: datetime) -> None:
    """Parts that came before their whole join it now that it is known."""
    for row in session.execute(_NAMED_BY, {"ref": ref}).all():
        if row.split_ref == ref:
            stated = msgspec.convert(row.payload, DmsOutage)
            _note_split(session, row.outage_id, stated, now)
        if row.parent_ref == ref:
            faults.refresh(session, row.outage_id, now, by=BY)


def _ours(code: str, path: str, words: str) -> Finding:
    kept = RejectCode.FIELD_MISSING if code == "FIELD_MISSING" else RejectCode.FIELD_INVALID
    return find(kept, path, f"{code}: {words}")


# Which kind of outage is written by whom; other kinds the reader of the feed does not let pass.
_TAKERS: Mapping[str, Callable[[Session, Arrived, str], tuple[Finding, ...]]] = {
    "FAULT": _take_fault,
    "PLANNED": _take_planned,
}
