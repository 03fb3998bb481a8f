"""The order that a partner's mapping reads: flat, and with nothing in it that the partner may not know."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import Any

import msgspec

from app.services.slices import MassContext
from integrations.cis.types import CisWorkOrder
from integrations.installer.types import Action

_DEFAULT_PRIORITY = 3
_LANGUAGES = frozenset({"fi", "sv", "en"})
_ACK_URL_NAME = "acks"


def canonical_order(
    order: CisWorkOrder,
    action: Action,
    *,
    sees_key_info: bool,
    partner_key: str,
    mass: MassContext | None = None,
) -> dict[str, Any]:
    """One revision of an order for one partner.

    A place has both coordinates or none, and a reading's time comes with a reading.
    Promise: a cancellation names the order and nothing else; under a safety ban nobody's name,
    number or mail is in it; key information only for whoever has the right to it (REQ-31).
    """
    if action == "CANCEL":
        return {
            "order_id": order.order_id,
            "revision": order.revision,
            "action": action,
            "order_type_code": order.order_type_code,
            "gsrn": order.gsrn,
        }
    found = msgspec.structs.asdict(order)
    found["action"] = action
    found["priority"] = order.priority or _DEFAULT_PRIORITY
    found["seals"] = order.seals or None
    found["safety_ban"] = bool(order.safety_ban)
    if order.safety_ban:
        # The partner goes through our switchboard.
        found["customer_id"] = found["customer_name"] = found["language"] = None
        found["phone"] = found["email"] = None
    elif order.language not in _LANGUAGES:
        found["language"] = None
    if not sees_key_info:
        found["key_info"] = None
    if order.lat is None or order.lon is None:
        found["lat"] = found["lon"] = None
    if order.last_reading is None:
        found["last_reading_at"] = None
    if mass is not None:
        found["mass_order_id"] = mass.mass_id
        found["wave"] = mass.wave
    if order.required_model:
        found["allowed_models"] = [order.required_model]
    elif mass is not None and mass.models:
        found["allowed_models"] = sorted(mass.models)
    found["ack_url_name"] = _ACK_URL_NAME
    found["ack_token"] = ack_token(partner_key, order.order_id)
    return found


def ack_token(partner_key: str, order_id: str) -> str:
    """A token that ties acknowledgements to one order; derived, so nothing secret is stored."""
    digest = _ack_hmac(partner_key).copy()
    digest.update(order_id.encode())
    return digest.hexdigest()[:32]


@lru_cache(maxsize=4)
def _ack_hmac(partner_key: str) -> hmac.HMAC:
    """What every token begins with; setting up the key anew takes as long as the token itself."""
    return hmac.new(partner_key.encode(), b"ack-order:", hashlib.sha256)
