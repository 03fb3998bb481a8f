"""What counts as an order's completion: one report, with what others add to it, and its version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.acks import AckEffect, AckFact, AckType, Derived
from app.domain.failure_reasons import FAILURE_REASONS
from app.domain.findings import Finding
from app.domain.placements import Swap
from app.domain.reject_codes import REJECT_CODES
from app.domain.states import AckVerdict
from app.models.work_order import WorkOrder
from app.services.ack_rows import decimal_of
from app.services.meter_register import NewMeter, Reading, Report
from integrations.installer import ack_types
from integrations.installer.ack_types import InstallerAck


@dataclass(frozen=True, slots=True)
class Reported:
    """One acknowledgement of an order in the shapes that its effects need."""

    fact: AckFact
    wire: InstallerAck
    checks: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Completion:
    """The completion that counts.

    version grows with every report that has a say in it, so that the same set of reports has the
    same version however it arrived. hold_reason: why the bill has to wait for somebody. partner_code
    and checks: whose report it is, and what was found in it.
    """

    ack: InstallerAck
    partner_code: str
    checks: tuple[Finding, ...]
    at: datetime
    off_at: datetime | None
    on_at: datetime | None
    version: int
    hold_reason: str | None

    @property
    def facts(self) -> tuple[object, ...]:
        """What the others are told; when it changes, they have to be told again."""
        return self.ack.ack_id, self.at, self.off_at, self.on_at


def completion_of(derived: Derived, reports: Mapping[str, Reported]) -> Completion | None:
    """The completion that all reports together amount to, if they amount to one."""
    if derived.completed_ack_id is None or derived.completed_at is None:
        return None
    counting = reports[derived.completed_ack_id]
    fact = counting.fact
    version = sum(1 for name, one in reports.items() if _completes(name, one.fact, derived))
    if fact.off_at is None:
        # It leaves it to the reports of visits to say when the power went.
        version += sum(1 for name, one in reports.items() if _visits(name, one.fact, derived))
    holds = [str(f.code) for f in counting.checks if REJECT_CODES[f.code].holds_billing]
    return Completion(
        ack=counting.wire,
        partner_code=fact.partner_code,
        checks=counting.checks,
        at=derived.completed_at,
        off_at=derived.off_at,
        on_at=derived.on_at,
        version=version,
        hold_reason=", ".join(dict.fromkeys(holds)) or None,
    )


def is_effective(name: str, derived: Derived) -> bool:
    """Whether the acknowledgement did something; one that waits for its original did not yet."""
    verdict = derived.verdicts.get(name)
    waits = verdict is AckVerdict.HELD and name in derived.notes
    return verdict in {AckVerdict.APPLIED, AckVerdict.HELD} and not waits


def is_completing(fact: AckFact) -> bool:
    """Whether the report says that the work is done."""
    if fact.type is AckType.FAILED:
        reason = FAILURE_REASONS.get(fact.reason_code or "")
        return reason is not None and reason.counts_as_installed and bool(fact.new_meter_number)
    return fact.type is AckType.COMPLETED


def register_report(order: WorkOrder, completion: Completion, *, swaps: bool) -> Report:
    """What the completion says about meters; swaps: whether such orders change meters at all."""
    old, new = completion.ack.old_meter, completion.ack.new_meter
    new_number = new.number if new else None
    old_number = (old.number if old else None) or order.old_meter_number
    changes = swaps or new_number is not None
    readings = [
        *_readings(old_number, old.readings if old else []),
        *_readings(new_number, new.readings if new else []),
    ]
    return Report(
        swap=Swap(
            order_id=order.order_id,
            gsrn=order.gsrn,
            at=completion.at,
            old_number=old_number if changes else None,
            new_number=new_number,
        ),
        ack_id=str(completion.ack.ack_id),
        new_meter=NewMeter(
            new_number,
            new.serial,
            new.model,
            new.firmware,
            decimal_of(new.multiplier),
            _talked_at(completion),
        )
        if new is not None and new_number is not None
        else None,
        readings=tuple(readings),
    )


def _talked_at(completion: Completion) -> datetime | None:
    """The test is part of the work: whose clock shows it a little earlier means the same moment."""
    test = completion.ack.comm_test
    return completion.at if test is not None and test.ok else None


def _completes(name: str, fact: AckFact, derived: Derived) -> bool:
    speaks = fact.type is AckType.CORRECTED or is_completing(fact)
    return speaks and is_effective(name, derived)


def _visits(name: str, fact: AckFact, derived: Derived) -> bool:
    """Counted whatever came of it: one more visit may give another one a different meaning."""
    speaks = fact.type is AckType.STARTED or (
        fact.type is AckType.FAILED and not is_completing(fact)
    )
    verdict = derived.verdicts.get(name)
    is_known = verdict is not None and verdict is not AckVerdict.DUPLICATE
    return speaks and is_known and fact.effect is not AckEffect.REFUSE


def _readings(number: str | None, readings: list[ack_types.Reading]) -> list[Reading]:
    if number is None:
        return []
    return [
        Reading(
            meter_number=number,
            register=reading.register,
            value=Decimal(str(reading.value)),
            unit=reading.unit,
            read_at=reading.read_at,
            source=reading.source,
        )
        for reading in readings
    ]
