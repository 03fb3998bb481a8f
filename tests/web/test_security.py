"""What every answer carries, and what no page may contain."""

from __future__ import annotations

import re
import time

import pytest
from flask import Flask
from lxml import html

from app.factory import create_app
from tests.conftest import test_settings as settings_of_the_tests
from tests.web.conftest import Writing
from tests.web.sample_rows import (
    add_alarm,
    add_inbound,
    add_item,
    add_order,
    add_point,
    add_run,
    add_swap,
    gsrn,
)
from tests.web.visitor import Visitor

PAGES = (
    "/",
    "/?q=koivu",
    "/?q=nobody-here",
    f"/points/{gsrn(1)}",
    f"/points/{gsrn(2)}",
    "/runs",
    "/runs/1",
    "/lanes",
    "/lanes/nis",
    "/orders",
    "/inbound",
    "/inbound/1",
    "/inbound/1/body",
    "/alarms",
    "/staff",
    "/staff/new",
    "/staff/1/password",
    "/nowhere",
)
BRANDS = re.compile(r"GOV\.UK|GDS|crown", re.IGNORECASE)


def test_nothing_from_elsewhere_and_nothing_inline_may_run(visitor: Visitor) -> None:
    policy = visitor.get("/login").headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_pages_are_never_kept_by_browsers_or_on_the_way(admin: Visitor, rows: None) -> None:
    for path in PAGES:
        assert admin.get(path).headers["Cache-Control"] == "no-store", path


def test_built_files_are_kept_for_good_because_their_names_change(visitor: Visitor) -> None:
    style = re.search(r'href="(/[^"]+\.css)"', visitor.get("/login").text)
    assert style is not None

    assert "immutable" in visitor.get(style[1]).headers["Cache-Control"]


def test_no_page_contains_a_script_a_style_or_another_brand(admin: Visitor, rows: None) -> None:
    for path in PAGES:
        page = admin.get(path).text
        assert inline_parts(page) == [], path
        words = re.sub(r"<[^>]+>", " ", page)
        assert BRANDS.search(words) is None, path


def test_what_outside_systems_sent_is_shown_as_text(admin: Visitor, rows: None) -> None:
    for path in (f"/points/{gsrn(2)}", "/?q=evil", "/lanes/nis?state=DEAD", "/runs/1", "/alarms"):
        page = admin.get(path).text
        assert "<b>evil" not in page, path


@pytest.mark.parametrize("query", ["<b>evil</b>", '" onfocus="alert(1)', "%_\\", "' OR 1=1 --"])
def test_whatever_is_typed_into_the_search_box_stays_text(agent: Visitor, query: str) -> None:
    answer = agent.client.get("/", query_string={"q": query})

    assert answer.status_code == 200
    assert inline_parts(answer.text) == []
    assert "<b>evil" not in answer.text


def test_the_session_cookie_is_out_of_reach_for_scripts_and_other_sites(
    visitor: Visitor,
) -> None:
    cookie = visitor.get("/login").headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_in_production_cookies_and_addresses_are_https_only(
    postgres_url: str, redis_url: str
) -> None:
    settings = settings_of_the_tests(
        database_url=postgres_url,
        redis_url=redis_url,
        secure_cookies=True,
        environment="production",
    )
    answer = create_app(settings).test_client().get("/login?lang=en")

    assert all("Secure" in cookie for cookie in answer.headers.getlist("Set-Cookie"))
    assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]
    assert "Rehearsal" not in answer.text


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/nowhere", 404, "The page was not found"),
        ("/runs/999999", 404, "The page was not found"),
        ("/points/649999000000099999", 404, "The page was not found"),
        ("/staff", 403, "You may not open this page"),
        ("/logout", 405, "The page does not work this way"),
    ],
)
def test_errors_are_pages_that_say_what_to_do(
    operator: Visitor, path: str, code: int, words: str
) -> None:
    answer = operator.get(path)

    assert answer.status_code == code
    assert words in answer.text
    assert "Go to the front page" in answer.text


def test_without_a_database_the_page_says_that_nothing_is_lost(redis_url: str) -> None:
    nowhere = "postgresql+psycopg://nobody@/nowhere?host=/nowhere&connect_timeout=1"
    app = create_app(settings_of_the_tests(database_url=nowhere, redis_url=redis_url))
    visitor = app.test_client()
    with visitor.session_transaction() as cookie:
        cookie["_user_id"] = "1:1"
        cookie["started_at"] = cookie["seen_at"] = int(time.time())

    answer = visitor.get("/runs?lang=en")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert "What was accepted is safe" in answer.text


@pytest.mark.parametrize("path", ["/runs?before=" + "9" * 30, "/runs?before=x", "/runs?state=x"])
def test_nonsense_in_an_address_shows_the_list_from_its_beginning(
    operator: Visitor, path: str
) -> None:
    assert operator.get(path).status_code == 200


def inline_parts(page: str) -> list[str]:
    """Every script and style that stands in the page itself: none would be let run."""
    found = []
    for element in html.fromstring(page).iter():
        if element.tag == "style" or (element.tag == "script" and not element.get("src")):
            found.append(str(element.tag))
        for name, value in element.attrib.items():
            if name == "style" or name.startswith(("on", "hx-on")) or "javascript:" in value:
                found.append(f"{element.tag} {name}={value}")
    return found


@pytest.fixture
def rows(writing: Writing) -> None:
    """What the pages show, some of it sent by somebody who means harm."""
    evil = "<b>evil</b>"
    with writing() as session:
        add_swap(session, 1)
        point = add_point(session, 2, name=f"{evil} Evil", street=evil, apartment="", staircase="")
        add_order(session, point, "PARTNER_REJECTED", partner_ref=evil, route_reason=evil)
        add_run(session, "drain nis", "FAILED", error=evil, keys=[evil], subject=evil)
        add_item(session, "nis", "DEAD", last_error_class="Rejected", last_error=evil)
        add_item(session, "billing", "HELD", business_key="TT-1", hold_reason="READING_JUMP")
        add_inbound(session, "REJECTED", name=evil, reason_code="XML_MALFORMED")
        add_alarm(session, subject=evil)


@pytest.mark.parametrize("number", [2**31, 10**25])
def test_no_number_in_an_address_is_a_fault_of_ours(
    app: Flask, admin: Visitor, number: int
) -> None:
    paths = sorted(
        re.sub(r"<int:[^>]+>", str(number), rule.rule)
        for rule in app.url_map.iter_rules()
        if "<int:" in rule.rule and "GET" in (rule.methods or ()) and rule.rule.count("<") == 1
    )
    assert len(paths) > 20
    assert {path: answer for path in paths if (answer := admin.get(path).status_code) >= 500} == {}


def test_a_nul_in_an_address_or_a_form_is_no_fault_of_ours(app: Flask, admin: Visitor) -> None:
    rules = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    named = [re.sub(r"<(?!int:)[^>]*>", "a%00b", rule.rule) for rule in rules]
    paths = sorted({path for path in named if "%00" in path and "<" not in path})
    assert len(paths) > 10
    assert {path: found for path in paths if (found := admin.get(path).status_code) != 404} == {}

    for asked in ("/bundles?partner=a%00b", "/bundles?%00=1", "/customers/a?x=%00", "/?q=%00"):
        assert admin.get(asked).status_code == 400, asked
    answer = admin.post("/storms", {"name": "Aapeli\0", "municipalities": "837"}, page="/storms")
    assert answer.status_code == 400
    assert "Nothing was changed" in answer.text
