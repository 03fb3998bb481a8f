"""From a version of a connection order to the words that its customer reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from tests.connection_orders import make_version, take_versions, wish_for_connections
from tests.services.announcing import plan_all
from tests.services.world import NOW, add_customer, add_point, items, ledger

VISIT = {"visit_from": NOW + timedelta(days=7), "visit_to": NOW + timedelta(days=7, hours=2)}
SWITCH = {
    "energise_from": NOW + timedelta(days=60),
    "energise_to": NOW + timedelta(days=60, hours=3),
}
NIGHT = NOW + timedelta(hours=11)


@pytest.fixture(autouse=True)
def customer(app: Flask) -> Iterator[None]:
    """A house builder without any metering point of the order's."""
    with app.app_context():
        with transaction() as session:
            add_point(session)
            add_customer(session, "C1")
            wish_for_connections(session, NOW)
        yield


def test_the_words_of_a_whole_course() -> None:
    deliver(1, target_week="2027-W03")
    deliver(2, stage="SITE_PLANNING", target_week="2027-W03", **VISIT)
    deliver(3, stage="BUILDING", target_week="2027-W05", delay_reason="FROST")
    deliver(4, stage="READY", target_week="2027-W05", delay_reason="FROST", **SWITCH)
    deliver(5, stage="COMPLETED", meter_number="6534000017")
    assert [notice.body for notice in ledger()] == [
        "Verkkoyhtio: Liittymätilaus LT-2026-17 vastaanotettu, Rantapolku 4. Seuraavaksi"
        " maastosuunnittelu. Arvioitu kytkentä viikolla 3/2027.",
        "Verkkoyhtio: Tilaus LT-2026-17: suunnittelija käy kohteessa 1.12. klo 12.00-14.00,"
        " Rantapolku 4. Sinun ei tarvitse olla paikalla.",
        "Verkkoyhtio: Tilaus LT-2026-17: kytkentä viivästyy (maa on jäässä). Uusi arvio viikko"
        " 5/2027. Pahoittelemme.",
        "Verkkoyhtio: Tilaus LT-2026-17: liittymä kytketään 23.1. klo 12.00-15.00, Rantapolku 4."
        " Varmista, että sähkösopimus on tehty.",
        "Verkkoyhtio: Tilaus LT-2026-17: liittymä on valmis ja kytketty 24.11., Rantapolku 4."
        " Mittarin numero 6534000017.",
    ]
    assert {notice.gsrn for notice in ledger()} == {""}
    # What is about one order leaves in its order, and never in the order of a metering point.
    assert {item.order_key.partition(" ")[2] for item in items()} == {"connection:LT-2026-17"}


def test_the_same_file_again_tells_nobody_again() -> None:
    deliver(1)
    deliver(1, message_id=2)
    assert len(ledger()) == 1


def test_two_orders_of_one_customer_are_told_apart() -> None:
    deliver(1)
    deliver(1, order_no="LT-2026-18")
    assert [notice.state for notice in ledger()] == ["QUEUED", "QUEUED"]


def test_a_day_that_moves_at_night_is_told_once_in_the_morning_as_it_is_then() -> None:
    deliver(1, stage="READY", **SWITCH, now=NIGHT)
    later = {name: at + timedelta(days=1) for name, at in SWITCH.items()}
    deliver(2, stage="READY", **later, now=NIGHT)
    assert [notice.state for notice in ledger()] == ["SUPERSEDED", "HELD"]


def test_an_order_put_on_hold_at_night_stops_the_day_that_waits() -> None:
    deliver(1, stage="READY", **SWITCH, now=NIGHT)
    deliver(2, stage="ON_HOLD", **SWITCH, now=NIGHT)
    assert [notice.state for notice in ledger()] == ["SUPERSEDED"]
    assert [item.state for item in items()] == ["CANCELLED"]


def test_an_old_order_taken_over_tells_nobody_and_says_why() -> None:
    old = NOW - timedelta(days=40)
    with transaction() as session:
        take_versions(session, [make_version(1, old)], NOW)
    plan_all(NOW)
    assert [(notice.state, notice.suppress_reason) for notice in ledger()] == [
        ("SUPPRESSED", "STALE")
    ]


def test_req_31_the_address_of_somebody_under_a_safety_ban_stays_out() -> None:
    with transaction() as session:
        add_customer(session, "C2", contacts={"+358409999999": "SMS"}, safety_ban=True)
        session.execute(text("DELETE FROM preference WHERE topic = 'CONNECTION'"))
        wish_for_connections(session, NOW)
    deliver(1, customer_id="C2")
    (notice,) = ledger()
    assert notice.body is not None
    assert "Rantapolku" not in notice.body


def deliver(number: int, *, message_id: int = 1, now: datetime = NOW, **facts: Any) -> None:
    """One version, taken in and told."""
    with transaction() as session:
        take_versions(session, [make_version(number, now, **facts)], now, message_id)
    plan_all(now)
