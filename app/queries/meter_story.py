"""One meter: what it is, how it came to us, where it has hung and what it read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from app.models import AuditEntry, Meter, MeterPlacement, MeterReading

_READINGS = 20
_DELIVERIES = 50


@dataclass(frozen=True, slots=True)
class Word:
    """One delivery that spoke of the meter."""

    message_id: int
    delivery_id: str
    kind: str
    issued_at: datetime
    stock_code: str | None
    verdict: str
    text: str | None


@dataclass(frozen=True, slots=True)
class MeterStory:
    """The meter, each list newest first; doubts: orders on the list of serial mismatches."""

    meter: Meter
    words: list[Word]
    placements: list[MeterPlacement]
    readings: list[MeterReading]
    acts: list[AuditEntry]
    doubts: list[str]


_WORDS = text(
    """
    SELECT d.inbound_message_id, d.delivery_id, d.kind, d.issued_at, d.stock_code, i.verdict, i.text
    FROM meter_delivery_item i
    JOIN meter_delivery d ON d.inbound_message_id = i.inbound_message_id
    WHERE i.number = :number ORDER BY d.received_at DESC, i.place LIMIT :limit
    """
)
_DOUBTS = text(
    "SELECT order_id FROM serial_mismatch WHERE meter_number = :number AND state <> 'SETTLED'"
    " ORDER BY opened_at"
)


def find_number(session: Session, words: str) -> str | None:
    """The number of the meter with this number or serial."""
    statement = (
        select(Meter.number)
        .where(or_(Meter.number == words, Meter.serial == words))
        .order_by(Meter.number != words)
        .limit(1)
    )
    return session.execute(statement).scalar_one_or_none()


def meter_story(session: Session, number: str) -> MeterStory | None:
    """All that is known of one meter; None when there is no such meter."""
    meter = session.get(Meter, number)
    if meter is None:
        return None
    placements = select(MeterPlacement).where(MeterPlacement.meter_number == number)
    readings = (
        select(MeterReading)
        .where(MeterReading.meter_number == number)
        .order_by(MeterReading.read_at.desc(), MeterReading.register)
        .limit(_READINGS)
    )
    acts = (
        select(AuditEntry)
        .where(AuditEntry.subject == f"meter:{number}")
        .order_by(AuditEntry.id.desc())
    )
    words = session.execute(_WORDS, {"number": number, "limit": _DELIVERIES})
    return MeterStory(
        meter,
        [Word(*row) for row in words],
        sorted(
            session.scalars(placements),
            key=lambda one: (one.removed_at is None, one.installed_at or one.removed_at),
            reverse=True,
        ),
        list(session.scalars(readings)),
        list(session.scalars(acts)),
        list(session.execute(_DOUBTS, {"number": number}).scalars()),
    )
