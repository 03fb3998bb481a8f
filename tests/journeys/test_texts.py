"""Somebody writes the texts of a notice in a browser and watches what they weigh."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import log_in

pytestmark = pytest.mark.browser


def test_req_25_the_preview_follows_the_typing_and_names_dear_signs(page: Page) -> None:
    log_in(page)
    page.goto("/texts/FAULT_RESTORED/edit")
    preview = page.locator("#preview-part")
    expect(preview).not_to_contain_text("outside the alphabet")

    page.locator("#sms_en").fill("((brand)): Šakki ((t2)) ((addr)) ((dur)) OUT ((phone))")

    expect(preview).to_contain_text("Š is outside the alphabet of text messages")
    expect(preview).to_contain_text("UCS-2")
    # What is typed stays where it was typed while the preview changes.
    expect(page.locator("#sms_en")).to_be_focused()


def test_what_is_refused_is_said_at_once_and_in_words(page: Page) -> None:
    log_in(page)
    page.goto("/texts/FAULT_STARTED/edit")
    page.locator("#sms_fi").fill("((brand)): Katko klo ((t1)), ((addr)). Vastaa KATKO.")

    expect(page.locator("#preview-part")).to_contain_text(
        "Finnish: asks for an answer (Vastaa, KATKO) where nobody can answer"
    )
