"""What is stored of an order, and by what its content is known again."""

from __future__ import annotations

import hashlib

import msgspec

from app.services.order_store import content_json, facts_json
from integrations.cis.types import CisWorkOrder, ParsedOrder
from integrations.cis.work_order_codec import parse_work_orders
from tests.integrations.cis.files import GOLDEN


def test_the_content_of_an_order_has_the_hash_that_it_had_in_the_first_release() -> None:
    """Orders that are in the database would count as changed, and conflict, with any other."""
    hashes = [hashlib.sha256(content_json(order)).hexdigest()[:16] for order in _orders()]
    assert hashes == ["9a1155d03ab56638", "c378fe87d635ca78"]


def test_stored_is_what_was_given_without_what_opens_doors() -> None:
    order = msgspec.structs.replace(_orders()[0], key_info="code 1234")
    stored = facts_json(order)
    assert "key_info" not in stored
    assert "null" not in stored
    again = msgspec.json.decode(stored, type=CisWorkOrder)
    assert again == msgspec.structs.replace(order, key_info=None)


def _orders() -> list[CisWorkOrder]:
    parsed = parse_work_orders([(GOLDEN / "work_orders.xml").read_bytes()])
    return [one.order for one in parsed if isinstance(one, ParsedOrder) and one.order]
