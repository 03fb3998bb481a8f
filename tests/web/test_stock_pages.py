"""The stock, a delivery, a meter, the serial mismatches and one order on the pages."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import db, transaction
from app.domain.roles import Role
from app.models import AuditEntry
from tests.field_work import NEW_METER, ORDER, add_order, arrive, make_ack
from tests.services.delivering import deliver, meter, register
from tests.web.visitor import Visitor, visitor_as


def test_the_stock_shows_what_lies_where_and_finds_a_meter_by_its_serial(
    app: Flask, operator: Visitor
) -> None:
    number = _world(app)
    page = operator.get("/stock").text
    assert "Voima Asennus Oy" in page
    assert f"/stock/deliveries/{number}" in page
    found = operator.get("/stock?meter=s1")
    assert found.headers["Location"].endswith("/meters/m1")
    assert "We know no meter x9" in operator.get("/stock?meter=x9").text


def test_a_delivery_shows_the_verdict_on_each_meter(app: Flask, operator: Visitor) -> None:
    number = _world(app)
    page = operator.get(f"/stock/deliveries/{number}").text
    assert "m1" in page
    assert "A mandatory field is missing" in page
    page = operator.get(f"/stock/deliveries/{number}?verdict=REJECTED").text
    assert "/meters/m1" not in page


def test_a_meter_is_moved_with_a_reason_and_the_page_says_who_did_it(
    app: Flask, operator: Visitor
) -> None:
    _world(app)
    assert "In a contractor" in operator.get("/meters/m1").text
    operator.post("/meters/m1/state", {"state": "LOST", "note": ""})
    operator.post("/meters/m1/state", {"state": "SCRAPPED", "note": "why not"})
    with app.app_context():
        assert register()["m1"][0] == "ALLOCATED"
        db.session.remove()
    operator.post("/meters/m1/state", {"state": "LOST", "note": "not in the van"})
    page = operator.get("/meters/m1").text
    assert "Lost" in page
    assert "staff:otso" in page
    assert "not in the van" in page


def test_a_mismatch_shows_its_age_and_owner_and_is_decided_with_a_reason(
    app: Flask, operator: Visitor
) -> None:
    _world(app)
    page = operator.get("/mismatches").text
    assert ORDER in page
    assert NEW_METER in page
    assert "Nobody" in page
    operator.post(f"/mismatches/{ORDER}/claim", {})
    assert "staff:otso" in operator.get("/mismatches?view=mine").text
    operator.post(f"/mismatches/{ORDER}/accept", {"note": ""})
    assert ORDER in operator.get("/mismatches").text
    operator.post(f"/mismatches/{ORDER}/accept", {"note": "the photo shows it"})
    assert ORDER not in operator.get("/mismatches").text
    settled = operator.get("/mismatches?view=settled").text
    assert "the photo shows it" in settled
    with app.app_context(), transaction() as session:
        actions = session.scalars(select(AuditEntry.action)).all()
        assert {"MISMATCH_CLAIMED", "MISMATCH_ACCEPTED"} <= set(actions)


def test_the_order_page_tells_everything_about_one_order(app: Flask, operator: Visitor) -> None:
    _world(app)
    page = operator.get(f"/orders/{ORDER}").text
    assert "The meter was not in stock" in page or "is in doubt" in page
    for words in ("Completed", "Power cut of a replacement", "Meter change", NEW_METER):
        assert words in page
    with app.app_context():
        with transaction() as session:
            session.execute(
                text(
                    "INSERT INTO order_request (order_id, revision, action, state, content_hash,"
                    " facts, inbound_message_id, asked_at)"
                    " VALUES (:id, 2, 'CANCEL', 'WAITING', 'h', '{}', 1, now())"
                ),
                {"id": ORDER},
            )
        db.session.remove()
    page = operator.get(f"/orders/{ORDER}").text
    assert "The contractor was asked to stop" in page
    parked = operator.get("/orders?state=ASKED").text
    assert f"/orders/{ORDER}" in parked


@pytest.mark.parametrize("language", ["fi", "sv"])
def test_the_pages_are_there_in_every_language(app: Flask, language: str) -> None:
    number = _world(app)
    person = visitor_as(app, Role.OPERATOR)
    person.client.set_cookie("lang", language)
    words = {"fi": "Mittarivarasto", "sv": "Mätarlager"}[language]
    for path in ("/stock", f"/stock/deliveries/{number}", "/meters/m1", "/mismatches"):
        page = person.get(path)
        assert page.status_code == 200
        assert words in page.text
    assert person.get(f"/orders/{ORDER}").status_code == 200


def _world(app: Flask) -> int:
    """A delivery with a bad meter, and a completed order whose meter nobody delivered."""
    with app.app_context():
        with transaction() as session:
            add_order(session)
        number = deliver(app, meter("m1", "s1"), {"number": "m2"})
        arrive(make_ack("COMPLETED", 20), 20)
        db.session.remove()
    return number
