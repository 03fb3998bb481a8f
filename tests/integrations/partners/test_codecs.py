"""Records to bytes and back, and files that are not what they should be."""

from __future__ import annotations

import io
from typing import Any

import pytest
from lxml import etree

from integrations.partners.codecs import FileUnreadable, decode, encode
from integrations.partners.manifest import CsvCodec, JsonCodec, XmlCodec
from integrations.partners.xml_codec import Walk

CSV = CsvCodec(columns=["A", "B"])
XML = XmlCodec(root="Message", record="Order", namespace="urn:x", around=["Payload", "Orders"])


@pytest.mark.parametrize(
    ("codec", "record"),
    [
        (JsonCodec(), {"a": {"b": [1, 2]}, "c": None}),
        (CSV, {"A": "x;y", "B": 'say "å"'}),
        (CsvCodec(columns=["A"], delimiter="\t", encoding="utf-8-sig"), {"A": "ä"}),
        (CsvCodec(columns=["A"], delimiter=",", encoding="iso-8859-1"), {"A": "ä, ö"}),
        (
            XML,
            {
                "head": {"Header": {"Verb": "create", "Id": "1"}},
                "@version": "2",
                "Place": {"Street": "Koivutie & Co <1>"},
                "Seal": ["S1", "S2"],
            },
        ),
    ],
)
def test_what_is_written_is_read_again(codec: Any, record: dict[str, Any]) -> None:
    body = encode(codec, record)
    assert encode(codec, record) == body
    (row,) = decode(codec, body)
    assert (row.record, row.fault) == (record, None)


def test_numbers_and_truth_have_one_form_in_a_row_and_other_things_none() -> None:
    assert encode(CSV, {"A": True, "B": 1.5}).endswith(b"\r\ntrue;1.5\r\n")
    with pytest.raises(ValueError, match="list"):
        encode(CSV, {"A": [1]})
    with pytest.raises(ValueError, match="no column C"):
        encode(CSV, {"C": 1})


def test_a_letter_that_the_encoding_has_not_loses_no_order() -> None:
    codec = CsvCodec(columns=["A"], encoding="iso-8859-1")
    assert encode(codec, {"A": "Łódź"}) == b"A\r\n?\xf3d?\r\n"


def test_columns_come_in_any_order_and_more_of_them_are_read_too() -> None:
    rows = decode(CSV, b"X;B;A\r\n1;2;3\r\n\r\n;;\r\n4;;6\r\n")
    assert [row.record for row in rows] == [{"X": "1", "B": "2", "A": "3"}, {"X": "4", "A": "6"}]
    assert [row.line for row in rows] == [2, 5]


def test_what_stands_beside_the_records_is_told_with_each_wherever_it_stands() -> None:
    codec = XmlCodec(root="R", record="M", around=["L"])
    body = b'<R v="1"><H><x>1</x></H><L><M><n>1</n></M><o/><M><n>2</n></M></L><T>t</T></R>'
    head = {"@v": "1", "H": {"x": "1"}, "T": "t"}
    assert [row.record for row in decode(codec, body)] == [
        {"head": head, "n": "1"},
        {"head": head, "n": "2"},
    ]


def test_a_large_file_is_read_record_by_record() -> None:
    """As a tree it would take some twenty times its size: a maker's delivery of 32 MiB 700."""
    codec = XmlCodec(root="R", record="M")
    # Text that no rule will read, so that little of it stays.
    record = b"<M><n>1</n>" + b"<x><y>1</y></x>" * 4_000 + b"</M>"
    body = b"<R><H>h</H>" + record * 20 + b"</R>"
    walk = Walk(codec)
    most = 0
    for event, element in etree.iterparse(io.BytesIO(body), events=("start", "end")):
        if event == "start":
            walk.open(element)
        elif walk.close(element):
            walk.drop(element)
            most = max(most, sum(1 for _ in walk._root.iter()))
    # What the parser has read ahead, of 160,000.
    assert most < 10_000
    assert walk.head() == {"H": "h"}


def test_a_stray_quote_spoils_its_row_and_no_earlier_one() -> None:
    rows = decode(CSV, b'A;B\r\n1;2\r\n3;"4\r\n5;6\r\n')
    assert [row.fault and row.fault.code for row in rows] == [None, "CSV_MALFORMED"]


@pytest.mark.parametrize(
    ("codec", "body", "code"),
    [
        (JsonCodec(), b"[1]", "JSON_MALFORMED"),
        (JsonCodec(), b'{"a":' * 5000, "JSON_MALFORMED"),
        (CSV, b"", "CSV_MALFORMED"),
        (CSV, b"A;A;B\r\n", "CSV_HEADING"),
        (CSV, b"A;B;\r\n", "CSV_HEADING"),
        (CSV, b"A\r\n1\r\n", "CSV_HEADING"),
        (CSV, b"A;B\0\r\n", "ENCODING_WRONG"),
        (CSV, "A;B\r\nä;1".encode("iso-8859-1"), "ENCODING_WRONG"),
        (CSV, b"A;B\r\n" + b"1;2\r\n" * 4, "TOO_MANY_ROWS"),
        (XML, b"<Message xmlns='urn:y'/>", "XML_SCHEMA"),
        (XML, b"<Other xmlns='urn:x'/>", "XML_SCHEMA"),
        (XML, b"<Message xmlns='urn:x'>", "XML_MALFORMED"),
        (XML, b"<!DOCTYPE a><Message xmlns='urn:x'/>", "XML_MALFORMED"),
        (XML, b'<?xml version="1.0" encoding="UTF-7"?><Message xmlns="urn:x"/>', "XML_MALFORMED"),
        (XML, b"<Message xmlns='urn:x'>" + b"<Order/>" * 4 + b"</Message>", "TOO_MANY_ROWS"),
        (
            XML,
            b"<Message xmlns='urn:x'><Order>" + b"<a>" * 30 + b"</a>" * 30 + b"</Order></Message>",
            "XML_SCHEMA",
        ),
    ],
)
def test_a_file_that_cannot_be_read_says_why_with_a_code(
    codec: Any, body: bytes, code: str
) -> None:
    with pytest.raises(FileUnreadable) as caught:
        decode(codec, body, 3)
    assert caught.value.finding.code == code
