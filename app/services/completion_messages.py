"""A completed order in the forms in which the CIS, the NIS, the DMS and billing get it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import msgspec

from app.domain import placements
from app.domain.placements import Stay
from app.models.work_order import WorkOrder
from app.services.ack_rows import decimal_of
from app.services.completion import Completion
from app.services.meter_register import Report
from app.services.order_facts import Surroundings
from integrations.billing import types as billing
from integrations.billing.codec import build_meter_change
from integrations.cis.types import (
    CisCompletion,
    CisMeter,
    CisMeteringPoint,
    CisReading,
    SwappedMeter,
)
from integrations.dms.codec import build_swap_outage
from integrations.dms.types import SwapOutage
from integrations.installer import ack_types
from integrations.nis.codec import build_device
from integrations.nis.types import NisDevice

# What the register writes where nobody has told it a code.
_UNTOLD = "UNKNOWN"
# What the CIS's profile has room for.
_SERIAL_CHARS = 40
_MULTIPLIER_STEP = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Facts:
    """What all four messages are made of; stays: those at the metering point, this work included."""

    order: WorkOrder
    completion: Completion
    report: Report
    around: Surroundings
    stays: Sequence[Stay]
    version: int

    @property
    def is_overtaken(self) -> bool:
        """Whether later work, told of before, has changed the meter since."""
        return placements.is_overtaken(self.stays, self.report.swap)

    @property
    def hanging_number(self) -> str | None:
        """The meter that hangs at the point now."""
        swap = self.report.swap
        if self.is_overtaken:
            hanging = placements.current(self.stays)
            return None if hanging is None else hanging.number
        if swap.new_number is not None:
            return swap.new_number
        number: str | None = self.around.point.register_number
        return None if swap.old_number is not None else number


def for_cis(facts: Facts) -> dict[str, Any]:
    """How the order ended, with the whole metering point as it is now (Datahub's DH-122 rule)."""
    order, completion = facts.order, facts.completion
    failure = completion.ack.failure
    message = CisCompletion(
        order_id=order.order_id,
        revision=order.revision,
        order_type_code=order.order_type_code,
        final_state="CORRECTED" if completion.ack.type == "CORRECTED" else "COMPLETED",
        completed_at=completion.at,
        gsrn=order.gsrn,
        outage_off_at=completion.off_at,
        outage_on_at=completion.on_at if completion.off_at is not None else None,
        failure_reason=failure.reason_code if failure else None,
        old_meter=_old_meter(facts),
        new_meter=_new_meter(facts),
        metering_point=_point(facts),
    )
    return cast("dict[str, Any]", msgspec.to_builtins(message))


def for_nis(facts: Facts) -> dict[str, Any] | None:
    """The device at the point, or that it is gone; None when the work changed nothing about it.

    The NIS keeps one device per point and goes by the version, so a late report of earlier work
    must not reach it behind one of later work.
    """
    number, new, point = facts.report.swap.new_number, facts.report.new_meter, facts.around.point
    if facts.is_overtaken:
        return None
    if number is None:
        return _removed_device(facts)
    told = facts.order.facts
    fuse_a = point.main_fuse_a or told.get("main_fuse_a")
    device = NisDevice(
        gsrn=facts.order.gsrn,
        meter_number=number,
        model=(new.model if new else None) or facts.order.required_model,
        installed_at=facts.completion.at,
        main_fuse_a=None if fuse_a is None else float(fuse_a),
        phases=point.phases or told.get("phases"),
        version=facts.version,
    )
    return build_device(device)


def _removed_device(facts: Facts) -> dict[str, Any] | None:
    if not facts.around.for_removal or facts.report.swap.old_number is None:
        return None
    return build_device(
        NisDevice(gsrn=facts.order.gsrn, removed_at=facts.completion.at, version=facts.version)
    )


def for_dms(facts: Facts) -> dict[str, Any]:
    """When the power was off, if it was, and which meter hangs there now."""
    completion = facts.completion
    outage = SwapOutage(
        order_id=facts.order.order_id,
        gsrn=facts.order.gsrn,
        meter_number=facts.hanging_number,
        off_at=completion.off_at,
        on_at=completion.on_at if completion.off_at is not None else None,
        version=facts.version,
    )
    return build_swap_outage(outage)


def for_billing(facts: Facts) -> dict[str, Any] | None:
    """The readings that close the old account and open the new one; None when no meter changed."""
    swap = facts.report.swap
    old, new = facts.completion.ack.old_meter, facts.completion.ack.new_meter
    if swap.old_number is None and swap.new_number is None:
        return None
    change = billing.MeterChange(
        order_id=facts.order.order_id,
        gsrn=facts.order.gsrn,
        changed_at=facts.completion.at,
        old_meter=billing.OldMeter(
            number=swap.old_number, final_readings=_billed(old.readings if old else [])
        )
        if swap.old_number is not None
        else None,
        new_meter=billing.NewMeter(
            number=swap.new_number,
            start_readings=_billed(new.readings if new else []),
            multiplier=new.multiplier if new else None,
        )
        if swap.new_number is not None
        else None,
        version=facts.version,
    )
    return build_meter_change(change)


def _old_meter(facts: Facts) -> SwappedMeter | None:
    number, old = facts.report.swap.old_number, facts.completion.ack.old_meter
    if number is None:
        return None
    return SwappedMeter(
        meter_number=number,
        condition=old.condition if old else None,
        readings=_for_reader(old.readings if old else []),
    )


def _new_meter(facts: Facts) -> SwappedMeter | None:
    number, new = facts.report.swap.new_number, facts.completion.ack.new_meter
    if number is None or new is None:
        return None
    return SwappedMeter(
        meter_number=number,
        serial=new.serial,
        model=new.model,
        firmware=new.firmware,
        multiplier=_rounded(decimal_of(new.multiplier)),
        seals=tuple(new.seals),
        readings=_for_reader(new.readings),
    )


def _point(facts: Facts) -> CisMeteringPoint | None:
    point = facts.around.point
    if point.gsrn is None:
        return None
    return CisMeteringPoint(
        gsrn=point.gsrn,
        version=point.version,
        local_code=point.dso_code,
        physical_status=_told(point.status),
        point_type=_told(point.type),
        point_subtype=point.subtype,
        remote_connectable=point.remote_connectable,
        dwelling=point.dwelling,
        transformer=point.transformer,
        feeder=point.feeder,
        annual_fee_cents=point.annual_fee_cents,
        linked_point=point.linked_gsrn,
        street_name=point.street_name,
        house_number=point.house_number,
        staircase=point.staircase,
        apartment=point.apartment,
        postal_code=point.postal_code,
        post_office=point.post_office,
        municipality_code=point.municipality_code,
        lat=point.lat,
        lon=point.lon,
        phases=point.phases,
        main_fuse_a=point.main_fuse_a,
        multiplier_ct=_ct(point.ct_ratio),
        meter_place=point.meter_place,
        meter=_hanging_meter(facts),
    )


def _hanging_meter(facts: Facts) -> CisMeter | None:
    number, new = facts.hanging_number, facts.report.new_meter
    if number is None:
        return None
    if new is None or new.number != number:
        return CisMeter(meter_number=number)
    return CisMeter(
        meter_number=number,
        # A number that their field cannot hold is better unsaid than cut.
        serial=new.serial if len(new.serial or "") <= _SERIAL_CHARS else None,
        model=new.model,
        multiplier=_rounded(new.multiplier),
        installed_at=facts.completion.at,
    )


def _for_reader(readings: Sequence[ack_types.Reading]) -> tuple[CisReading, ...]:
    return tuple(
        CisReading(
            register=reading.register,
            value=Decimal(str(reading.value)),
            unit=reading.unit,
            read_at=reading.read_at,
            source=reading.source,
        )
        for reading in readings
    )


def _billed(readings: Sequence[ack_types.Reading]) -> list[billing.Reading]:
    return [
        billing.Reading(
            register=reading.register,
            value=reading.value,
            unit=reading.unit,
            read_at=reading.read_at,
            source=reading.source,
        )
        for reading in readings
    ]


def _told(code: str | None) -> str | None:
    return None if code == _UNTOLD else code


def _ct(ratio: str | None) -> Decimal | None:
    """The register keeps the CIS's multiplier as text."""
    try:
        return None if ratio is None else Decimal(ratio)
    except ArithmeticError:
        return None


def _rounded(multiplier: Decimal | None) -> Decimal | None:
    """As exact as the CIS's profile takes it."""
    return None if multiplier is None else multiplier.quantize(_MULTIPLIER_STEP).normalize()
