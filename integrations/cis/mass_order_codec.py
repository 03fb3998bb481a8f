"""Mass order files: bytes to a head and its items, one at a time, however many there are.

Promise: one bad item never stops the next; memory stays flat; an item that is word for word as it
was is recognised before anybody reads its fields.
Source: schema/work-order-1.xsd.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from hashlib import blake2b
from typing import Any

import msgspec
from lxml import etree

from integrations.cis.codes import XML_SCHEMA
from integrations.cis.elements import line_of
from integrations.cis.message_header import HeaderReader
from integrations.cis.record_reader import RecordReader
from integrations.cis.record_schema import RecordSchema
from integrations.cis.record_stream import Record, read_records
from integrations.cis.types import (
    CisFinding,
    CisWorkOrder,
    DocumentKind,
    FileRejected,
    MassHead,
    MessageHeader,
    ParsedItem,
    SameItem,
)
from integrations.cis.work_order_codec import NAMESPACE
from integrations.cis.work_order_shape import MASS_HEAD, MASS_ITEM

_SCHEMA = "work-order-1.xsd"
_ITEM = "Item"
# A mass order is a mass replacement unless somebody says otherwise.
_TYPE = "MVM"
_HASH_BYTES = 8

MassPart = MessageHeader | MassHead | ParsedItem | SameItem


class MassReader:
    """Reads one mass order file; the caller may tell what is known once it has seen the head."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._schema = RecordSchema(_SCHEMA)
        self._items = RecordReader(self._schema, NAMESPACE, MASS_ITEM)
        self._head: MassHead | None = None
        self._head_parts: etree._Element = etree.Element(f"{{{NAMESPACE}}}MassHead")
        self._notes: tuple[CisFinding, ...] = ()
        self._inherited = b""
        # Source hashes of the items that are in force, in rising order.
        self.known: Sequence[int] = ()

    def __iter__(self) -> Iterator[MassPart]:
        """Yield the header, the head, and then every item, good or not, in the order of the file.

        Raises: FileRejected, IncompleteFile (what was yielded before stays good).
        """
        headers = HeaderReader(self._schema, NAMESPACE)
        names = ("Header", *MASS_HEAD.parts, _ITEM)
        records = read_records(
            self._chunks, DocumentKind.MASS_WORK_ORDERS, names, container="Items"
        )
        for record in records:
            if headers.takes(record):
                yield headers.read(record)
            elif record.name != _ITEM:
                self._keep(record)
            elif _is_outside(record.element):
                text = "An Item stands outside Items."
                raise FileRejected(CisFinding(XML_SCHEMA, _ITEM, text, line_of(record.element)))
            else:
                if self._head is None:
                    yield self._read_head()
                yield self._item(record)
        headers.check_seen()
        if self._head is None:
            yield self._read_head()

    def _keep(self, record: Record) -> None:
        if self._head is not None:
            text = f"{record.name} stands behind the first Item; it must come before Items."
            raise FileRejected(CisFinding(XML_SCHEMA, record.name, text, line_of(record.element)))
        if len(self._head_parts) > 2 * len(MASS_HEAD.parts):
            text = f"{record.name} is given more than once."
            raise FileRejected(CisFinding(XML_SCHEMA, record.name, text, line_of(record.element)))
        self._head_parts.append(deepcopy(record.element))
        self._notes += record.notes

    def _read_head(self) -> MassHead:
        reader = RecordReader(self._schema, NAMESPACE, MASS_HEAD)
        # The rules of the schema for what is inside, and ours for what has to be there.
        _, _, findings = reader.inspect(deepcopy(self._head_parts))
        if any(finding.severity == "ERROR" for finding in findings):
            raise FileRejected(*findings)
        found = reader.read(self._head_parts).values
        self._head = MassHead(**found, findings=self._notes + findings)
        self._inherited = msgspec.msgpack.encode(self._head.defaults, order="deterministic")
        return self._head

    def _item(self, record: Record) -> ParsedItem | SameItem:
        element = record.element
        source = _source_hash(element, self._inherited)
        place = bisect_left(self.known, source)
        if place < len(self.known) and self.known[place] == source:
            return SameItem(place)
        line = line_of(element) or 0
        ok, found, findings = self._items.read(element)
        item_no = found.pop("item_no", None)
        assert self._head is not None  # noqa: S101 - it is read before the first item.
        order = _order(self._head, item_no, found) if ok and item_no is not None else None
        counted = "revision" in found or "revision" in self._head.defaults
        return ParsedItem(line, item_no, order, counted, source, record.notes + findings)


def child_id(mass_id: str, item_no: str) -> str:
    """The order id of an item: the number stands as the CIS wrote it, with its zeros."""
    return f"{mass_id}-{item_no}"


def _order(head: MassHead, item_no: str, found: dict[str, Any]) -> CisWorkOrder:
    values = {"revision": 1, "action": "NEW", "order_type_code": _TYPE, **head.defaults, **found}
    return CisWorkOrder(order_id=child_id(head.mass_id, item_no), **values)


def _source_hash(element: etree._Element, inherited: bytes) -> int:
    """Of the bytes of the element and of what it inherits; it fits a signed column of 8 bytes."""
    digest = blake2b(etree.tostring(element, with_tail=False), digest_size=_HASH_BYTES)
    digest.update(inherited)
    return int.from_bytes(digest.digest(), "big", signed=True)


def _is_outside(item: etree._Element) -> bool:
    parent = item.getparent()
    return parent is None or parent.getparent() is None
