"""Acknowledgements between their three shapes: the wire's type, the stored row, the domain's fact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from app.domain.acks import AckFact, AckType, Reading, effect_of
from app.domain.findings import Finding
from app.domain.reject_codes import RejectCode, Severity
from integrations.installer import ack_types
from integrations.installer.ack_types import InstallerAck
from integrations.installer.acks import parse_ack

# What the walk through all acknowledgements said; unlike a check's word it changes with each new one.
_NOTE_CODES = frozenset({RejectCode.ACK_OUT_OF_ORDER, RejectCode.DUPLICATE})


_decoder = msgspec.json.Decoder(InstallerAck)


def read_stored(body: bytes) -> InstallerAck:
    """The acknowledgement in our own copy, which was checked in full before it was stored.

    Raises: AckInvalid, if the wire's rules have become stricter since then.
    """
    try:
        return _decoder.decode(body)
    except (ValueError, RecursionError):
        return parse_ack(body)


def wire_of(payload: Mapping[str, Any]) -> InstallerAck:
    """The acknowledgement as the partner sent it, from the row's payload."""
    return msgspec.convert(payload, InstallerAck)


def fact_of(
    ack: InstallerAck, partner_code: str, received_at: datetime, findings: Iterable[Finding]
) -> AckFact:
    """The acknowledgement as the domain weighs it, with what the checks let it do."""
    schedule, outage, site = ack.schedule, ack.outage, ack.site
    old, new = ack.old_meter, ack.new_meter
    return AckFact(
        ack_id=str(ack.ack_id),
        order_id=ack.order_id,
        revision=ack.revision,
        type=AckType(ack.type),
        partner_code=partner_code,
        occurred_at=ack.occurred_at.astimezone(UTC),
        reported_at=ack.reported_at.astimezone(UTC),
        received_at=received_at,
        off_at=_utc(outage.off_at) if outage else None,
        on_at=_utc(outage.on_at) if outage else None,
        no_outage=bool(outage and outage.no_outage),
        schedule_from=_utc(schedule.from_) if schedule else None,
        schedule_to=_utc(schedule.to) if schedule else None,
        reason_code=ack.failure.reason_code if ack.failure else None,
        old_meter_number=old.number if old else None,
        new_meter_number=new.number if new else None,
        new_meter_serial=new.serial if new else None,
        old_readings=_readings(old.readings) if old else (),
        new_readings=_readings(new.readings) if new else (),
        multiplier=decimal_of(new.multiplier) if new else None,
        lat=site.lat if site else None,
        lon=site.lon if site else None,
        accuracy_m=site.accuracy_m if site else None,
        effect=effect_of(findings),
    )


def with_name(fact: AckFact, name: str) -> AckFact:
    """The same fact under another name."""
    return replace(fact, ack_id=name)


def build_findings(checks: Iterable[Finding], note: Finding | None) -> list[dict[str, str]]:
    """What is stored with the row: the checks' words, and the walk's if it had any."""
    found = (*checks, note) if note is not None else tuple(checks)
    return [
        {"code": str(f.code), "path": f.path, "text": f.text, "severity": str(f.severity)}
        for f in found
    ]


def parse_checks(stored: Iterable[Mapping[str, str]]) -> tuple[Finding, ...]:
    """The checks' words out of what was stored."""
    return tuple(
        Finding(RejectCode(f["code"]), f["path"], f["text"], None, Severity(f["severity"]))
        for f in stored
        if f["code"] not in _NOTE_CODES
    )


def decimal_of(value: float | None) -> Decimal | None:
    """The number as it was written, without the noise of binary fractions."""
    return None if value is None else Decimal(str(value))


def _readings(readings: Iterable[ack_types.Reading]) -> tuple[Reading, ...]:
    return tuple(
        Reading(
            register=reading.register,
            value=Decimal(str(reading.value)),
            unit=reading.unit,
            read_at=reading.read_at.astimezone(UTC),
            source=reading.source,
        )
        for reading in readings
    )


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)
