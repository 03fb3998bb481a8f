"""What staff do in a real browser, wide and narrow: find, read, switch the language, act."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Portal, log_in

pytestmark = pytest.mark.browser


def test_an_agent_answers_from_the_search_box_without_a_second_click(
    page: Page, portal: Portal
) -> None:
    log_in(page, "aino")
    box = page.get_by_role("searchbox", name="Find a metering point")
    expect(box).to_be_focused()

    box.press_sequentially("meikal")
    expect(page.get_by_role("link", name="Koivutie 12 A 3")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?q=meikal"))
    page.get_by_role("link", name="Koivutie 12 A 3").click()

    expect(page).to_have_url(re.compile(portal.point))
    expect(page.locator("#situation")).to_contain_text("The meter was replaced")
    expect(page.get_by_text("Mittarinvaihto valmis klo 14.05")).to_be_visible()
    expect(page.get_by_text("Delivered", exact=True).first).to_be_visible()


def test_a_meter_number_and_enter_lead_straight_to_the_page(page: Page, portal: Portal) -> None:
    log_in(page, "aino")
    page.get_by_role("searchbox", name="Find a metering point").fill("N0000001")
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(f"/points/{portal.point}"))


def test_the_language_changes_on_the_spot_and_stays(page: Page, portal: Portal) -> None:
    log_in(page, "aino")
    page.goto(f"/points/{portal.point}")
    page.get_by_role("link", name="SV Svenska").click()

    expect(page.locator("html")).to_have_attribute("lang", "sv")
    expect(page.locator("#situation")).to_contain_text("Mätaren byttes")
    page.goto("/")
    expect(page.get_by_role("searchbox", name="Sök en förbrukningsplats")).to_be_visible()
    # A message keeps the language in which the customer got it.
    page.goto(f"/points/{portal.point}")
    expect(page.locator(".td-message__bubble").first).to_have_attribute("lang", "fi")


def test_a_wrong_password_is_explained_and_the_page_says_so_in_its_title(page: Page) -> None:
    page.goto("/login")
    page.get_by_label("User name").fill("aino")
    page.get_by_label("Password", exact=True).fill("wrong")
    with page.expect_response(lambda answer: answer.status == 422):
        page.get_by_role("button", name="Log in").click()

    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("The user name or password is wrong")
    expect(page).to_have_title(re.compile("^Error: "))


def test_an_operator_finds_out_why_and_tries_again(page: Page, portal: Portal) -> None:
    log_in(page, "otso")
    page.goto("/alarms")
    page.get_by_role("link", name="Network information system (NIS)").click()
    expect(page.get_by_role("link", name="The receiver refused it", exact=True)).to_be_visible()

    page.get_by_role("button", name="Try again TT-1").click()

    expect(page.get_by_role("status").filter(has_text="1 item will be tried again")).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()


def test_a_business_key_leads_from_the_point_to_its_runs(page: Page, portal: Portal) -> None:
    log_in(page, "otso")
    page.goto(f"/points/{portal.point}")
    page.get_by_role("link", name="All about this order").click()
    page.get_by_role("link", name="Runs of this order").click()
    page.get_by_role("link", name=re.compile("Network information system")).click()

    expect(page.get_by_role("cell", name=re.compile("422 newMeter.number"))).to_be_visible()


def test_the_menu_folds_where_the_screen_is_narrow(page: Page) -> None:
    log_in(page, "otso")
    menu = page.get_by_role("button", name="Menu")
    if menu.is_visible():
        expect(page.get_by_role("link", name="Machinery")).to_be_hidden()
        menu.click()
    page.get_by_role("link", name="Machinery", exact=True).click()
    expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()

    pages = page.get_by_role("navigation", name="Pages of this section")
    pages.get_by_role("link", name="Lanes", exact=True).click()
    expect(page.get_by_role("heading", name="Lanes", level=1)).to_be_visible()


def test_a_hidden_address_is_shown_once(page: Page, portal: Portal) -> None:
    log_in(page, "aino")
    page.goto("/?q=C000002")
    expect(page.get_by_role("heading", name="Address hidden (safety ban)")).to_be_visible()
    page.get_by_role("button", name="Show the address").click()
    expect(page.get_by_role("heading", name=re.compile("Rauhankatu"))).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Address hidden (safety ban)")).to_be_visible()


def test_a_list_that_renews_itself_keeps_the_place_of_the_keyboard(
    page: Page, portal: Portal
) -> None:
    log_in(page, "otso")
    page.goto("/lanes")
    link = page.get_by_role("link", name="Billing")
    link.focus()
    with page.expect_response(lambda answer: "poll=1" in answer.url):
        pass

    expect(link).to_be_focused()
