"""Mass order files: a head, items one at a time, and whatever a sender may do to them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from integrations.cis.mass_order_codec import MassReader
from integrations.cis.record_schema import load_schema
from integrations.cis.types import (
    FileRejected,
    IncompleteFile,
    MassHead,
    MessageHeader,
    ParsedItem,
    SameItem,
)
from simulators.cis.mass_orders import MassWish, write_mass_order
from simulators.cis.world import make_points
from tests.integrations.cis.files import HEADER

GOLDEN = Path(__file__).parent / "golden" / "mass_order.xml"
ROOT = '<MassWorkOrderMessage xmlns="urn:tiedolla:cis:work-order:1">'
POINT = "<MeteringPoint><Identification>649999000000000013</Identification></MeteringPoint>"
ITEM = f"<Item><ItemNo>1</ItemNo>{POINT}</Item>"
HEAD = "<MassOrderId>M-1</MassOrderId><DeclaredCount>1</DeclaredCount>"


def test_the_golden_sample_is_read_as_it_is_meant() -> None:
    header, head, *items = list(MassReader([GOLDEN.read_bytes()]))
    assert isinstance(header, MessageHeader)
    assert isinstance(head, MassHead)
    assert (head.mass_id, head.wave, head.declared_count) == ("MASSA-2026-50", "2026-W50", 2)
    assert head.allowed_models == ("6534", "6511")
    first, second = items
    assert isinstance(first, ParsedItem)
    assert isinstance(second, ParsedItem)
    assert first.order is not None
    assert first.order.order_id == "MASSA-2026-50-000001"
    # From DefaultWork, unless the item says something else.
    assert (first.order.required_model, first.order.comm_type) == ("6534", "P2P")
    assert second.order is not None
    assert (second.order.required_model, second.order.comm_type) == ("6511", "P2P")
    assert (second.order.priority, first.order.priority) == (1, 3)
    assert first.order.street_name == "Hämeenkatu"
    assert first.findings == ()


def test_the_golden_sample_keeps_to_the_published_schema() -> None:
    load_schema("work-order-1.xsd").assertValid(etree.fromstring(GOLDEN.read_bytes()))


def test_what_the_simulator_writes_keeps_to_the_published_schema(tmp_path: Path) -> None:
    path = tmp_path / "mass.xml"
    wish = MassWish("M-1", "W", "Tampere", changed_every=3, bad_every=4)
    write_mass_order(path, make_points(1, 1, 30), 30, wish, _now())
    load_schema("work-order-1.xsd").assertValid(etree.parse(str(path)))


def test_a_bad_item_never_stops_the_next() -> None:
    bad = ITEM.replace("<ItemNo>1<", "<ItemNo>x<")
    empty = "<Item/>"
    body = _message(HEAD, bad + empty + ITEM.replace("649999000000000013", "") + ITEM)
    found = _items(body)
    assert [item.order is not None for item in found] == [False, False, False, True]
    assert [item.findings[0].path for item in found[:3]] == [
        "ItemNo",
        "ItemNo",
        "MeteringPoint/Identification",
    ]


def test_unknown_elements_comments_prefixes_and_latin_1_are_taken() -> None:
    body = _message(
        HEAD + "<Own>x</Own>", "<Stray/>" + ITEM.replace("<ItemNo>", "<!-- x --><ItemNo>")
    )
    (item,) = _items(body)
    assert item.order is not None
    assert {finding.path for finding in item.findings} == {"Own", "Stray"}
    assert {finding.severity for finding in item.findings} == {"INFO"}
    other = ROOT.replace("xmlns=", "xmlns:a=")
    text = _message(HEAD, ITEM).replace(ROOT, other)
    for name in ("MassWorkOrderMessage", "Header", "Items"):
        text = text.replace(f"</{name}>", f"</a:{name}>")
    prefixed = text.replace("<", "<a:").replace("<a:/", "</a:").replace("</a:a:", "</a:")
    prefixed = prefixed.replace("<a:a:", "<a:")
    (again,) = _items(prefixed)
    assert again.order == item.order
    latin = '<?xml version="1.0" encoding="ISO-8859-1"?>' + _message(
        HEAD + "<AreaName>Jyväskylä</AreaName>", ITEM
    )
    head = list(MassReader([latin.encode("iso-8859-1")]))[1]
    assert isinstance(head, MassHead)
    assert head.area_name == "Jyväskylä"


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("", "HDR_MISSING", "no Header"),
        (HEADER, "FIELD_MISSING", "MassOrderId"),
        (HEADER + "<MassOrderId>M</MassOrderId><Items/>", "FIELD_MISSING", "DeclaredCount"),
        (HEADER + HEAD + "<Items>" + ITEM + "</Items><Wave>w</Wave>", "XML_SCHEMA", "behind"),
        (HEADER + HEAD + "<Items>" + ITEM + "</Items><Items/>", "XML_SCHEMA", "second Items"),
        (HEADER + HEAD + HEAD + "<Items/>", "XML_SCHEMA", "more than once"),
        (HEADER + HEAD + ITEM, "XML_SCHEMA", "outside"),
        (HEADER + HEAD.replace(">1<", ">-1<") + "<Items/>", "XML_SCHEMA", "0 or more"),
        (HEADER + HEAD.replace("M-1", "M" * 31) + "<Items/>", "XML_SCHEMA", "MassOrderId"),
        (HEADER + HEAD + "<Items>" + ITEM + "&x;</Items>", "XML_MALFORMED", "entity"),
        (HEADER + HEAD + "<Items>" + ITEM + "</Itemz>", "XML_MALFORMED", "end tag"),
    ],
)
def test_what_makes_the_whole_file_useless_is_said(body: str, code: str, words: str) -> None:
    with pytest.raises(FileRejected) as caught:
        list(MassReader([f"{ROOT}{body}</MassWorkOrderMessage>".encode()]))
    assert caught.value.findings[0].code == code
    assert words in caught.value.findings[0].text


def test_items_before_the_end_of_a_file_that_was_cut_are_good() -> None:
    body = _message(HEAD, ITEM * 3)
    found: list[object] = []
    with pytest.raises(IncompleteFile):  # noqa: PT012 - what came before the error counts.
        for part in MassReader([body[: body.rindex("</Item>") + 3].encode()]):
            found.append(part)
    assert len([part for part in found if isinstance(part, ParsedItem)]) == 2


def test_an_item_that_is_word_for_word_as_it_was_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "mass.xml"
    wish = MassWish("M-1", "W", "Tampere")
    write_mass_order(path, make_points(1, 1, 20), 20, wish, _now())
    known = sorted(item.source_hash for item in _items(path.read_text("utf-8")))
    other = MassWish("M-1", "W", "Tampere", changed=frozenset({5}))
    write_mass_order(path, make_points(1, 1, 20), 20, other, _now())
    reader = MassReader([path.read_bytes()])
    reader.known = known
    found = [part for part in reader if isinstance(part, (ParsedItem, SameItem))]
    fresh = [part for part in found if isinstance(part, ParsedItem)]
    assert [item.item_no for item in fresh] == ["000005"]
    # What an item inherits is part of it.
    text = path.read_text("utf-8").replace("<Priority>3<", "<Priority>2<")
    reader = MassReader([text.encode()])
    reader.known = known
    assert not any(isinstance(part, SameItem) for part in reader)


def test_memory_stays_flat_however_many_items_there_are() -> None:
    def chunks(count: int) -> Iterator[bytes]:
        yield f"{ROOT}{HEADER}{HEAD}<Items>".encode()
        for _ in range(count):
            yield (ITEM * 10).encode()
        yield b"</Items></MassWorkOrderMessage>"

    def peak(count: int) -> int:
        tracemalloc.start()
        number = sum(1 for _ in MassReader(chunks(count)))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert number == count * 10 + 2
        return top

    assert peak(1000) < peak(100) + 300_000


def test_one_item_without_an_end_is_an_attack() -> None:
    endless = "<a>x</a>" * 50_000
    body = f"{ROOT}{HEADER}{HEAD}<Items><Item><ItemNo>1</ItemNo>{endless}"
    with pytest.raises(FileRejected, match="longer than"):
        list(MassReader([body.encode()]))


def _message(head: str, items: str) -> str:
    return f"{ROOT}{HEADER}{head}<Items>{items}</Items></MassWorkOrderMessage>"


def _items(body: str) -> list[ParsedItem]:
    return [part for part in MassReader([body.encode()]) if isinstance(part, ParsedItem)]


def _now() -> datetime:
    return datetime.now(UTC)
