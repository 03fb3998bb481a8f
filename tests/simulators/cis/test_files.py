"""The CIS's files are valid against the published profile and speak of the same made-up world."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import phonenumbers
import pytest
from lxml import etree

from simulators.cis.connections import COURSE, Moved, moved_at, order_no_of, write_connections
from simulators.cis.master_data import write_master_data
from simulators.cis.people import make_phone
from simulators.cis.work_orders import ORDER_TYPES, Wish, write_work_orders
from simulators.cis.world import make_point, make_points
from simulators.gsrn import is_gsrn, make_gsrn
from simulators.sms.numbers import ending_of, refused_at_once

SCHEMAS = Path(__file__).parents[3] / "integrations" / "cis" / "schema"
NOW = datetime(2026, 10, 23, 12, 0, tzinfo=UTC)
CONNECTION = "{urn:tiedolla:cis:connection:1}"
MASTER = "{urn:tiedolla:cis:master-data:1}"
ORDER = "{urn:tiedolla:cis:work-order:1}"


def test_master_data_is_valid_and_names_every_customer_before_its_contracts(
    tmp_path: Path,
) -> None:
    path = tmp_path / "master.xml"
    message_id = write_master_data(path, make_points(1, 1, 400), 3, NOW)
    root = read_valid(path, "master-data-1.xsd")
    assert root.tag == f"{MASTER}MasterDataMessage"
    assert root.findtext(f"{MASTER}Header/{MASTER}MessageId") == message_id
    assert len(root.findall(f"{MASTER}MeteringPoint")) == 400
    named: set[str | None] = set()
    points: set[str | None] = set()
    for record in root.iterchildren():
        if record.tag == f"{MASTER}Customer":
            customer_id = record.findtext(f"{MASTER}CustomerId")
            assert customer_id not in named
            named.add(customer_id)
        elif record.tag == f"{MASTER}MeteringPoint":
            points.add(record.findtext(f"{MASTER}Identification"))
        elif record.tag == f"{MASTER}Contract":
            assert record.findtext(f"{MASTER}CustomerId") in named
            assert record.findtext(f"{MASTER}Identification") in points


@pytest.mark.parametrize("type_code", ORDER_TYPES)
def test_work_orders_of_every_type_are_valid(tmp_path: Path, type_code: str) -> None:
    path = tmp_path / "orders.xml"
    write_work_orders(path, make_points(1, 1, 30), Wish(type_code, "NEW", 1, "P"), NOW)
    root = read_valid(path, "work-order-1.xsd")
    orders = root.findall(f"{ORDER}WorkOrder")
    assert [one.findtext(f"{ORDER}OrderId") for one in orders][:2] == ["P-0000001", "P-0000002"]
    for one in orders:
        window = [one.findtext(f"{ORDER}Window{end}") for end in ("From", "To")]
        assert str(window[0]) < str(window[1])


@pytest.mark.parametrize("version", range(1, len(COURSE) + 1))
def test_connection_orders_are_valid_in_every_version_and_the_same_again(
    tmp_path: Path, version: int
) -> None:
    day = NOW.date()
    for name in ("one.xml", "two.xml"):
        moved = [Moved(point, version) for point in make_points(1, 1, 12)]
        write_connections(tmp_path / name, moved, day, NOW)
    one, two = (read_valid(tmp_path / name, "connection-1.xsd") for name in ("one.xml", "two.xml"))
    found = one.findall(f"{CONNECTION}Connection")
    assert found[0].findtext(f"{CONNECTION}OrderNo") == order_no_of(make_point(1, 1), day)
    assert {order.findtext(f"{CONNECTION}Stage") for order in found} == {COURSE[version - 1]}
    again = two.findall(f"{CONNECTION}Connection")
    assert [etree.tostring(order) for order in found] == [etree.tostring(order) for order in again]


def test_connection_orders_start_one_after_the_other_and_all_arrive() -> None:
    points = list(make_points(1, 1, 3))
    steps = [[one.version for one in moved_at(points, step)] for step in range(1, 12)]
    assert steps[:3] == [[1], [2, 1], [3, 2, 1]]
    assert steps[-2:] == [[len(COURSE)], []]


def test_orders_are_for_the_points_of_the_master_data_with_the_same_seed(tmp_path: Path) -> None:
    master, orders = tmp_path / "master.xml", tmp_path / "orders.xml"
    write_master_data(master, make_points(7, 1, 60), 1, NOW)
    write_work_orders(orders, make_points(7, 21, 10), Wish("MVM", "NEW", 1, "P"), NOW)
    meters = {
        point.findtext(f"{MASTER}Identification"): point.findtext(
            f"{MASTER}Meter/{MASTER}MeterIdentification"
        )
        for point in etree.parse(master).getroot().findall(f"{MASTER}MeteringPoint")
    }
    wanted = {
        one.findtext(f"{ORDER}MeteringPoint/{ORDER}Identification"): one.findtext(
            f"{ORDER}OldMeter/{ORDER}MeterIdentification"
        )
        for one in etree.parse(orders).getroot().findall(f"{ORDER}WorkOrder")
    }
    assert len(wanted) == 10
    assert wanted.items() <= meters.items()


def test_a_point_is_the_same_whatever_else_was_asked_for() -> None:
    assert list(make_points(3, 1, 50))[41] == make_point(3, 42)
    assert make_point(3, 42) != make_point(4, 42)
    assert make_point(3, 42).gsrn != make_point(4, 42).gsrn


def test_the_first_points_show_every_kind_of_customer() -> None:
    people = [point.customer for point in make_points(1, 1, 8)]
    assert {(one.language, one.channel) for one in people} >= {
        ("fi", "SMS"),
        ("sv", "SMS"),
        ("en", "EMAIL"),
        ("fi", "NONE"),
    }
    assert any(one.safety_ban for one in people)
    assert all(one.phone for one in people if one.channel == "SMS")
    assert all(one.email for one in people if one.channel == "EMAIL")


def test_the_world_is_as_mixed_as_a_real_one() -> None:
    points = list(make_points(1, 1, 3_000))
    places = Counter(point.municipality for point in points)
    assert set(places) == {"092", "049", "149", "837", "297", "604"}
    languages = Counter(point.customer.language for point in points)
    assert languages["fi"] > 2_300
    assert min(languages["sv"], languages["en"]) > 60
    models = Counter((point.meter_model, point.new_model) for point in points)
    assert set(models) == {("5530", "6534"), ("5511", "6511")}
    assert any(point.apartment for point in points)
    assert any(set("åäö") & set(point.street) for point in points)
    assert 0 < sum(point.customer.safety_ban for point in points) < 100
    assert len({point.customer.customer_id for point in points}) < 3_000


def test_ids_numbers_and_addresses_are_valid_and_nobody_elses() -> None:
    points = list(make_points(1, 1, 3_000))
    assert all(is_gsrn(point.gsrn) for point in points)
    assert make_gsrn(1) == "649999000000000013"
    for field in ("gsrn", "local_code", "meter_number"):
        assert len({getattr(point, field) for point in points}) == len(points)
    for point in points:
        phone, email = point.customer.phone, point.customer.email
        assert phone is None or phonenumbers.is_valid_number(phonenumbers.parse(phone))
        assert email is None or email.endswith("@example.fi")


def test_no_phone_misbehaves_by_chance_and_none_is_shared() -> None:
    numbers = [make_phone(seed, index) for seed in (0, 1) for index in range(1, 60_000)]
    assert not [one for one in numbers if refused_at_once(one)]
    assert {ending_of(one).statuses for one in numbers} == {("queued", "sent", "delivered")}
    assert len(set(numbers[:59_999])) == 59_999


@pytest.mark.parametrize(("seed", "number"), [(-1, 1), (1_000, 1), (1, 0), (1, 10_000_000)])
def test_a_point_outside_the_world_is_refused(seed: int, number: int) -> None:
    with pytest.raises(ValueError, match="possible"):
        make_point(seed, number)


def read_valid(path: Path, schema: str) -> etree._Element:
    """The file's root, once the schema has nothing against it."""
    tree = etree.parse(path)
    etree.XMLSchema(etree.parse(SCHEMAS / schema)).assertValid(tree)
    return tree.getroot()
