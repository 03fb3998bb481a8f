"""E-mails are stored byte for byte, start what waits for them, and are moved: each once."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import select, text

from app.db import transaction
from app.models import Alarm, InboundMessage, MailMessage, ProcessStart
from app.services import inbound, mail_receipt, process_triggers, runs
from integrations.mailbox.client import Mailbox
from tests.conftest import test_settings
from tests.integrations.mailbox.imap_server import ImapServer
from tests.services.world import NOW
from workers.poll_mail import poll_mailboxes
from workers.task import Task


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def server() -> Iterator[ImapServer]:
    with ImapServer() as running:
        yield running


def test_a_message_and_its_attachments_are_stored_byte_for_byte_and_moved(
    server: ImapServer,
) -> None:
    body = bytes(range(256))
    raw = _letter("<1@x>", "meters.csv", body)
    server.deliver(raw)
    assert _poll(server) == {"STORED": 1}
    mail, file = _stored()
    assert (mail.source, mail.kind, mail.message_id, mail.state) == (
        "mail:orders",
        "MAIL",
        "<1@x>",
        "INTERPRETED",
    )
    assert (file.kind, file.name) == ("MAIL_ATTACHMENT", "meters.csv")
    with transaction() as session:
        assert inbound.read_body(session, mail.id) == raw
        assert inbound.read_body(session, file.id) == body
    assert server.names("INBOX") == []
    assert server.names("Tiedolla-done") == [b"Message-ID: <1@x>"]


def test_a_death_between_storing_and_moving_starts_nothing_twice(
    server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _listen(subject="Deliveries*")
    server.deliver(_letter("<1@x>", "meters.csv", b"a"))

    def killed(self: Mailbox, uid: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Mailbox, "move_done", killed)
        with pytest.raises(KeyboardInterrupt):
            _poll(server)
    assert len(_starts()) == 1
    assert _poll(server) == {"DUPLICATE": 1}
    [start] = _starts()
    assert start.params == {"message": 1, "attachments": [2]}
    assert len(_stored()) == 2
    assert server.names("INBOX") == []


def test_a_death_while_storing_leaves_the_message_for_the_next_look(
    server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _listen()
    server.deliver(_letter("<1@x>", "meters.csv", b"a"))

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mail_receipt.audit, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            _poll(server)
    assert (_stored(), _starts()) == ([], [])
    assert _poll(server) == {"STORED": 1}
    assert len(_starts()) == 1


def test_the_same_message_by_another_way_is_the_same(server: ImapServer) -> None:
    _listen()
    raw = _letter("<1@x>", "meters.csv", b"a")
    server.deliver(raw)
    server.deliver(b"Received: from elsewhere.example.fi; today\r\n" + raw)
    assert _poll(server) == {"STORED": 1, "DUPLICATE": 1}
    assert len(_starts()) == 1
    with transaction() as session:
        assert len(session.execute(select(MailMessage)).all()) == 1


def test_a_trigger_takes_only_mail_of_its_box_sender_and_subject(server: ImapServer) -> None:
    for spec in (
        {"mailbox": "other"},
        {"sender": "*@elsewhere.fi"},
        {"subject": "Invoice*"},
        {"mailbox": "orders", "sender": "*@EXAMPLE.fi"},
    ):
        _listen(**spec)
    server.deliver(_letter("<1@x>", "meters.csv", b"a"))
    _poll(server)
    assert [start.cause for start in _starts()] == ["orders: message 1"]


def test_what_is_too_large_or_unreadable_is_put_aside_and_stops_no_neighbour(
    server: ImapServer,
) -> None:
    server.deliver(_letter("<big@x>", "big.bin", b"x" * 5000))
    server.deliver(b"no headers end here")
    server.deliver(_letter("<good@x>", "a.csv", b"a"))
    assert _poll(server, mail_max_bytes=4000) == {"REJECTED": 2, "STORED": 1}
    assert len(server.names("Tiedolla-refused")) == 2
    assert server.names("INBOX") == []
    reasons = {message.reason_code for message in _stored() if message.state == "REJECTED"}
    assert reasons == {"FILE_TOO_LARGE", "MAIL_MALFORMED"}


def test_an_attachment_to_the_box_of_the_cis_is_read_as_its_file(server: ImapServer) -> None:
    server.deliver(_letter("<1@x>", "orders.xml", b"<x/>"))
    _poll(server, box="cis")
    file = _stored()[1]
    assert (file.source, file.kind, file.state) == ("cis", "CIS_FILE", "STORED")


def test_a_mailbox_that_cannot_be_read_raises_an_alarm_and_keeps_no_other_waiting(
    server: ImapServer,
) -> None:
    server.deliver(_letter("<1@x>", "a.csv", b"a"))
    counts = _poll(server, more={"broken": "imap://u:p@127.0.0.1:1"})
    assert counts == {"FAILED": 1, "STORED": 1}
    assert _alarms() == ["broken"]
    assert _poll(server) == {}
    assert _alarms() == ["broken"]
    _poll(server, more={"broken": server.address})
    assert _alarms() == []


def _poll(
    server: ImapServer, box: str = "orders", more: dict[str, str] | None = None, **changes: Any
) -> dict[str, int]:
    boxes = {box: server.address, **(more or {})}
    settings = test_settings(
        mailboxes={name: SecretStr(address) for name, address in boxes.items()}, **changes
    )
    with transaction() as session:
        run_id = runs.start_run(session, "mailboxes", "manual", NOW)
    task = Task(1, 1, "poll-mail", run_id, {}, settings, lambda: False)
    return dict(poll_mailboxes(task))


def _listen(**spec: str) -> None:
    with transaction() as session:
        session.execute(text("UPDATE process SET overlap = 'QUEUE_ALL'"))
        process_triggers.add_trigger(session, "signal", "MAIL", spec, NOW, by="staff:otso")


def _letter(message_id: str, name: str, body: bytes) -> bytes:
    message = EmailMessage()
    message["From"] = "Aino <aino@example.fi>"
    message["Subject"] = "Deliveries of the week"
    message["Message-ID"] = message_id
    message.set_content("Enclosed.")
    message.add_attachment(body, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _stored() -> list[InboundMessage]:
    with transaction() as session:
        return list(session.execute(select(InboundMessage).order_by(InboundMessage.id)).scalars())


def _starts() -> list[ProcessStart]:
    with transaction() as session:
        return list(session.execute(select(ProcessStart).order_by(ProcessStart.id)).scalars())


def _alarms() -> list[str]:
    with transaction() as session:
        statement = select(Alarm.subject).where(
            Alarm.kind == "MAILBOX_DOWN", Alarm.closed_at.is_(None)
        )
        return list(session.execute(statement).scalars())
