"""XML of partners: records read one by one, and one record written as a file of its own."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, cast

from lxml import etree

from integrations.partners.manifest import XmlCodec
from integrations.partners.rows import FileUnreadable, Row, text_of

_HEAD = "head"
_ENCODINGS = frozenset({"UTF-8", "ISO-8859-1", "WINDOWS-1252"})
_DEPTH_MOST = 20


def read_xml(codec: XmlCodec, body: bytes, rows_max: int) -> list[Row]:
    """Record by record: a whole tree takes some twenty times the size of its file."""
    if b"<!DOCTYPE" in body:
        raise FileUnreadable("XML_MALFORMED", "a DOCTYPE is not taken")
    records: list[tuple[int, dict[str, Any]]] = []
    walk = Walk(codec)
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
            collect_ids=False,
        ):
            if event == "start":
                walk.open(element)
            elif walk.close(element):
                if len(records) >= rows_max:
                    text = f"a file may have {rows_max} records at most"
                    raise FileUnreadable("TOO_MANY_ROWS", text)
                fields = _fields(element, 0)
                records.append((_line(element), fields if isinstance(fields, dict) else {}))
                walk.drop(element)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise FileUnreadable("XML_MALFORMED", "the XML is not well-formed", line) from None
    head = walk.head()
    return [Row(line, {_HEAD: head, **record} if head else record) for line, record in records]


class Walk:
    """Where in a file its reader is; only the outermost elements of the record's name are records."""

    def __init__(self, codec: XmlCodec) -> None:
        self._codec = codec
        self._depth = 0
        self._root: Any = None
        # The child of the root in which we are, and those in which records were.
        self._top: Any = None
        self._branches: list[Any] = []
        self._record: Any = None

    def open(self, element: Any) -> None:
        """Raises: FileUnreadable (it is another document than the agreed one)."""
        self._depth += 1
        if self._depth == 1:
            self._root = element
            _check_root(self._codec, element)
        elif self._depth == 2:
            self._top = element
        if self._record is None and _local(element) == self._codec.record:
            self._record = element

    def close(self, element: Any) -> bool:
        """Whether a record ends here."""
        self._depth -= 1
        if element is not self._record:
            return False
        self._record = None
        if element is not self._top and self._top not in self._branches[-1:]:
            self._branches.append(self._top)
        return True

    def drop(self, record: Any) -> None:
        """Let go of a record that was read, and of the empty one before it."""
        record.clear(keep_tail=False)
        before, around = record.getprevious(), record.getparent()
        if before is not None and around is not None and _local(before) == self._codec.record:
            around.remove(before)

    def head(self) -> dict[str, Any]:
        """What stands beside the branch of the records; asked at the end.

        Raises: FileUnreadable (an encoding that is not taken, which is known only now).
        """
        root = self._root
        encoding = (root.getroottree().docinfo.encoding or "UTF-8").upper()
        if encoding not in _ENCODINGS:
            raise FileUnreadable("XML_MALFORMED", "send UTF-8 or ISO-8859-1")
        head: dict[str, Any] = {
            f"@{etree.QName(str(key)).localname}": str(value) for key, value in root.attrib.items()
        }
        for child in root:
            if _local(child) != self._codec.record and child not in self._branches:
                _add(head, _local(child), _fields(child, 0))
        return {name: value for name, value in head.items() if value not in ("", {})}


def _check_root(codec: XmlCodec, root: Any) -> None:
    name = etree.QName(root)
    if (name.localname, name.namespace or "") != (codec.root, codec.namespace):
        raise FileUnreadable("XML_SCHEMA", f"the root element should be {codec.root}")


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


def write_xml(codec: XmlCodec, record: Mapping[str, Any]) -> bytes:
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
            parent.set(name[1:], text_of(value))
        else:
            etree.SubElement(parent, f"{prefix}{name}").text = text_of(value)
