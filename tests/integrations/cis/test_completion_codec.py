"""What the CIS is told when a work order has ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest
from lxml import etree

from integrations.cis.completion_codec import build_completion
from integrations.cis.record_schema import load_schema
from integrations.cis.types import (
    CisCompletion,
    CisMeter,
    CisMeteringPoint,
    CisReading,
    SwappedMeter,
)
from tests.integrations.cis.files import GOLDEN

MESSAGE_ID = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
DONE_AT = datetime(2026, 4, 1, 6, 12, 30, tzinfo=UTC)
SMALLEST = CisCompletion(
    order_id="WO-1",
    revision=1,
    final_state="CANCELLED",
    completed_at=DONE_AT,
    gsrn="643000000000000017",
)
FULL = CisCompletion(
    order_id="WO-2026-000001",
    revision=2,
    order_type_code="MVM",
    final_state="COMPLETED",
    completed_at=DONE_AT,
    created_at=datetime(2026, 4, 1, 6, 13, tzinfo=UTC),
    gsrn="643000000000000017",
    outage_off_at=datetime(2026, 4, 1, 9, 0, tzinfo=timezone(timedelta(hours=3))),
    outage_on_at=datetime(2026, 4, 1, 6, 8, 0, 250000, tzinfo=UTC),
    old_meter=SwappedMeter(
        meter_number="5012345",
        condition="OK",
        readings=(
            CisReading(
                register="1.8.0",
                value=Decimal("48977.4"),
                unit="kWh",
                read_at=datetime(2026, 4, 1, 6, tzinfo=UTC),
                source="DISPLAY",
            ),
        ),
    ),
    new_meter=SwappedMeter(
        meter_number="7000001",
        serial="LGZ7000001",
        model="E360",
        firmware="1.4.2",
        multiplier=Decimal(1),
        seals=("S-2001", "S-2002"),
        readings=(
            CisReading(
                register="1.8.0",
                value=Decimal("1E+2"),
                unit="kWh",
                read_at=datetime(2026, 4, 1, 6, 8, tzinfo=UTC),
            ),
        ),
    ),
    metering_point=CisMeteringPoint(
        gsrn="643000000000000017",
        version=10,
        local_code="KP-10017",
        physical_status="AE01",
        street_name="Hämeenkatu",
        house_number="12",
        postal_code="33100",
        lat=61.4981,
        lon=23.761,
        phases=3,
        main_fuse_a=25,
        key_info="Avain huoltoyhtiöllä",
        meter=CisMeter(meter_number="7000001", installed_at=DONE_AT),
    ),
    sender="6499990000026",
    receiver="6499990000019",
)


@pytest.mark.parametrize("completion", [SMALLEST, FULL], ids=["smallest", "full"])
def test_a_completion_keeps_to_its_schema(completion: CisCompletion) -> None:
    load_schema("completion-1.xsd").assertValid(
        etree.fromstring(build_completion(completion, MESSAGE_ID))
    )


def test_a_completion_is_the_golden_one_byte_by_byte() -> None:
    assert build_completion(FULL, MESSAGE_ID) == (GOLDEN / "completion.xml").read_bytes()


def test_a_completion_is_the_same_after_its_stay_in_the_outbox() -> None:
    stored = msgspec.json.decode(msgspec.json.encode(FULL))
    taken_out = msgspec.convert(stored, CisCompletion, strict=False)

    assert build_completion(taken_out, MESSAGE_ID) == build_completion(FULL, MESSAGE_ID)


def test_key_information_stays_at_home() -> None:
    assert "Avain" not in build_completion(FULL, MESSAGE_ID).decode()


def test_a_text_that_xml_cannot_carry_does_not_stop_the_completion() -> None:
    failed = msgspec.structs.replace(SMALLEST, failure_text="no\x00 \x1baccess \ud800&<>")
    document = etree.fromstring(build_completion(failed, MESSAGE_ID))

    assert document.findtext("{*}Failure/{*}Text") == "no\ufffd \ufffdaccess \ufffd&<>"
