"""What a partner reported about an order, and what we know about that order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from app.domain.states import MeterState, WorkOrderState

# Clocks of phones differ a little; what lies further ahead than this was not measured.
FUTURE_TOLERANCE = timedelta(minutes=5)


class AckType(StrEnum):
    """What an acknowledgement says; EN_ROUTE is a fact that moves no state."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    SCHEDULED = "SCHEDULED"
    RESCHEDULED = "RESCHEDULED"
    EN_ROUTE = "EN_ROUTE"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CORRECTED = "CORRECTED"


class AckEffect(StrEnum):
    """What the checks let an acknowledgement do: all, all but the bill, or nothing."""

    APPLY = "APPLY"
    HOLD = "HOLD"
    REFUSE = "REFUSE"


@dataclass(frozen=True, slots=True)
class Reading:
    """One register of a meter at one time; register is an OBIS short name such as 1.8.0."""

    register: str
    value: Decimal
    unit: str = "kWh"
    read_at: datetime | None = None
    source: str = "DISPLAY"


@dataclass(frozen=True, slots=True)
class AckFact:
    """One acknowledgement as a fact; what the checks said of it comes along as its effect.

    A CORRECTED acknowledgement restates the whole completion; with a reason_code it takes the
    completion back. received_at is when we stored it first.
    """

    ack_id: str
    order_id: str
    revision: int
    type: AckType
    partner_code: str
    occurred_at: datetime
    reported_at: datetime
    received_at: datetime
    off_at: datetime | None = None
    on_at: datetime | None = None
    no_outage: bool = False
    schedule_from: datetime | None = None
    schedule_to: datetime | None = None
    reason_code: str | None = None
    old_meter_number: str | None = None
    new_meter_number: str | None = None
    new_meter_serial: str | None = None
    old_readings: tuple[Reading, ...] = ()
    new_readings: tuple[Reading, ...] = ()
    multiplier: Decimal | None = None
    lat: float | None = None
    lon: float | None = None
    accuracy_m: float | None = None
    effect: AckEffect = AckEffect.APPLY

    @property
    def happened_at(self) -> datetime:
        """When it happened, as far as one can tell: a time in the future counts as its arrival."""
        if self.occurred_at > self.received_at + FUTURE_TOLERANCE:
            return self.received_at
        return self.occurred_at


@dataclass(frozen=True, slots=True)
class MeterFacts:
    """What our register says about the meter that was hung; partner_code is whose stock it is in.

    serial: the number that its maker gave it, where the maker has told us. listed: False when it is
    known only because an installer said that it hangs, and its maker should have told us before.
    """

    number: str
    state: MeterState
    gsrn: str | None = None
    partner_code: str | None = None
    serial: str | None = None
    listed: bool = True


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What the checks of an acknowledgement need to know about its order and metering point.

    base_state: what the order was before all acknowledgements, CANCELLED if the CIS called it off.
    new_meter: our row of the meter that the acknowledgement hangs, if we have one. stock_known:
    whether the partner's stock is in our register, so that a missing meter means something.
    """

    order_id: str
    revision: int
    base_state: WorkOrderState
    partner_code: str | None
    gsrn: str
    takes_new_meter: bool = True
    former_partner_codes: frozenset[str] = frozenset()
    old_meter_number: str | None = None
    register_meter_number: str | None = None
    last_readings: tuple[Reading, ...] = ()
    expected_multiplier: Decimal | None = None
    phases: int | None = None
    main_fuse_a: int | None = None
    lat: float | None = None
    lon: float | None = None
    new_meter: MeterFacts | None = None
    stock_known: bool = False
