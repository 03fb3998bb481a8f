"""Fixtures of the journeys: the application on a port, and a real browser in front of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from werkzeug.serving import make_server

from app.db import db, transaction
from app.domain.roles import Role
from app.services import status_snapshot
from app.settings import Settings
from app.web import translations
from deploy.ports import free_port
from tests.web.sample_rows import (
    PASSWORD,
    add_alarm,
    add_inbound,
    add_item,
    add_order,
    add_point,
    add_reply,
    add_run,
    add_staff,
    add_swap,
)

# What Debian's Chromium needs to run without a screen, a sandbox of its own and a network.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 390, "height": 844}


@dataclass(frozen=True)
class Portal:
    """The running application and what is in it."""

    url: str
    # The GSRN of a home whose meter has just been replaced.
    point: str


@pytest.fixture
def portal(app: Flask, tmp_path: Path) -> Iterator[Portal]:
    """The application with people, meters and trouble in it, served on a free port."""
    translations.compile_all()
    usual: Settings = app.extensions["tiedolla_settings"]
    settings = usual.model_copy(update={"status_snapshot_dir": tmp_path / "status"})
    app.extensions["tiedolla_settings"] = settings
    with app.app_context():
        with transaction() as session:
            for role in Role:
                add_staff(session, role)
            point = add_swap(session, 1)
            hidden = add_point(
                session, 2, street="Rauhankatu", name="Nimi Salattu", safety_ban=True
            )
            add_order(session, hidden, "NO_ROUTE", partner_code=None)
            add_run(session, "drain nis", "PARTLY")
            add_run(session, "intake", "OK")
            add_item(session, "nis", "DEAD", last_error_class="Rejected", last_error="422")
            add_item(session, "billing", "HELD", hold_reason="READING_JUMP")
            add_inbound(session, "PARTLY")
            add_reply(session)
            add_alarm(session)
        with transaction() as session:
            snapshot = status_snapshot.take(session, datetime.now(UTC))
        status_snapshot.publish(snapshot, settings.status_folder)
        db.session.remove()
    server = make_server("127.0.0.1", free_port(), app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Portal(f"http://127.0.0.1:{server.server_port}", point)
    server.shutdown()
    thread.join()
    server.server_close()
    app.extensions["tiedolla_settings"] = usual


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    """Chromium, one for all journeys of a file."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def page(browser: Browser, portal: Portal, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a browser that prefers English; any fault in its console fails the journey."""
    context = browser.new_context(
        viewport=request.param, locale="en-GB", base_url=portal.url, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if is_fault(said) else None)
    yield page
    context.close()
    assert faults == []


def is_fault(said: ConsoleMessage) -> bool:
    """An error in the console, but for the browser's remark about a form with faults in it."""
    return said.type == "error" and "status of 422" not in said.text


def log_in(page: Page, username: str = "armi") -> None:
    """Log in as a person who reads English does."""
    page.goto("/login?lang=en")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Log out").wait_for()
