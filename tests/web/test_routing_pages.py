"""The pages of routing: versions, the bench, what would change; two people for every change."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.domain.roles import Role
from app.models import AuditEntry, RouteRule, RuleSet, WorkOrder
from tests.services.routing_world import (
    a_swap,
    add_partner,
    an_order,
    draft_with,
    put_in_force,
    take,
    values,
)
from tests.web.visitor import Visitor, visitor_as
from workers.rerouting import move, reroute

RULE = {
    "name": "Pirkanmaa",
    "priority": "50",
    "partner": "piiri",
    "types": ["HUO", "MVM"],
    "areas": "837 Tampere\nNokia, Pirkkala",
    "mass": "",
    "from_on": "2020-01-01",
    "to_on": "",
}


def test_a_rule_goes_from_a_draft_into_force_by_two_people(
    app: Flask, world: None, operator: Visitor, other: Visitor
) -> None:
    operator.post("/routing/draft", page="/routing")
    assert (
        operator.post("/routing/2/rules/new", RULE, page="/routing/2/rules/new").status_code == 302
    )
    page = operator.get("/routing/2?lang=en").text
    assert "Pirkanmaa" in page
    assert "Nokia" in page
    # Without a reason nobody is asked.
    operator.post("/routing/2/submit", {"note": " "}, page="/routing/2")
    assert _states(app) == {1: "ACTIVE", 2: "DRAFT"}
    operator.post("/routing/2/submit", {"note": "uusi urakoitsija"}, page="/routing/2")
    operator.post("/routing/2/activate", _seen(app, 2), page="/routing/2")
    assert _states(app) == {1: "ACTIVE", 2: "SUBMITTED"}
    assert "Activate" not in operator.get("/routing/2?lang=en").text.replace("Activated", "")
    assert "1" in other.get("/routing?lang=en").text
    assert other.post("/routing/2/activate", page="/routing/2").status_code == 400
    # What stood on the page is what they activate.
    assert f'name="seen" value="{_seen(app, 2)["seen"]}"' in other.get("/routing/2").text
    other.post("/routing/2/activate", _seen(app, 2), page="/routing/2")
    assert _states(app) == {1: "RETIRED", 2: "ACTIVE"}
    # And back, as a new version, again by two.
    other.post("/routing/1/roll-back", {"note": "väärä"}, page="/routing/1")
    assert _states(app)[3] == "SUBMITTED"
    other.post("/routing/3/activate", _seen(app, 3), page="/routing/3")
    assert _states(app)[3] == "SUBMITTED"
    operator.post("/routing/3/activate", _seen(app, 3), page="/routing/3")
    assert _states(app) == {1: "RETIRED", 2: "RETIRED", 3: "ACTIVE"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "Enter a name"),
        ({"priority": "0"}, "Use a number from 1 to 9999"),
        ({"areas": "Atlantis"}, "There is no such municipality: Atlantis"),
        ({"to_on": "2019-01-01"}, "The last day is before the first one"),
        ({"name": "Mass replacement"}, "Another rule has this name"),
        ({"partner": "nobody"}, "Not a valid choice"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_beside_its_field(
    world: None, operator: Visitor, changes: dict[str, str], words: str
) -> None:
    operator.post("/routing/draft", page="/routing")
    path = "/routing/2/rules/new?lang=en"
    answer = operator.post(path, {**RULE, **changes}, page=path)
    assert answer.status_code == 422
    assert words in answer.text


def test_what_a_person_does_not_touch_in_a_rule_stays_as_it_was(
    app: Flask, world: None, operator: Visitor
) -> None:
    operator.post("/routing/draft", page="/routing")
    with app.app_context(), transaction() as session:
        before = session.scalars(select(RouteRule).where(RouteRule.set_number == 2)).first()
        assert before is not None
        rule_id, since = before.id, before.active_from
    path = f"/routing/2/rules/{rule_id}"
    form = {
        "name": before.name,
        "priority": "77",
        "partner": before.partner_code,
        "types": before.order_type_codes,
        "areas": "",
        "mass": "",
        "from_on": "2020-01-01",
        "to_on": "",
    }
    assert operator.post(path, form, page=path).status_code == 302
    with app.app_context(), transaction() as session:
        after = session.get_one(RouteRule, rule_id)
        assert (after.priority, after.active_from) == (77, since)


def test_what_is_in_use_no_more_stays_in_a_rule_that_somebody_edits(
    app: Flask, world: None, operator: Visitor
) -> None:
    with app.app_context():
        number = draft_with(
            values("vanha", models=["5530", "6534"], order_type_codes=["HUO", "OLD"])
        )
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE meter_model SET active = false WHERE model = '5530'"))
        rule_id = session.scalars(select(RouteRule.id).where(RouteRule.name == "vanha")).one()
    path = f"/routing/{number}/rules/{rule_id}"
    page = operator.get(path).text
    assert 'value="OLD"' in page
    assert 'value="5530"' in page
    form = {
        **RULE,
        "name": "vanha",
        "types": ["HUO", "OLD"],
        "models": ["5530", "6534"],
    }
    assert operator.post(path, form, page=path).status_code == 302
    with app.app_context(), transaction() as session:
        after = session.get_one(RouteRule, rule_id, populate_existing=True)
        assert (after.models, after.order_type_codes) == (["5530", "6534"], ["HUO", "OLD"])
    # The page of the version says that some of it is known to nobody.
    odd = "vanha names what is not in use: 5530, OLD."
    assert odd in operator.get(f"/routing/{number}?lang=en").text


def test_orders_without_a_route_are_looked_at_again_when_somebody_says_so(
    app: Flask, world: None, operator: Visitor
) -> None:
    with app.app_context():
        reroute(app.extensions["tiedolla_settings"], 1, "test")
        with transaction() as session:
            session.execute(text("UPDATE work_order SET routed_at = routed_at - interval '1 h'"))
            before = session.get_one(WorkOrder, "A-2").routed_at
    assert "Look at them again" in operator.get("/routing?lang=en").text
    operator.post("/routing/look-again", page="/routing")
    with app.app_context():
        reroute(app.extensions["tiedolla_settings"], 1, "test")
        with transaction() as session:
            order = session.get_one(WorkOrder, "A-2", populate_existing=True)
            assert order.routed_at is not None
            assert before is not None
            assert order.routed_at > before
            assert (order.state, order.route_set_number) == ("NO_ROUTE", 1)
            acts = session.scalars(select(AuditEntry.action)).all()
            assert "NO_ROUTE_LOOKED_AGAIN" in acts


def test_waiting_orders_move_after_a_look_and_with_a_reason(
    app: Flask, world: None, operator: Visitor
) -> None:
    with app.app_context():
        put_in_force(values("piiri", order_type_codes=["MVM"]))
    page = operator.get("/routing/moves?lang=en").text
    assert "Move 1 order" in page
    assert "More than 100 need" not in page
    operator.post("/routing/moves", {"seen": "1", "note": " "}, page="/routing/moves")
    assert "Say why." in operator.get("/routing/moves?lang=en").text
    operator.post("/routing/moves", {"seen": "1", "note": "voima is away"}, page="/routing/moves")
    assert "1 order goes to another contractor." in operator.get("/routing/moves?lang=en").text
    with app.app_context():
        settings = app.extensions["tiedolla_settings"]
        move(settings, 1, "test")
        with transaction() as session:
            assert session.get_one(WorkOrder, "A-1").partner_code == "piiri"
    for language in ("fi", "sv", "en"):
        assert "voima is away" in operator.get(f"/routing/moves?lang={language}").text


def test_the_bench_says_which_rule_takes_an_order_and_why_not_the_others(
    app: Flask, world: None, operator: Visitor
) -> None:
    page = operator.get("/routing/1/bench?order=A-1&lang=en").text
    assert "Yes, and it is the first" in page
    assert "Mass replacement" in page
    assert "other order types" in page
    assert "no order NOBODY" in operator.get("/routing/1/bench?order=NOBODY&lang=en").text
    page = operator.get("/routing/1/bench?type=HUO&area=Tampere&lang=en").text
    assert "nobody: no rule fits" in page
    assert "Name one municipality" in operator.get("/routing/1/bench?type=HUO&area=x&lang=en").text


def test_the_page_says_what_a_draft_would_change_and_what_stays(
    app: Flask, world: None, operator: Visitor
) -> None:
    operator.post("/routing/draft", page="/routing")
    operator.post("/routing/2/rules/new", RULE, page="/routing/2/rules/new")
    page = operator.get("/routing/2/impact?lang=en").text
    assert "in flight, stays" in page
    assert "without a route" in page
    assert "Piiri Oy" in page


def test_oddities_stand_above_the_rules(world: None, operator: Visitor) -> None:
    page = operator.get("/routing?lang=en").text
    assert "No rule takes orders of type HUO." in page


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_every_page_is_there_in_every_language(
    world: None, operator: Visitor, language: str
) -> None:
    operator.post("/routing/draft", page="/routing")
    for path in (
        "/routing",
        "/routing/2",
        "/routing/2/rules/new",
        "/routing/2/impact",
        "/routing/2/bench?order=A-1",
        "/routing/2/bench?type=HUO",
    ):
        mark = "&" if "?" in path else "?"
        answer = operator.get(f"{path}{mark}lang={language}")
        assert answer.status_code == 200, path
        assert f'<html lang="{language}"' in answer.text


def _states(app: Flask) -> dict[int, str]:
    with app.app_context(), transaction() as session:
        return {row.number: row.state for row in session.scalars(select(RuleSet))}


def _seen(app: Flask, number: int) -> dict[str, str]:
    with app.app_context(), transaction() as session:
        submitted_at = session.get_one(RuleSet, number, populate_existing=True).submitted_at
        return {"seen": submitted_at.isoformat() if submitted_at else ""}


@pytest.fixture
def world(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            add_partner(session)
        take([a_swap(1), an_order(2)])


@pytest.fixture
def operator(app: Flask) -> Visitor:
    return visitor_as(app, Role.OPERATOR)


@pytest.fixture
def other(app: Flask) -> Visitor:
    return visitor_as(app, Role.ADMIN)
