"""The rollout's page: every number is the count of the list behind it, also in its files."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.services import signed_files
from tests.services.rollout_world import NOW, PLAN, add_rollout_order, add_world
from tests.web.conftest import Writing
from tests.web.visitor import Visitor
from workers.rollout import refresh_rollout

NUMBER = re.compile(r'<a class="govuk-link td-number" href="([^"]+)">([^<]+)</a>')
TITLE = re.compile(r"<h1>([\d,]+) (?:orders?|meters?)</h1>")
PAGES = ("/rollout", "/rollout?wave=A1", "/rollout?area=049", "/rollout?wave=-&area=837")


@pytest.mark.parametrize("page", PAGES)
def test_every_number_is_the_count_of_the_list_that_it_leads_to(
    world: Flask, operator: Visitor, page: str
) -> None:
    answer = operator.get(page)
    assert answer.status_code == 200
    links = {(unescape(href), shown) for href, shown in NUMBER.findall(answer.text)}
    assert len(links) >= (30 if page == "/rollout" else 3)
    for href, shown in links:
        behind = operator.get(href)
        found = TITLE.search(behind.text)
        assert found is not None, href
        assert found[1] == shown, href
        listed = behind.text.count('<tr role="row"') - 1
        assert listed == int(shown.replace(",", "")), href


def test_the_page_stays_as_it_was_counted_while_orders_move(
    world: Flask, operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        session.execute(text("UPDATE work_order SET state = 'CANCELLED'"))
        add_rollout_order(session, 50, "SENT")
    test_every_number_is_the_count_of_the_list_that_it_leads_to(world, operator, "/rollout")


def test_the_page_says_how_far_the_plan_is_ahead(world: Flask, operator: Visitor) -> None:
    page = operator.get("/rollout").text
    assert "6 of 110 meters hang." in page
    assert re.search(r"That was \d+ meters behind the plan yesterday evening", page)
    assert "All numbers were counted at that moment." in page
    # The map's twin says what the map says.
    assert page.count("Tampere") >= 2
    assert 'aria-label="Espoo: 10 %"' in page


def test_before_the_first_count_the_page_says_so(app: Flask, operator: Visitor) -> None:
    for path in ("/rollout", "/rollout/orders?state=SENT"):
        assert "Nothing has been counted yet" in operator.get(path).text
    assert operator.get("/rollout/overview.csv").status_code == 404


def test_an_empty_rollout_has_a_page_too(app: Flask, operator: Visitor) -> None:
    with app.app_context():
        refresh_rollout(app.extensions["tiedolla_settings"], NOW, at_once=True)
    page = operator.get("/rollout").text
    assert "No meter has been ordered yet." in page
    assert "No plan is in force" in page


@pytest.mark.parametrize(
    "query", ["state=X", "age=77", "wave=%FF", "from_day=x", "model='", "after=%01", "flag=stuck"]
)
def test_nonsense_in_an_address_does_no_harm(world: Flask, operator: Visitor, query: str) -> None:
    assert operator.get(f"/rollout/orders?{query}").status_code == 200
    assert operator.get(f"/rollout?{query}").status_code == 200


def test_meters_behind_the_stock_are_listed(world: Flask, operator: Visitor) -> None:
    page = operator.get("/rollout/meters?model=6534&group=in-stock").text
    assert "2 meters" in page
    assert "N1" in page
    assert "N4" not in page
    assert operator.get("/rollout/meters?model=6534&group=x").status_code == 404
    assert "these are those of now" not in page
    with world.app_context(), transaction() as session:
        session.execute(text("UPDATE meter SET state = 'INSTALLED' WHERE number = 'N1'"))
    # Meters move on; then the page says what the number was made of.
    page = operator.get("/rollout/meters?model=6534&group=in-stock").text
    assert "1 meter" in page
    assert "The page counted 2 at" in page


@pytest.mark.parametrize("path", ["/rollout/overview", "/rollout/orders"])
def test_files_hold_what_the_page_shows_sealed_and_without_formulas(
    world: Flask, operator: Visitor, path: str
) -> None:
    key = signed_files.key_of(world.extensions["tiedolla_settings"].secret_key.get_secret_value())
    body = operator.get(f"{path}.csv?wave=%3Dcmd").data
    assert signed_files.is_sealed(io.BytesIO(body), key)
    body = operator.get(f"{path}.csv").data
    assert signed_files.is_sealed(io.BytesIO(body), key)
    lines = list(csv.reader(io.StringIO(body.decode())))
    if path.endswith("orders"):
        assert len(lines) == 1 + 20 + 1
        assert {line[0] for line in lines[1:-1]} == {f"R-{n:03}" for n in range(20)}
    else:
        assert ["orders", "20"] in lines
        assert ["silent", "2"] in lines
    sheet = operator.get(f"{path}.xlsx").data
    assert signed_files.is_sealed(io.BytesIO(sheet), key)
    assert zipfile.ZipFile(io.BytesIO(sheet)).testzip() is None
    with world.app_context(), transaction() as session:
        acts = session.execute(text("SELECT action, actor FROM audit_entry")).all()
    assert acts.count(("ROLLOUT_FILE_TAKEN", "staff:otso")) == 3


def test_a_wave_named_like_a_formula_is_none_in_a_file(
    world: Flask, operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        session.execute(text("UPDATE rollout_order SET wave = '=1+1'"))
    body = operator.get("/rollout/orders.csv").data.decode()
    assert '"\'=1+1"' in body
    assert '"=1+1"' not in body


def test_a_plan_is_imported_put_in_force_by_two_people_and_taken_back(
    app: Flask, operator: Visitor, admin: Visitor
) -> None:
    _import(operator, _csv(100))
    page = operator.get("/rollout/plan").text
    assert "It is not in force yet." in page or "plan.csv" in page
    _press(operator, 1, "propose")
    assert "Somebody else has to put it in force." in operator.get("/rollout/plan").text
    page = _press(operator, 1, "activate")
    assert "Somebody who has neither imported nor proposed it" in page
    assert "Put in force" in admin.get("/rollout/plan").text
    _press(admin, 1, "activate")
    assert _active(app) == 1
    _import(operator, _csv(200))
    _press(operator, 2, "propose")
    _press(operator, 2, "withdraw")
    assert "Somebody else was quicker." in _press(admin, 2, "activate")
    _press(operator, 2, "propose")
    _press(admin, 2, "activate")
    assert _active(app) == 2
    _press(admin, 1, "propose")
    _press(operator, 1, "activate")
    assert _active(app) == 1
    again = operator.get("/rollout/plan/1.csv").data
    assert _import(operator, again).status_code == 302
    with app.app_context(), transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM rollout_plan")) == 2
    assert operator.post("/rollout/plan/9/activate", {}, page="/rollout/plan").status_code == 404


def test_a_plan_with_faults_is_refused_with_all_of_them(app: Flask, operator: Visitor) -> None:
    answer = _import(operator, b"wave;municipality;from;to;meters\nA;Atlantis;x;2026-01-01;0\n")
    assert answer.status_code == 400
    page = unescape(answer.text)
    assert "Line 2, <code>municipality</code>: “Atlantis” – no municipality has this name" in page
    assert "it is not a day" in page
    assert "it is not a whole number above zero" in page
    with app.app_context(), transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM rollout_plan")) == 0


@pytest.fixture
def world(app: Flask) -> Flask:
    """All kinds of orders, counted."""
    with app.app_context():
        with transaction() as session:
            add_world(session)
            session.execute(text("UPDATE outbox_item SET state = 'DEAD'"))
        refresh_rollout(app.extensions["tiedolla_settings"], NOW, at_once=True)
    return app


def _csv(meters: int) -> bytes:
    day = PLAN[0].from_on
    row = f"A1;Tampere;{day};{day + timedelta(days=9)};{meters}"
    return f"wave;municipality;from;to;meters\n{row}\n".encode()


def _import(operator: Visitor, content: bytes):  # type: ignore[no-untyped-def]
    file = (io.BytesIO(content), "plan.csv")
    return operator.post("/rollout/plan", {"file": file}, page="/rollout/plan")


def _press(visitor: Visitor, number: int, act: str) -> str:
    answer = visitor.post(f"/rollout/plan/{number}/{act}", {}, page="/rollout/plan")
    assert answer.status_code == 302
    return visitor.get("/rollout/plan").text


def _active(app: Flask) -> int:
    with app.app_context(), transaction() as session:
        statement = text(
            "SELECT id FROM rollout_plan ORDER BY activated_at DESC NULLS LAST LIMIT 1"
        )
        return int(session.execute(statement).scalar_one())
