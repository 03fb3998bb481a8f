"""Connection orders as the CIS sends them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from lxml import etree

from integrations.cis.connection_codec import parse_connections
from integrations.cis.document import sniff
from integrations.cis.record_schema import load_schema
from integrations.cis.types import (
    CisConnection,
    CisStageDate,
    DocumentKind,
    FileRejected,
    IncompleteFile,
    MessageHeader,
    ParsedConnection,
)
from tests.integrations.cis.files import GOLDEN, message

GOOD = (GOLDEN / "connections.xml").read_text(encoding="utf-8")
START = GOOD.partition("  <Connection>")[0]
ORDER = (
    "<Connection><OrderNo>L-1</OrderNo><Version>1</Version><ChangedAt>2026-03-02T05:45:00Z"
    "</ChangedAt><CustomerId>C1</CustomerId><Stage>ORDERED</Stage></Connection>"
)


def test_every_field_of_a_connection_order_arrives() -> None:
    header, first, second, bad = parse_connections([GOOD.encode()])

    assert isinstance(header, MessageHeader)
    assert first == ParsedConnection(
        line=10,
        order_no="LT-2026-00017",
        connection=CisConnection(
            order_no="LT-2026-00017",
            version=3,
            changed_at=datetime(2026, 3, 2, 5, 45, tzinfo=UTC),
            customer_id="C000017",
            stage="SITE_PLANNING",
            stage_dates=(
                CisStageDate("ORDERED", date(2026, 2, 20)),
                CisStageDate("SITE_PLANNING", date(2026, 3, 2)),
            ),
            gsrn="643000000000000017",
            meter_number="6534000017",
            target_week="2026-W20",
            delay_reason="PERMIT",
            visit_from=datetime(2026, 3, 10, 8, tzinfo=UTC),
            visit_to=datetime(2026, 3, 10, 10, tzinfo=UTC),
            energise_from=datetime(2026, 5, 12, 6, tzinfo=UTC),
            energise_to=datetime(2026, 5, 12, 9, tzinfo=UTC),
            street_name="Rantapolku",
            house_number="4",
            postal_code="33100",
            post_office="TAMPERE",
            municipality_code="837",
            lat=61.4981,
            lon=23.761,
        ),
    )
    assert isinstance(second, ParsedConnection)
    assert second.connection == CisConnection(
        order_no="LT-2026-00018",
        version=1,
        changed_at=datetime(2026, 3, 2, 5, 50, tzinfo=UTC),
        customer_id="C000018",
        stage="ORDERED",
    )
    assert isinstance(bad, ParsedConnection)
    assert (bad.order_no, bad.connection) == ("LT-2026-00019", None)
    assert {(f.code, f.path) for f in bad.findings} == {
        ("XML_SCHEMA", "Stage"),
        ("XML_SCHEMA", "TargetWeek"),
    }


def test_the_good_orders_of_the_sample_keep_to_the_published_schema() -> None:
    root = etree.fromstring(GOOD.encode())
    orders = [child for child in root if str(child.tag).endswith("}Connection")]
    schema = load_schema("connection-1.xsd")
    assert [schema.validate(one) for one in orders] == [True, True, False]


@pytest.mark.parametrize("number", ["L_1", "L/1", "L%1", "-1", "L 1", "L" * 41])
def test_an_order_number_that_could_mean_another_order_is_refused(number: str) -> None:
    (parsed,) = _orders(ORDER.replace("L-1", number))
    assert parsed.connection is None
    assert [f.path for f in parsed.findings] == ["OrderNo"]


@pytest.mark.parametrize("missing", ["OrderNo", "Version", "ChangedAt", "CustomerId", "Stage"])
def test_a_missing_field_stops_its_order_and_no_other(missing: str) -> None:
    start, end = ORDER.index(f"<{missing}>"), ORDER.index(f"</{missing}>") + len(missing) + 3
    bad, good = _orders(ORDER[:start] + ORDER[end:] + ORDER)
    assert bad.connection is None
    assert [(f.code, f.path) for f in bad.findings] == [("FIELD_MISSING", missing)]
    assert good.connection is not None


def test_unknown_elements_are_noted_and_a_time_without_offset_is_finnish() -> None:
    more = (
        "<PlannerVisitFrom>2026-03-10T10:00:00</PlannerVisitFrom><Colour>blue</Colour></Connection>"
    )
    (parsed,) = _orders(ORDER.replace("</Connection>", more))
    assert parsed.connection is not None
    assert parsed.connection.visit_from == datetime(2026, 3, 10, 8, tzinfo=UTC)
    assert {(f.severity, f.path) for f in parsed.findings} == {
        ("WARN", "PlannerVisitFrom"),
        ("INFO", "Colour"),
    }


def test_the_kind_is_told_by_the_root_element() -> None:
    assert sniff(GOOD.encode()) is DocumentKind.CONNECTIONS


def test_a_doctype_is_refused() -> None:
    evil = GOOD.replace("<ConnectionMessage", '<!DOCTYPE a [<!ENTITY b "c">]><ConnectionMessage', 1)
    with pytest.raises(FileRejected, match="DOCTYPE"):
        list(parse_connections([evil.encode()]))


def test_another_kind_of_file_is_refused_by_name() -> None:
    with pytest.raises(FileRejected, match="WorkOrderMessage"):
        list(parse_connections([message().encode()]))


def test_what_comes_before_a_break_is_kept() -> None:
    cut = GOOD[: GOOD.index("LT-2026-00019")].encode()
    found: list[object] = []
    with pytest.raises(IncompleteFile):
        found.extend(parse_connections([cut]))
    names = [type(one).__name__ for one in found]
    assert names == ["MessageHeader", "ParsedConnection", "ParsedConnection"]


def _orders(records: str) -> list[ParsedConnection]:
    found = list(parse_connections([f"{START}{records}</ConnectionMessage>".encode()]))
    return [one for one in found if isinstance(one, ParsedConnection)]
