"""Deliveries as files: XML (schema/delivery-1.xsd) or CSV with a line of names.

Safe before it is parsed: no DOCTYPE, UTF-8 or ISO-8859-1 only, never an archive; and never a path.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from lxml import etree

from integrations.meter_maker.codec import (
    FILE_ITEMS_MOST,
    Delivery,
    DeliveryInvalid,
    make_delivery,
    parse_json,
)
from integrations.outcomes import Finding

NAMESPACE = "urn:tiedolla:meter-maker:delivery:1"
_TAG = f"{{{NAMESPACE}}}"
_HEAD = {
    "DeliveryId": "deliveryId",
    "Kind": "kind",
    "IssuedAt": "issuedAt",
    "Maker": "maker",
    "Partner": "partner",
}
_ITEM = {"Number": "number", "Serial": "serial", "Model": "model", "Firmware": "firmware"}
_COLUMNS = {
    "delivery_id": "deliveryId",
    "kind": "kind",
    "issued_at": "issuedAt",
    "maker": "maker",
    "partner": "partner",
    "number": "number",
    "serial": "serial",
    "model": "model",
    "firmware": "firmware",
}
_HEAD_NAMES = frozenset(_HEAD.values())
_ENCODING = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_TAKEN_ENCODINGS = (b"UTF-8", b"ISO-8859-1")


def parse_file(body: bytes) -> Delivery:
    """Read a delivery file; what it is, its first bytes tell. Raises: DeliveryInvalid."""
    if b"\x00" in body:
        raise _malformed("", "Send UTF-8 or ISO-8859-1; an archive or UTF-16 is not taken.")
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise _malformed("", "The file is empty.")
    if start.startswith(b"<"):
        return _parse_xml(body)
    if start.startswith(b"{"):
        return parse_json(start)
    return _parse_csv(body)


def _parse_xml(body: bytes) -> Delivery:
    declared = _ENCODING.search(body[:200])
    if declared is not None and declared[1].upper() not in _TAKEN_ENCODINGS:
        raise _malformed("", "Send UTF-8 or ISO-8859-1.")
    if b"<!DOCTYPE" in body:
        raise _malformed("", "A DOCTYPE is not taken; leave it out.")
    head: dict[str, Any] = {}
    items: list[dict[str, Any]] = []
    try:
        for event, element in etree.iterparse(
            io.BytesIO(body),
            events=("start", "end"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        ):
            _check_root(element)
            if element.tag == f"{_TAG}Item" and event == "end":
                items.append(_texts(element, _ITEM))
                element.clear()
                parent = element.getparent()
                while parent is not None and element.getprevious() is not None:
                    del parent[0]
            elif element.tag == f"{_TAG}Header" and event == "end":
                head = _texts(element, _HEAD)
    except etree.XMLSyntaxError as error:
        raise _malformed(f"line {error.lineno or 0}", "The XML breaks off or is not XML.") from None
    if not items:
        raise DeliveryInvalid(Finding("Items", "FIELD_MISSING", "There is no Item."))
    return make_delivery(head, items, "", FILE_ITEMS_MOST)


def _check_root(element: Any) -> None:
    if element.getparent() is not None:
        return
    if element.tag != f"{_TAG}MeterDelivery":
        text = f"The root element must be MeterDelivery in {NAMESPACE}."
        raise DeliveryInvalid(Finding("", "XML_SCHEMA", text))


def _texts(element: Any, names: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in element:
        name = names.get(etree.QName(child).localname)
        words = "".join(child.itertext()).strip()
        if name is not None and words:
            found[name] = words
    return found


def _parse_csv(body: bytes) -> Delivery:
    try:
        words = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        words = body.decode("iso-8859-1")
    first = words.lstrip().split("\n", 1)[0]
    reader = csv.DictReader(
        io.StringIO(words, newline=""), delimiter=";" if ";" in first else ",", strict=True
    )
    rows: list[dict[str, Any]] = []
    try:
        names = {_COLUMNS.get((name or "").strip().lower()) for name in reader.fieldnames or ()}
        missing = sorted({"deliveryId", "kind", "issuedAt", "number", "serial"} - names)
        if missing:
            text = f"The first line must name the columns; missing: {', '.join(missing)}."
            raise DeliveryInvalid(Finding("line 1", "FIELD_MISSING", text), malformed=True)
        for row in reader:
            rows.append(_named(row))
    except csv.Error:
        raise _malformed(f"line {reader.line_num}", "The line is no CSV.") from None
    if not rows:
        raise DeliveryInvalid(Finding("", "FIELD_MISSING", "There is no meter in the file."))
    head = {name: value for name, value in rows[0].items() if name in _HEAD_NAMES}
    items = [_without_head(row, head) for row in rows]
    return make_delivery(head, items, "", FILE_ITEMS_MOST)


def _named(row: dict[str | Any, Any]) -> dict[str, Any]:
    known = ((_COLUMNS.get((name or "").strip().lower()), value) for name, value in row.items())
    return {
        name: value.strip()
        for name, value in known
        if name is not None and isinstance(value, str) and value.strip()
    }


def _without_head(row: dict[str, Any], head: dict[str, Any]) -> dict[str, Any] | str:
    """The meter of a line; a line that speaks of another delivery is none of this one's."""
    own = {name: value for name, value in row.items() if name in _HEAD_NAMES}
    if own and own != head:
        return "a line of another delivery"
    return {name: value for name, value in row.items() if name not in _HEAD_NAMES}


def _malformed(path: str, text: str) -> DeliveryInvalid:
    return DeliveryInvalid(Finding(path, "MALFORMED", text), malformed=True)
