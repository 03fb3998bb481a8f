"""Operators see outages, storms and calls as they are, and what they press is done and recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.roles import Role
from app.models import Contact, Customer, Outage
from app.services import call_list, fault_actions, storms
from app.services.fault_actions import Act, Wanted
from app.web.operators.moment_field import local_text, read_moment
from tests.web.sample_rows import add_point, gsrn
from tests.web.visitor import Visitor, visitor_as

NOW = datetime.now(UTC).replace(microsecond=0)
PAGES = ("/outages", "/outages/1", "/outages/new", "/storms", "/calls")


def test_the_list_shows_what_is_under_way_and_finds_by_kind_state_and_area(
    app: Flask, operator: Visitor
) -> None:
    number = _fault(app, cause_code="TREE", etr_at=NOW + timedelta(hours=2))
    page = operator.get("/outages").text
    assert "tree on the line" in page
    assert "Hämeenlinna" in page
    assert f"/outages/{number}" in page
    for query, seen in (
        ("kind=FAULT", True),
        ("kind=PLANNED", False),
        ("state=ETR_SET", True),
        ("state=CLOSED", False),
        ("municipality=109", True),
        ("municipality=837", False),
        ("state=NONSENSE&municipality=%27%3B&page=x", False),
    ):
        page = operator.get(f"/outages?{query}").text
        assert (f"/outages/{number}" in page) == (seen or "NONSENSE" in query), query


def test_req_06_an_estimate_that_has_passed_is_shown_nowhere(app: Flask, operator: Visitor) -> None:
    number = _fault(app, etr_at=NOW + timedelta(minutes=30))
    past = NOW - timedelta(hours=3)
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE outage SET etr_at = :at"), {"at": past})
    for path in (f"/outages/{number}", "/outages", f"/points/{gsrn(1)}"):
        page = operator.get(path).text
        assert past.isoformat(timespec="seconds") not in page, path
    assert "The estimate has passed" in operator.get(f"/outages/{number}").text
    assert "has passed" in operator.get("/outages").text
    assert "takes longer than estimated" in operator.get(f"/points/{gsrn(1)}").text


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "1 of 1 metering point is without power"),
        ("fi", "Sähköttä 1 käyttöpaikka (yhteensä 1)"),
        ("sv", "1 av 1 förbrukningsplats är utan ström"),
    ],
)
def test_one_metering_point_is_spoken_of_as_one(
    app: Flask, operator: Visitor, language: str, said: str
) -> None:
    number = _fault(app)
    with app.app_context(), transaction() as session:
        session.execute(text("DELETE FROM outage_point WHERE gsrn <> :one"), {"one": gsrn(1)})
    operator.client.set_cookie("lang", language)
    assert said in operator.get(f"/outages/{number}").text


def test_one_outage_shows_its_course_points_and_what_was_told(
    app: Flask, operator: Visitor
) -> None:
    number = _fault(app, cause_code="TREE")
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE announcement SET told_count = 41, suppressed_count = 3"))
        session.execute(text("UPDATE metering_point SET annual_fee_cents = 40000"))
        session.execute(text("UPDATE outage_point SET off_at = now() - interval '25 hours'"))
    page = operator.get(f"/outages/{number}").text
    assert "3 of 3 metering points are without power" in page
    assert gsrn(1) in page
    assert "Koivutie 12 A 3" in page
    assert "25 %" in page
    assert "100 €" in page
    assert "Power cut: start" in page
    assert ">41<" in page
    assert "The power went" in page
    assert "staff:otso" in page


def test_req_31_the_address_of_somebody_under_a_safety_ban_is_not_in_the_list(
    app: Flask, operator: Visitor
) -> None:
    with app.app_context(), transaction() as session:
        session.get_one(Customer, "C000002").personal_safety_ban = True
    number = _fault(app)
    page = operator.get(f"/outages/{number}").text
    assert "Salakuja" not in page
    assert "address hidden" in page


def test_a_fault_is_reported_by_hand(app: Flask, operator: Visitor) -> None:
    form = {
        "by": "points",
        "points": f"{gsrn(1)}\n{gsrn(2)}",
        "started_at": local_text(NOW - timedelta(minutes=20)),
        "cause": "CABLE",
    }
    answer = operator.post("/outages/new", form, page="/outages/new")
    assert answer.status_code == 302
    outage = _only(app)
    assert (outage.source, outage.state, outage.cause_code) == ("OPERATOR", "CONFIRMED", "CABLE")
    assert answer.location == f"/outages/{outage.id}"
    assert "Its customers are being told" in operator.get(answer.location).text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"by": ""}, "Choose how you name the metering points"),
        ({"points": "123"}, "A metering point is not known here. 123"),
        ({"started_at": "yesterday"}, "Enter a day and a time"),
        ({"started_at": local_text(NOW + timedelta(hours=3))}, "in the future"),
        ({"etr_at": local_text(NOW - timedelta(hours=3))}, "An estimate must be in the future"),
        ({"by": "feeder", "network_part": "nowhere"}, "No metering point is known there"),
    ],
)
def test_a_fault_that_cannot_be_is_said_at_its_field(
    app: Flask, operator: Visitor, changes: dict[str, str], words: str
) -> None:
    form = {
        "by": "points",
        "points": gsrn(1),
        "started_at": local_text(NOW - timedelta(minutes=20)),
        "cause": "CABLE",
        **changes,
    }
    answer = operator.post("/outages/new", form, page="/outages/new")
    assert answer.status_code == 422
    assert words in answer.text
    assert 'href="#' in answer.text


def test_what_operators_press_is_done(app: Flask, operator: Visitor) -> None:
    number = _fault(app)
    page = f"/outages/{number}"
    just_now = local_text(datetime.now(UTC))
    # In this very minute, one after the other.
    for act, form, state in (
        ("estimate", {"etr_at": local_text(NOW + timedelta(hours=5))}, "ETR_SET"),
        ("cause", {"cause_code": "ANIMAL"}, "ETR_SET"),
        ("restore", {"which": "chosen", "gsrn": gsrn(1), "at": just_now}, "PARTLY_RESTORED"),
        ("reopen", {"which": "chosen", "gsrn": gsrn(1), "at": just_now}, "REOPENED"),
        ("restore", {"at": just_now}, "RESTORED"),
        ("reopen", {"at": just_now}, "REOPENED"),
        ("false-alarm", {}, "FALSE_ALARM"),
    ):
        assert operator.post(f"{page}/{act}", form, page=page).location == page
        assert _only(app).state == state, act
    with app.app_context():
        actions = db.session.execute(text("SELECT action FROM audit_entry ORDER BY id")).scalars()
        assert list(actions)[1:] == [
            "FAULT_ETR_SET",
            "FAULT_CAUSE_SET",
            "FAULT_RESTORED",
            "FAULT_REOPENED",
            "FAULT_RESTORED",
            "FAULT_REOPENED",
            "FAULT_FALSE_ALARM",
        ]


def test_a_warning_of_fallen_lines_is_confirmed_first(app: Flask, operator: Visitor) -> None:
    page = f"/outages/{_fault(app)}"
    assert "Warn of fallen lines" in operator.get(page).text
    operator.post(f"{page}/warn", {}, page=page)
    assert "Nobody was warned" in operator.get(page).text
    operator.post(f"{page}/warn", {"sure": "1"}, page=page)
    shown = operator.get(page).text
    assert "The warning is on its way" in shown
    assert "Customers were warned of fallen lines" in shown
    operator.post(f"{page}/warn", {"sure": "1"}, page=page)
    assert "less than an hour ago" in operator.get(page).text


def test_faults_are_joined_and_parted(app: Flask, operator: Visitor) -> None:
    whole, part = _fault(app, gsrns=[gsrn(1)]), _fault(app, gsrns=[gsrn(2)])
    page = f"/outages/{part}"
    operator.post(f"{page}/merge", {"into": str(whole)}, page=page)
    assert "It is part of fault" in operator.get(page).text
    assert f"Fault {part}" in operator.get(f"/outages/{whole}").text
    operator.post(f"{page}/split", {}, page=page)
    assert "It is part of fault" not in operator.get(page).text


@pytest.mark.parametrize(
    ("act", "form", "words"),
    [
        ("estimate", {"etr_at": "soon"}, "Enter a day and a time"),
        ("restore", {"at": local_text(NOW + timedelta(hours=3))}, "in the future"),
        ("restore", {"which": "chosen", "at": local_text(NOW)}, "No metering point"),
        ("merge", {"into": "x"}, "no fault with this number"),
        ("merge", {"into": "999"}, "no fault with this number"),
        ("confirm", {}, "does not fit the fault"),
        ("cause", {"cause_code": "GREMLINS"}, "Choose one of the causes"),
    ],
)
def test_what_does_not_fit_is_said_and_changes_nothing(
    app: Flask, operator: Visitor, act: str, form: dict[str, str], words: str
) -> None:
    number = _fault(app)
    page = f"/outages/{number}"
    answer = operator.post(f"{page}/{act}", form, page=page)
    assert words in operator.get(answer.location).text
    assert _only(app).state == "CONFIRMED"


def test_a_storm_is_opened_assessed_and_ended(app: Flask, operator: Visitor) -> None:
    _fault(app, etr_at=NOW + timedelta(hours=5))
    form = {"name": "Jari", "municipality": "109", "every_h": "2"}
    assert operator.post("/storms", form, page="/storms").status_code == 302
    page = operator.get("/storms").text
    assert "estimates are kept back" in page
    assert "Hämeenlinna" in page
    assert "its estimate is not told" in operator.get("/outages/1").text
    operator.post("/storms/1/assess", {}, page="/storms")
    assert "estimates are told" in operator.get("/storms").text
    operator.post("/storms/1/end", {}, page="/storms")
    assert "Over" in operator.get("/storms").text
    operator.post("/storms/1/end", {}, page="/storms")
    assert "Somebody else has done that already" in operator.get("/storms").text


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"municipality": "109"}, "Give the storm a name"),
        ({"name": "Jari"}, "Choose at least one municipality"),
        ({"name": "Jari", "municipality": "999"}, "Choose at least one municipality"),
    ],
)
def test_a_storm_needs_a_name_and_an_area(
    operator: Visitor, form: dict[str, str], words: str
) -> None:
    answer = operator.post("/storms", form, page="/storms")
    assert answer.status_code == 422
    assert words in answer.text


def test_req_32_agents_call_priority_customers(app: Flask) -> None:
    agent = visitor_as(app, Role.AGENT)
    _to_be_called(app)
    page = agent.get("/calls").text
    assert "Nobody calls yet" in page
    assert "+358401234567" in page
    agent.post("/calls/1/take", {}, page="/calls")
    page = agent.get("/calls").text
    assert "Being called" in page
    agent.post("/calls/1/finish", {"outcome": "HELP_ARRANGED"}, page="/calls")
    page = agent.get("/calls").text
    assert "help arranged" in page
    assert "Nobody has to be called" in page
    agent.post("/calls/1/take", {}, page="/")
    assert "Somebody else has settled this call" in agent.get("/calls").text


def test_req_31_the_number_of_somebody_under_a_safety_ban_is_for_whoever_calls(app: Flask) -> None:
    agent = visitor_as(app, Role.AGENT)
    _to_be_called(app, banned=True)
    page = agent.get("/calls").text
    assert "+358401234567" not in page
    assert "shown to whoever calls" in page
    agent.post("/calls/1/take", {}, page="/calls")
    assert "+358401234567" in agent.get("/calls").text


def test_only_numbers_that_are_surely_the_customers_are_called(app: Flask) -> None:
    agent = visitor_as(app, Role.AGENT)
    _to_be_called(app)
    assert "+358401234567" in agent.get("/calls").text
    with app.app_context(), transaction() as session:
        session.query(Contact).filter_by(kind="SMS").update({"doubt": "SHARED"})
    assert "+358401234567" not in agent.get("/calls").text


def test_req_08_who_calls_has_no_estimate_before_a_storm_is_assessed(app: Flask) -> None:
    agent = visitor_as(app, Role.AGENT)
    _to_be_called(app, etr_at=NOW + timedelta(hours=2))
    estimate = (NOW + timedelta(hours=2)).isoformat()
    assert estimate in agent.get("/calls").text
    with app.app_context(), transaction() as session:
        session.execute(
            text(
                "INSERT INTO storm (id, name, municipality_codes, started_at, opened_by, created_at)"
                " VALUES (1, 'Jari', ARRAY['109'], :now, 'x', :now)"
            ),
            {"now": NOW},
        )
        session.execute(text("UPDATE outage SET storm_id = 1"))
    assert estimate not in agent.get("/calls").text


def test_the_point_page_tells_of_the_fault(app: Flask, operator: Visitor) -> None:
    _fault(app, cause_code="TREE", etr_at=NOW + timedelta(hours=2))
    page = operator.get(f"/points/{gsrn(1)}").text
    assert "The power has been off since" in page
    assert "tree on the line" in page
    assert "It is estimated to be back" in page


def test_the_point_page_does_not_tell_of_what_never_was(app: Flask, operator: Visitor) -> None:
    number = _fault(app)
    with app.app_context(), transaction() as session:
        fault_actions.false_alarm(Act(session, "staff:otso", NOW), number)
    page = operator.get(f"/points/{gsrn(1)}").text
    assert "The power went off" not in page
    assert "Nothing is going on here" in page


@pytest.mark.parametrize("language", ["fi", "sv"])
def test_every_page_speaks_the_other_languages(app: Flask, language: str) -> None:
    number = _fault(app, cause_code="TREE")
    with app.app_context(), transaction() as session:
        storms.open_storm(session, "Jari", ["109"], NOW, by="staff:otso")
    visitor = visitor_as(app, Role.ADMIN, language)
    english = ("Without power", "Report a fault", "What happened", "Open a storm", "Call list")
    for path in PAGES:
        page = visitor.get(path.replace("/1", f"/{number}"))
        assert page.status_code == 200, path
        assert not [words for words in english if words in page.text], path


@pytest.mark.parametrize("path", [page for page in PAGES if page != "/calls"])
def test_agents_may_not_operate(app: Flask, path: str) -> None:
    _fault(app)
    assert visitor_as(app, Role.AGENT).get(path).status_code == 403


def test_there_is_no_page_of_an_outage_that_is_not(operator: Visitor) -> None:
    assert operator.get("/outages/999").status_code == 404


def test_times_are_those_of_the_clock_on_the_wall() -> None:
    near = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    # The hour from three to four comes twice that night.
    assert read_moment("2026-10-25T03:05", near) == datetime(2026, 10, 25, 1, 5, tzinfo=UTC)
    earlier = near - timedelta(hours=1)
    assert read_moment("2026-10-25T03:05", earlier) == datetime(2026, 10, 25, 0, 5, tzinfo=UTC)
    # And in spring it does not come at all.
    assert read_moment("2026-03-29T03:30", near) is None
    assert read_moment("24.11.2026 12:00", near) is None
    assert local_text(datetime(2026, 11, 24, 10, 0, tzinfo=UTC)) == "2026-11-24T12:00"


def _fault(app: Flask, **changes: Any) -> int:
    """A fault of three homes that began 40 minutes ago, made by an operator 30 minutes ago."""
    values: dict[str, Any] = {
        "started_at": NOW - timedelta(minutes=40),
        "gsrns": [gsrn(number) for number in (1, 2, 3)],
        **changes,
    }
    with app.app_context(), transaction() as session:
        act = Act(session, "staff:otso", NOW - timedelta(minutes=30))
        return fault_actions.create(act, Wanted(**values))


def _to_be_called(app: Flask, *, banned: bool = False, **fault: Any) -> None:
    """A priority customer whose power has been off for five hours."""
    _fault(app, started_at=NOW - timedelta(hours=5), **fault)
    with app.app_context(), transaction() as session:
        customer = session.get_one(Customer, "C000001")
        customer.priority_flag, customer.personal_safety_ban = True, banned
        call_list.gather(session, datetime.now(UTC), timedelta(hours=4))


def _only(app: Flask) -> Outage:
    with app.app_context(), transaction() as session:
        return session.query(Outage).order_by(Outage.id).first() or Outage()


def _add_homes(session: Session) -> None:
    add_point(session, 1)
    add_point(session, 2, street="Salakuja", phone="+358401234568")
    add_point(session, 3, phone="+358401234569")


@pytest.fixture
def operator(app: Flask) -> Visitor:
    """An operator, and three homes."""
    return visitor_as(app, Role.OPERATOR)


@pytest.fixture(autouse=True)
def _homes(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        _add_homes(session)
