"""A meter that no delivery explains is held and listed until a delivery, a correction or a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import db, transaction
from app.models import Ack, AuditEntry, OutboxItem, SerialMismatch
from app.queries import meter_stock
from app.services import serial_mismatches
from app.services.serial_mismatches import MismatchRefused
from tests.field_work import NEW_METER, ORDER, add_order, arrive, at, make_ack
from tests.services.delivering import deliver, meter, register
from workers.meter_deliveries import look_at_mismatches


def test_until_a_first_delivery_nobodys_stock_is_known_and_nothing_is_held(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            add_order(session)
        assert arrive(make_ack("COMPLETED", 20), 20).outcome == "APPLIED"
        assert _mismatch() is None
        db.session.remove()


def test_a_meter_that_was_delivered_goes_through(stocked: Flask) -> None:
    deliver(stocked, meter(), name="D-2")
    assert arrive(make_ack("COMPLETED", 20), 20).outcome == "APPLIED"
    assert _mismatch() is None
    assert register()[NEW_METER] == ("INSTALLED", "AID88", "voima")


def test_req_20_an_unknown_meter_holds_the_bill_with_its_code_and_is_listed(
    stocked: Flask,
) -> None:
    assert arrive(make_ack("COMPLETED", 20), 20).outcome == "HELD"
    assert _bill() == ("HELD", "METER_NOT_IN_STOCK")
    told = {item.lane: item.state for item in _items() if item.lane != "billing"}
    assert told == {"cis": "READY", "nis": "READY", "dms": "READY"}
    with transaction() as session:
        (row,) = meter_stock.mismatches(session, "open", "staff:otso", 10)
        assert (row.order_id, row.meter_number, row.serial) == (ORDER, NEW_METER, "AID88")
        assert (row.code, row.state, row.owner) == ("METER_NOT_IN_STOCK", "OPEN", None)
        assert row.opened_at == at(20)
        assert meter_stock.count_mismatches(session) == 1


def test_a_delivery_that_arrives_later_settles_it_and_lets_the_bill_go(stocked: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    deliver(stocked, meter(), name="D-2")
    settled = _mismatch()
    assert settled is not None
    assert (settled.state, settled.resolution, settled.settled_by) == (
        "SETTLED",
        "DELIVERY",
        "system:deliveries",
    )
    assert _bill() == ("READY", None)
    ack = _ack()
    assert ack.verdict == "APPLIED"
    assert [finding["code"] for finding in ack.findings] == ["MISMATCH_SETTLED"]
    assert register()[NEW_METER] == ("INSTALLED", "AID88", "voima")


def test_a_delivery_that_the_report_overtook_by_a_hair_is_found_by_the_next_look(
    stocked: Flask,
) -> None:
    """The delivery committed after the report had looked, and before it was on the list."""
    arrive(make_ack("COMPLETED", 20), 20)
    with transaction() as session:
        session.execute(
            text("UPDATE meter SET stock_at = now(), stock_code = 'voima' WHERE number = :number"),
            {"number": NEW_METER},
        )
    assert look_at_mismatches(at(30)) == 1
    assert look_at_mismatches(at(31)) == 0
    assert _bill() == ("READY", None)


def test_a_delivery_with_another_serial_changes_the_reason_and_settles_nothing(
    stocked: Flask,
) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    deliver(stocked, meter(serial="AID99"), name="D-2")
    known = _mismatch()
    assert known is not None
    assert (known.state, known.code) == ("OPEN", "METER_SERIAL_MISMATCH")
    assert _bill()[0] == "HELD"
    # The maker's word about the serial number stands.
    assert register()[NEW_METER] == ("INSTALLED", "AID99", "voima")


def test_a_wrong_serial_of_a_meter_in_stock_is_held(stocked: Flask) -> None:
    deliver(stocked, meter(serial="AID77"), name="D-2")
    assert arrive(make_ack("COMPLETED", 20), 20).outcome == "HELD"
    assert _bill() == ("HELD", "METER_SERIAL_MISMATCH")
    assert register()[NEW_METER][1] == "AID77"


def test_a_meter_out_of_somebody_elses_stock_is_held(stocked: Flask) -> None:
    _add_partner("ita")
    deliver(stocked, meter(), name="D-2", partner="ita")
    assert arrive(make_ack("COMPLETED", 20), 20).outcome == "HELD"
    assert _bill() == ("HELD", "METER_NOT_IN_STOCK")
    assert look_at_mismatches(at(30)) == 0


def test_a_correction_that_names_the_right_meter_settles_it(stocked: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    corrected = make_ack("CORRECTED", 40)
    corrected["newMeter"] |= {"number": "6534-1", "serial": "AID1"}
    arrive(corrected, 40)
    known = _mismatch()
    assert known is not None
    assert (known.state, known.resolution) == ("SETTLED", "CORRECTED")
    assert _bill() == ("READY", None)


def test_a_correction_that_repeats_the_wrong_meter_does_not_talk_it_into_the_stock(
    stocked: Flask,
) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    assert arrive(make_ack("CORRECTED", 40), 40).outcome == "HELD"
    known = _mismatch()
    assert known is not None
    assert known.state == "OPEN"
    assert _bill()[0] == "HELD"


def test_a_completion_that_is_taken_back_leaves_nothing_in_doubt(stocked: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    arrive(make_ack("CORRECTED", 40, failure={"reasonCode": "TECH_BOARD"}, newMeter=None), 40)
    known = _mismatch()
    assert known is not None
    assert known.state == "SETTLED"


def test_a_person_takes_it_and_accepts_it_with_a_reason(stocked: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    with transaction() as session:
        serial_mismatches.claim(session, ORDER, "staff:otso", at(30))
        assert [row.order_id for row in meter_stock.mismatches(session, "mine", "staff:otso", 9)]
    with pytest.raises(MismatchRefused, match="NO_REASON"), transaction() as session:
        serial_mismatches.accept(session, ORDER, "", "staff:otso", at(31))
    with transaction() as session:
        serial_mismatches.accept(session, ORDER, "photo shows it", "staff:otso", at(32))
    with pytest.raises(MismatchRefused, match="WRONG_STATE"), transaction() as session:
        serial_mismatches.accept(session, ORDER, "again", "staff:aino", at(33))
    assert _bill() == ("READY", None)
    with transaction() as session:
        acts = session.scalars(select(AuditEntry.action).where(AuditEntry.actor == "staff:otso"))
        assert set(acts) == {"MISMATCH_CLAIMED", "MISMATCH_ACCEPTED"}


def test_req_20_other_doubts_hold_the_bill_on(stocked: Flask) -> None:
    ack = make_ack("COMPLETED", 20)
    ack["oldMeter"]["readings"][0]["value"] = 1
    arrive(ack, 20)
    deliver(stocked, meter(), name="D-2")
    known = _mismatch()
    assert known is not None
    assert known.state == "SETTLED"
    assert _bill() == ("HELD", "READING_LOW")
    assert _ack().verdict == "HELD"


def test_a_serial_that_was_reported_wrongly_before_any_delivery_is_listed_when_it_comes_out(
    app: Flask,
) -> None:
    with app.app_context():
        with transaction() as session:
            add_order(session)
        arrive(make_ack("COMPLETED", 20), 20)
        deliver(app, meter(serial="AID99"), issued_at=at(30) + timedelta(days=1))
        known = _mismatch()
        assert known is not None
        assert (known.state, known.code, known.serial) == (
            "OPEN",
            "METER_SERIAL_MISMATCH",
            "AID88",
        )
        db.session.remove()


def _mismatch() -> SerialMismatch | None:
    with transaction() as session:
        return session.get(SerialMismatch, ORDER, populate_existing=True)


def _items() -> list[OutboxItem]:
    with transaction() as session:
        statement = (
            select(OutboxItem)
            .where(OutboxItem.state != "CANCELLED", OutboxItem.lane.not_in(("sms", "email")))
            .order_by(OutboxItem.id)
            .execution_options(populate_existing=True)
        )
        return list(session.scalars(statement))


def _bill() -> tuple[str, str | None]:
    item = [item for item in _items() if item.lane == "billing"][-1]
    return item.state, item.hold_reason


def _ack() -> Ack:
    with transaction() as session:
        statement = select(Ack).execution_options(populate_existing=True)
        return session.scalars(statement).one()


def _add_partner(code: str) -> None:
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO partner (code, name, transport, base_url, order_types, sees_key_info,"
                " plans_cuts, key_generation, oldest_key_generation, active, created_at)"
                " VALUES (:code, :code, 'REST', '', '{}', false, false, 1, 1, true, now())"
            ),
            {"code": code},
        )


@pytest.fixture
def stocked(app: Flask) -> Iterator[Flask]:
    """One order, and a partner whose stock is in our register."""
    with app.app_context():
        with transaction() as session:
            add_order(session)
        deliver(app, meter("6534-1", "AID1"))
        yield app
        db.session.remove()
