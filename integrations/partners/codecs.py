"""Bytes to records and records to bytes, by what a bundle's manifest says.

A record is what a mapping reads or makes: names to texts, or for JSON to what JSON has. Nothing is
interpreted here. A file that cannot be read raises; a row that cannot be read is a fault of its own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from lxml import etree

from integrations.outcomes import Finding
from integrations.partners.manifest import Codec, CsvCodec, JsonCodec, XmlCodec

_HEAD = "head"
_ENCODINGS = frozenset({"UTF-8", "ISO-8859-1", "WINDOWS-1252"})
_DEPTH_MOST = 20
_FIELD_MOST = 20_000


class FileUnreadable(Exception):
    """Nothing of the file can be taken; finding says why, without quoting it."""

    def __init__(self, code: str, text: str, line: int | None = None) -> None:
        super().__init__(text)
        self.finding = Finding("/" if line is None else f"line {line}", code, text)


@dataclass(frozen=True, slots=True)
class Row:
    """One record and the line on which it begins; fault: why it could not be read."""

    line: int
    record: dict[str, Any]
    fault: Finding | None = None


def decode(codec: Codec, body: bytes, rows_max: int = 1_000_000) -> list[Row]:
    """The records of a file, in its order.

    Raises: FileUnreadable.
    """
    if isinstance(codec, JsonCodec):
        return [Row(1, _json(body))]
    if isinstance(codec, CsvCodec):
        return _csv_rows(codec, body, rows_max)
    return _xml_rows(codec, body, rows_max)


def encode(codec: Codec, record: Mapping[str, Any]) -> bytes:
    """One record as a file of its own; the same record gives the same bytes.

    Raises: ValueError (a value that the codec cannot write; the mapping has to convert it).
    """
    if isinstance(codec, JsonCodec):
        return msgspec.json.encode(record)
    if isinstance(codec, CsvCodec):
        return _write_csv(codec, record)
    return _write_xml(codec, record)


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise FileUnreadable(
            "JSON_MALFORMED", "the body must be one JSON object in UTF-8"
        ) from None
    if not isinstance(value, dict):
        raise FileUnreadable("JSON_MALFORMED", "the body must be a JSON object")
    return value


def _csv_rows(codec: CsvCodec, body: bytes, rows_max: int) -> list[Row]:
    encoding = "utf-8-sig" if codec.encoding == "utf-8" else codec.encoding
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        raise FileUnreadable("ENCODING_WRONG", f"the file is not {codec.encoding}") from None
    if "\0" in text:
        raise FileUnreadable("ENCODING_WRONG", "the file holds a NUL, so it is not a text")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=codec.delimiter, strict=True)
    heading: list[str] | None = None
    rows: list[Row] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error:
            # A quote that is never closed would swallow the rest, so nothing behind it is safe.
            if heading is None:
                raise FileUnreadable("CSV_MALFORMED", "the heading cannot be read", line) from None
            text = "the row cannot be read, nor what follows it; look for a stray quote"
            rows.append(Row(line, {}, Finding(f"line {line}", "CSV_MALFORMED", text)))
            break
        if not any(cell.strip() for cell in cells):
            continue
        if heading is None:
            heading = _heading(codec, [cell.strip() for cell in cells], line)
            continue
        if len(rows) >= rows_max:
            raise FileUnreadable("TOO_MANY_ROWS", f"a file may have {rows_max} rows at most", line)
        rows.append(_csv_row(heading, cells, line))
    if heading is None:
        raise FileUnreadable("CSV_MALFORMED", "the file is empty")
    return rows


def _heading(codec: CsvCodec, names: list[str], line: int) -> list[str]:
    missing = [name for name in codec.columns if name not in names]
    if missing:
        text = f"the heading lacks {', '.join(missing[:5])}"
        raise FileUnreadable("CSV_HEADING", text, line)
    if len(set(names)) < len(names) or not all(names):
        raise FileUnreadable("CSV_HEADING", "the heading has a name twice, or none", line)
    return names


def _csv_row(heading: list[str], cells: list[str], line: int) -> Row:
    if len(cells) != len(heading):
        text = f"the row has {len(cells)} fields and the heading {len(heading)}"
        return Row(line, {}, Finding(f"line {line}", "CSV_FIELDS", text))
    record = {
        name: value
        for name, cell in zip(heading, cells, strict=True)
        if (value := " ".join(cell.split()))
    }
    if any(len(value) > _FIELD_MOST for value in record.values()):
        return Row(line, {}, Finding(f"line {line}", "CSV_FIELDS", "a field is far too long"))
    return Row(line, record)


def _write_csv(codec: CsvCodec, record: Mapping[str, Any]) -> bytes:
    strange = record.keys() - set(codec.columns)
    if strange:
        raise ValueError(f"no column {', '.join(sorted(strange))}")
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=codec.delimiter, lineterminator="\r\n")
    writer.writerow(codec.columns)
    writer.writerow([_cell(record.get(name)) for name in codec.columns])
    # What the partner's encoding does not have becomes a question mark, never a lost order.
    return text.getvalue().encode(codec.encoding, "replace")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, int | float):
        return str(value)
    raise ValueError(f"a {type(value).__name__} has no form in a row")


def _xml_rows(codec: XmlCodec, body: bytes, rows_max: int) -> list[Row]:
    if b"<!DOCTYPE" in body:
        raise FileUnreadable("XML_MALFORMED", "a DOCTYPE is not taken")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise FileUnreadable("XML_MALFORMED", "the XML is not well-formed", line) from None
    encoding = (root.getroottree().docinfo.encoding or "UTF-8").upper()
    if encoding not in _ENCODINGS:
        raise FileUnreadable("XML_MALFORMED", "send UTF-8 or ISO-8859-1")
    name = etree.QName(root)
    if (name.localname, name.namespace or "") != (codec.root, codec.namespace):
        raise FileUnreadable("XML_SCHEMA", f"the root element should be {codec.root}")
    records = [one for one in root.iter(etree.Element) if _local(one) == codec.record]
    if len(records) > rows_max:
        raise FileUnreadable("TOO_MANY_ROWS", f"a file may have {rows_max} records at most")
    head = _head(root, records)
    rows = []
    for one in records:
        fields = _fields(one, 0)
        record = fields if isinstance(fields, dict) else {}
        rows.append(Row(_line(one), {_HEAD: head, **record} if head else record))
    return rows


def _head(root: etree._Element, records: list[etree._Element]) -> dict[str, Any]:
    """What stands beside the branch of the records."""
    # The elements themselves: lxml makes a new object for one that nobody holds.
    branches = {above for one in records for above in (one, *one.iterancestors())}
    head: dict[str, Any] = {
        f"@{etree.QName(str(key)).localname}": str(value) for key, value in root.attrib.items()
    }
    for child in root:
        if child not in branches:
            _add(head, _local(child), _fields(child, 0))
    return {name: value for name, value in head.items() if value not in ("", {})}


def _fields(element: etree._Element, depth: int) -> dict[str, Any] | str:
    if depth > _DEPTH_MOST:
        raise FileUnreadable("XML_SCHEMA", "elements lie too deep", _line(element))
    attributes = {
        f"@{etree.QName(str(key)).localname}": str(value)
        for key, value in element.attrib.items()
        if not str(key).startswith("{http://www.w3.org/2001/XMLSchema-instance}")
    }
    if len(element) == 0 and not attributes:
        return " ".join((element.text or "").split())
    found: dict[str, Any] = dict(attributes)
    for child in element:
        _add(found, _local(child), _fields(child, depth + 1))
    if len(element) == 0 and (text := " ".join((element.text or "").split())):
        found["#"] = text
    return found


def _add(found: dict[str, Any], name: str, value: Any) -> None:
    if value in ("", {}):
        return
    if name not in found:
        found[name] = value
    elif isinstance(found[name], list):
        found[name].append(value)
    else:
        found[name] = [found[name], value]


def _line(element: etree._Element) -> int:
    return cast("int | None", element.sourceline) or 0


def _local(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _write_xml(codec: XmlCodec, record: Mapping[str, Any]) -> bytes:
    prefix = f"{{{codec.namespace}}}" if codec.namespace else ""
    # The stubs do not know that None names the default namespace.
    names: Any = {None: codec.namespace} if codec.namespace else None
    root = etree.Element(f"{prefix}{codec.root}", nsmap=names)
    fields = dict(record)
    head = fields.pop(_HEAD, {})
    _fill(root, head, prefix)
    place = root
    for name in codec.around:
        place = etree.SubElement(place, f"{prefix}{name}")
    _fill(etree.SubElement(place, f"{prefix}{codec.record}"), fields, prefix)
    etree.indent(root)
    text = etree.tostring(root, encoding="UTF-8", xml_declaration=False)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text + b"\n"


def _fill(parent: etree._Element, content: Mapping[str, Any], prefix: str) -> None:
    for name, value in content.items():
        if isinstance(value, Mapping):
            _fill(etree.SubElement(parent, f"{prefix}{name}"), value, prefix)
        elif isinstance(value, list | tuple):
            for one in value:
                _fill(parent, {name: one}, prefix)
        elif name.startswith("@"):
            parent.set(name[1:], _cell(value))
        else:
            etree.SubElement(parent, f"{prefix}{name}").text = _cell(value)
