"""Records to bytes and back, and files that are not what they should be."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.partners.codecs import FileUnreadable, decode, encode
from integrations.partners.manifest import CsvCodec, JsonCodec, XmlCodec

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
