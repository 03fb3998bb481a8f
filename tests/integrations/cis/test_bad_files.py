"""Files that cannot be read: each is refused with a code, a line and words that its sender can use."""

from __future__ import annotations

import gzip
import resource
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.cis.types import FileRejected, IncompleteFile
from integrations.cis.work_order_codec import parse_work_orders, sniff
from tests.integrations.cis.files import (
    DECLARATION,
    GOLDEN,
    HEADER,
    NAMESPACE,
    message,
    order,
    refusal,
)

GOOD = (GOLDEN / "work_orders.xml").read_bytes()
BOMB = (
    '<!DOCTYPE b [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>\n'
)
STEALER = '<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n'
WITH_NAME = "<Customer><CustomerId>C1</CustomerId><Name>{}</Name></Customer>"


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (gzip.compress(GOOD), "XML_MALFORMED", "gzip"),
        (b"PK\x03\x04" + b"\0" * 100, "XML_MALFORMED", "zip archive"),
        (b"%PDF-1.7\n", "XML_MALFORMED", "PDF"),
        (b"\x7fELF\x02\x01\x01\0\0\0", "XML_MALFORMED", "binary"),
        (b"OrderId;Revision\nWO-1;1\n", "XML_MALFORMED", "other than XML"),
        (b'{"orderId": 1}', "XML_MALFORMED", "other than XML"),
        (GOOD.decode().encode("utf-16"), "XML_MALFORMED", "UTF-16"),
        (GOOD.decode().encode("utf-16-le"), "XML_MALFORMED", "UTF-16"),
        (GOOD.decode().encode("utf-16-be"), "XML_MALFORMED", "UTF-16"),
        (GOOD.decode().encode("utf-32"), "XML_MALFORMED", "UTF-32"),
        (b"+ADw-?xml version", "XML_MALFORMED", "UTF-7"),
        (GOOD.decode().encode("cp037"), "XML_MALFORMED", "EBCDIC"),
        (GOOD.replace(b'"UTF-8"', b'"UTF-7"'), "XML_MALFORMED", "UTF-7 is not taken"),
        (GOOD.replace(b'"UTF-8"', b'"windows-1252"'), "XML_MALFORMED", "windows-1252"),
        (GOOD.replace(b'"1.0"', b'"1.1"'), "XML_MALFORMED", "declaration"),
        (b"\xef\xbb\xbf" + GOOD.replace(b'"UTF-8"', b'"ISO-8859-1"'), "XML_MALFORMED", "mark"),
        (b"\n" + GOOD, "XML_MALFORMED", "before the XML declaration"),
        (b"<html><body>Login</body></html>", "XML_SCHEMA", "html"),
        (b"<WorkOrderMessage/>", "XML_SCHEMA", "no namespace"),
        (GOOD.replace(b"work-order:1", b"work-order:2"), "XML_VERSION", "work-order:1"),
        (GOOD.replace(b"urn:tiedolla", b"urn:other"), "XML_SCHEMA", "urn:tiedolla"),
        (GOOD.replace(b">1.0<", b">2.0<"), "XML_VERSION", "SchemaVersion 2.0"),
        (GOOD.replace(b"WorkOrderMessage", b"MassWorkOrderMessage"), "XML_SCHEMA", "not the one"),
        ((GOLDEN / "master_data.xml").read_bytes(), "XML_SCHEMA", "MasterDataMessage"),
        (message(header=""), "HDR_MISSING", "Header"),
        (message(order(), HEADER, header=""), "HDR_MISSING", "Header"),
        (message(header=HEADER.replace("6499990000019", "")), "HDR_MISSING", "Header/Sender"),
        (message(header=HEADER.replace("6f1c2f0e", "6f1")), "XML_SCHEMA", "UUID"),
        (message(header=HEADER * 2), "XML_SCHEMA", "second Header"),
        (message(""), "XML_SCHEMA", "no WorkOrder"),
        (message(order().replace("WorkOrder>", "Workorder>")), "XML_SCHEMA", "no WorkOrder"),
        (DECLARATION + BOMB + message(declaration=""), "XML_MALFORMED", "DOCTYPE"),
        (DECLARATION + STEALER + message(declaration=""), "XML_MALFORMED", "DOCTYPE"),
        (message(declaration="<!-- x --><?p ?>\n<!DOCTYPE w>"), "XML_MALFORMED", "DOCTYPE"),
        (message(order(extra=WITH_NAME.format("&x;"))), "XML_MALFORMED", "entity"),
        (message(order(extra=WITH_NAME.format("A & B"))), "XML_MALFORMED", "stray &"),
        (message(order(extra=WITH_NAME.format("A &B"))), "XML_MALFORMED", "stray &"),
        (message(order(extra=WITH_NAME.format("1 < 2"))), "XML_MALFORMED", "stray &"),
        (message(order(extra=WITH_NAME.format("&#1;"))), "XML_MALFORMED", "does not allow"),
        (message(order(extra="<own:Thing/>")), "XML_MALFORMED", "prefix"),
        (message(order(extra=WITH_NAME.format("\x01"))), "XML_MALFORMED", "does not allow"),
        (message(order(extra="<a>" * 300 + "</a>" * 300)), "XML_MALFORMED", "deep"),
        (message() + "<more/>", "XML_MALFORMED", "after the end"),
        (message() + "\0", "XML_MALFORMED", ""),
        (message(order().replace("</OrderId>", "</OrderID>")), "XML_MALFORMED", "end tag"),
        (b"<" + b"a" * 70_000, "XML_MALFORMED", "no root element"),
        (b"<!--" + b"a" * 70_000, "XML_MALFORMED", "no root element"),
        (b"<!doctype html>", "XML_MALFORMED", "where the root element"),
    ],
)
def test_an_unreadable_file_is_refused_with_a_code_and_words(
    data: bytes | str, code: str, words: str
) -> None:
    _, finding, kind = refusal(data)

    assert (finding.code, kind) == (code, FileRejected)
    assert words in finding.text


@pytest.mark.parametrize(
    "data", [b"", b"\n \n", b"\xef\xbb\xbf", b"<", b"<?xm", DECLARATION.encode()]
)
def test_an_empty_or_barely_begun_file_is_incomplete(data: bytes) -> None:
    _, finding, kind = refusal(data)

    assert (finding.code, kind) == ("XML_MALFORMED", IncompleteFile)
    with pytest.raises(IncompleteFile):
        sniff(data)


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0, max_value=len(GOOD.rstrip()) - 1))
def test_a_file_cut_anywhere_is_incomplete_and_keeps_its_whole_orders(length: int) -> None:
    seen, finding, kind = refusal(GOOD[:length])

    assert (finding.code, kind) == ("XML_MALFORMED", IncompleteFile)
    assert seen == ["WO-2026-000001", "WO-2026-000002", "WO-2026-000003"][: len(seen)]
    assert len(seen) == GOOD[:length].count(b"</WorkOrder>")


def test_undeclared_latin_1_is_refused_with_what_to_do() -> None:
    seen, finding, kind = refusal(GOOD.decode().replace("Maija", "Mäija").encode("latin-1"))

    assert (seen, finding.code, kind) == ([], "XML_MALFORMED", FileRejected)
    assert 'declare encoding="ISO-8859-1"' in finding.text
    assert finding.line == 27


def test_an_error_in_the_middle_keeps_the_orders_before_it_and_names_its_line() -> None:
    broken = order("WO-3").replace("</Action>", "</Act>")
    for chunk in (10, 1000, 1_000_000):
        data = message(order("WO-1"), order("WO-2"), broken, order("WO-4")).encode()
        pieces = (data[at : at + chunk] for at in range(0, len(data), chunk))
        seen, finding, kind = refusal(pieces)

        assert (seen, finding.code, kind) == (["WO-1", "WO-2"], "XML_MALFORMED", FileRejected)
        assert finding.line == 10 + 2 * 9 + 3


def test_what_stands_behind_good_orders_does_not_unmake_them() -> None:
    seen, _, kind = refusal(message(*(order(f"WO-{n}") for n in range(500))) + "garbage")

    assert (len(seen), kind) == (500, FileRejected)


def test_one_endless_record_is_refused_before_it_fills_the_memory() -> None:
    def endless() -> Iterator[bytes]:
        yield message().partition("    <MeteringPoint>")[0].encode()
        while True:
            yield b"<Address><StreetName>x</StreetName></Address>\n" * 1000

    _, finding, _ = refusal(endless())
    assert (finding.code, finding.path) == ("XML_SCHEMA", "WorkOrder")
    assert "longer than" in finding.text


def test_a_file_full_of_strangers_takes_no_memory() -> None:
    def strangers() -> Iterator[bytes]:
        start, end = message().split("  <WorkOrder>", 1)
        yield start.encode()
        for _ in range(100):
            yield b"<Stranger><a>1</a></Stranger>\n" * 2000
        yield f"  <WorkOrder>{end}".encode()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, parsed = parse_work_orders(strangers())
    # The tree of these 6 MB would take 130 MB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000
    assert [finding.path for finding in parsed.findings] == ["Stranger"]


def test_twenty_thousand_orders_are_read_in_flat_memory() -> None:
    def many() -> Iterator[bytes]:
        start, end = message().split("  <WorkOrder>", 1)
        tail = end.partition("</WorkOrder>\n")[2]
        yield start.encode()
        for n in range(20):
            yield "".join(order(f"WO-{n}-{m}") for m in range(1000)).encode()
        yield tail.encode()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in parse_work_orders(many())) == 20_001
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000


def test_findings_of_a_hostile_file_stay_short() -> None:
    long_name = "n" * 5000
    _, finding, _ = refusal(f"<{long_name}/>")
    assert len(finding.text) < 300
    _, finding, _ = refusal(f'<WorkOrderMessage xmlns="{NAMESPACE}{long_name}"/>')
    assert len(finding.text) < 300
