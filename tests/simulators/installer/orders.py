"""Orders as Tiedolla sends them to the mass installer."""

from __future__ import annotations

from typing import Any

import requests

from simulators.gsrn import make_gsrn
from tests.simulators.running import RunningRehearsal


def make_order(number: int, **changes: Any) -> dict[str, Any]:
    """A valid new order."""
    return {
        "orderId": f"MVM-{number:04d}",
        "revision": 1,
        "action": "NEW",
        "orderType": "MVM",
        "priority": 3,
        "site": {
            "gsrn": make_gsrn(number),
            "address": {"streetName": "Käpylänkuja", "houseNumber": "12"},
            "location": {"lat": 60.29, "lon": 25.03},
            "meterPlace": "outdoor",
            "presenceRequired": False,
        },
        "contact": {"name": "Aino Hämäläinen", "phone": "+358501234567", "language": "fi"},
        "oldMeter": {
            "number": f"5530{number:010d}",
            "model": "5530",
            "lastReading": {"value": 48_000, "unit": "kWh", "at": "2026-01-01T00:00:00Z"},
            "multiplier": 1,
        },
        "newMeter": {"allowedModels": ["6534"], "commType": "P2P", "multiplier": 1},
        "schedule": {"windowFrom": None, "dueDate": "2027-01-31"},
        "callbacks": {"ackUrlName": "acks"},
        **changes,
    }


def post_order(
    rehearsal: RunningRehearsal, order: dict[str, Any], *, key: str = "", token: str = ""
) -> requests.Response:
    """Send the order as Tiedolla does."""
    return requests.post(
        f"{rehearsal.url}/installer/orders",
        json=order,
        headers={
            "Authorization": f"Bearer {token or rehearsal.config['installer']['token']}",
            "Idempotency-Key": key or f"{order.get('orderId')}-{order.get('revision')}",
        },
        timeout=10,
    )
