"""Which acknowledgements are believed, which hold the bill, and which do not count."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.domain.acks import (
    AckEffect,
    AckFact,
    AckType,
    MeterFacts,
    OrderFacts,
    Reading,
    check_ack,
    effect_of,
)
from app.domain.reject_codes import RejectCode
from app.domain.states import MeterState, WorkOrderState

NOW = datetime(2025, 11, 24, 9, tzinfo=UTC)


def test_a_plain_completion_is_believed() -> None:
    findings = check_ack(DONE, ORDER, NOW)
    assert findings == ()
    assert effect_of(findings) is AckEffect.APPLY


@pytest.mark.parametrize(
    ("changes", "code", "effect"),
    [
        ({"partner_code": "piiri"}, RejectCode.ACK_NOT_YOURS, AckEffect.REFUSE),
        ({"new_meter_number": None}, RejectCode.FIELD_MISSING, AckEffect.REFUSE),
        ({"occurred_at": NOW + timedelta(minutes=6)}, RejectCode.TIME_IN_FUTURE, AckEffect.HOLD),
        ({"revision": 2}, RejectCode.REVISION_CONFLICT, AckEffect.APPLY),
        ({"old_meter_number": "OTHER"}, RejectCode.METER_POINT_MISMATCH, AckEffect.HOLD),
        ({"new_meter_number": "OLD-1"}, RejectCode.METER_ALREADY_INSTALLED, AckEffect.HOLD),
        ({"old_readings": ()}, RejectCode.READING_MISSING, AckEffect.HOLD),
        ({"multiplier": Decimal(40)}, RejectCode.MULTIPLIER_CHANGED, AckEffect.HOLD),
        ({"lat": 61.51, "lon": 23.76}, RejectCode.GPS_FAR, AckEffect.HOLD),
        ({"on_at": NOW - timedelta(hours=2)}, RejectCode.FIELD_INVALID, AckEffect.APPLY),
    ],
)
def test_one_thing_doubtful_gives_its_one_finding(
    changes: dict[str, Any], code: RejectCode, effect: AckEffect
) -> None:
    findings = check_ack(replace(DONE, **changes), ORDER, NOW)
    assert [finding.code for finding in findings] == [code]
    assert effect_of(findings) is effect


@pytest.mark.parametrize(
    "changes",
    [
        {"occurred_at": NOW + timedelta(minutes=5)},
        {"old_meter_number": None},
        {"old_meter_number": "OLD-0"},
        {"multiplier": Decimal(1)},
        {"lat": 61.5005, "lon": 23.76},
        {"lat": 61.51, "lon": 23.76, "accuracy_m": 1500.0},
        {"type": AckType.CORRECTED, "reason_code": "DATA_ADDR", "new_meter_number": None},
    ],
)
def test_what_the_field_allows_passes(changes: dict[str, Any]) -> None:
    assert check_ack(replace(DONE, **changes), ORDER, NOW) == ()


@pytest.mark.parametrize(
    ("value", "unit", "code"),
    [
        ("12000", "kWh", None),
        ("12.4", "MWh", None),
        ("11999", "kWh", RejectCode.READING_LOW),
        ("11.9", "MWh", RejectCode.READING_LOW),
        ("14000", "kWh", None),
        ("15000", "kWh", RejectCode.READING_JUMP),
        ("124000", "kWh", RejectCode.READING_JUMP),
        ("9", "furlongs", None),
    ],
)
def test_a_reading_is_compared_with_the_last_one_and_with_what_the_fuse_lets_through(
    value: str, unit: str, code: RejectCode | None
) -> None:
    # Ten days at 3 x 25 A: half of the fuse's capacity is 2,070 kWh.
    last = Reading("1.8.0", Decimal(12000), "kWh", NOW - timedelta(days=10))
    reading = Reading("1.8.0", Decimal(value), unit, NOW)
    found = check_ack(
        replace(DONE, old_readings=(reading,)), replace(ORDER, last_readings=(last,)), NOW
    )
    assert [finding.code for finding in found] == ([code] if code else [])


def test_a_reading_of_another_register_or_without_a_time_is_not_called_a_jump() -> None:
    undated = Reading("1.8.0", Decimal(1000))
    other = Reading("2.8.0", Decimal(99999), "kWh", NOW - timedelta(days=1))
    order = replace(ORDER, last_readings=(undated, other))
    assert check_ack(DONE, order, NOW) == ()


def test_a_large_connection_may_use_more() -> None:
    last = Reading("1.8.0", Decimal(0), "kWh", NOW - timedelta(days=10))
    large = replace(ORDER, last_readings=(last,), main_fuse_a=200, phases=3)
    assert check_ack(DONE, large, NOW) == ()


@pytest.mark.parametrize(
    ("meter", "stock_known", "code"),
    [
        (None, False, None),
        (None, True, RejectCode.METER_NOT_IN_STOCK),
        (MeterFacts("NEW-1", MeterState.ALLOCATED, None, "voima"), True, None),
        (MeterFacts("NEW-1", MeterState.DELIVERED, None, None), True, None),
        (
            MeterFacts("NEW-1", MeterState.ALLOCATED, None, "piiri"),
            True,
            RejectCode.METER_NOT_IN_STOCK,
        ),
        (MeterFacts("NEW-1", MeterState.LOST), True, RejectCode.METER_NOT_IN_STOCK),
        (MeterFacts("NEW-1", MeterState.INSTALLED, "649999000000000013"), True, None),
        (
            MeterFacts("NEW-1", MeterState.COMMUNICATING, "649999000000000020"),
            False,
            RejectCode.METER_ALREADY_INSTALLED,
        ),
    ],
)
def test_the_new_meter_comes_from_the_partners_stock_and_hangs_nowhere_else(
    meter: MeterFacts | None, stock_known: bool, code: RejectCode | None
) -> None:
    order = replace(ORDER, new_meter=meter, stock_known=stock_known)
    assert [f.code for f in check_ack(DONE, order, NOW)] == ([code] if code else [])


def test_req_20_an_expected_multiplier_must_be_reported() -> None:
    order = replace(ORDER, expected_multiplier=Decimal(40))
    (finding,) = check_ack(DONE, order, NOW)
    assert finding.code is RejectCode.MULTIPLIER_CHANGED
    assert check_ack(replace(DONE, multiplier=Decimal("40.0")), order, NOW) == ()


def test_work_that_hangs_no_meter_needs_none() -> None:
    order = replace(ORDER, takes_new_meter=False)
    visit = replace(DONE, new_meter_number=None, old_readings=())
    assert check_ack(visit, order, NOW) == ()


def test_a_former_partner_may_still_report_on_the_order() -> None:
    order = replace(ORDER, former_partner_codes=frozenset({"piiri"}))
    assert check_ack(replace(DONE, partner_code="piiri"), order, NOW) == ()


def test_nothing_is_told_to_a_partner_about_an_order_of_another() -> None:
    stranger = replace(DONE, partner_code="piiri", old_meter_number="X", old_readings=())
    (finding,) = check_ack(stranger, ORDER, NOW)
    assert finding.code is RejectCode.ACK_NOT_YOURS
    assert "voima" not in finding.text


@pytest.mark.parametrize("kind", [AckType.STARTED, AckType.COMPLETED])
def test_work_on_a_cancelled_order_holds_the_bill(kind: AckType) -> None:
    order = replace(ORDER, base_state=WorkOrderState.CANCELLED)
    findings = check_ack(replace(DONE, type=kind, off_at=NOW), order, NOW)
    assert [finding.code for finding in findings] == [RejectCode.CANCEL_TOO_LATE]
    assert effect_of(findings) is AckEffect.HOLD


def test_a_start_should_say_whether_the_power_is_off() -> None:
    start = AckFact("a0", "T-1", 1, AckType.STARTED, "voima", NOW, NOW, NOW)
    (finding,) = check_ack(start, ORDER, NOW)
    assert (finding.code, finding.path) == (RejectCode.FIELD_MISSING, "outage/offAt")
    assert effect_of([finding]) is AckEffect.APPLY
    assert check_ack(replace(start, no_outage=True), ORDER, NOW) == ()


@pytest.mark.parametrize(
    ("reason", "codes"),
    [
        ("CUS_ABSENT", []),
        (None, [RejectCode.FIELD_MISSING]),
        ("MOON_PHASE", [RejectCode.REASON_UNKNOWN]),
        ("DATA_METER", [RejectCode.METER_POINT_MISMATCH]),
    ],
)
def test_a_failed_visit_needs_a_known_reason(reason: str | None, codes: list[RejectCode]) -> None:
    failed = AckFact("a0", "T-1", 1, AckType.FAILED, "voima", NOW, NOW, NOW, reason_code=reason)
    findings = check_ack(failed, ORDER, NOW)
    assert [finding.code for finding in findings] == codes
    assert effect_of(findings) is not AckEffect.REFUSE


ORDER = OrderFacts(
    order_id="T-1",
    revision=1,
    base_state=WorkOrderState.SENT,
    partner_code="voima",
    gsrn="649999000000000013",
    old_meter_number="OLD-1",
    register_meter_number="OLD-0",
    lat=61.5,
    lon=23.76,
)
DONE = AckFact(
    "a1",
    "T-1",
    1,
    AckType.COMPLETED,
    "voima",
    occurred_at=NOW,
    reported_at=NOW,
    received_at=NOW,
    off_at=NOW - timedelta(minutes=20),
    on_at=NOW,
    old_meter_number="OLD-1",
    new_meter_number="NEW-1",
    old_readings=(Reading("1.8.0", Decimal(12345), "kWh", NOW),),
)
