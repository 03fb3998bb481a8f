"""Deliveries in their three forms: one bad meter never stops its neighbours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lxml import etree

from integrations.meter_maker.codec import DeliveryInvalid, parse_json
from integrations.meter_maker.files import NAMESPACE, parse_file
from simulators.maker.delivery import as_csv, as_xml, make_delivery, make_meters
from tests.integrations.schemas import path_of

HEAD: dict[str, Any] = {
    "deliveryId": "AID-1",
    "kind": "DELIVERED",
    "issuedAt": "2026-11-24T08:00:00+02:00",
    "maker": "Aidon",
    "partner": "voima",
}
METERS = [
    {"number": "6534-1", "serial": "AID1", "model": "6534"},
    {"number": "6534-2", "serial": "AID2", "model": "6534", "firmware": "2.1"},
]
XML = f"""<?xml version="1.0" encoding="UTF-8"?>
<m:MeterDelivery xmlns:m="{NAMESPACE}"><m:Header><m:DeliveryId>AID-1</m:DeliveryId>
<m:Kind>DELIVERED</m:Kind><m:IssuedAt>2026-11-24T08:00:00+02:00</m:IssuedAt></m:Header>
<m:Items><!-- two --><m:Item><m:Number>6534-1</m:Number><m:Serial>AID1</m:Serial></m:Item>
<m:Item><m:Number>6534-2</m:Number></m:Item></m:Items></m:MeterDelivery>"""


def test_the_three_forms_say_the_same() -> None:
    body = {**HEAD, "items": METERS[:1]}
    read = [
        parse_json(json.dumps(body).encode()),
        parse_file(json.dumps(body).encode()),
        parse_file(as_xml(body)),
        parse_file(as_csv(body)),
    ]
    assert all(one == read[0] for one in read)
    assert read[0].items[0].meter is not None
    assert read[0].items[0].meter.serial == "AID1"


def test_what_the_simulated_maker_writes_is_what_the_schema_describes() -> None:
    meters = list(make_meters("1234", 1, 3))
    delivery = make_delivery(
        meters, name="A", kind="DELIVERED", partner="voima", now=parse(HEAD["issuedAt"])
    )
    schema = etree.XMLSchema(etree.parse(str(path_of("meter_maker/schema/delivery-1.xsd"))))
    schema.assertValid(etree.fromstring(as_xml(delivery)))
    assert len(parse_file(as_xml(delivery)).items) == len(meters)


@pytest.mark.parametrize("form", ["json", "xml", "csv"])
def test_a_bad_meter_is_refused_alone_and_named(form: str) -> None:
    bad = {"number": "65 34", "serial": "AID9", "model": "6534"}
    body = {**HEAD, "items": [METERS[0], bad, METERS[0] | {"number": "6534-3"}]}
    content = {"json": json.dumps(body).encode(), "xml": as_xml(body), "csv": as_csv(body)}[form]
    items = parse_file(content).items
    assert [item.meter is not None for item in items] == [True, False, True]
    assert items[1].place == 2
    assert items[1].findings[0].code == "VALUE_INVALID"
    assert items[1].told["serial"] == "AID9"


def test_what_lacks_a_serial_number_is_named() -> None:
    items = parse_file(XML.encode()).items
    assert [item.meter is not None for item in items] == [True, False]
    assert items[1].findings[0].code == "FIELD_MISSING"


def test_a_line_of_another_delivery_is_none_of_this_one() -> None:
    content = as_csv({**HEAD, "items": METERS}).replace(b"AID-1", b"AID-2", 1)
    # The first line sets the name, so the second is the stranger.
    items = parse_file(content).items
    assert [item.meter is not None for item in items] == [True, False]


def test_csv_may_have_commas_and_come_in_latin_1() -> None:
    content = as_csv({**HEAD, "maker": "Mittaritehdas Ä", "items": METERS})
    latin = content.decode("utf-8-sig").replace(";", ",").encode("iso-8859-1")
    assert parse_file(latin).head.maker == "Mittaritehdas Ä"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"  \n",
        b"%PDF-1.4",
        b"PK\x03\x04\x00\x00",
        XML.encode("utf-16"),
        XML.encode()[:300],
        XML.encode().replace(b"UTF-8", b"UTF-7"),
        XML.replace(
            "<m:MeterDelivery", '<!DOCTYPE x [<!ENTITY a "b">]><m:MeterDelivery', 1
        ).encode(),
        b"number;serial\n1;2\n",
        b'delivery_id;kind;issued_at;number;serial\n"unclosed',
        b"{",
        b"[]",
    ],
)
def test_what_is_no_delivery_is_malformed(content: bytes) -> None:
    with pytest.raises(DeliveryInvalid) as refused:
        parse_file(content)
    assert refused.value.malformed


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"kind": "EATEN"}, "$.kind"),
        ({"issuedAt": "2026-11-24T08:00:00"}, "$.issuedAt"),
        ({"issuedAt": "0001-01-01T00:00:00Z"}, "$.issuedAt"),
        ({"partner": "Voima Oy"}, "$.partner"),
        ({"deliveryId": ""}, "$.deliveryId"),
        ({"items": []}, "$.items"),
        ({"items": None}, "$.items"),
    ],
)
def test_a_head_that_is_wrong_refuses_the_whole(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(DeliveryInvalid) as refused:
        parse_json(json.dumps({**HEAD, "items": METERS, **changes}).encode())
    assert refused.value.findings[0].path == path
    assert not refused.value.malformed


def test_another_root_or_namespace_is_told_apart() -> None:
    with pytest.raises(DeliveryInvalid, match="XML_SCHEMA"):
        parse_file(XML.replace(NAMESPACE, "urn:other").encode())


def parse(words: str) -> Any:
    from datetime import datetime  # noqa: PLC0415

    return datetime.fromisoformat(words)
