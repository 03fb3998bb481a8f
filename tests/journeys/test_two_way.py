"""Answering by text message in a real browser: on a phone of the rehearsal, and at customer service."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr
from sqlalchemy import text
from werkzeug.serving import make_server

from app import clients
from app.db import db, transaction
from app.domain.roles import Role
from app.settings import Settings
from app.web import translations
from deploy.ports import free_port
from tests.field_work import ORDER, add_order, arrive, gsrn, make_ack
from tests.journeys.conftest import NARROW, WIDE, is_fault, log_in
from tests.services.replying import OURS
from tests.simulators.running import RunningRehearsal, eventually
from tests.web.sample_rows import add_staff
from workers.drain import Drain, drain
from workers.receipts import apply_receipts
from workers.replies import handle_replies

pytestmark = pytest.mark.browser

PHONE = f"+35840{gsrn()[-7:]}"
QUICK = [0.0, 0.05]


def test_req_11_seis_typed_on_a_phone_ends_the_messages_and_the_agent_sees_it(
    phone: Page, desk: Page, town: _Town
) -> None:
    town.say(phone, "Seis.")
    town.work(expected="STOP")
    expect(phone.locator(".letter--reply")).to_contain_text("Seis.")
    expect(phone.locator(".letter--sms").first).to_contain_text("Tilanneviestit on lopetettu")
    log_in(desk, "aino")
    desk.goto(f"/points/{gsrn()}")
    expect(desk.get_by_text("The customer wrote: Seis.")).to_be_visible()
    expect(desk.get_by_text("Ended the messages")).to_be_visible()


def test_a_proposed_visit_is_confirmed_from_the_phone(phone: Page, desk: Page, town: _Town) -> None:
    town.propose_visit()
    town.send()
    expect(phone.locator(".letter--sms").first).to_contain_text("Vastaa OK tai EI")
    town.say(phone, "OK")
    town.work(expected="YES")
    expect(phone.locator(".letter--sms").first).to_contain_text("aika on vahvistettu")
    log_in(desk, "aino")
    desk.goto(f"/points/{gsrn()}")
    expect(desk.get_by_text("The customer confirmed the visit")).to_be_visible()


def test_what_is_unclear_is_answered_by_a_person(phone: Page, desk: Page, town: _Town) -> None:
    town.say(phone, "Milloin asentaja oikein tulee?")
    town.work(expected="UNCLEAR")
    log_in(desk, "aino")
    desk.goto("/inbox")
    desk.get_by_role("link", name=re.compile("number ending in")).click()
    expect(desk.get_by_text("Milloin asentaja oikein tulee?")).to_be_visible()
    desk.get_by_role("button", name="Take the case").click()
    words = desk.get_by_label("Your words")
    words.press_sequentially("Asentaja tulee huomenna aamulla.")
    expect(desk.locator("#size")).to_contain_text("1 SMS part")
    desk.get_by_role("button", name="Send the answer").click()
    expect(desk.get_by_text("The answer is on its way.")).to_be_visible()
    town.send()
    expect(phone.locator(".letter--sms").first).to_contain_text("Asentaja tulee huomenna aamulla.")
    # What the customer adds belongs to the talk: nobody says again that it was not understood.
    town.say(phone, "Selvä juttu")
    town.work(expected="TALK")
    desk.reload()
    expect(desk.get_by_text("Selvä juttu")).to_be_visible()
    desk.get_by_label("How it ended").select_option("ANSWERED")
    desk.get_by_role("button", name="Close the case").click()
    expect(desk.get_by_text("No case here")).to_be_visible()


@dataclass
class _Town:
    """The product's workers beside a rehearsal whose phones write to it."""

    app: Flask
    rehearsal: RunningRehearsal
    settings: Settings
    loop: asyncio.AbstractEventLoop
    hands: ThreadPoolExecutor
    url: str

    def say(self, phone: Page, words: str) -> None:
        """Type a text on the phone's page."""
        phone.goto(f"{self.rehearsal.url}/?of={PHONE.replace('+', '%2B')}")
        phone.get_by_label(re.compile("^Write from")).fill(words)
        phone.get_by_role("button", name="Send").click()
        expect(phone.locator(".letter--reply").first).to_contain_text(words)

    def work(self, expected: str) -> None:
        """Handle what arrives and send the answer."""
        counts: dict[str, int] = {}

        def handled() -> bool:
            with self.app.app_context():
                counts.update(handle_replies(self.settings, 1, "test"))
                db.session.remove()
            return expected in counts

        eventually(handled, f"the message to be handled as {expected}")
        self.send()

    def send(self) -> None:
        """Hand over what waits to the provider, and take its reports."""
        # The browser has an event loop in this thread already.
        self.hands.submit(self._send).result(30)

    def _send(self) -> None:
        with self.app.app_context():
            drain(Drain(lane="sms", lease=1, settings=self.settings, loop=self.loop))
            apply_receipts(self.settings, 1, "test")
            db.session.remove()

    def propose_visit(self) -> None:
        """The crew proposes a time that somebody has to answer."""
        begin = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
        with self.app.app_context():
            with transaction() as session:
                # Whatever the hour of the test: two equal times are no quiet hours.
                session.execute(text("UPDATE contact SET quiet_from = '03:00', quiet_to = '03:00'"))
            ack = make_ack(
                "SCHEDULED",
                0,
                schedule={
                    "from": begin.isoformat(),
                    "to": (begin + timedelta(hours=2)).isoformat(),
                },
                occurredAt=datetime.now(UTC).isoformat(),
                reportedAt=datetime.now(UTC).isoformat(),
            )
            arrive(
                ack,
                (datetime.now(UTC) - datetime(2025, 3, 11, 11, tzinfo=UTC)).total_seconds() / 60,
            )
            db.session.remove()


@pytest.fixture
def town(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Town]:
    translations.compile_all()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    rehearsal = RunningRehearsal(tmp_path / "rehearsal", url)
    rehearsal.configure("twilio", sent_after_s=QUICK, delivered_after_s=QUICK)
    rehearsal.start()
    config = rehearsal.config["twilio"]
    settings = app.extensions["tiedolla_settings"].model_copy(
        update={
            "base_url": url,
            "twilio_url": f"{rehearsal.url}/twilio",
            "twilio_account_sid": config["account_sid"],
            "twilio_auth_token": SecretStr(config["auth_token"]),
            "sms_two_way_sender": OURS,
        }
    )
    monkeypatch.setitem(app.extensions, "tiedolla_settings", settings)
    with app.app_context():
        with transaction() as session:
            add_staff(session, Role.AGENT)
            add_order(session, ORDER, presence_required=True)
        db.session.remove()
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    loop = asyncio.new_event_loop()
    hands = ThreadPoolExecutor(max_workers=1)
    try:
        yield _Town(app, rehearsal, settings, loop, hands, url)
    finally:
        hands.submit(clients.close_clients, loop).result(30)
        hands.shutdown()
        loop.close()
        rehearsal.kill()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def phone(browser: Browser, town: _Town, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page with the customer's phone on it."""
    context = browser.new_context(viewport=request.param, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{town.rehearsal.url}/?of={PHONE.replace('+', '%2B')}")
    yield page
    context.close()


@pytest.fixture
def desk(browser: Browser, town: _Town, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The portal as customer service sees it; any fault in its console fails the journey."""
    context = browser.new_context(
        viewport=WIDE, locale="en-GB", base_url=town.url, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if is_fault(said) else None)
    yield page
    context.close()
    assert faults == []
