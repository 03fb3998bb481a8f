"""Elements of our own messages to the CIS, written the same way every time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Union, cast

from lxml import etree

# What an element holds: a value, other elements, or several of its name; None is left out.
Scalar = str | int | float | bool | Decimal | datetime | date | None
Content = Union[Scalar, "Elements", Iterable["Elements"], Iterable[str]]
Elements = Mapping[str, Content]

_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
# Everything that XML 1.0 cannot carry; it can only come from a file name or an installer's text.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_message(namespace: str, root: str, content: Elements) -> bytes:
    """The whole document; the same content gives the same bytes."""
    # The stubs do not know that None names the default namespace.
    prefixes = cast("dict[str, str]", {None: namespace})
    document = etree.Element(f"{{{namespace}}}{root}", nsmap=prefixes)
    _fill(document, namespace, content)
    etree.indent(document)
    return _DECLARATION + etree.tostring(document, encoding="UTF-8", xml_declaration=False) + b"\n"


def _fill(parent: etree._Element, namespace: str, content: Elements) -> None:
    for name, value in content.items():
        if value is None:
            continue
        tag = f"{{{namespace}}}{name}"
        if isinstance(value, Mapping):
            child = etree.SubElement(parent, tag)
            _fill(child, namespace, value)
            if not len(child):
                parent.remove(child)
        elif isinstance(value, str | int | float | Decimal | date):
            etree.SubElement(parent, tag).text = _text(value)
        else:
            for one in value:
                _fill(parent, namespace, {name: one})


def _text(value: str | float | Decimal | date) -> str:
    if isinstance(value, str):
        return _NOT_XML.sub("\ufffd", value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).isoformat(timespec="milliseconds")
        return moment.replace(".000+", "+").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        # Never the 1E+3 form, which is no XML number.
        return format(value, "f")
    return str(value)
