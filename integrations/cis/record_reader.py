"""One record element to its values, checked against the schema.

Nearly every record is as it should be, so there are two ways through: a short one that only reads
and validates, and a patient one (`record_inspection.py`) for whatever the short one stumbles over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lxml import etree

from integrations.cis.codes import FIELD_MISSING
from integrations.cis.record_inspection import Inspection
from integrations.cis.record_schema import RecordSchema
from integrations.cis.shape import Group, Leaf
from integrations.cis.types import CisFinding

_LEAF, _LEAVES, _INLINE, _NAMED, _SEVERAL = range(5)
# How to read one element: what it is, where its value goes, its converter, and its own parts.
_Step = tuple[int, str, Callable[[str], Any] | None, "_Table"]
_Table = dict[str, _Step]


class Reading(NamedTuple):
    """The values of a record by attribute; only good ones when `ok` is false."""

    ok: bool
    values: dict[str, Any]
    findings: tuple[CisFinding, ...]


class RecordReader:
    """Reads records of one shape; holds a validator, so every thread and file needs its own."""

    def __init__(
        self,
        schema: RecordSchema,
        namespace: str,
        shape: Group,
        *,
        missing_code: str = FIELD_MISSING,
        path: str = "",
    ) -> None:
        self._validate = schema.validate
        self._table = _compile(shape, namespace)
        self._inspection = Inspection(schema.published, namespace, shape, missing_code, path)

    def read(self, element: etree._Element) -> Reading:
        """Read one complete element; unknown children are taken out of it and noted."""
        found: dict[str, Any] = {}
        try:
            _walk(element, self._table, found)
        except (LookupError, ValueError):
            pass
        else:
            if self._validate(element):
                return Reading(True, found, ())
        return self.inspect(element)

    def inspect(self, element: etree._Element) -> Reading:
        """Read it the patient way, which also asks for mandatory parts that the schema does not."""
        found, findings = self._inspection.read(element)
        ok = not any(finding.severity == "ERROR" for finding in findings)
        return Reading(ok, found, findings)


def _walk(element: etree._Element, table: _Table, found: dict[str, Any]) -> None:
    """Collect the values; raises LookupError or ValueError at the first thing out of the ordinary."""
    for child in element:
        kind, attribute, convert, below = table[child.tag]
        if convert is not None:
            text = child.text
            if text is None:
                continue
            value = convert(text)
            if value is None:
                continue
            if kind == _LEAVES:
                found[attribute] = (*found.get(attribute, ()), value)
            elif attribute in found:
                raise LookupError(attribute)
            else:
                found[attribute] = value
        elif kind == _INLINE:
            _walk(child, below, found)
        else:
            inner: dict[str, Any] = {}
            _walk(child, below, inner)
            if kind == _SEVERAL:
                found.setdefault(attribute, []).append(inner)
            else:
                found[attribute] = inner


def _compile(shape: Group, namespace: str) -> _Table:
    """The shape keyed by the tags that lxml gives, so that reading a record is dictionary look-ups."""
    table: _Table = {}
    for name, part in shape.parts.items():
        tag = f"{{{namespace}}}{name}"
        if isinstance(part, Leaf):
            kind = _LEAVES if part.many else _LEAF
            table[tag] = (kind, part.attribute, part.convert, {})
        else:
            kind = _INLINE if part.attribute is None else _SEVERAL if part.many else _NAMED
            table[tag] = (kind, part.attribute or "", None, _compile(part, namespace))
    return table
