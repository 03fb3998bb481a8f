"""A customer with a real browser: in with a code, a choice, out; and their pages for everybody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from app.db import db, transaction
from app.models import Contact, ContactIssue
from app.web.clock import now
from tests.journeys.conftest import NARROW, WIDE, Portal, log_in
from tests.journeys.test_accessibility import _SMALL_TARGETS, AXE, axe
from tests.web.resident import last_code

pytestmark = pytest.mark.browser

PHONE = "040 123 4567"
PAGES = (
    "/my/",
    "/my/points/649999000000000013",
    "/my/messages",
    "/my/preferences",
    "/my/contacts",
    "/my/contacts/new",
    "/my/contacts/1",
    "/my/contacts/1/remove",
    "/my/people",
    "/my/people/new",
    "/my/stop",
    "/my/history",
)
STAFF_PAGES = (
    "/customers/C000001",
    "/customers/C000001/contacts/1",
    "/customers/C000002",
    "/contacts-to-check",
    "/contacts-to-check?kind=UNKNOWN",
)


def test_in_with_a_code_a_choice_and_everything_stopped(app: Flask, page: Page) -> None:
    come_in(app, page)
    expect(page.get_by_role("heading", name="My metering points")).to_be_visible()
    page.get_by_role("link", name="Koivutie 12 A 3").click()
    expect(page.locator("#situation")).to_contain_text("Your meter was replaced")
    expect(page.get_by_text("Mittarinvaihto valmis klo 14.05")).to_be_visible()

    page.goto("/my/preferences")
    storm = page.get_by_role("checkbox", name="Storm bulletins")
    expect(storm).to_be_checked()
    storm.uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Your choices were saved.")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Storm bulletins")).not_to_be_checked()

    page.get_by_role("button", name="Stop everything").click()
    expect(page.get_by_text("Warnings about danger to life.")).to_be_visible()
    page.get_by_role("button", name="Stop everything").click()
    expect(page.get_by_text("You get no more status messages from us.")).to_be_visible()
    for box in page.get_by_role("checkbox").all():
        expect(box).not_to_be_checked()

    page.goto("/my/history")
    expect(page.get_by_text("Planned cuts: off")).to_be_visible()
    open_menu(page)
    page.get_by_role("button", name="Log out").click()
    page.goto("/my/")
    expect(page.get_by_role("button", name="Send the code")).to_be_visible()


def test_axe_finds_no_fault_on_any_customers_page(app: Flask, page: Page) -> None:
    source = AXE.read_text(encoding="utf-8")
    page.goto("/my/login?lang=en")
    faults = {"/my/login": axe(page, source)}
    page.get_by_role("button", name="Send the code").click()
    expect(page.locator(".govuk-error-summary")).to_be_focused()
    faults["an empty form"] = axe(page, source)
    come_in(app, page, lambda: faults.update({"/my/login/code": axe(page, source)}))
    for path in PAGES:
        page.goto(path)
        faults[path] = axe(page, source)
    page.goto("/my/preferences")
    page.get_by_role("checkbox", name="Planned cuts").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_be_visible()
    faults["the last channel"] = axe(page, source)
    assert {path: found for path, found in faults.items() if found} == {}


def test_axe_finds_no_fault_on_the_agents_pages_about_customers(page: Page) -> None:
    source = AXE.read_text(encoding="utf-8")
    log_in(page)
    faults = {}
    for path in STAFF_PAGES:
        page.goto(path)
        faults[path] = axe(page, source)
    assert {path: found for path, found in faults.items() if found} == {}


def test_no_page_is_wider_than_a_small_phone_and_every_control_can_be_hit(
    app: Flask, browser: Browser, portal: Portal
) -> None:
    context = browser.new_context(
        viewport={"width": 320, "height": 640}, base_url=portal.url, locale="en-GB"
    )
    page = context.new_page()
    come_in(app, page)
    too_wide, small = [], {}
    for path in PAGES:
        for language in ("fi", "sv", "en"):
            page.goto(f"{path}?lang={language}")
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                too_wide.append((path, language))
        small[path] = [
            found for found in page.evaluate(_SMALL_TARGETS) if "checkboxes__input" not in found
        ]
    log_in(page)
    for path in STAFF_PAGES:
        page.goto(path)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            too_wide.append((path, "en"))
    context.close()
    assert too_wide == []
    assert {path: found for path, found in small.items() if found} == {}


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_everything_works_without_a_script(
    app: Flask, browser: Browser, portal: Portal, viewport: dict[str, int]
) -> None:
    context = browser.new_context(
        viewport=viewport, base_url=portal.url, locale="en-GB", java_script_enabled=False
    )
    page = context.new_page()
    come_in(app, page)
    page.get_by_role("link", name="Phones and addresses").click()
    page.get_by_role("button", name="Quiet hours and language").click()
    page.get_by_label("At the times below").check()
    page.get_by_label("They begin").select_option("23:00")
    page.get_by_label("Language of the messages").select_option("sv")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("23.00–07.00")).to_be_visible()
    context.close()


def come_in(app: Flask, page: Page, before_code: Callable[[], object] | None = None) -> None:
    """Log in as the customer at Koivutie."""
    page.goto("/my/login?lang=en")
    page.get_by_label("Mobile phone number or e-mail address").fill(PHONE)
    page.get_by_role("button", name="Send the code").click()
    page.get_by_label("Code", exact=True).wait_for()
    if before_code is not None:
        before_code()
    page.get_by_label("Code", exact=True).fill(last_code(app))
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="My metering points").wait_for()


def open_menu(page: Page) -> None:
    """Where the screen is narrow the menu is behind a button."""
    menu = page.get_by_role("button", name="Menu", exact=True)
    if menu.is_visible():
        menu.click()


@pytest.fixture(autouse=True)
def customers_things(app: Flask, portal: Portal) -> None:
    """Messages that belong to the customer, and contact data to decide about."""
    with app.app_context():
        with transaction() as session:
            session.execute(
                text("UPDATE notice SET contact_id = 1, customer_id = 'C000001' WHERE gsrn = :g"),
                {"g": portal.point},
            )
            # Else the phone would belong to two customers.
            session.execute(
                text("UPDATE contact SET value = '+358405550000' WHERE customer_id = 'C000002'")
            )
            session.add(
                ContactIssue(
                    customer_id="C000001",
                    kind="CONFLICT",
                    contact_id=session.query(Contact.id).order_by(Contact.id).limit(1).scalar(),
                    their_kind="SMS",
                    their_value="+358409990000",
                    state="OPEN",
                    opened_at=now(),
                )
            )
        db.session.remove()
