"""Deliveries of meters in a maker's own form: by its bundle they become what all deliveries are.

The bundle says what stands where; whether it may stand is said by the reader of our own form, so a
file of a maker is taken, and refused, like one that came by the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from app.domain.clock import HELSINKI
from app.domain.findings import Finding
from app.domain.mapping.canonical import Document
from app.domain.mapping.compiled import Mapped
from app.domain.meter_stock import DeliveryKind
from app.services.bundle_tally import Tally
from app.services.bundles_in_force import InForce
from integrations import outcomes
from integrations.meter_maker.codec import (
    Delivery,
    DeliveryInvalid,
    ReadItem,
    bad_item,
    read_head,
    read_item,
)
from integrations.meter_maker.types import DeliveryHead
from integrations.partners.codecs import FileUnreadable, Row, decode

_HEAD = {"deliveryId": "delivery_id", "kind": "kind", "maker": "maker", "partner": "partner"}
_METER = ("number", "serial", "model", "firmware")


def read_delivery(bundles: InForce, body: bytes, partner_code: str, tally: Tally) -> Delivery:
    """Read a file by the bundle in force, and by the shadow beside it, if there is one.

    Each meter is good or bad by itself; one that speaks of another delivery is bad.
    Raises: DeliveryInvalid (nothing of the file can be taken).
    """
    content = bundles.active.content
    try:
        rows = decode(content.codec, body, content.limits.rows_max)
    except FileUnreadable as error:
        raise DeliveryInvalid(error.finding, malformed=True) from None
    if not rows:
        text = "There is no meter in the file."
        raise DeliveryInvalid(outcomes.Finding("", "FIELD_MISSING", text))
    said: dict[str, Any] | None = None
    head: DeliveryHead | None = None
    items = []
    for place, row in enumerate(rows, start=1):
        if row.fault is not None:
            items.append(bad_item(place, {}, row.fault))
            continue
        mapped = bundles.active.mapping.run(row.record)
        _count(bundles, row, mapped, place, partner_code, tally)
        if said is None:
            said = _head_of(mapped.value)
            head = _read_head(said, mapped)
        items.append(_read_item(mapped, said, place))
    if head is None:
        raise DeliveryInvalid(rows[0].fault or outcomes.Finding("", "FIELD_MISSING", "no row"))
    return Delivery(head, tuple(items))


def check_row(value: Mapping[str, Any]) -> tuple[outcomes.Finding, ...]:
    """What would be said of one mapped row by itself: of its delivery, and of its meter."""
    try:
        read_head(_head_of(value), "")
    except DeliveryInvalid as error:
        return error.findings
    return read_item(_meter_of(value), 1, "").findings


def _read_head(said: Mapping[str, Any], mapped: Mapped) -> DeliveryHead:
    try:
        return read_head(said, "")
    except DeliveryInvalid:
        # What the mapping could not make of it says more: it names the field as the maker does.
        if mapped.findings:
            raise DeliveryInvalid(_wire(mapped.findings[0])) from None
        raise


def _read_item(mapped: Mapped, said: Mapping[str, Any], place: int) -> ReadItem:
    value = mapped.value
    if mapped.findings:
        return bad_item(place, value, _wire(mapped.findings[0]))
    own = _head_of(value)
    if any(own[name] != said.get(name) for name in own):
        text = "a line of another delivery"
        return bad_item(place, value, outcomes.Finding("", "VALUE_INVALID", text))
    return read_item(_meter_of(value), place, "")


def _meter_of(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[name] for name in _METER if name in value}


def _head_of(value: Mapping[str, Any]) -> dict[str, Any]:
    """What a mapped row says of its delivery, in the words of our own form."""
    head = {theirs: value[ours] for theirs, ours in _HEAD.items() if ours in value}
    head.setdefault("kind", DeliveryKind.DELIVERED.value)
    issued = value.get("issued_at", _begin_of(value.get("delivered_on")))
    if issued is not None:
        head["issuedAt"] = issued
    return head


def _begin_of(day: Any) -> Any:
    """The first moment of a day; what is no day stays as it is, for the reader to refuse."""
    try:
        return datetime.combine(date.fromisoformat(day), time(), HELSINKI)
    except (TypeError, ValueError):
        return day


def _count(
    bundles: InForce, row: Row, mapped: Mapped, place: int, partner_code: str, tally: Tally
) -> None:
    number = mapped.value.get("number")
    key = number if isinstance(number, str) and len(number) <= 40 else f"item {place}"
    unread = bundles.active.mapping.unread(row.record)
    tally.note_unmapped(partner_code, Document.DELIVERY, key, unread)
    if bundles.shadow is not None:
        beside = bundles.shadow.mapping.run(row.record)
        tally.compare(bundles.shadow_id, key, mapped.value, beside.value)


def _wire(finding: Finding) -> outcomes.Finding:
    return outcomes.Finding(finding.path, str(finding.code), finding.text)
