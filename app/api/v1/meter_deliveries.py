"""POST and GET /api/v1/meter-deliveries: a maker tells of its meters and reads their verdicts."""

from __future__ import annotations

from datetime import UTC, datetime

import marshmallow as ma
import structlog
from flask import Response, json, request
from flask_smorest import Blueprint

from app.api import problems
from app.api.openapi import URL_PREFIX, ProblemDocument
from app.api.partner_request import SIGNED_HEADERS
from app.api.problems import Problem
from app.api.v1.signed_feed import (
    accepted,
    admitted,
    keep,
    keep_refused,
    operation,
    read_signed,
)
from app.domain.lanes import INTAKE
from app.queries import meter_stock
from app.queries.meter_stock import DeliveryRow, ItemRow
from app.services.meter_deliveries import KIND, SYSTEM
from integrations.meter_maker.codec import DeliveryInvalid, parse_json

log = structlog.get_logger()

BODY_MAX_BYTES = 16 * 1024 * 1024
ITEMS_PER_PAGE = 1_000

blueprint = Blueprint(
    "meter-deliveries",
    __name__,
    url_prefix=URL_PREFIX,
    description="Meters that are ordered, delivered and taken back, so that their serials are known.",
)
problems.cover(blueprint)


class DeliveryReceived(ma.Schema):
    """The delivery is stored; what becomes of each meter is decided later."""

    deliveryId = ma.fields.String(required=True)
    received = ma.fields.Boolean(required=True)
    itemCount = ma.fields.Integer(required=True)


class ItemVerdict(ma.Schema):
    """One meter and what became of it."""

    item = ma.fields.Integer(required=True, metadata={"description": "1 for the first"})
    number = ma.fields.String(required=True, allow_none=True)
    serial = ma.fields.String(required=True, allow_none=True)
    verdict = ma.fields.String(
        required=True, metadata={"description": "TAKEN, KNOWN, LATE or REJECTED"}
    )
    code = ma.fields.String(required=True, allow_none=True)
    message = ma.fields.String(required=True, allow_none=True)


class DeliveryStatus(ma.Schema):
    """What became of a delivery; nextAfter: where the next page of items begins."""

    deliveryId = ma.fields.String(required=True)
    kind = ma.fields.String(required=True)
    state = ma.fields.String(
        required=True, metadata={"description": "STORED, INTERPRETED, PARTLY, REJECTED or HELD"}
    )
    itemCount = ma.fields.Integer(required=True)
    counts = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer(), required=True)
    items = ma.fields.List(ma.fields.Nested(ItemVerdict), required=True)
    nextAfter = ma.fields.Integer(required=True, allow_none=True)


def send_delivery() -> Response:
    """Take one delivery of the maker."""
    now = datetime.now(UTC)
    signed = read_signed(now, BODY_MAX_BYTES)
    try:
        delivery = parse_json(signed.body)
    except DeliveryInvalid as error:
        keep_refused(signed, SYSTEM, KIND, error.findings, now)
        code = "JSON_MALFORMED" if error.malformed else "DELIVERY_INVALID"
        words = "Put the named field right and send it again."
        status = 400 if error.malformed else 422
        raise Problem(status, code, words, errors=error.findings) from None
    name = delivery.head.delivery_id
    keep(signed, SYSTEM, KIND, name, now, message_id=name, lane=INTAKE)
    count = len(delivery.items)
    log.info("meter_delivery_received", delivery=delivery.head.delivery_id, count=count)
    answer = {"deliveryId": delivery.head.delivery_id, "received": True, "itemCount": count}
    return accepted(answer)


def get_delivery(delivery_id: str) -> Response:
    """Tell what became of each meter of the maker's own delivery."""
    now = datetime.now(UTC)
    signed = read_signed(now, BODY_MAX_BYTES)
    given = request.args.get("after", "0")
    after = int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else 0
    with admitted(signed, SYSTEM) as session:
        row = meter_stock.find_by_name(session, SYSTEM, delivery_id)
        if row is None:
            words = "No delivery of this name has been read; ask again in a moment."
            raise Problem(404, "NOT_FOUND", words)
        items = meter_stock.items_of(session, row.message_id, ITEMS_PER_PAGE + 1, after=after)
    return Response(json.dumps(_status(row, items)), 200, mimetype="application/json")


def _status(row: DeliveryRow, items: list[ItemRow]) -> dict[str, object]:
    page = items[:ITEMS_PER_PAGE]
    return {
        "deliveryId": row.delivery_id,
        "kind": row.kind,
        "state": row.state,
        "itemCount": row.item_count,
        "counts": row.counts,
        "items": [
            {
                "item": one.place,
                "number": one.number,
                "serial": one.serial,
                "verdict": one.verdict,
                "code": one.code,
                "message": one.text,
            }
            for one in page
        ],
        "nextAfter": page[-1].place if len(items) > ITEMS_PER_PAGE else None,
    }


_SEND = operation(
    "sendMeterDelivery",
    "Tell of meters that were ordered, delivered or taken back",
    "The same body again does nothing. A meter that is wrong is refused alone; ask for the verdicts.",
    "MeterDelivery",
)
_READ_ERRORS = {
    401: "the key, the token or the signature is wrong, or the timestamp is too far off",
    403: "the key is not active, or is another system's",
    404: "no delivery of this name has been read yet",
    500: "a fault of ours; ask again later",
    503: "we cannot read anything for a moment; ask again after Retry-After",
}
_AFTER = {
    "in": "query",
    "name": "after",
    "required": False,
    "schema": {"type": "integer", "minimum": 0},
    "description": "nextAfter of the page before",
}
_GET = {
    "summary": "Read the verdict on each meter of a delivery",
    "description": "A thousand at a time, of the newest message with this name.",
    "operationId": "getMeterDelivery",
    "security": [{"bearer": []}],
    "parameters": [*SIGNED_HEADERS, _AFTER],
    "responses": {
        str(status): {
            "description": words,
            "content": {problems.MEDIA_TYPE: {"schema": ProblemDocument}},
        }
        for status, words in _READ_ERRORS.items()
    },
}
blueprint.route("/meter-deliveries", methods=["POST"])(
    blueprint.doc(**_SEND)(
        blueprint.response(202, DeliveryReceived, description="It is stored and will be read.")(
            send_delivery
        )
    )
)
blueprint.route("/meter-deliveries/<string:delivery_id>", methods=["GET"])(
    blueprint.doc(**_GET)(
        blueprint.response(200, DeliveryStatus, description="The delivery as it was taken.")(
            get_delivery
        )
    )
)
