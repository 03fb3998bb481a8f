"""The files of the simulated CIS are good ones: what the rehearsal writes, the product reads."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from integrations.cis.master_data_codec import parse_master_data
from integrations.cis.types import MessageHeader, ParsedOrder, ParsedRecord
from integrations.cis.work_order_codec import parse_work_orders
from simulators.cis.master_data import write_master_data
from simulators.cis.work_orders import ORDER_TYPES, Wish, write_work_orders
from simulators.cis.world import make_points

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)


def test_every_simulated_order_of_every_type_is_read_without_a_finding(tmp_path: Path) -> None:
    for type_code in ORDER_TYPES:
        path = tmp_path / f"{type_code}.xml"
        wish = Wish(type_code, "NEW", 1, type_code)
        message_id = write_work_orders(path, make_points(1, 1, 50), wish, NOW)
        header, *orders = parse_work_orders([path.read_bytes()])

        assert isinstance(header, MessageHeader)
        assert header.message_id == message_id
        assert len(orders) == 50
        for item in orders:
            assert isinstance(item, ParsedOrder)
            assert item.order is not None
            assert item.findings == ()


def test_every_simulated_master_record_is_read_without_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "master.xml"
    write_master_data(path, make_points(1, 1, 200), 1, NOW)
    _, *records = parse_master_data([path.read_bytes()])

    assert {item.kind for item in records if isinstance(item, ParsedRecord)} == {
        "Customer",
        "MeteringPoint",
        "Contract",
    }
    for item in records:
        assert isinstance(item, ParsedRecord)
        assert item.record is not None
        assert item.findings == ()
