"""What the CIS's files have in common: the header, the elements, and writing them as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Union
from uuid import uuid4

from lxml import etree

from simulators.gsrn import check_digit

SENDER_GLN = "649999000001" + check_digit("649999000001")
RECEIVER_GLN = "649999000002" + check_digit("649999000002")
SCHEMA_VERSION = "1.0"

# What an element holds: a text, other elements, or several elements of its name; None and empty
# elements are left out.
Content = Union[str, int, float, bool, None, "Elements", Sequence["Elements"]]
Elements = Mapping[str, Content]


def write_message(
    path: Path,
    namespace: str,
    root: str,
    records: Iterable[tuple[str, Elements]],
    now: datetime,
) -> str:
    """Write a file of (element name, content) records and return its message id.

    The records are written as they come: a file of any size takes the memory of one record.
    """
    message_id = str(uuid4())
    head = ("Header", make_header(message_id, now))
    with path.open("wb") as file, etree.xmlfile(file, encoding="UTF-8") as xml:
        xml.write_declaration()
        # Elements without a prefix are in the default namespace that the root declares.
        with xml.element(root, nsmap={None: namespace}):
            for name, content in chain([head], records):
                xml.write("\n", make_element(name, content))
            xml.write("\n")
    return message_id


def make_header(message_id: str, now: datetime) -> Elements:
    """What every message begins with."""
    return {
        "MessageId": message_id,
        "CreatedAt": utc(now),
        "Sender": SENDER_GLN,
        "Receiver": RECEIVER_GLN,
        "SchemaVersion": SCHEMA_VERSION,
        "TestIndicator": True,
    }


def utc(moment: datetime) -> str:
    """A time as the files write it: UTC, whole seconds, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_element(name: str, content: Elements) -> etree._Element:
    """An element with all that is inside it."""
    element = etree.Element(name)
    for child, value in content.items():
        if isinstance(value, Mapping):
            below = make_element(child, value)
            if len(below):
                element.append(below)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            element.extend([make_element(child, one) for one in value])
        elif value is not None:
            etree.SubElement(element, child).text = _text(value)
    return element


def _text(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
