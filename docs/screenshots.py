"""Takes the README's screenshots again from a running demo: `make demo` first, then
`make screenshots`. Reads instance/demo.json, or the one named, and needs Chromium."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
SIZE = {"width": 1280, "height": 860}
# In a fresh demo the first replacement is done after about a minute.
PATIENCE_S = 180


def main(arguments: list[str]) -> int:
    """Take the three pictures; 1 with a sentence when something is missing."""
    record = Path(arguments[0]) if arguments else ROOT / "instance" / "demo.json"
    chromium = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if not record.exists():
        print("The demo is not running: start it with `make demo`.")
        return 1
    if chromium is None:
        print("Chromium is not installed.")
        return 1
    demo = json.loads(record.read_text("utf-8"))
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        context = browser.new_context(viewport=SIZE, base_url=demo["base_url"], locale="en-GB")
        page = context.new_page()
        log_in(page, demo["logins"]["operator"])
        found = finished_point(page)
        if found is None:
            print("No meter replacement was finished in time.")
            return 1
        take(page, found, "point")
        take(page, "/runs?live=0", "runs")
        take(page, demo["simulator_url"], "phones")
        browser.close()
    return 0


def log_in(page: Page, login: dict[str, Any]) -> None:
    """Log in as somebody who reads English."""
    page.goto("/login?lang=en")
    page.fill("#username", login["username"])
    page.fill("#password", login["password"])
    page.click("main button[type=submit]")
    page.wait_for_selector("form[action='/logout']")


def finished_point(page: Page) -> str | None:
    """The address of a metering point whose meter was replaced and whose customer was told."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for path in points_of_late(page):
            page.goto(path)
            told = page.locator("#situation").inner_text()
            if "was replaced" in told and "delivered" in told:
                return path
        page.wait_for_timeout(3000)
    return None


def points_of_late(page: Page) -> list[str]:
    """Metering points that the latest acknowledgements were about."""
    page.goto("/runs?process=acks&live=0")
    runs = page.locator("main td a[href^='/runs/']").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    )
    points: dict[str, None] = {}
    for run in runs[:8]:
        page.goto(run)
        links = page.locator("main td a[href^='/points/']").evaluate_all(
            "links => links.map(link => link.getAttribute('href'))"
        )
        points.update(dict.fromkeys(links))
    return list(points)


def take(page: Page, path: str, name: str) -> None:
    """One picture of what fits on a screen, with the fonts there."""
    page.goto(path)
    page.evaluate("document.fonts.ready")
    page.screenshot(path=IMAGES / f"{name}.png")
    print(f"docs/images/{name}.png")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
