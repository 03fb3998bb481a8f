"""Connection orders on the pages of customer service, operators and customers."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db
from app.models import Customer
from tests.connection_orders import ORDER_NO, make_version, take_versions, wish_for_connections
from tests.services.announcing import plan_all
from tests.services.world import PHONE, add_customer, add_point
from tests.web.conftest import Writing
from tests.web.resident import Resident
from tests.web.visitor import Visitor

NOW = datetime.now(UTC).replace(microsecond=0)
PAGE = f"/connections/{ORDER_NO}"
VISIT = {"visit_from": NOW + timedelta(days=7), "visit_to": NOW + timedelta(days=7, minutes=1)}
SWITCH = {
    "energise_from": NOW + timedelta(days=30),
    "energise_to": NOW + timedelta(days=30, minutes=1),
}


@pytest.fixture(autouse=True)
def customer(writing: Writing) -> None:
    """A house builder."""
    with writing() as session:
        add_point(session)
        add_customer(session, "C1", language="en")
        wish_for_connections(session, NOW)


def test_the_page_says_how_things_are_and_what_the_customer_was_told(
    app: Flask, agent: Visitor, writing: Writing
) -> None:
    deliver(writing, 1, target_week="2030-W20")
    deliver(
        writing, 2, stage="SITE_PLANNING", target_week="2030-W22", delay_reason="PERMIT", **VISIT
    )
    with app.app_context():
        plan_all(NOW)
        db.session.remove()

    page = agent.get(PAGE)

    assert page.status_code == 200
    said = words(page.text)
    assert "The site is being planned." in said
    assert "The planner visits the site" in said
    assert "It should be switched on in week 22, 2030." in said
    assert "It is delayed: waiting for a permit." in said
    assert "First promised week 20, 2030" in said
    assert "Rantapolku 4, 33100 TAMPERE" in said
    assert "Connection order LT-2026-17 received, Rantapolku 4." in said
    assert "the connection is delayed (waiting for a permit)" in said
    steps = re.sub(r"<[^>]+>", " ", page.text[page.text.index('id="stages"') :])
    found = re.findall(r"([A-Z][\w ]+?)\s+(done|now|still to come)", steps)
    assert [(name.strip(), state) for name, state in found][:4] == [
        ("Ordered", "done"),
        ("Contract made", "done"),
        ("Site planning", "now"),
        ("Being built", "still to come"),
    ]


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"stage": "ORDERED"}, "The order has been received."),
        ({"stage": "READY", **SWITCH}, "It will be switched on"),
        (
            {
                "stage": "READY",
                "energise_from": NOW - timedelta(days=2),
                "energise_to": NOW - timedelta(days=2, minutes=-1),
            },
            "that it was has not been confirmed yet",
        ),
        ({"stage": "METERED", "meter_number": "M77"}, "The meter number is M77."),
        ({"stage": "COMPLETED"}, "The connection is complete and live."),
        ({"stage": "CANCELLED"}, "The order was cancelled."),
        ({"stage": "ON_HOLD", "target_week": "2030-W20"}, "The order is on hold."),
    ],
)
def test_each_stage_has_its_sentence(
    agent: Visitor, writing: Writing, facts: dict[str, Any], sentence: str
) -> None:
    deliver(writing, 1, **facts)
    assert sentence in words(agent.get(PAGE).text)


def test_a_version_that_does_not_count_is_named(agent: Visitor, writing: Writing) -> None:
    deliver(writing, 1, stage="READY")
    deliver(writing, 2, stage="BUILDING")
    assert "Version 2 does not count" in words(agent.get(PAGE).text)


@pytest.mark.parametrize(
    "query", [ORDER_NO, "lt-2026-17", "C1", "Aino Virtanen rantapolku", "rantap"]
)
def test_the_search_box_finds_an_order(agent: Visitor, writing: Writing, query: str) -> None:
    deliver(writing, 1)
    found = agent.get("/", query_string={"q": query}, follow_redirects=True)
    assert ORDER_NO in found.text


def test_an_order_number_leads_straight_to_its_page(agent: Visitor, writing: Writing) -> None:
    deliver(writing, 1)
    deliver(writing, 1, order_no=f"{ORDER_NO}5")
    answer = agent.get("/", query_string={"q": ORDER_NO})
    # The longer number fits as well, so both are shown.
    assert answer.status_code == 200
    answer = agent.get("/", query_string={"q": f"{ORDER_NO}5"})
    assert answer.headers["Location"] == f"/connections/{ORDER_NO}5"


def test_the_live_results_have_orders_too(agent: Visitor, writing: Writing) -> None:
    deliver(writing, 1)
    part = agent.get("/search", query_string={"q": "rantapolku"}).text
    assert PAGE in part
    assert "Nothing found" not in part


def test_req_31_the_site_of_somebody_under_a_safety_ban_is_hidden_and_a_look_recorded(
    agent: Visitor, operator: Visitor, writing: Writing
) -> None:
    deliver(writing, 1)
    with writing() as session:
        session.get_one(Customer, "C1").personal_safety_ban = True
    for path in (PAGE, "/?q=rantapolku"):
        assert "Rantapolku 4" not in agent.get(path).text
    assert "Rantapolku" not in operator.get("/connections").text
    shown = agent.post(f"{PAGE}/address", page=PAGE)
    assert shown.status_code == 302
    assert "Rantapolku 4" in agent.get(PAGE).text
    assert "Rantapolku 4" not in agent.get(PAGE).text
    with writing() as session:
        row = session.execute(text("SELECT actor, action, subject FROM audit_entry")).one()
    assert tuple(row) == ("staff:aino", "ADDRESS_SEEN", f"connection:{ORDER_NO}")


def test_the_list_of_operators_can_be_narrowed_down(operator: Visitor, writing: Writing) -> None:
    deliver(writing, 1, stage="BUILDING", target_week="2030-W20")
    deliver(writing, 1, order_no="LT-2", stage="ORDERED")
    deliver(writing, 2, order_no="LT-2", stage="ON_HOLD")
    deliver(writing, 1, order_no="LT-3", stage="READY", delay_reason="GRID")
    deliver(writing, 1, order_no="LT-4", stage="COMPLETED")

    def listed(which: str) -> list[str]:
        page = operator.get("/connections", query_string={"which": which}).text
        return re.findall(r'/connections/([\w-]+)"', page)

    assert set(listed("")) == {ORDER_NO, "LT-2", "LT-3"}
    assert listed("BUILDING") == [ORDER_NO]
    assert listed("ON_HOLD") == ["LT-2"]
    assert listed("DELAYED") == ["LT-3"]
    assert listed("COMPLETED") == ["LT-4"]
    assert set(listed("nonsense")) == {ORDER_NO, "LT-2", "LT-3"}


def test_the_list_is_for_operators_and_the_page_for_staff(
    agent: Visitor, visitor: Visitor, writing: Writing
) -> None:
    deliver(writing, 1)
    assert agent.get("/connections").status_code == 403
    assert visitor.get(PAGE).status_code == 302
    assert agent.get("/connections/LT-404").status_code == 404


def test_a_message_leads_back_to_its_order(app: Flask, agent: Visitor, writing: Writing) -> None:
    deliver(writing, 1)
    with app.app_context():
        plan_all(NOW)
        db.session.remove()
    why = agent.get("/notices/1")
    assert why.status_code == 200
    assert f'href="{PAGE}"' in why.text


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_a_customer_sees_the_own_orders_and_no_other(
    app: Flask, writing: Writing, language: str
) -> None:
    deliver(writing, 1, stage="READY", **SWITCH)
    with writing() as session:
        add_customer(session, "C2", contacts={})
    deliver(writing, 1, order_no="LT-2", customer_id="C2", street_name="Muukuja")
    resident = Resident(app, language).come_in(PHONE)
    mine = resident.get("/my/connections")
    assert "Rantapolku 4" in mine.text
    assert f"/my/connections/{ORDER_NO}" in mine.text
    assert "Muukuja" not in mine.text
    assert "Rantapolku 4, TAMPERE" in resident.get(f"/my/connections/{ORDER_NO}").text
    assert resident.get("/my/connections/LT-2").status_code == 404
    assert resident.get("/my/connections/LT-404").status_code == 404


def test_a_customer_reads_what_was_sent_and_not_what_was_held_back(
    app: Flask, writing: Writing
) -> None:
    deliver(writing, 1)
    with app.app_context():
        plan_all(NOW)
        db.session.remove()
    resident = Resident(app).come_in(PHONE)
    page = f"/my/connections/{ORDER_NO}"
    assert "Connection order LT-2026-17 received" not in words(resident.get(page).text)
    with writing() as session:
        session.execute(text("UPDATE notice SET state = 'SENT', sent_at = created_at"))
    assert "Connection order LT-2026-17 received" in words(resident.get(page).text)


def test_a_customer_without_orders_is_told_so_and_a_stranger_logs_in(app: Flask) -> None:
    resident = Resident(app)
    assert resident.get("/my/connections").status_code == 302
    assert "No connection order" in resident.come_in(PHONE).get("/my/connections").text


def deliver(writing: Writing, number: int, **facts: Any) -> None:
    with writing() as session:
        at = NOW - timedelta(minutes=10 - number)
        take_versions(session, [make_version(number, at, **facts)], NOW)


def words(page: str) -> str:
    """The words of a page, one after the other."""
    kept = re.sub(r"<(script|style|title)[^>]*>.*?</\1>", " ", page, flags=re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", kept).split()))
