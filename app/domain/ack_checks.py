"""Is an acknowledgement believable? Doubts hold the bill, contradictions refuse it.

An acknowledgement is always stored. What is refused here does not count, because it is not this
partner's order or says nothing that could be applied; all other doubts only keep the bill waiting
for a person while everything else goes on (REQ-20).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from math import asin, cos, radians, sin, sqrt

from app.domain.ack_facts import (
    FUTURE_TOLERANCE,
    AckEffect,
    AckFact,
    AckType,
    MeterFacts,
    OrderFacts,
    Reading,
)
from app.domain.failure_reasons import FAILURE_REASONS
from app.domain.findings import Finding, find, has_error
from app.domain.reject_codes import REJECT_CODES, RejectCode, Severity
from app.domain.states import MeterState, WorkOrderState


def check_ack(ack: AckFact, order: OrderFacts, now: datetime) -> tuple[Finding, ...]:
    """Find what is doubtful about an acknowledgement; `now` is when it arrived.

    An acknowledgement of an unknown order never gets here: there is nothing to compare it with.
    """
    return tuple(_findings(ack, order, now))


def effect_of(findings: Iterable[Finding]) -> AckEffect:
    """What an acknowledgement with these findings may do."""
    found = tuple(findings)
    if has_error(found):
        return AckEffect.REFUSE
    if any(REJECT_CODES[finding.code].holds_billing for finding in found):
        return AckEffect.HOLD
    return AckEffect.APPLY


def _findings(ack: AckFact, order: OrderFacts, now: datetime) -> Iterator[Finding]:
    if ack.partner_code not in {order.partner_code, *order.former_partner_codes}:
        yield find(RejectCode.ACK_NOT_YOURS, "orderId")
        return
    if ack.occurred_at > now + FUTURE_TOLERANCE:
        text = f"It happened at {ack.occurred_at.isoformat()} and arrived at {now.isoformat()}."
        yield find(RejectCode.TIME_IN_FUTURE, "occurredAt", text)
    if ack.revision > order.revision:
        text = f"It is about revision {ack.revision}, we have revision {order.revision}."
        yield find(RejectCode.REVISION_CONFLICT, "revision", text, severity=Severity.WARN)
    if ack.type in _PHYSICAL:
        yield from _site_findings(ack, order)
    if ack.type in _DONE:
        yield from _meter_findings(ack, order)
        yield from _reading_findings(ack, order)
    if ack.type is AckType.FAILED:
        yield from _failure_findings(ack)


def _site_findings(ack: AckFact, order: OrderFacts) -> Iterator[Finding]:
    if order.base_state == WorkOrderState.CANCELLED and ack.type is not AckType.FAILED:
        text = "The order had been cancelled when the work was reported."
        yield find(RejectCode.CANCEL_TOO_LATE, "type", text, severity=Severity.WARN)
    if ack.type is AckType.STARTED and ack.off_at is None and not ack.no_outage:
        text = "Neither offAt nor noOutage: the power counts as off since occurredAt."
        yield find(RejectCode.FIELD_MISSING, "outage/offAt", text, severity=Severity.WARN)
    if ack.off_at is not None and ack.on_at is not None and ack.on_at < ack.off_at:
        text = "The power came back before it went off."
        yield find(RejectCode.FIELD_INVALID, "outage/onAt", text, severity=Severity.WARN)
    distance = _metres_from_point(ack, order)
    if distance is not None and distance - (ack.accuracy_m or 0) > _FAR_M:
        text = f"It was reported {distance:.0f} m from the metering point."
        yield find(RejectCode.GPS_FAR, "site", text)


def _meter_findings(ack: AckFact, order: OrderFacts) -> Iterator[Finding]:
    taken_back = ack.type is AckType.CORRECTED and ack.reason_code is not None
    if order.takes_new_meter and ack.new_meter_number is None and not taken_back:
        text = "The order hangs a new meter and the report names none."
        yield find(RejectCode.FIELD_MISSING, "newMeter/number", text)
    known = {order.old_meter_number, order.register_meter_number} - {None}
    if ack.old_meter_number is not None and known and ack.old_meter_number not in known:
        expected = " or ".join(sorted(str(number) for number in known))
        text = f"Meter {ack.old_meter_number} was taken down, {expected} was expected."
        yield find(RejectCode.METER_POINT_MISMATCH, "oldMeter/number", text)
    if ack.new_meter_number is not None:
        yield from _new_meter_findings(ack, ack.new_meter_number, order)
        yield from _serial_findings(ack, order)
        if (ack.multiplier or _ONE) != (order.expected_multiplier or _ONE):
            text = (
                f"The multiplier is {ack.multiplier or _ONE}, "
                f"{order.expected_multiplier or _ONE} was expected."
            )
            yield find(RejectCode.MULTIPLIER_CHANGED, "newMeter/multiplier", text)


def _new_meter_findings(ack: AckFact, number: str, order: OrderFacts) -> Iterator[Finding]:
    path, meter = "newMeter/number", order.new_meter
    if number == ack.old_meter_number:
        text = f"Meter {number} was reported both as the old and as the new one."
        yield find(RejectCode.METER_ALREADY_INSTALLED, path, text)
    elif meter is None:
        if order.stock_known:
            text = f"Meter {number} is not in our register."
            yield find(RejectCode.METER_NOT_IN_STOCK, path, text)
    elif meter.state in _HANGING and meter.gsrn != order.gsrn:
        text = f"Meter {number} hangs at metering point {meter.gsrn}."
        yield find(RejectCode.METER_ALREADY_INSTALLED, path, text)
    elif meter.state in _HANGING and not meter.listed:
        text = f"Meter {number} hangs here, but no delivery has named it."
        yield find(RejectCode.METER_NOT_IN_STOCK, path, text)
    elif not _may_be_hung(meter, ack.partner_code):
        text = f"Meter {number} is {meter.state} and not in the stock of {ack.partner_code}."
        yield find(RejectCode.METER_NOT_IN_STOCK, path, text)


def _serial_findings(ack: AckFact, order: OrderFacts) -> Iterator[Finding]:
    told, meter = ack.new_meter_serial, order.new_meter
    if meter is None or told is None or meter.serial is None or told == meter.serial:
        return
    text = f"Meter {meter.number} has serial {meter.serial}, {told} was reported."
    yield find(RejectCode.METER_SERIAL_MISMATCH, "newMeter/serial", text)


def _may_be_hung(meter: MeterFacts, partner_code: str) -> bool:
    """In the partner's own stock, or hung by this very order before."""
    if meter.state in _HANGING:
        return True
    return meter.state in _IN_STOCK and meter.partner_code in {None, partner_code}


def _reading_findings(ack: AckFact, order: OrderFacts) -> Iterator[Finding]:
    if order.takes_new_meter and order.old_meter_number is not None and not ack.old_readings:
        text = "The old meter was taken down without a final reading."
        yield find(RejectCode.READING_MISSING, "oldMeter/readings", text)
    last_by_register = {reading.register: reading for reading in order.last_readings}
    for reading in ack.old_readings:
        last = last_by_register.get(reading.register)
        if last is not None:
            yield from _compared(reading, last, ack, order)


def _compared(
    reading: Reading, last: Reading, ack: AckFact, order: OrderFacts
) -> Iterator[Finding]:
    new_kwh, last_kwh = _kwh(reading), _kwh(last)
    if new_kwh is None or last_kwh is None:
        return
    path, grown = "oldMeter/readings", new_kwh - last_kwh
    words = f"Register {reading.register} read {reading.value} after {last.value}."
    if grown < 0:
        yield find(RejectCode.READING_LOW, path, words)
    elif last.read_at is not None:
        read_at = reading.read_at or ack.happened_at
        days = max(1, (read_at - last.read_at).days)
        if grown * (order.expected_multiplier or _ONE) > _plausible_kwh_per_day(order) * days:
            yield find(RejectCode.READING_JUMP, path, words)


def _plausible_kwh_per_day(order: OrderFacts) -> Decimal:
    """Half of what the main fuse lets through around the clock; no household comes near that."""
    amperes = order.main_fuse_a or _USUAL_FUSE_A
    phases = order.phases or _USUAL_PHASES
    return Decimal(amperes * phases * _VOLTS * _HOURS_PER_DAY) / 1000 / 2


def _failure_findings(ack: AckFact) -> Iterator[Finding]:
    if ack.reason_code is None:
        text = "A failed visit needs a reason."
        yield find(RejectCode.FIELD_MISSING, "failure/reasonCode", text, severity=Severity.WARN)
    elif ack.reason_code not in FAILURE_REASONS:
        text = f"Reason {ack.reason_code} is not in the code list."
        yield find(RejectCode.REASON_UNKNOWN, "failure/reasonCode", text)
    elif ack.reason_code == "DATA_METER":
        text = "The meter on site is not the one in the order; it needs a manual check."
        yield find(RejectCode.METER_POINT_MISMATCH, "failure/reasonCode", text)


def _metres_from_point(ack: AckFact, order: OrderFacts) -> float | None:
    if ack.lat is None or ack.lon is None or order.lat is None or order.lon is None:
        return None
    lat1, lat2 = radians(ack.lat), radians(order.lat)
    half_lat, half_lon = (lat2 - lat1) / 2, radians(order.lon - ack.lon) / 2
    chord = sin(half_lat) ** 2 + cos(lat1) * cos(lat2) * sin(half_lon) ** 2
    return 2 * _EARTH_RADIUS_M * asin(sqrt(chord))


def _kwh(reading: Reading) -> Decimal | None:
    factor = _KWH_PER_UNIT.get(reading.unit.lower())
    return None if factor is None else reading.value * factor


_PHYSICAL = frozenset({AckType.STARTED, AckType.COMPLETED, AckType.FAILED, AckType.CORRECTED})
_DONE = frozenset({AckType.COMPLETED, AckType.CORRECTED})
_HANGING = frozenset({MeterState.INSTALLED, MeterState.COMMUNICATING})
_IN_STOCK = frozenset({MeterState.ORDERED, MeterState.DELIVERED, MeterState.ALLOCATED})
_ONE = Decimal(1)
_KWH_PER_UNIT = {"wh": Decimal("0.001"), "kwh": _ONE, "mwh": Decimal(1000)}
# The main fuse of most Finnish houses, for points of which we know none.
_USUAL_FUSE_A, _USUAL_PHASES = 25, 3
_VOLTS, _HOURS_PER_DAY = 230, 24
# A meter may hang at the road and a phone may be off by a city block.
_FAR_M = 300
_EARTH_RADIUS_M = 6_371_000
