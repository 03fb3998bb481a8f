"""What lxml tells of an element, in types that can be relied upon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from lxml import etree


def line_of(element: etree._Element) -> int | None:
    """The line on which an element starts; beyond the 65,535th that of the first text inside it."""
    return cast("int | None", element.sourceline)


def local_name(element: etree._Element) -> str:
    """An element's name without its namespace, short enough to be shown."""
    # Not by QName, which does not take the name of an element with an undeclared prefix.
    return str(element.tag).rpartition("}")[2][:60]


def events_of(parser: etree.XMLPullParser) -> Iterator[tuple[str, etree._Element]]:
    """The events of a parser that was asked for the start and end of elements only."""
    return cast("Iterator[tuple[str, etree._Element]]", parser.read_events())
