"""A house builder's order and the public status in a real browser: checks by machine, small screens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from app.db import db, transaction
from app.domain.public_status import Cut, StormArea, build_snapshot
from app.models import MeteringPoint
from app.services.status_snapshot import publish
from app.web.public.status_file import StatusFile
from tests.connection_orders import ORDER_NO, make_version, take_versions, wish_for_connections
from tests.journeys.conftest import NARROW, Portal, log_in
from tests.journeys.test_accessibility import _SMALL_TARGETS as SMALL_TARGETS
from tests.journeys.test_accessibility import AXE, axe
from tests.services.announcing import plan_all
from tests.services.world import GSRN, add_customer, add_point
from tests.web.resident import last_code

pytestmark = pytest.mark.browser

STAFF = (f"/connections/{ORDER_NO}", "/connections", "/?q=rantapolku")
PUBLIC = ("/status/en", "/status/embed/en", "/status/subscribe")


@pytest.fixture(autouse=True)
def world(portal: Portal, app: Flask, tmp_path: Path) -> Iterator[None]:
    """An order that is delayed, and a snapshot with a storm, faults and planned cuts."""
    now = datetime.now(UTC)
    visit = {"visit_from": now + timedelta(days=5), "visit_to": now + timedelta(days=5, hours=2)}
    with app.app_context():
        with transaction() as session:
            if session.get(MeteringPoint, GSRN) is None:
                add_point(session)
            session.get_one(MeteringPoint, GSRN).municipality_code = "837"
            add_customer(session, "C-builder", contacts={"+358409876543": "SMS"})
            wish_for_connections(session, now)
            facts = {"customer_id": "C-builder", "target_week": "2099-W10"}
            later = {**facts, "target_week": "2099-W12", "delay_reason": "FROST", **visit}
            take_versions(session, [make_version(1, now - timedelta(hours=2), **facts)], now)
            building = make_version(2, now - timedelta(hours=1), stage="BUILDING", **later)
            take_versions(session, [building], now)
        plan_all(now)
        db.session.remove()

    def cut(number: int, customers: int, *, planned: bool = False) -> Cut:
        begin = now + timedelta(hours=30) if planned else now - timedelta(hours=1)
        end = begin + timedelta(hours=3)
        code = f"3310{number}"
        return Cut(number, "837", code, "TAMPERE", customers, "TREE", begin, now, end, planned)

    storm = StormArea("Jari", ["091"], now, assessed=False)
    cuts = [cut(1, 120), cut(2, 3), cut(3, 50, planned=True)]
    publish(json.dumps(build_snapshot(cuts, [storm], now)).encode(), tmp_path)
    app.extensions["tiedolla_status"] = StatusFile(tmp_path)
    yield
    del app.extensions["tiedolla_status"]


def test_axe_finds_no_fault(page: Page) -> None:
    source = AXE.read_text(encoding="utf-8")
    faults = {}
    for path in PUBLIC:
        page.goto(path)
        faults[path] = axe(page, source)
    log_in(page)
    for path in STAFF:
        page.goto(path)
        faults[path] = axe(page, source)
    assert {path: found for path, found in faults.items() if found} == {}


def test_no_page_is_wider_than_a_small_phone(browser: Browser, portal: Portal) -> None:
    context = browser.new_context(
        viewport={"width": 320, "height": 640}, base_url=portal.url, locale="en-GB"
    )
    page = context.new_page()
    too_wide = []
    log_in(page)
    for path in (*PUBLIC, *STAFF):
        for language in ("fi", "sv", "en"):
            own = path.replace("/en", f"/{language}")
            page.goto(f"{own}{'&' if '?' in own else '?'}lang={language}")
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                too_wide.append(own)
    context.close()
    assert too_wide == []


def test_an_agent_answers_a_house_builder_from_the_search_box(page: Page) -> None:
    log_in(page)
    page.get_by_role("searchbox", name="Find a metering point").last.fill("rantapolku")
    page.get_by_role("link", name="Rantapolku 4").click()
    expect(page.locator("#situation")).to_contain_text("It is delayed: the ground is frozen.")
    expect(page.get_by_text("Liittymätilaus LT-2026-17 vastaanotettu")).to_be_visible()


def test_a_house_builder_logs_in_and_reads_how_far_the_connection_is(
    app: Flask, browser: Browser, portal: Portal
) -> None:
    context = browser.new_context(viewport=NARROW, base_url=portal.url, locale="en-GB")
    page = context.new_page()
    page.goto("/my/login?lang=en")
    page.get_by_label("Mobile phone number or e-mail address").fill("040 987 6543")
    page.get_by_role("button", name="Send the code").click()
    page.get_by_label("Code", exact=True).wait_for()
    page.get_by_label("Code", exact=True).fill(last_code(app))
    page.get_by_role("button", name="Log in").click()
    page.goto("/my/connections")
    expect(page.get_by_role("heading", name="Rantapolku 4")).to_be_visible()
    expect(page.get_by_text("the ground is frozen")).to_be_visible()
    page.get_by_role("link", name=f"Stages, dates and messages of order {ORDER_NO}").click()
    expect(page.get_by_role("heading", name="Rantapolku 4, TAMPERE")).to_be_visible()
    expect(page.locator("#dates")).to_be_visible()
    source = AXE.read_text(encoding="utf-8")
    for path in ("/my/connections", f"/my/connections/{ORDER_NO}"):
        page.goto(path)
        assert axe(page, source) == []
        assert page.evaluate(SMALL_TARGETS) == []
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    # Another house builder's order is none of theirs.
    answer = page.goto("/my/connections/LT-2026-18")
    assert answer is not None
    assert answer.status == 404
    context.close()


def test_a_visitor_without_a_script_reads_the_status_and_asks_for_messages(
    browser: Browser, portal: Portal
) -> None:
    context = browser.new_context(base_url=portal.url, locale="en-GB", java_script_enabled=False)
    page = context.new_page()
    page.goto("/status")
    expect(page.get_by_role("heading", name="Power cuts now")).to_be_visible()
    expect(page.get_by_text("33101 TAMPERE")).to_be_visible()
    page.get_by_role("link", name="Get messages about an area").click()
    page.get_by_label("Mobile number or e-mail address").fill("0407654321")
    page.get_by_role("button", name="Send me a code").click()
    expect(page.get_by_role("heading", name="Enter the code")).to_be_visible()
    context.close()
