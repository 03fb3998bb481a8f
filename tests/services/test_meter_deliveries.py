"""Deliveries are taken meter by meter, once, whatever comes twice, late or wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import db, transaction
from app.models import InboundFinding, InboundMessage, MeterDelivery, OutboxItem, Partner, Run
from app.queries import meter_stock
from app.services import inbound, meter_acts, meter_deliveries
from app.services.meter_acts import MeterRefused
from integrations.meter_maker.files import parse_file
from simulators.maker.delivery import as_csv, as_xml, make_delivery, make_meters
from tests.field_work import NEW_METER, OLD_METER, ORDER, add_order, arrive, at, gsrn, make_ack
from tests.services.delivering import deliver, meter, read, register, store, tell
from tests.services.queueing import set_lane
from workers import meter_deliveries as worker


def test_a_delivery_puts_its_meters_into_the_partners_stock(day: Flask) -> None:
    number = deliver(day, meter("m1", "s1"), meter("m2", "s2"))
    assert register() == {
        OLD_METER: ("INSTALLED", None, None),
        "m1": ("ALLOCATED", "s1", "voima"),
        "m2": ("ALLOCATED", "s2", "voima"),
    }
    message = _message(number)
    assert (message.state, message.counts) == ("INTERPRETED", {"TAKEN": 2})
    with transaction() as session:
        row = meter_stock.find_delivery(session, number)
        assert row is not None
        assert (row.delivery_id, row.kind, row.counts) == ("D-1", "DELIVERED", {"TAKEN": 2})
        (stock,) = meter_stock.stock(session)
        assert (stock.stock_code, stock.model, stock.at_hand) == ("voima", "6534", 2)
        partner = session.get_one(Partner, "voima", populate_existing=True)
        assert partner.stock_since_at is not None


def test_ordered_then_delivered_then_allocated_is_the_course_of_a_meter(day: Flask) -> None:
    states = []
    for minute, (kind, partner) in enumerate(
        (("ORDERED", None), ("DELIVERED", None), ("DELIVERED", "voima"))
    ):
        deliver(day, meter("m1", "s1"), name=kind, kind=kind, partner=partner, issued_at=at(minute))
        states.append(register()["m1"][0])
    assert states == ["ORDERED", "DELIVERED", "ALLOCATED"]


def test_a_paused_intake_takes_no_delivery(day: Flask) -> None:
    set_lane("intake", paused=True)
    number = deliver(day, meter("m1", "s1"))
    assert _message(number).state == "STORED"
    set_lane("intake", paused=False)
    read(day)
    assert _message(number).state == "INTERPRETED"


@pytest.mark.parametrize(
    "bad",
    [{"model": "65\u000034"}, {"firmware": "2\u0007"}, {"number": "m2\n"}, {"serial": "s2\n"}],
)
def test_a_sign_that_nobody_can_store_or_see_spoils_one_meter_only(
    day: Flask, bad: dict[str, str]
) -> None:
    number = deliver(day, meter("m1", "s1"), {**meter("m2", "s2"), **bad}, meter("m3", "s3"))
    assert _message(number).counts == {"TAKEN": 2, "REJECTED": 1}
    assert set(register()) == {OLD_METER, "m1", "m3"}


def test_a_delivery_from_the_future_would_make_every_later_word_old_and_is_refused(
    day: Flask,
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=400)
    number = deliver(day, meter("m1", "s1"), issued_at=ahead)
    assert (_message(number).state, _message(number).reason_code) == ("REJECTED", "TIME_IN_FUTURE")
    assert "m1" not in register()
    # Whoever gives the day, or another zone's clock, is understood, and does not count as later.
    deliver(day, meter("m1", "s1"), name="D-2", issued_at=datetime.now(UTC) + timedelta(hours=20))
    assert register()["m1"][0] == "ALLOCATED"
    deliver(day, meter("m1", "s1"), name="D-3", kind="FAULTY", issued_at=datetime.now(UTC))
    assert register()["m1"][0] == "FAULTY"


def test_the_same_delivery_again_changes_nothing(day: Flask) -> None:
    first = tell(meter("m1", "s1"))
    assert tell(meter("m1", "s1")) == first
    read(day)
    before = register()
    # The same again in other bytes, and once more as a file.
    again = deliver(day, meter("m1", "s1", firmware="2.1"))
    assert _message(again).counts == {"KNOWN": 1}
    assert register() == before


def test_each_bad_meter_is_refused_alone_with_its_code(day: Flask) -> None:
    deliver(day, meter("m1", "s1"))
    number = deliver(
        day,
        meter("m2", "s2"),
        {"number": "m3"},
        meter("m1", "other"),
        meter("m4", "s1"),
        meter("m5", "s5"),
        meter("m5", "s5"),
        name="D-2",
    )
    assert _message(number).state == "PARTLY"
    with transaction() as session:
        items = meter_stock.items_of(session, number, 10)
    assert [(item.number, item.verdict, item.code) for item in items] == [
        ("m2", "TAKEN", None),
        ("m3", "REJECTED", "FIELD_MISSING"),
        ("m1", "REJECTED", "METER_SERIAL_MISMATCH"),
        ("m4", "REJECTED", "METER_SERIAL_MISMATCH"),
        ("m5", "TAKEN", None),
        ("m5", "KNOWN", None),
    ]
    assert set(register()) == {OLD_METER, "m1", "m2", "m5"}
    codes = db.session.scalars(
        select(InboundFinding.code).where(InboundFinding.inbound_message_id == number)
    )
    assert sorted(codes) == ["FIELD_MISSING", "METER_SERIAL_MISMATCH", "METER_SERIAL_MISMATCH"]


def test_a_stock_that_nobody_has_refuses_the_whole(day: Flask) -> None:
    for partner in ("nobody", "dms"):
        number = deliver(day, meter("m1", "s1"), partner=partner, name=partner)
        message = _message(number)
        assert (message.state, message.reason_code) == ("REJECTED", "STOCK_UNKNOWN")
    assert "m1" not in register()


@pytest.mark.parametrize("form", [as_xml, as_csv])
def test_a_file_is_kept_byte_for_byte_taken_and_answered_by_a_file(
    day: Flask, form: Callable[..., bytes]
) -> None:
    meters = [*make_meters("1234", 1, 2), {"number": "b a d", "serial": "x", "model": "6534"}]
    delivery = make_delivery(meters, name="F-1", kind="DELIVERED", partner="voima", now=at(0))
    content = form(delivery)
    number = store(content, source=meter_deliveries.FILES, name="meter-delivery-F-1.xml")
    read(day)
    message = _message(number)
    assert (message.state, message.counts) == ("PARTLY", {"TAKEN": 4, "REJECTED": 1})
    (item,) = db.session.scalars(select(OutboxItem))
    assert (item.lane, item.kind) == ("cis", "CIS_REJECT")
    (entry,) = item.payload["entries"]
    assert (entry["code"], entry["path"]) == ("FIELD_INVALID", "item 5")


def test_a_delivery_over_the_interface_is_not_answered_by_a_file(day: Flask) -> None:
    deliver(day, meter("m 1", "s1"))
    assert db.session.scalars(select(OutboxItem)).all() == []


def test_what_cannot_be_read_is_rejected_and_the_next_one_taken(day: Flask) -> None:
    bad = store(b"%PDF-1.4", source=meter_deliveries.FILES, name="meter-delivery-x.csv")
    deliver(day, meter("m1", "s1"))
    assert _message(bad).state == "REJECTED"
    assert "m1" in register()


def test_a_death_between_two_slices_costs_nothing(
    day: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there with its verdicts is not taken again; the rest goes on from there."""
    monkeypatch.setattr(worker, "SLICE_COUNT", 2)
    items = [meter(f"m{n}", f"s{n}") for n in range(5)]
    number = tell(*items)
    message = _message(number)
    with transaction() as session:
        delivery = parse_file(inbound.read_body(session, number))
        assert meter_deliveries.begin(session, message, delivery, at(0)) == (None, 0)
        meter_deliveries.take_slice(session, number, delivery, delivery.items[:2], at(0))
    read(day)
    assert _message(number).counts == {"TAKEN": 5}
    steps = db.session.execute(text("SELECT count(*) FROM step WHERE name = 'meters'")).scalar_one()
    assert steps == 2


def test_a_delivery_behind_the_work_fills_in_what_is_missing_and_moves_nothing(day: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    number = deliver(day, meter())
    assert _message(number).counts == {"LATE": 1}
    assert register()[NEW_METER] == ("INSTALLED", "AID88", "voima")
    # Taken back, it lies in the stock that its maker gave it to.
    arrive(make_ack("CORRECTED", 60, failure={"reasonCode": "TECH_BOARD"}, newMeter=None), 60)
    assert register()[NEW_METER][0] == "ALLOCATED"


def test_an_old_meter_goes_from_the_wall_to_the_scrap_heap(day: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    assert register()[OLD_METER][0] == "REMOVED"
    old = {"number": OLD_METER, "serial": "OLD77"}
    early = deliver(day, old, name="S", kind="SCRAPPED", partner=None, issued_at=at(30))
    assert _message(early).reason_code == "METER_STATE"
    deliver(day, old, name="R", kind="RETURNED", partner=None, issued_at=at(40))
    assert register()[OLD_METER][0] == "RETURNED"
    deliver(day, old, name="S2", kind="SCRAPPED", partner=None, issued_at=at(50))
    assert register()[OLD_METER][0] == "SCRAPPED"


def test_staff_move_a_meter_along_its_table_with_a_reason(day: Flask) -> None:
    deliver(day, meter("m1", "s1"))
    with pytest.raises(MeterRefused, match="NO_REASON"), transaction() as session:
        meter_acts.set_state(session, "m1", "LOST", "", at(0), by="staff:otso")
    with pytest.raises(MeterRefused, match="WRONG_STATE"), transaction() as session:
        meter_acts.set_state(session, "m1", "SCRAPPED", "broken", at(0), by="staff:otso")
    with transaction() as session:
        meter_acts.set_state(session, "m1", "LOST", "not in the van", at(0), by="staff:otso")
    assert register()["m1"][0] == "LOST"
    with transaction() as session:
        meter_acts.set_state(session, "m1", "DELIVERED", "found", at(1), by="staff:otso")
    assert register()["m1"] == ("DELIVERED", "s1", None)


def test_a_meter_hung_before_we_hear_of_its_delivery_is_installed(day: Flask) -> None:
    deliver(day, meter(), kind="ORDERED", partner=None)
    assert arrive(make_ack("COMPLETED", 20), 20).outcome == "APPLIED"
    assert register()[NEW_METER][0] == "INSTALLED"


def test_every_delivery_is_a_run(day: Flask) -> None:
    deliver(day, meter("m1", "s1"))
    run = db.session.scalars(select(Run).where(Run.process == "meter deliveries")).one()
    assert (run.state, run.counts) == ("OK", {"TAKEN": 1})
    delivery = db.session.scalars(select(MeterDelivery)).one()
    assert delivery.taken_at is not None


def _message(number: int) -> InboundMessage:
    with transaction() as session:
        return session.get_one(InboundMessage, number, populate_existing=True)


@pytest.fixture
def day(app: Flask) -> Iterator[Flask]:
    """One order at a point with its old meter."""
    with app.app_context():
        with transaction() as session:
            add_order(session, ORDER, gsrn=gsrn())
        yield app
        db.session.remove()
