"""Customers, metering points and contracts as the CIS sends them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from integrations.cis.master_data_codec import parse_master_data
from integrations.cis.types import (
    CisContact,
    CisContract,
    CisCustomer,
    CisMeter,
    CisMeteringPoint,
    FileRejected,
    MessageHeader,
    ParsedRecord,
)
from tests.integrations.cis.files import GOLDEN, message

GOOD = (GOLDEN / "master_data.xml").read_text(encoding="utf-8")
CUSTOMER = """\
<Customer><CustomerId>C1</CustomerId><Version>1</Version><Kind>company</Kind><Name>Oy</Name></Customer>
"""


def test_every_record_arrives_as_what_it_is() -> None:
    header, customer, point, contract, bad = parse_master_data([GOOD.encode()])

    assert isinstance(header, MessageHeader)
    assert customer == ParsedRecord(
        line=10,
        kind="Customer",
        key="C000017",
        record=CisCustomer(
            customer_id="C000017",
            version=4,
            kind="consumer",
            name="Maija Meikäläinen",
            language="sv",
            priority=True,
            contacts=(CisContact("SMS", "+358401234567"), CisContact("EMAIL", "maija@example.fi")),
            preferred_channel="SMS",
        ),
    )
    assert isinstance(point, ParsedRecord)
    assert point.record == CisMeteringPoint(
        gsrn="643000000000000017",
        version=9,
        local_code="KP-10017",
        physical_status="AE01",
        point_type="AG01",
        point_subtype="AQ01",
        remote_connectable=True,
        dwelling="home",
        transformer="M0101",
        feeder="J02",
        annual_fee_cents=24500,
        linked_point="643000000000000031",
        street_name="Hämeenkatu",
        house_number="12",
        staircase="B",
        apartment="7",
        postal_code="33100",
        post_office="TAMPERE",
        municipality_code="837",
        lat=61.4981,
        lon=23.761,
        phases=3,
        main_fuse_a=25,
        multiplier_ct=Decimal(1),
        meter_place="tech room",
        access_note="Soita ensin",
        key_info="Avain huoltoyhtiöllä",
        meter=CisMeter(
            meter_number="5012345",
            serial="A5012345",
            model="E120LiME",
            multiplier=Decimal(1),
            installed_at=datetime(2009, 6, 15, 7, tzinfo=UTC),
        ),
    )
    assert isinstance(contract, ParsedRecord)
    assert contract.record == CisContract(
        contract_id="S0000017",
        version=1,
        customer_id="C000017",
        gsrn="643000000000000017",
        moved_in_on=date(2019, 8, 1),
    )
    assert isinstance(bad, ParsedRecord)
    assert (bad.key, bad.record) == ("S0000018", None)
    assert [(f.code, f.path) for f in bad.findings] == [("FIELD_MISSING", "MovedInOn")]


def test_a_customer_may_say_little() -> None:
    _, parsed = parse_master_data([_with(CUSTOMER)])

    assert isinstance(parsed, ParsedRecord)
    assert parsed.record == CisCustomer(customer_id="C1", version=1, kind="company", name="Oy")


def test_a_bad_contact_spoils_its_customer_and_nobody_else() -> None:
    bad = CUSTOMER.replace(
        "</Customer>",
        "<Contacts><Contact><Kind>FAX</Kind><Value>1</Value></Contact></Contacts></Customer>",
    )
    _, first, second = parse_master_data([_with(bad + CUSTOMER)])

    assert isinstance(first, ParsedRecord)
    assert isinstance(second, ParsedRecord)
    assert first.record is None
    assert [f.path for f in first.findings] == ["Contacts/Contact/Kind"]
    assert second.record is not None


def test_unknown_elements_deep_inside_are_noted_and_the_rest_is_kept() -> None:
    odd = CUSTOMER.replace(
        "</Customer>",
        "<Contacts><Contact><Kind>SMS</Kind><Value>1</Value><Since>2020</Since></Contact></Contacts>"
        "</Customer>",
    )
    _, parsed = parse_master_data([_with(odd)])

    assert isinstance(parsed, ParsedRecord)
    assert isinstance(parsed.record, CisCustomer)
    assert parsed.record.contacts == (CisContact("SMS", "1"),)
    assert [(f.severity, f.path) for f in parsed.findings] == [("INFO", "Contacts/Contact/Since")]


def test_thousands_of_bad_contacts_are_answered_shortly_and_soon() -> None:
    contact = "<Contact><Kind>FAX</Kind><Value>1</Value></Contact>"
    bad = CUSTOMER.replace("</Customer>", f"<Contacts>{contact * 4_000}</Contacts></Customer>")
    _, parsed = parse_master_data([_with(bad)])

    assert isinstance(parsed, ParsedRecord)
    assert parsed.record is None
    assert 1 <= len(parsed.findings) <= 20


def test_a_message_without_records_is_a_good_one() -> None:
    assert len(list(parse_master_data([_with("")]))) == 1


def test_a_work_order_file_is_refused_by_name() -> None:
    with pytest.raises(FileRejected, match="WorkOrderMessage"):
        list(parse_master_data([message().encode()]))


def _with(records: str) -> bytes:
    start = GOOD.partition("  <Customer>")[0]
    return f"{start}{records}</MasterDataMessage>".encode()
