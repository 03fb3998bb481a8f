"""A piece of network for the tests of faults: points on transformers, a DMS, meters, operators."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import transaction
from app.domain.gsrn import check_digit
from app.models import Announcement, MeteringPoint, Notice, Outage, OutageEvent, OutagePoint
from app.services import dms_outages, meter_events
from app.services.fault_actions import Act
from integrations.dms.outages import parse_outages
from integrations.head_end.types import MeterEvent
from tests.services.announcing import plan_all
from tests.services.world import NOW, claim, end, gate, scalar

# Every announcement that a fault of these tests makes is made by one of these.
DMS = "F-1"


def gsrn(number: int) -> str:
    """A valid number that belongs to nobody."""
    first = f"6499990{number:010d}"
    return first + check_digit(first)


A, B, C, D = (gsrn(number) for number in range(1, 5))


def at(minutes: float) -> datetime:
    """So many minutes into the fault."""
    return NOW + timedelta(minutes=minutes)


def build_network(
    points: Sequence[str] = (A, B, C, D),
    *,
    transformer: str = "M837-0001",
    municipality: str = "837",
) -> None:
    """Points that hang on one transformer in one municipality."""
    with transaction() as session:
        for number, point in enumerate(points):
            session.add(
                MeteringPoint(
                    gsrn=point,
                    version=1,
                    status="AE01",
                    type="AG01",
                    street_name="Koivutie",
                    house_number=str(12 + 2 * number),
                    municipality_code=municipality,
                    transformer=transformer,
                    feeder=f"{transformer[:4]}-07",
                    annual_fee_cents=40_000,
                    updated_at=NOW,
                )
            )


def record(version: int = 1, ref: str = DMS, **fields: Any) -> dict[str, Any]:
    """One version of an outage as the DMS writes it; times are minutes into the fault."""
    values: dict[str, Any] = {
        "sourceRef": ref,
        "version": version,
        "kind": "FAULT",
        "statedAt": fields.pop("stated", 4 + version),
        "startedAt": fields.pop("started", 0),
        **fields,
    }
    points = values.pop("points", None)
    if isinstance(points, dict):
        values["points"] = [
            {"gsrn": one} | ({} if on is None else {"onAt": at(on).isoformat()})
            for one, on in points.items()
        ]
    elif points is not None:
        values["points"] = points
    return {
        name: at(value).isoformat()
        if name.endswith("At") and isinstance(value, int | float)
        else value
        for name, value in values.items()
    }


def state(*records: dict[str, Any], minutes: float | None = None, message: int = 1) -> list[str]:
    """The DMS states outages, one transaction each; returns the verdicts."""
    told = []
    for one in parse_outages(json.dumps({"outages": list(records)}).encode()).records:
        version = one.outage.version if one.outage else 1
        with transaction() as session:
            now = at(5 + version if minutes is None else minutes)
            told.append(dms_outages.take(session, message, one, now).verdict)
    return told


def meters(*events: tuple[str, str, float], minutes: float = 200) -> dict[str, int]:
    """The head-end reports (gsrn, code, minutes into the fault)."""
    sent = [MeterEvent(gsrn=one, event_code=code, at=at(when)) for one, code, when in events]  # type: ignore[arg-type] # The codes of the tests are right.
    with transaction() as session:
        return dict(meter_events.take_events(session, 1, sent, at(minutes)))


def operator(session: Session, minutes: float, by: str = "staff:otso") -> Act:
    """An operator at work."""
    return Act(session, by, at(minutes))


def fault(ref: str = DMS, source: str = "DMS") -> Outage:
    """The fault as it is in the database now."""
    with transaction() as session:
        return session.execute(
            select(Outage)
            .where(Outage.source == source, Outage.source_ref == ref)
            .execution_options(populate_existing=True)
        ).scalar_one()


def times(outage: Outage) -> dict[str, tuple[float, float | None]]:
    """When each point went and came back, in minutes into the fault."""
    with transaction() as session:
        rows = session.execute(
            select(OutagePoint.gsrn, OutagePoint.off_at, OutagePoint.on_at)
            .where(OutagePoint.outage_id == outage.id)
            .order_by(OutagePoint.gsrn)
        ).all()
    minute = timedelta(minutes=1)
    return {
        row.gsrn: (
            (row.off_at - NOW) / minute,
            None if row.on_at is None else (row.on_at - NOW) / minute,
        )
        for row in rows
    }


def announced(outage: Outage | None = None, *, withdrawn: bool = False) -> list[Announcement]:
    """What is to be told, in the order in which it was announced."""
    statement = select(Announcement).order_by(Announcement.id)
    if outage is not None:
        statement = statement.where(Announcement.outage_id == outage.id)
    if not withdrawn:
        statement = statement.where(Announcement.state != "WITHDRAWN")
    with transaction() as session:
        return list(session.execute(statement.execution_options(populate_existing=True)).scalars())


def kinds(outage: Outage | None = None, *, withdrawn: bool = False) -> list[str]:
    """Their kinds only."""
    return [one.type for one in announced(outage, withdrawn=withdrawn)]


def all_told(*, told: int = 3) -> None:
    """The planner has made notices of everything that is due, to so many contacts each."""
    with transaction() as session:
        session.execute(
            text(
                "UPDATE announcement SET state = 'DONE', told_count = :told, planned_at = created_at"
                " WHERE state = 'PENDING'"
            ),
            {"told": told},
        )


def course_of(outage: Outage) -> list[str]:
    """The kinds of what happened to it, as its page tells."""
    with transaction() as session:
        return list(
            session.execute(
                select(OutageEvent.type)
                .where(OutageEvent.outage_id == outage.id)
                .order_by(OutageEvent.id)
            ).scalars()
        )


def final_rows() -> Iterator[tuple[Any, ...]]:
    """All that the facts decide, by the senders' own names: what must not depend on arrival."""
    with transaction() as session:
        rows = session.execute(
            text(
                """
                SELECT o.source, o.source_ref, o.state, o.source_version, o.cause_code, o.started_at,
                    o.restored_at, o.etr_at, o.etr_confidence, o.etr_set_at, o.confirmed_at,
                    o.closed_at, w.source_ref AS whole,
                    (SELECT jsonb_agg(jsonb_build_array(p.gsrn, p.off_at, p.on_at) ORDER BY p.gsrn)
                     FROM outage_point p WHERE p.outage_id = o.id) AS points
                FROM outage o LEFT JOIN outage w ON w.id = o.parent_id
                ORDER BY o.source, o.source_ref
                """
            )
        ).all()
    for row in rows:
        yield tuple(str(value) for value in row)


def sent(minutes: float) -> list[str]:
    """Plan what is due and send what may leave; the kinds of what left, in their order."""
    now = at(minutes)
    plan_all(now)
    before = scalar("SELECT count(*) FROM notice WHERE state = 'SENT'")
    while True:
        claimed = claim(now=now)
        if not claimed:
            break
        attempts, _ = gate(claimed, now)
        for item in claimed:
            if item.id in attempts:
                end(item, attempts[item.id], "SENT", "SENT", now=now)
            else:
                end(item, None, "NOT_SENT", "CANCELLED", now=now)
    with transaction() as session:
        rows = (
            session.query(Notice.type).filter_by(state="SENT").order_by(Notice.sent_at, Notice.id)
        )
        return [row.type for row in rows][before:]
