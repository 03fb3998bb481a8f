"""The phone-and-inbox page shows what arrived, to everybody and to a screen reader."""

from __future__ import annotations

import pytest
import requests
from playwright.sync_api import Browser, sync_playwright

from simulators.watch.language import guess_language
from tests.simulators.mail.test_api import GOOD, send
from tests.simulators.running import RunningRehearsal, eventually
from tests.simulators.sms.test_api import connect

FI = "Verkko: Mittarinvaihto alkoi klo 12.05, Koivutie 12. Sähköt ovat poikki noin 20 min."
SV = "Verkko: Mätarbytet började kl. 12.07, Bollstavägen 4. Strömmen är bruten ca 20 min."
EN = "Verkko: Meter replacement started at 12:40, Keijumäki 3. Power is off about 20 min."


@pytest.mark.parametrize(("language", "text"), [("fi", FI), ("sv", SV), ("en", EN)])
def test_the_language_of_a_message_is_found(language: str, text: str) -> None:
    assert guess_language(text) == language


def test_the_html_says_its_language_itself() -> None:
    assert guess_language(FI, '<!doctype html><HTML dir="ltr" lang="sv-FI">') == "sv"


def test_messages_are_shown_escaped_newest_first_and_filtered_by_number(
    shared: RunningRehearsal,
) -> None:
    text(shared, "+358501112223", FI)
    text(shared, "+358501112224", "<script>alert(1)</script> & Co")
    page = requests.get(shared.url, timeout=10).text
    assert page.index("&lt;script&gt;") < page.index("Koivutie 12")
    assert "<script>alert" not in page
    for typed in ("+358501112223", "050 111 2223", "501112223"):
        shown = requests.get(f"{shared.url}/live", params={"of": typed}, timeout=10).text
        letters = shown[shown.index("<section") :]
        assert "Koivutie 12" in letters
        assert "&lt;script&gt;" not in letters
    nothing = requests.get(f"{shared.url}/live", params={"of": '"><b>x'}, timeout=10).text
    assert "Nothing has arrived yet" in nothing
    assert "<b>x" not in nothing


def test_the_live_part_is_sent_only_when_something_changed(shared: RunningRehearsal) -> None:
    url = f"{shared.url}/live?of=%2B358509998887"
    tag: dict[str, str] = {}

    def is_unchanged() -> bool:
        answer = requests.get(url, headers=tag, timeout=10)
        tag["If-None-Match"] = answer.headers["ETag"]
        return answer.status_code == 304 and not answer.content

    # The messages of the tests before this one may still be on their way to be delivered.
    eventually(is_unchanged, "the page to settle")
    text(shared, "+358509998887", SV)
    changed = requests.get(url, headers=tag, timeout=10)
    assert changed.status_code == 200
    assert 'lang="sv"' in changed.text


def test_an_emails_formatted_version_may_run_and_load_nothing(shared: RunningRehearsal) -> None:
    send(shared, GOOD)
    number = shared.ledger("sendgrid", "mail")[-1]["n"]
    answer = requests.get(f"{shared.url}/mail/{number}", timeout=10)
    assert answer.text == "<p>Sähköt on kytketty.</p>"
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox;" in policy
    assert "default-src 'none'" in policy
    assert requests.get(f"{shared.url}/mail/999999", timeout=10).status_code == 404


@pytest.mark.browser
def test_a_person_sees_a_message_arrive_without_doing_anything(
    shared: RunningRehearsal, chromium_path: str
) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path,
            args=[
                *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
                *("--no-first-run", "--disable-background-networking"),
                *("--disable-component-update", "--disable-sync"),
            ],
        )
        try:
            for width in (1280, 390):
                watch_arrival(browser, shared, width)
        finally:
            browser.close()


def watch_arrival(browser: Browser, shared: RunningRehearsal, width: int) -> None:
    """Open the page, send a text and a mail, see both come, open the mail's formatted version."""
    number = f"+35850777{width:04d}"
    page = browser.new_page(viewport={"width": width, "height": 800})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(shared.url)
    send(shared, GOOD | {"subject": f"Sähkömittarisi {width}"})
    text(shared, number, FI)
    page.get_by_role("article", name=f"Text message to {number[:4]} 50 777 {width:04d}").wait_for()
    assert page.locator("#news").text_content()
    letter = page.get_by_role("article").filter(has_text=f"Sähkömittarisi {width}")
    letter.get_by_text("Formatted version").click()
    frame = letter.frame_locator("iframe")
    frame.get_by_text("Sähköt on kytketty.").wait_for()
    page.get_by_label("Phone number or e-mail").fill(f"050 777 {width:04d}")
    page.get_by_role("button", name="Show").click()
    assert page.get_by_role("article").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert complaints == []
    page.close()


def text(shared: RunningRehearsal, to: str, body: str) -> None:
    """One text message."""
    connect(shared).messages.create(to=to, from_="Verkko", body=body)
