"""What is the matter with a record, in words that its sender can act on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any, cast

from lxml import etree

from integrations.cis.codes import FIELD_INVALID, XML_SCHEMA
from integrations.cis.elements import line_of, local_name
from integrations.cis.shape import Group, Leaf
from integrations.cis.types import CisFinding, Severity
from integrations.cis.values import LocalTime, to_moment_in_finland

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
# A step of libxml2's node paths: a name or, in a default namespace, a star, and a position.
_STEP = re.compile(r"(?:[^:\[\]]+:)?(\*|[^:\[\]]+)(?:\[([0-9]+)\])?")
_FINDINGS_MOST = 20
_ERRORS_MOST = 100
_SHOWN_MOST = 40


class Inspection:
    """Reads a record patiently: notes and removes what is unknown, reads the rest, explains."""

    def __init__(
        self, schema: etree.XMLSchema, namespace: str, shape: Group, missing_code: str, path: str
    ) -> None:
        self._schema = schema
        self._prefix = f"{{{namespace}}}"
        self._shape = shape
        self._missing_code = missing_code
        self._path = path
        self._findings: list[CisFinding] = []
        self._doubts: dict[str, CisFinding] = {}

    def read(self, element: etree._Element) -> tuple[dict[str, Any], tuple[CisFinding, ...]]:
        """The good values and all findings, in the order of the file."""
        self._findings, self._doubts = [], {}
        found: dict[str, Any] = {}
        self._strip_attributes(element, self._path.rstrip("/") or "the record")
        self._group(element, self._shape, self._path, found)
        if not self._schema.validate(element):
            self._explain(element)
        told = {finding.path for finding in self._findings}
        self._findings += [f for path, f in self._doubts.items() if path not in told]
        self._findings.sort(key=lambda finding: finding.line or 0)
        # An ERROR must not drown in notes.
        self._findings.sort(key=lambda finding: finding.severity != "ERROR")
        return found, tuple(self._findings[:_FINDINGS_MOST])

    def _group(
        self, element: etree._Element, group: Group, path: str, found: dict[str, Any]
    ) -> None:
        seen: set[str] = set()
        for child in list(element):
            name = child.tag.removeprefix(self._prefix)
            part = group.parts.get(name)
            if part is None:
                self._note_stray(child, path)
                element.remove(child)
                continue
            where = path + name
            self._strip_attributes(child, where)
            if _is_blank(child):
                # Left empty and left out mean the same.
                element.remove(child)
            elif name in seen and not part.many:
                self._add(XML_SCHEMA, where, f"{where} is given more than once.", child)
                element.remove(child)
            elif isinstance(part, Leaf):
                seen.add(name)
                self._leaf(child, part, where, found)
            else:
                self._below(child, part, where, found)
                if len(child):
                    seen.add(name)
                else:
                    element.remove(child)
        for name, part in group.parts.items():
            if part.required and name not in seen:
                self._add_missing(element, part, path + name)

    def _below(
        self, element: etree._Element, group: Group, path: str, found: dict[str, Any]
    ) -> None:
        if group.attribute is None:
            self._group(element, group, f"{path}/", found)
            return
        inner: dict[str, Any] = {}
        self._group(element, group, f"{path}/", inner)
        if not len(element):
            return
        if group.many:
            found.setdefault(group.attribute, []).append(inner)
        else:
            found[group.attribute] = inner

    def _leaf(self, element: etree._Element, leaf: Leaf, path: str, found: dict[str, Any]) -> None:
        text = element.text or ""
        if len(element):
            self._add(XML_SCHEMA, path, f"{path} should hold a text and no elements.", element)
            return
        try:
            value = leaf.convert(text)
        except LocalTime:
            value = self._local_time(element, text, path)
        except ValueError:
            value = None
            # The schema usually says why; this is for what only we cannot read.
            self._doubts[path] = self._bad_value(element, leaf, path)
        if value is None:
            return
        if leaf.many:
            found[leaf.attribute] = (*found.get(leaf.attribute, ()), value)
        else:
            found[leaf.attribute] = value

    def _local_time(self, element: etree._Element, text: str, path: str) -> Any:
        moment, assumed = to_moment_in_finland(text)
        self._add(FIELD_INVALID, path, f"{path} has {assumed}.", element, "WARN")
        return moment

    def _add_missing(self, parent: etree._Element, part: Leaf | Group, path: str) -> None:
        """Name the fields that are missing, not the group that was left out with them."""
        if isinstance(part, Leaf):
            self._add(self._missing_code, path, f"{path} is missing.", parent)
            return
        for name, inner in part.parts.items():
            if inner.required:
                self._add_missing(parent, inner, f"{path}/{name}")

    def _note_stray(self, element: etree._Element, path: str) -> None:
        where = path + local_name(element)
        text = f"Element {where} is not part of the profile and was ignored."
        self._add(XML_SCHEMA, where, text, element, "INFO")

    def _strip_attributes(self, element: etree._Element, path: str) -> None:
        for name in [str(one) for one in element.attrib]:
            del element.attrib[name]
            if not name.startswith(_XSI):
                shown = etree.QName(name).localname[:60]
                text = f"Attribute {shown} of {path} is not part of the profile and was ignored."
                self._add(XML_SCHEMA, f"{path}/@{shown}", text, element, "INFO")

    def _explain(self, element: etree._Element) -> None:
        """Turn the validator's errors into ours, once per field."""
        told = {finding.path for finding in self._findings if finding.severity == "ERROR"}
        unclear = ""
        # Finding the element of each takes its time, which a hostile record would make long.
        for entry in islice(cast("Iterable[Any]", self._schema.error_log), _ERRORS_MOST):
            node = _resolve(element, entry.path or "")
            if node is None or node is element:
                unclear = unclear or entry.message
                continue
            path = self._path + _path_of(node, element)
            part = _part_at(self._shape, path.removeprefix(self._path))
            if path in told:
                continue
            if isinstance(part, Leaf):
                told.add(path)
                found = self._bad_value(node, part, path)
                self._findings.append(found)
            else:
                unclear = unclear or entry.message
        if unclear and not told:
            words = unclear.replace(self._prefix, "")[:200]
            text = f"The record does not match the schema (validator: {words})."
            self._add(XML_SCHEMA, self._path.rstrip("/"), text, element)

    def _bad_value(self, element: etree._Element, leaf: Leaf, path: str) -> CisFinding:
        value = " ".join((element.text or "").split())
        shown = (
            f"is {value[:_SHOWN_MOST]!r}; it" if leaf.shown else "has a value that it cannot; it"
        )
        text = f"{path} {shown} should be {leaf.expects}."
        return CisFinding(XML_SCHEMA, path, text, line_of(element))

    def _add(
        self,
        code: str,
        path: str,
        text: str,
        element: etree._Element,
        severity: Severity = "ERROR",
    ) -> None:
        self._findings.append(CisFinding(code, path, text, line_of(element), severity))


def _is_blank(element: etree._Element) -> bool:
    return not len(element) and not (element.text or "").strip()


def _resolve(record: etree._Element, path: str) -> etree._Element | None:
    """The element that libxml2 means, below the record that it was given to validate."""
    node = record
    for step in path.split("/")[2:]:
        match = _STEP.fullmatch(step)
        if match is None:
            return None
        name, position = match[1], int(match[2] or 1)
        children = [c for c in node if name in ("*", local_name(c))]
        if position > len(children):
            return None
        node = children[position - 1]
    return node


def _path_of(node: etree._Element, record: etree._Element) -> str:
    names = [local_name(node)]
    for above in node.iterancestors():
        if above is record:
            break
        names.append(local_name(above))
    return "/".join(reversed(names))


def _part_at(shape: Group, path: str) -> Leaf | Group | None:
    part: Leaf | Group | None = shape
    for name in path.split("/"):
        part = part.parts.get(name) if isinstance(part, Group) else None
    return part
