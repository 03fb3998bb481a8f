"""The search box: from any part of anything to the right metering point."""

from __future__ import annotations

import pytest

from tests.web.conftest import Writing
from tests.web.sample_rows import add_order, add_point, gsrn
from tests.web.visitor import Visitor

PARTIAL = {"HX-Request": "true"}


@pytest.mark.parametrize(
    "query",
    [
        gsrn(1),
        "KP000001",
        "C000001",
        "M0000001",
        "TT-1",
        "+358401234567",
        "040 123 4567",
        "0401234567",
        "maija@example.fi",
        "MAIJA@EXAMPLE.FI",
    ],
)
def test_a_whole_key_leads_straight_to_the_page(agent: Visitor, homes: None, query: str) -> None:
    answer = agent.client.get("/", query_string={"q": f" {query} "})

    assert (answer.status_code, answer.location) == (302, f"/points/{gsrn(1)}")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("koivutie", {1, 2}),
        ("KOIVUTIE 12", {1}),
        ("12 koivu", {1}),
        ("hameenkatu", {3}),
        ("Hämeenkatu", {3}),
        ("HÄMEENK 3", {3}),
        ("ostrom", {3}),
        ("meikäl", {1}),
        ("0401234", {1}),
        ("00001", {1}),
        ("040 123", {1}),
    ],
)
def test_any_part_finds_the_point_with_or_without_the_dots(
    agent: Visitor, homes: None, query: str, found: set[int]
) -> None:
    page = agent.client.get("/", query_string={"q": query}).text

    assert {number for number in (1, 2, 3, 4) if f'href="/points/{gsrn(number)}"' in page} == found


def test_a_slip_of_the_pen_is_forgiven_when_nothing_fits(agent: Visitor, homes: None) -> None:
    page = agent.get("/?q=hameenkato").text

    assert "Similar ones" in page
    assert f'href="/points/{gsrn(3)}"' in page


def test_nothing_found_says_what_to_try(agent: Visitor, homes: None) -> None:
    assert "Nothing found" in agent.get("/?q=zzzzqqqq").text


def test_an_empty_box_shows_neither_results_nor_a_complaint(agent: Visitor, homes: None) -> None:
    page = agent.get("/?q=").text

    assert "Nothing found" not in page
    assert "/points/" not in page


def test_live_results_are_a_part_of_the_page_and_keep_the_address_up_to_date(
    agent: Visitor, homes: None
) -> None:
    answer = agent.get("/search?q=koivutie", headers=PARTIAL)

    assert "<html" not in answer.text
    assert f'href="/points/{gsrn(1)}"' in answer.text
    assert answer.headers["HX-Replace-Url"] == "/?q=koivutie"


def test_a_safety_ban_hides_the_address_in_the_results(agent: Visitor, homes: None) -> None:
    page = agent.get("/?q=salattu").text

    assert "Address hidden" in page
    assert "Rauhankatu" not in page


def test_the_state_of_the_latest_order_is_beside_the_point(agent: Visitor, homes: None) -> None:
    assert "Under way" in agent.get("/?q=koivutie").text


def test_more_than_fit_asks_for_more_letters(agent: Visitor, writing: Writing) -> None:
    with writing() as session:
        for number in range(1, 23):
            add_point(session, number, street="Mäntytie", house=str(number))

    page = agent.get("/?q=mantytie").text

    assert page.count('class="td-result"') == 20
    assert "The first 20" in page


@pytest.fixture
def homes(writing: Writing) -> None:
    """Four homes, the last of somebody under a safety ban."""
    with writing() as session:
        point = add_point(session, 1, email="maija@example.fi")
        add_order(session, point, "STARTED")
        add_point(session, 2, house="14", name="Erkki Esimerkki", phone="+358505550102")
        add_point(session, 3, street="Hämeenkatu", house="3", name="Åke Öström", phone=None)
        add_point(
            session,
            4,
            street="Rauhankatu",
            house="7",
            name="Nimi Salattu",
            phone=None,
            safety_ban=True,
        )
