"""Orders and acknowledgements for the tests: one point, one customer, one day of field work."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.db import transaction
from app.domain.gsrn import check_digit
from app.models import (
    Contact,
    Customer,
    InboundMessage,
    Meter,
    MeteringPoint,
    MeterPlacement,
    Occupancy,
    WorkOrder,
)
from app.services import acks, inbound, partner_credentials, runs
from app.services.acks import Interpreted
from app.settings import Settings
from integrations.installer.signature import sign

PARTNER = "voima"
ORDER = "WO-1001"
OLD_METER = "5530-77"
NEW_METER = "6534-88"
# A weekday at 13 o'clock in Finland: far from quiet hours, and past whatever the clock says.
MORNING = datetime(2025, 3, 11, 11, 0, tzinfo=UTC)


def gsrn(number: int = 1) -> str:
    """A metering point's number that is valid and belongs to nobody."""
    body = f"6499990{number:010d}"
    return body + str(check_digit(body))


def at(minutes: float) -> datetime:
    """So many minutes into the day of the tests."""
    return MORNING + timedelta(minutes=minutes)


def add_order(session: Session, order_id: str = ORDER, **changes: Any) -> WorkOrder:
    """An order that the partner has, at a point with a meter and a customer who likes texts."""
    point = changes.pop("gsrn", gsrn())
    _add_point(session, point, changes.get("old_meter_number", OLD_METER))
    values: dict[str, Any] = {
        "order_id": order_id,
        "revision": 1,
        "content_hash": "0" * 64,
        "order_type_code": "MVM",
        "state": "SENT",
        "state_at": at(-600),
        "base_state": "SENT",
        "priority": 3,
        "gsrn": point,
        "municipality_code": "837",
        "customer_id": f"C-{point}",
        "old_meter_number": OLD_METER,
        "required_model": "6534",
        "presence_required": False,
        "facts": {
            "last_reading": "41200.5",
            "last_reading_at": at(-43_200).isoformat(),
            "phases": 3,
            "main_fuse_a": 25,
            "lat": 61.5,
            "lon": 23.76,
        },
        "partner_code": PARTNER,
        "attempts": 0,
        "inbound_message_id": 1,
        "created_at": at(-700),
        "updated_at": at(-600),
        **changes,
    }
    order = WorkOrder(**values)
    session.add(order)
    session.flush()
    return order


def _add_point(session: Session, point: str, meter_number: str | None) -> None:
    if session.get(MeteringPoint, point) is not None:
        return
    customer_id = f"C-{point}"
    moment = at(-100_000)
    session.add(
        MeteringPoint(
            gsrn=point,
            version=3,
            status="AE01",
            type="AG01",
            street_name="Koivutie",
            house_number="12",
            postal_code="33100",
            post_office="TAMPERE",
            municipality_code="837",
            phases=3,
            main_fuse_a=25,
            updated_at=moment,
        )
    )
    session.add(
        Customer(
            cis_id=customer_id,
            version=1,
            kind="CONSUMER",
            name="Aino Esimerkki",
            language="fi",
            preferred_channel="SMS",
            updated_at=moment,
        )
    )
    session.flush()
    contact = Contact(
        customer_id=customer_id,
        kind="SMS",
        value=f"+35840{point[-7:]}",
        state="VERIFIED",
        source="CIS",
        created_at=moment,
        enrolled=True,
    )
    session.add(contact)
    session.add(
        Occupancy(
            contract_id=f"K-{point}",
            version=1,
            customer_id=customer_id,
            gsrn=point,
            moved_in_on=date(2020, 1, 1),
            updated_at=moment,
        )
    )
    session.flush()
    if meter_number is not None:
        hang_meter(session, meter_number, point, installed_at=moment)
    session.flush()


def hang_meter(session: Session, number: str, point: str, installed_at: datetime) -> None:
    """A meter that the CIS's master data shows at a point."""
    session.add(
        Meter(
            number=number,
            model="5530",
            state="INSTALLED",
            gsrn=point,
            installed_at=installed_at,
            updated_at=installed_at,
        )
    )
    session.add(MeterPlacement(meter_number=number, gsrn=point, installed_at=installed_at))


def make_ack(kind: str, minutes: float, order_id: str = ORDER, **changes: Any) -> dict[str, Any]:
    """One acknowledgement as a partner would send it; the same arguments give the same one."""
    moment = at(minutes).isoformat()
    ack: dict[str, Any] = {
        "ackId": "",
        "orderId": order_id,
        "revision": 1,
        "partnerRef": f"VM-{order_id}",
        "type": kind,
        "occurredAt": moment,
        "reportedAt": moment,
        **_DETAILS.get(kind, lambda _: {})(moment),
        **changes,
    }
    digest = hashlib.sha256(json.dumps(ack, sort_keys=True).encode()).hexdigest()
    ack["ackId"] = changes.get("ackId") or str(uuid5(NAMESPACE_URL, digest))
    return ack


def _completed(moment: str) -> dict[str, Any]:
    return {
        "outage": {"offAt": at(-1).isoformat(), "onAt": moment},
        "oldMeter": {"number": OLD_METER, "readings": [_reading(41755.5, moment)]},
        "newMeter": {
            "number": NEW_METER,
            "serial": "AID88",
            "model": "6534",
            "readings": [_reading(0, moment)],
            "multiplier": 1,
        },
    }


def _reading(value: float, moment: str) -> dict[str, Any]:
    return {
        "register": "1.8.0",
        "value": value,
        "unit": "kWh",
        "readAt": moment,
        "source": "DISPLAY",
    }


_DETAILS = {
    "SCHEDULED": lambda _: {
        "schedule": {"from": at(0).isoformat(), "to": at(120).isoformat()},
    },
    "STARTED": lambda moment: {"outage": {"offAt": moment, "plannedMinutes": 20}},
    "COMPLETED": _completed,
    "CORRECTED": _completed,
    "FAILED": lambda moment: {
        "failure": {"reasonCode": "ACC_LOCKED", "text": "portti lukossa"},
        "outage": {"noOutage": True},
    },
}


def encode(ack: dict[str, Any]) -> bytes:
    """The body of the request."""
    return json.dumps(ack).encode()


def headers(
    app: Flask,
    body: bytes,
    *,
    key_id: str = f"{PARTNER}.1",
    timestamp: int | None = None,
    **changes: str,
) -> dict[str, str]:
    """What the partner sends with a body to show that it is its own."""
    settings: Settings = app.extensions["tiedolla_settings"]
    key = partner_credentials.derive(settings.partner_key.get_secret_value(), key_id)
    moment = int(time.time()) if timestamp is None else timestamp
    return {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {key.token}",
        "Tiedolla-Key": key_id,
        "Tiedolla-Timestamp": str(moment),
        "Tiedolla-Signature": sign(key.secret, moment, body),
        **changes,
    }


def post(app: Flask, client: FlaskClient, body: bytes, **changes: Any) -> TestResponse:
    """Send a body as the partner does."""
    return client.post("/api/v1/acks", data=body, headers=headers(app, body, **changes))


def arrive(ack: dict[str, Any], minutes: float, partner: str = PARTNER) -> Interpreted:
    """Store and interpret one acknowledgement as the lane does, at that time of the day."""
    now = at(minutes)
    with transaction() as session:
        stored = inbound.store_small(
            session,
            source=f"ack:{partner}",
            kind="ACK",
            name="test",
            body=encode(ack),
            now=now,
            message_id=ack["ackId"],
            business_key=ack["orderId"],
        )
        message = session.get_one(InboundMessage, stored.id, populate_existing=True)
        run_id = runs.start_run(session, "acks", "test", now)
        told = acks.interpret(session, message, now, run_id)
        return told or Interpreted(message.id, "KNOWN", (), "")
