"""Our own documents, of which mappings read or make one: which fields they have.

The order is flat and has everything that any partner may be told, and nothing else: whose name and
number a safety ban hides, and who may see key information, is decided before a mapping sees it. A
cancellation has only what names the order, so no mapping can tell more of it.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class Document(StrEnum):
    """What a document is about."""

    ORDER = "order"
    ACK = "ack"
    DELIVERY = "delivery"


class Direction(StrEnum):
    """OUT: from us to them. IN: from them to us."""

    OUT = "out"
    IN = "in"


# An order as the source sends it.
SOURCE_ORDER = (
    "order_id",
    "revision",
    "action",
    "order_type_code",
    "priority",
    "due_on",
    "window_from",
    "window_to",
    "gsrn",
    "local_code",
    "physical_status",
    "point_type",
    "point_subtype",
    "street_name",
    "house_number",
    "staircase",
    "apartment",
    "postal_code",
    "post_office",
    "municipality_code",
    "lat",
    "lon",
    "phases",
    "main_fuse_a",
    "multiplier_ct",
    "meter_place",
    "access_note",
    "key_info",
    "old_meter_number",
    "old_meter_model",
    "last_reading",
    "last_reading_at",
    "seals",
    "required_model",
    "comm_type",
    "new_multiplier_ct",
    "customer_id",
    "customer_name",
    "language",
    "phone",
    "email",
    "presence_required",
    "safety_ban",
)
# What we add before a partner's mapping sees it.
PARTNER_ORDER = (
    *SOURCE_ORDER,
    "mass_order_id",
    "wave",
    "allowed_models",
    "ack_url_name",
    "ack_token",
)
# All that is in an order that is called off.
CANCELLATION = frozenset({"order_id", "revision", "action", "order_type_code", "gsrn"})
ACK = (
    "ackId",
    "orderId",
    "revision",
    "partnerRef",
    "type",
    "occurredAt",
    "reportedAt",
    "installerId",
    "crew",
    "schedule.from",
    "schedule.to",
    "schedule.agreedWithCustomer",
    "outage.offAt",
    "outage.onAt",
    "outage.plannedMinutes",
    "outage.noOutage",
    "failure.reasonCode",
    "failure.text",
    "failure.nextTry",
    *(
        f"{meter}.readings[].{field}"
        for meter in ("oldMeter", "newMeter")
        for field in ("register", "value", "unit", "readAt", "source")
    ),
    "oldMeter.number",
    "oldMeter.sealBroken",
    "oldMeter.condition",
    "oldMeter.disposal",
    "newMeter.number",
    "newMeter.serial",
    "newMeter.model",
    "newMeter.firmware",
    "newMeter.multiplier",
    "newMeter.ctRatio",
    "newMeter.seals[]",
    "newMeter.breakerState",
    "newMeter.hanState",
    "site.meterPlace",
    "site.mainFuse",
    "site.phases",
    "site.accessNote",
    "site.addressFix",
    "site.lat",
    "site.lon",
    "site.accuracyM",
    "photos[].kind",
    "photos[].sha256",
    "photos[].takenAt",
    "photos[].ref",
    "commTest.ok",
    "commTest.at",
    "commTest.signal",
    "customerPresent",
    "notes",
)
# One meter of a delivery; the delivery's own facts are the same in each. Without a kind it is
# DELIVERED, and whoever gives a day instead of a moment means its beginning in Finland.
DELIVERY = (
    "delivery_id",
    "kind",
    "issued_at",
    "delivered_on",
    "maker",
    "partner",
    "number",
    "serial",
    "model",
    "firmware",
)

_FIELDS = {
    (Document.ORDER, Direction.OUT): PARTNER_ORDER,
    (Document.ORDER, Direction.IN): SOURCE_ORDER,
    (Document.ACK, Direction.IN): ACK,
    (Document.DELIVERY, Direction.IN): DELIVERY,
}


def fields_of(document: Document, direction: Direction) -> Collection[str] | None:
    """The general paths of our side of a document; None when nobody exchanges it that way."""
    found = _FIELDS.get((document, direction))
    return None if found is None else frozenset(found)
