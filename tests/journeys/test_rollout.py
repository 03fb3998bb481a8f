"""The rollout's pages in a browser: read by a machine, on a small phone, and from number to orders."""

from __future__ import annotations

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from app.db import db, transaction
from tests.journeys.conftest import Portal, log_in
from tests.journeys.test_accessibility import _SMALL_TARGETS, AXE, axe
from tests.services.rollout_world import NOW, add_world
from workers.rollout import refresh_rollout

pytestmark = pytest.mark.browser

PAGES = (
    "/rollout",
    "/rollout?wave=A1",
    "/rollout?area=837",
    "/rollout/orders?group=open",
    "/rollout/orders?state=CLOSED",
    "/rollout/meters?model=6534&group=in-stock",
    "/rollout/plan",
)


@pytest.mark.usefixtures("counted")
def test_req_37_axe_finds_no_fault_in_the_rollout(page: Page) -> None:
    source = AXE.read_text(encoding="utf-8")
    log_in(page)
    faults, small = {}, {}
    for path in PAGES:
        page.goto(path)
        for summary in page.locator("summary").all():
            summary.click()
        faults[path] = axe(page, source)
        small[path] = page.evaluate(_SMALL_TARGETS)

    assert {path: found for path, found in faults.items() if found} == {}
    assert {path: found for path, found in small.items() if found} == {}


@pytest.mark.usefixtures("counted")
def test_req_37_the_rollout_fits_a_small_phone(browser: Browser, portal: Portal) -> None:
    context = browser.new_context(
        viewport={"width": 320, "height": 640}, base_url=portal.url, locale="en-GB"
    )
    page = context.new_page()
    log_in(page)
    too_wide = []
    for path in PAGES:
        for language in ("fi", "sv", "en"):
            page.goto(f"{path}{'&' if '?' in path else '?'}lang={language}")
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                too_wide.append((path, language))
    context.close()

    assert too_wide == []


@pytest.mark.usefixtures("counted")
def test_from_the_map_to_a_municipality_and_to_its_orders(page: Page) -> None:
    log_in(page)
    page.goto("/rollout")
    page.get_by_role("link", name="Espoo: 10 %").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Espoo")
    page.locator(".td-figure--main a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 order")
    expect(page.get_by_role("link", name="R-005")).to_be_visible()


@pytest.fixture
def counted(app: Flask, portal: Portal) -> None:
    """All kinds of orders, counted."""
    with app.app_context():
        with transaction() as session:
            add_world(session)
            session.execute(text("UPDATE outbox_item SET state = 'DEAD'"))
        refresh_rollout(app.extensions["tiedolla_settings"], NOW, at_once=True)
        db.session.remove()
