"""Deliveries of meters for the tests: told by the maker, stored, and read as the lane does."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from flask import Flask

from app.db import transaction
from app.models import Meter
from app.services import feed_receipt
from app.services.meter_deliveries import KIND, SYSTEM
from app.settings import Settings
from tests.field_work import NEW_METER, PARTNER, at
from workers.meter_deliveries import take_deliveries


def meter(number: str = NEW_METER, serial: str = "AID88", **more: Any) -> dict[str, Any]:
    """One item of a delivery; as the acknowledgements of the tests name it unless said otherwise."""
    return {"number": number, "serial": serial, "model": "6534", **more}


def tell(
    *items: dict[str, Any],
    name: str = "D-1",
    kind: str = "DELIVERED",
    partner: str | None = PARTNER,
    issued_at: datetime | None = None,
    source: str = SYSTEM,
) -> int:
    """Store a delivery; returns its number."""
    body: dict[str, Any] = {
        "deliveryId": name,
        "kind": kind,
        "issuedAt": (issued_at or at(-1000)).isoformat(),
        "maker": "Aidon",
        "items": list(items),
    }
    if partner is not None:
        body["partner"] = partner
    return store(json.dumps(body).encode(), source=source)


def store(body: bytes, *, source: str = SYSTEM, name: str = "delivery") -> int:
    """Store any bytes as a delivery."""
    with transaction() as session:
        stored = feed_receipt.keep(
            session, source=source, kind=KIND, name=name, body=body, now=at(-900)
        )
        return stored.id


def read(app: Flask) -> None:
    """Read what is stored, as the lane does."""
    settings: Settings = app.extensions["tiedolla_settings"]
    take_deliveries(settings, 1, "test")


def deliver(app: Flask, *items: dict[str, Any], **head: Any) -> int:
    """Store a delivery and read it."""
    number = tell(*items, **head)
    read(app)
    return number


def register() -> dict[str, tuple[str, str | None, str | None]]:
    """Every meter: state, serial, stock."""
    with transaction() as session:
        rows = session.query(Meter).populate_existing().order_by(Meter.number)
        return {row.number: (row.state, row.serial, row.stock_code) for row in rows}
