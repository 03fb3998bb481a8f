"""Values from another profile put to the same test as those of our own.

They are written as one of our own WorkOrder elements and read back with the published schema, so
that what may be in an order does not depend on which envelope it came in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree

from integrations.cis.record_reader import RecordReader
from integrations.cis.record_schema import RecordSchema
from integrations.cis.shape import Group, Leaf
from integrations.cis.types import CisFinding, CisWorkOrder
from integrations.cis.work_order_codec import NAMESPACE
from integrations.cis.work_order_shape import WORK_ORDER

_SCHEMA = "work-order-1.xsd"


class ProfileCheck:
    """Checks values by attribute; holds a validator, so every thread and file needs its own."""

    def __init__(self) -> None:
        self._reader = RecordReader(RecordSchema(_SCHEMA), NAMESPACE, WORK_ORDER)
        self._attributes = dict(_attributes(WORK_ORDER, ""))

    def read(
        self, values: Mapping[str, Any], sources: Mapping[str, str]
    ) -> tuple[CisWorkOrder | None, tuple[CisFinding, ...]]:
        """The order, if it is one, and what is wrong, by the sender's own names of the fields.

        sources: attribute -> the field that it came from.
        """
        element = etree.Element(f"{{{NAMESPACE}}}WorkOrder")
        _write(element, WORK_ORDER, values)
        ok, found, findings = self._reader.read(element)
        told = tuple(
            CisFinding(f.code, *self._named(f, sources), None, f.severity) for f in findings
        )
        return (CisWorkOrder(**found) if ok else None), told

    def _named(self, finding: CisFinding, sources: Mapping[str, str]) -> tuple[str, str]:
        theirs = sources.get(self._attributes.get(finding.path, ""), finding.path)
        return theirs, finding.text.replace(finding.path, theirs)


def _attributes(group: Group, path: str) -> list[tuple[str, str]]:
    found = []
    for name, part in group.parts.items():
        if isinstance(part, Leaf):
            found.append((path + name, part.attribute))
        else:
            found += _attributes(part, f"{path}{name}/")
    return found


def _write(parent: etree._Element, group: Group, values: Mapping[str, Any]) -> None:
    for name, part in group.parts.items():
        tag = f"{{{NAMESPACE}}}{name}"
        if isinstance(part, Group):
            child = etree.SubElement(parent, tag)
            _write(child, part, values)
            if not len(child):
                parent.remove(child)
            continue
        value = values.get(part.attribute)
        if value is None:
            continue
        for one in value if isinstance(value, list | tuple) else [value]:
            etree.SubElement(parent, tag).text = _text(one)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    # What XML cannot carry cannot have come in XML either.
    return "".join(c for c in text if c.isprintable() or c in " \t\n")
