"""How orders for the mass installer were written before there were bundles, kept to compare with."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from app.services.canonical_order import ack_token
from app.services.slices import MassContext
from integrations.cis.types import CisWorkOrder
from integrations.installer.types import (
    Action,
    Address,
    Callbacks,
    Contact,
    InstallerOrder,
    LastReading,
    Location,
    NewMeter,
    OldMeter,
    Schedule,
    Site,
)


def bytes_before(
    order: CisWorkOrder,
    action: Action,
    *,
    sees_key_info: bool,
    partner_key: str,
    mass: MassContext | None,
) -> bytes:
    """The bytes that the outbox got."""
    return msgspec.json.encode(_order(order, action, sees_key_info, partner_key, mass))


def _order(
    order: CisWorkOrder,
    action: Action,
    sees_key_info: bool,
    partner_key: str,
    mass: MassContext | None,
) -> InstallerOrder:
    if action == "CANCEL":
        return InstallerOrder(
            action="CANCEL",
            order_id=order.order_id,
            revision=order.revision,
            order_type=order.order_type_code,
            site=Site(gsrn=order.gsrn),
        )
    return InstallerOrder(
        action=action,
        order_id=order.order_id,
        revision=order.revision,
        order_type=order.order_type_code,
        mass_order_id=mass.mass_id if mass else None,
        wave=mass.wave if mass else None,
        priority=order.priority or 3,
        site=_site(order, sees_key_info),
        contact=_contact(order),
        old_meter=_old_meter(order),
        new_meter=NewMeter(
            allowed_models=_models(order, mass),
            comm_type=order.comm_type,
            multiplier=_number(order.new_multiplier_ct),
        ),
        schedule=Schedule(
            window_from=order.window_from, window_to=order.window_to, due_date=order.due_on
        ),
        callbacks=Callbacks(ack_url_name="acks", ack_token=ack_token(partner_key, order.order_id)),
    )


def _models(order: CisWorkOrder, mass: MassContext | None) -> list[str] | None:
    if order.required_model:
        return [order.required_model]
    return sorted(mass.models) if mass and mass.models else None


def _site(order: CisWorkOrder, sees_key_info: bool) -> Site:
    has_place = order.lat is not None and order.lon is not None
    return Site(
        gsrn=order.gsrn,
        local_code=order.local_code,
        address=Address(
            street_name=order.street_name,
            house_number=order.house_number,
            staircase=order.staircase,
            apartment=order.apartment,
            postal_code=order.postal_code,
            post_office=order.post_office,
            municipality_code=order.municipality_code,
        ),
        location=Location(lat=cast("float", order.lat), lon=cast("float", order.lon))
        if has_place
        else None,
        meter_place=order.meter_place,
        access_note=order.access_note,
        key_info=order.key_info if sees_key_info else None,
        presence_required=order.presence_required,
    )


def _contact(order: CisWorkOrder) -> Contact | None:
    """Nobody's name or number under a safety ban: the partner goes through our switchboard."""
    if order.safety_ban:
        return None
    language = order.language if order.language in ("fi", "sv", "en") else None
    return Contact(
        name=order.customer_name,
        phone=order.phone,
        language=language,  # type: ignore[arg-type] # narrowed by the line above
    )


def _old_meter(order: CisWorkOrder) -> OldMeter:
    reading = order.last_reading
    return OldMeter(
        number=order.old_meter_number,
        model=order.old_meter_model,
        phases=order.phases,
        last_reading=LastReading(value=float(reading), unit="kWh", at=order.last_reading_at)
        if reading is not None
        else None,
        multiplier=_number(order.multiplier_ct),
        seals=list(order.seals) or None,
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
