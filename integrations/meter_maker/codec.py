"""Deliveries of meters: bytes to a head and its items, each item good or bad by itself.

JSON comes over the API, XML and CSV as files; which of the three it is, the first bytes tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from integrations.meter_maker.types import ITEMS_MOST, DeliveredMeter, DeliveryHead
from integrations.outcomes import Finding, plain

# A file of all 430,000 meters of a rollout is smaller.
FILE_ITEMS_MOST = 500_000
_FIRST_YEAR, _LAST_YEAR = 2000, 2100


class DeliveryInvalid(Exception):
    """Nothing of the body can be taken; malformed: it is not in the form that it begins with."""

    def __init__(self, finding: Finding, malformed: bool = False) -> None:
        super().__init__(f"{finding.path}: {finding.code}")
        self.findings = (finding,)
        self.malformed = malformed


@dataclass(frozen=True, slots=True)
class ReadItem:
    """One item by its place: the meter, or what is wrong with it; told: what could be read of it."""

    place: int
    meter: DeliveredMeter | None
    findings: tuple[Finding, ...] = ()
    told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery with its items in the order in which they stand in it."""

    head: DeliveryHead
    items: tuple[ReadItem, ...]


def parse_json(body: bytes) -> Delivery:
    """Read a delivery as the API takes it. Raises: DeliveryInvalid."""
    try:
        raw = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise _malformed("$", "the body must be one JSON object in UTF-8") from None
    if not isinstance(raw, dict):
        raise _malformed("$", "the body must be one JSON object in UTF-8")
    items = raw.get("items")
    if not isinstance(items, list) or not items:
        raise DeliveryInvalid(Finding("$.items", "FIELD_MISSING", "a list with a meter or more"))
    return make_delivery(raw, items, "$", ITEMS_MOST)


def make_delivery(head: Mapping[str, Any], items: Sequence[Any], path: str, most: int) -> Delivery:
    """A delivery of what some form said; raw values have the names of the JSON form.

    Raises: DeliveryInvalid (the head is wrong, or there are too many items).
    """
    if len(items) > most:
        raise DeliveryInvalid(Finding(f"{path}.items", "TOO_MANY", f"at most {most} meters"))
    known = read_head(head, path)
    return Delivery(known, tuple(read_item(raw, place, path) for place, raw in enumerate(items, 1)))


def read_head(head: Mapping[str, Any], path: str) -> DeliveryHead:
    """What a delivery says of all its meters. Raises: DeliveryInvalid."""
    try:
        known = msgspec.convert(dict(head), DeliveryHead)
    except msgspec.ValidationError as error:
        raise DeliveryInvalid(_wrong(error, path)) from None
    if not _FIRST_YEAR <= known.issued_at.year <= _LAST_YEAR:
        text = f"the year must be {_FIRST_YEAR} to {_LAST_YEAR}"
        raise DeliveryInvalid(Finding(f"{path}.issuedAt", "VALUE_INVALID", text))
    return known


def read_item(raw: Any, place: int, path: str) -> ReadItem:
    """One meter, good or bad."""
    try:
        return ReadItem(place, msgspec.convert(raw, DeliveredMeter))
    except msgspec.ValidationError as error:
        told = raw if isinstance(raw, Mapping) else {}
        return bad_item(place, told, _wrong(error, f"{path}.items[{place - 1}]"))


def bad_item(place: int, told: Mapping[str, Any], finding: Finding) -> ReadItem:
    """A meter that cannot be taken, with as much as it says of which one it is."""
    kept = {
        name: plain(value)[:40]
        for name, value in told.items()
        if name in ("number", "serial", "model") and isinstance(value, str)
    }
    return ReadItem(place, None, (finding,), kept)


def _wrong(error: msgspec.ValidationError, path: str) -> Finding:
    what, _, where = str(error).partition(" - at `")
    code = "FIELD_MISSING" if "missing required field" in what else "VALUE_INVALID"
    return Finding(f"{path}{where.rstrip('`').removeprefix('$')}", code, plain(what)[:200])


def _malformed(path: str, text: str) -> DeliveryInvalid:
    return DeliveryInvalid(Finding(path, "JSON_MALFORMED", text), malformed=True)
