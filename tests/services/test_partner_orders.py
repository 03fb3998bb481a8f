"""Orders leave for the mass installer with the very bytes that they had before there were bundles."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from flask import Flask
from sqlalchemy import select

from app.db import transaction
from app.models import OutboxItem
from app.services import outbox
from app.services.bundle_content import compile_bundle, shipped_content
from app.services.canonical_order import ack_token, canonical_order
from app.services.partner_orders import build, partner_item, payload_bytes
from app.services.slices import MassContext
from integrations.cis.types import CisWorkOrder
from integrations.installer.types import InstallerOrder
from tests.services.partner_orders_before import bytes_before

KEY = "partner-key-of-the-tests"
NOW = datetime(2026, 11, 28, 9, 0, 0, 123000, tzinfo=UTC)
CHOICES: dict[str, tuple[Any, ...]] = {
    "priority": (None, 1, 5),
    "due_on": (None, date(2026, 12, 4)),
    "window_from": (None, NOW, datetime(2026, 3, 29, 1, tzinfo=UTC)),
    "window_to": (None, NOW),
    "local_code": (None, 'KP "7"'),
    "street_name": (None, "Äijänkatu\u2028"),
    "house_number": (None, "12"),
    "staircase": (None, "A"),
    "apartment": (None, "3"),
    "postal_code": (None, "33100"),
    "post_office": (None, "Tampere"),
    "municipality_code": (None, "837"),
    "lat": (None, 61.4981, 0.0),
    "lon": (None, 23.76, 0.0),
    "phases": (None, 3),
    "main_fuse_a": (None, 25),
    "multiplier_ct": (None, Decimal("1"), Decimal("0.5")),
    "meter_place": (None, "keskus"),
    "access_note": (None, "soita"),
    "key_info": (None, "avain 5"),
    "old_meter_number": (None, "553"),
    "old_meter_model": (None, "5530"),
    "last_reading": (None, Decimal("41755.5"), Decimal("0"), Decimal("1E+3")),
    "last_reading_at": (None, NOW),
    "seals": ((), ("S1", "S2")),
    "required_model": (None, "6534"),
    "comm_type": (None, "MESH"),
    "new_multiplier_ct": (None, Decimal("120")),
    "customer_id": (None, "C-1"),
    "customer_name": (None, "Aino"),
    "language": (None, "fi", "de"),
    "phone": (None, "+358401234567"),
    "email": (None, "a@b.fi"),
    "presence_required": (None, True, False),
    "safety_ban": (None, True, False),
}
MASSES = (
    None,
    MassContext("M-1", "2026-W50", frozenset({"6534", "6511"})),
    MassContext("M-1", None, frozenset()),
)


@pytest.mark.parametrize("seed", range(40))
def test_version_1_gives_the_same_bytes_as_before(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - a seeded choice of test data.
    bundle = compile_bundle(shipped_content("mass_installer", "order", "out", 1))
    for number in range(50):
        order = CisWorkOrder(
            order_id=f"MVM-{seed}-{number}",
            revision=draw.randrange(1, 9),
            action="NEW",
            order_type_code="MVM",
            gsrn="649999000000000013",
            **{name: draw.choice(values) for name, values in CHOICES.items()},
        )
        for action in ("NEW", "UPDATE", "CANCEL"):
            keys, mass = draw.random() < 0.5, draw.choice(MASSES)
            source = canonical_order(order, action, sees_key_info=keys, partner_key=KEY, mass=mass)
            before = bytes_before(order, action, sees_key_info=keys, partner_key=KEY, mass=mass)
            if order.last_reading is None:
                # A time without its reading never left either.
                assert b'"lastReading"' not in before
            made = payload_bytes(build(bundle, source, "x"))
            assert made == before
            assert msgspec.json.decode(made, type=InstallerOrder)


def test_every_field_of_an_order_is_among_the_choices() -> None:
    fixed = {"order_id", "revision", "action", "order_type_code", "gsrn"}
    fields = {one.name for one in msgspec.structs.fields(CisWorkOrder)}
    assert fields - fixed - set(CHOICES) == {"physical_status", "point_type", "point_subtype"}


def test_the_outbox_keeps_the_hash_of_those_bytes(app: Flask) -> None:
    order = CisWorkOrder(
        order_id="A-1",
        revision=2,
        action="NEW",
        order_type_code="MVM",
        gsrn="649999000000000013",
        priority=1,
        window_from=NOW,
    )
    bundle = compile_bundle(shipped_content("mass_installer", "order", "out", 1))
    source = canonical_order(order, "NEW", sees_key_info=False, partner_key=KEY, mass=None)
    made = build(bundle, source, "A-1-2")
    before = bytes_before(order, "NEW", sees_key_info=False, partner_key=KEY, mass=None)
    with app.app_context():
        with transaction() as session:
            outbox.put(session, [partner_item(order, "voima", "NEW", made)], NOW)
        with transaction() as session:
            item = session.scalars(select(OutboxItem)).one()
    assert item.payload_hash == hashlib.sha256(before).hexdigest()
    assert item.payload == msgspec.json.decode(before)
    assert (item.dedupe_key, item.lane, item.priority) == ("A-1-2", "partner.voima", 10)
    assert item.payload["callbacks"]["ackToken"] == ack_token(KEY, "A-1")
