"""A notice on its whole way: ledger, drain, real SDKs, the rehearsal's providers and their reports."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import text
from werkzeug.serving import make_server

from app import clients
from app.db import transaction
from app.settings import Settings
from tests.services.world import MAIL, PHONE, items, ledger, scalar, settle_in, tell
from tests.simulators.running import RunningRehearsal, eventually
from workers.drain import Drain, drain
from workers.receipts import apply_receipts
from workers.resolver import resolve

STARTED = "METER_SWAP_STARTED"
QUICK = [0.0, 0.05]


@pytest.mark.parametrize(
    ("lane", "contacts", "system"),
    [("sms", {PHONE: "SMS"}, "twilio"), ("email", {MAIL: "EMAIL"}, "sendgrid")],
)
def test_a_notice_reaches_its_reader_and_its_delivery_is_known(
    town: _Town, lane: str, contacts: dict[str, str], system: str
) -> None:
    settle_in(contacts=contacts, channel=lane.upper())
    tell(STARTED, event_at=_now())
    assert town.drain(lane) == {"SENT": 1}
    eventually(lambda: town.receipts() and ledger()[0].state == "DELIVERED", "the delivery")
    (notice,) = ledger()
    (message,) = town.rehearsal.ledger(system, "message", "mail")
    assert message["to"] == notice.sent_to
    assert notice.provider == system
    assert notice.provider_ref


def test_a_text_whose_answer_was_lost_is_found_and_not_sent_again(town: _Town) -> None:
    town.rehearsal.disturb("twilio", drop_answer_ratio=1.0, callbacks="none")
    settle_in()
    tell(STARTED, event_at=_now())
    assert town.drain("sms") == {"UNKNOWN": 1}
    assert ledger()[0].state == "UNKNOWN"
    town.rehearsal.calm("twilio")
    town.make_due()
    assert town.resolve() == {"FOUND": 1}
    assert ledger()[0].state in ("SENT", "DELIVERED")
    assert items()[0].state == "SENT"
    assert len(town.rehearsal.ledger("twilio", "message")) == 1


def test_a_text_that_never_arrived_is_sent_once_more_and_counted(town: _Town) -> None:
    town.rehearsal.disturb("twilio", drop_before_ratio=1.0)
    settle_in()
    tell(STARTED, event_at=_now())
    assert town.drain("sms") == {"UNKNOWN": 1}
    town.rehearsal.calm("twilio")
    town.make_due()
    assert town.resolve() == {"NOT_FOUND_YET": 1}
    town.make_due()
    assert town.resolve() == {"RESEND": 1}
    assert town.drain("sms") == {"SENT": 1}
    assert ledger()[0].resent_count == 1
    assert len(town.rehearsal.ledger("twilio", "message")) == 1


@pytest.mark.parametrize(
    ("lane", "contacts", "system"),
    [("sms", {PHONE: "SMS"}, "twilio"), ("email", {MAIL: "EMAIL"}, "sendgrid")],
)
def test_a_report_settles_a_lost_answer_by_itself(
    town: _Town, lane: str, contacts: dict[str, str], system: str
) -> None:
    town.rehearsal.disturb(system, drop_answer_ratio=1.0, callbacks="duplicate")
    settle_in(contacts=contacts, channel=lane.upper())
    tell(STARTED, event_at=_now())
    assert town.drain(lane) == {"UNKNOWN": 1}
    eventually(lambda: town.receipts() and ledger()[0].state == "DELIVERED", "the delivery")
    town.resolve()
    assert items()[0].state == "SENT"
    assert scalar("SELECT resolved_by FROM attempt") == "CALLBACK"
    assert len(town.rehearsal.ledger(system, "message", "mail")) == 1


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class _Town:
    """The product's workers beside a rehearsal that reports to it."""

    def __init__(
        self, settings: Settings, rehearsal: RunningRehearsal, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.rehearsal = rehearsal
        self._settings = settings
        self._loop = loop

    def drain(self, lane: str) -> dict[str, int]:
        return dict(drain(Drain(lane=lane, lease=1, settings=self._settings, loop=self._loop)))

    def receipts(self) -> bool:
        apply_receipts(self._settings, 1, "test")
        return True

    def resolve(self) -> dict[str, int]:
        return dict(resolve(self._settings, 1, "test", self._loop))

    def make_due(self) -> None:
        with transaction() as session:
            session.execute(
                text("UPDATE attempt SET next_lookup_at = :at WHERE next_lookup_at IS NOT NULL"),
                {"at": datetime.now(UTC) - timedelta(seconds=1)},
            )


@pytest.fixture
def town(
    app: Flask,
    tmp_path: Path,
    loop: asyncio.AbstractEventLoop,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[_Town]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    rehearsal = RunningRehearsal(tmp_path / "rehearsal", f"http://127.0.0.1:{server.server_port}")
    rehearsal.configure("twilio", sent_after_s=QUICK, delivered_after_s=QUICK)
    rehearsal.configure("sendgrid", processed_after_s=QUICK, delivered_after_s=QUICK)
    rehearsal.start()
    config = rehearsal.config
    public_key = rehearsal.folder / config["sendgrid"]["event_public_key_file"]
    settings = app.extensions["tiedolla_settings"].model_copy(
        update={
            "base_url": f"http://127.0.0.1:{server.server_port}",
            "twilio_url": f"{rehearsal.url}/twilio",
            "twilio_account_sid": config["twilio"]["account_sid"],
            "twilio_auth_token": SecretStr(config["twilio"]["auth_token"]),
            "sendgrid_url": f"{rehearsal.url}/sendgrid",
            "sendgrid_api_key": SecretStr(config["sendgrid"]["api_key"]),
            "sendgrid_event_public_key": public_key.read_text("utf-8").strip(),
        }
    )
    monkeypatch.setitem(app.extensions, "tiedolla_settings", settings)
    thread.start()
    try:
        with app.app_context():
            yield _Town(settings, rehearsal, loop)
    finally:
        rehearsal.kill()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    clients.close_clients(loop)
    loop.close()
