"""Every page for everybody: WCAG 2.2 AA as far as a machine can tell, keyboard, zoom, no script."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import NARROW, WIDE, Portal, log_in

pytestmark = pytest.mark.browser

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PAGES = (
    "/",
    "/?q=koivu",
    "/?q=qqqqqq",
    "/points/649999000000000013",
    "/points/649999000000000020",
    "/runs",
    "/runs/1",
    "/lanes",
    "/lanes/nis",
    "/lanes/billing",
    "/lanes/nis/bounds",
    "/lanes/nis/replay",
    "/bundles",
    "/bundles/1",
    "/bundles/1/bench",
    "/bundles/3/bench?message=1",
    "/bundles/unmapped",
    "/routing",
    "/zones",
    "/environment",
    "/routing/1",
    "/routing/1/impact",
    "/routing/1/bench?type=MVM",
    "/orders",
    "/reconciliation",
    "/reconciliation/systems/nis",
    "/retention",
    "/inbound",
    "/inbound/1",
    "/inbound/1/body",
    "/inbox",
    "/inbox?view=closed",
    "/inbox/1",
    "/alarms",
    "/staff",
    "/staff/new",
    "/staff/1/password",
    "/texts",
    "/texts/FAULT_RESTORED",
    "/texts/FAULT_RESTORED/edit",
    "/texts/FAULT_RESTORED/versions/0",
    "/texts/addresses",
    "/announcements",
    "/calls",
    "/connections",
    "/contacts-to-check",
    "/doubts",
    "/inbox",
    "/letters",
    "/outages",
    "/outages/new",
    "/planned",
    "/planned/new",
    "/planned/kpi",
    "/sending",
    "/sending/routes/twilio",
    "/storms",
    # What anybody may see.
    "/my/login",
    "/planned-cuts",
    "/status/en",
    "/status/subscribe",
)


def test_req_37_axe_finds_no_fault_on_any_page(page: Page) -> None:
    source = AXE.read_text(encoding="utf-8")
    page.goto("/login")
    faults = {"/login": axe(page, source)}
    log_in(page)
    for path in PAGES:
        page.goto(path)
        faults[path] = axe(page, source)

    assert {path: found for path, found in faults.items() if found} == {}


def test_req_37_axe_finds_no_fault_in_forms_with_errors(page: Page) -> None:
    source = AXE.read_text(encoding="utf-8")
    log_in(page)
    page.goto("/staff/new")
    with page.expect_response(lambda answer: answer.status == 422):
        page.get_by_role("button", name="Make the account").click()
    page.wait_for_load_state()

    assert axe(page, source) == []
    expect(page.locator(".govuk-error-summary")).to_be_focused()


def test_req_37_no_page_is_wider_than_a_small_phone(browser: Browser, portal: Portal) -> None:
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


def test_req_37_every_control_is_large_enough_to_be_hit(page: Page) -> None:
    log_in(page)
    small = {}
    for path in PAGES:
        page.goto(path)
        small[path] = page.evaluate(_SMALL_TARGETS)

    assert {path: found for path, found in small.items() if found} == {}


def test_req_37_the_whole_way_goes_by_keyboard_alone(browser: Browser, portal: Portal) -> None:
    context = browser.new_context(viewport=WIDE, base_url=portal.url, locale="en-GB")
    page = context.new_page()
    page.goto("/login?lang=en")
    press_until(page, "textbox", "User name")
    page.keyboard.type("aino")
    page.keyboard.press("Tab")
    page.keyboard.type("korkea-jännite-12kV")
    page.keyboard.press("Enter")
    expect(page.get_by_role("searchbox", name="Find a metering point")).to_be_focused()
    page.keyboard.type("koivutie")
    expect(page.get_by_role("link", name="Koivutie 12 A 3")).to_be_visible()
    press_until(page, "link", "Koivutie 12 A 3")
    page.keyboard.press("Enter")
    expect(page.locator("#situation")).to_contain_text("The meter was replaced")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    context.close()


def test_req_37_the_place_of_the_keyboard_can_always_be_seen(
    browser: Browser, portal: Portal
) -> None:
    context = browser.new_context(viewport=WIDE, base_url=portal.url, locale="en-GB")
    page = context.new_page()
    log_in(page)
    page.goto("/lanes/nis")
    unseen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        if not page.evaluate(_FOCUS_IS_SEEN):
            unseen.append(page.evaluate("document.activeElement.outerHTML.slice(0, 120)"))
    context.close()

    assert unseen == []


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_req_37_everything_works_without_a_script(
    browser: Browser, portal: Portal, viewport: dict[str, int]
) -> None:
    context = browser.new_context(
        viewport=viewport, base_url=portal.url, locale="en-GB", java_script_enabled=False
    )
    page = context.new_page()
    log_in(page)
    page.get_by_role("searchbox", name="Find a metering point").fill("koivutie")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Koivutie 12 A 3").click()
    expect(page.locator("#situation")).to_contain_text("The meter was replaced")
    page.get_by_role("link", name="Machinery", exact=True).click()
    page.get_by_role("link", name="Lanes", exact=True).click()
    page.get_by_role("link", name="Billing").click()
    page.get_by_role("button", name="Pause sending").click()
    expect(page.get_by_role("button", name="Resume sending")).to_be_visible()
    context.close()


def axe(page: Page, source: str) -> list[str]:
    """What axe has to say about a page: the rule and the place, one line each."""
    page.evaluate(source)
    found = page.evaluate(
        "levels => axe.run(document, {runOnly: {type: 'tag', values: levels}})", LEVELS
    )
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def press_until(page: Page, role: str, name: str) -> None:
    """Press Tab until the focus is there."""
    target = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
    for _ in range(30):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"the keyboard does not reach {role} {name!r}")


# WCAG 2.2, 2.5.8: 24 by 24 pixels, but for links inside a sentence and what is not shown.
_SMALL_TARGETS = """
() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select')]
  .filter(element => {
    const box = element.getBoundingClientRect()
    if (!box.width || box.bottom < 0 || box.right < 0 || box.width <= 1) return false
    // Where a label carries the sign, the label is the target.
    if (element.matches('.govuk-radios__input')) return false
    const inSentence = element.tagName === 'A' && getComputedStyle(element).display === 'inline'
    return !inSentence && (box.width < 24 || box.height < 24)
  })
  .map(element => element.outerHTML.slice(0, 120))
"""

# Something about the element must change when it has the focus: outline, shadow or background.
_FOCUS_IS_SEEN = """
() => {
  const element = document.activeElement
  const look = () => {
    const style = getComputedStyle(element)
    return [style.outlineStyle, style.outlineWidth, style.outlineColor, style.boxShadow,
            style.backgroundColor].join()
  }
  const focused = look()
  element.blur()
  const before = look()
  element.focus({focusVisible: true})
  return focused !== before
}
"""
