"""A maker's own folder: its files become deliveries as those by the API do, and nothing stays unseen."""

from __future__ import annotations

import asyncio
import csv
import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from flask import Flask
from sqlalchemy import select, text

from app import clients
from app.db import transaction
from app.models import (
    Alarm,
    InboundFinding,
    InboundMessage,
    Meter,
    MeterDelivery,
    OutboxItem,
    Run,
    UnmappedField,
)
from app.services import (
    bundle_activation,
    bundle_versions,
    inbound,
    meter_deliveries,
    schedules,
    setup,
)
from app.services.bundle_content import shipped_content
from app.services.bundle_versions import BundleRefused
from app.settings import Settings
from integrations.outcomes import Retryable
from integrations.partners.manifest import Sftp
from integrations.sftp.inbox import SftpInbox
from tests.servers import SftpServer
from tests.workers.contractor import with_server
from workers.drain import Drain, drain
from workers.meter_deliveries import take_deliveries
from workers.partner_files import look_after_files

CODE = "valmistaja"
LANE = f"partner.{CODE}"
FOLDERS = ("deliveries", "processing", "archive", "quarantine", "rejects")
GOOD = ("653400001", "AID400001", "E-6534")
BAD = ("653400002", "AID400002", "E-9999")


def test_a_file_in_the_makers_folder_becomes_a_delivery_byte_for_byte(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    body = _file(GOOD)
    with app.app_context():
        _put(sshd, "lahetys.xml", body)
        _look(settings)
        with transaction() as session:
            message = session.scalars(select(InboundMessage)).one()
            assert (message.source, message.kind, message.remote_name) == (
                f"partner-file:{CODE}",
                "METER_DELIVERY",
                "lahetys.xml",
            )
            assert inbound.read_body(session, message.id) == body
            # Whoever reads deliveries of all makers reads it: the doorbell and the clock know whom.
            assert schedules.lanes_waiting(session, datetime.now(UTC)) == ["intake"]
        take_deliveries(settings, 1, "test")
        with transaction() as session:
            meter = session.get_one(Meter, GOOD[0])
            assert (meter.serial, meter.model, meter.state, meter.stock_code, meter.firmware) == (
                GOOD[1],
                "6534",
                "ALLOCATED",
                "voima",
                "2.18.3",
            )
            head = session.scalars(select(MeterDelivery)).one()
            assert (head.delivery_id, head.kind, head.maker, head.counts) == (
                "D-1",
                "DELIVERED",
                "Meter works",
                {"TAKEN": 1},
            )
            # A day begins in Finland.
            assert head.issued_at == datetime(2026, 11, 19, 22, tzinfo=UTC)
            message = session.scalars(select(InboundMessage)).one()
            assert (message.state, message.message_id) == ("INTERPRETED", "D-1")
            assert session.scalars(select(OutboxItem)).all() == []
        assert _tree(sshd) == {"archive/lahetys.xml"}


def test_a_bad_meter_is_answered_in_the_makers_folder_and_stops_no_good_one(
    app: Flask, sshd: SftpServer, settings: Settings, loop: asyncio.AbstractEventLoop
) -> None:
    with app.app_context():
        _put(sshd, "lahetys.xml", _file(BAD, GOOD))
        _look(settings)
        take_deliveries(settings, 1, "test")
        with transaction() as session:
            assert session.scalars(select(Meter.number)).all() == [GOOD[0]]
            message = session.scalars(select(InboundMessage)).one()
            assert (message.state, message.counts) == ("PARTLY", {"REJECTED": 1, "TAKEN": 1})
        assert dict(drain(Drain(lane=LANE, lease=1, settings=settings, loop=loop))) == {"SENT": 1}
        (answer,) = (sshd.root / "rejects").iterdir()
        (row,) = csv.DictReader(io.StringIO(answer.read_bytes().decode("utf-8-sig")), delimiter=";")
        assert (row["METER"], row["CODE"], row["FIELD"]) == (BAD[0], "FIELD_INVALID", "item 1")
        assert answer.name.startswith("lahetys.")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "XML_MALFORMED"),
        (b"<!DOCTYPE a><a/>", "XML_MALFORMED"),
        (b"<a/>", "XML_SCHEMA"),
        (b'<MeterDelivery xmlns="urn:example:meter-maker:delivery:1"/>', "no meter"),
    ],
)
def test_a_file_of_which_nothing_can_be_taken_is_answered_and_ends_in_the_quarantine(
    app: Flask, sshd: SftpServer, settings: Settings, body: bytes, words: str
) -> None:
    with app.app_context():
        _put(sshd, "outo.xml", body)
        _look(settings)
        take_deliveries(settings, 1, "test")
        look_after_files(settings, 1, "test")
        with transaction() as session:
            assert session.scalars(select(InboundMessage.state)).one() == "REJECTED"
            assert words in session.scalars(select(InboundFinding.text)).one()
            assert session.scalars(select(OutboxItem.kind)).all() == ["PARTNER_REJECT"]
            assert session.scalars(select(MeterDelivery)).all() == []
        assert _tree(sshd) == {"quarantine/outo.xml"}


def test_a_stock_that_nobody_has_refuses_the_whole(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    with app.app_context():
        _put(sshd, "lahetys.xml", _file(GOOD, stock="nobody"))
        _look(settings)
        take_deliveries(settings, 1, "test")
        with transaction() as session:
            message = session.scalars(select(InboundMessage)).one()
            assert (message.state, message.reason_code) == ("REJECTED", "STOCK_UNKNOWN")
            assert session.scalars(select(Meter)).all() == []


def test_the_same_file_again_and_the_same_meters_in_another_change_nothing(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    with app.app_context():
        for name, body in (
            ("a.xml", _file(GOOD)),
            ("b.xml", _file(GOOD)),
            ("c.xml", _file(GOOD) + b"\n"),
        ):
            _put(sshd, name, body)
            _look(settings)
            take_deliveries(settings, 1, "test")
        with transaction() as session:
            counts = session.scalars(
                select(InboundMessage.counts).order_by(InboundMessage.id)
            ).all()
            assert counts == [{"TAKEN": 1}, {"KNOWN": 1}]
            assert session.scalars(select(Meter.number)).all() == [GOOD[0]]


def test_fields_that_nobody_reads_are_counted_once_for_each_file(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    body = _file(GOOD).replace(b"</Meter>", b"<Colour>grey</Colour></Meter>")
    with app.app_context():
        _put(sshd, "a.xml", body)
        _look(settings)
        take_deliveries(settings, 1, "test")
        with transaction() as session:
            seen = session.scalars(select(UnmappedField)).one()
            assert (seen.partner_code, seen.document, seen.path, seen.count, seen.examples) == (
                CODE,
                "delivery",
                "Colour",
                1,
                [GOOD[0]],
            )


def test_a_death_in_the_second_stage_takes_each_meter_once(
    app: Flask, sshd: SftpServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _die(*_args: Any) -> None:
        raise KeyboardInterrupt

    with app.app_context():
        _put(sshd, "a.xml", _file(GOOD, BAD))
        _look(settings)
        with monkeypatch.context() as patch:
            patch.setattr(meter_deliveries, "finish", _die)
            with pytest.raises(KeyboardInterrupt):
                take_deliveries(settings, 1, "test")
        take_deliveries(settings, 1, "test")
        with transaction() as session:
            message = session.scalars(select(InboundMessage)).one()
            assert (message.state, message.counts) == ("PARTLY", {"REJECTED": 1, "TAKEN": 1})
            items = session.execute(text("SELECT count(*) FROM meter_delivery_item")).scalar_one()
            assert items == 2


def test_a_file_over_the_limit_is_refused_unread(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    with app.app_context():
        with (sshd.root / "deliveries" / "huge.xml").open("wb") as file:
            file.truncate(33 * 1024 * 1024)
        _look(settings)
        with transaction() as session:
            message = session.scalars(select(InboundMessage)).one()
            assert (message.kind, message.state, message.reason_code) == (
                "METER_DELIVERY",
                "REJECTED",
                "FILE_TOO_LARGE",
            )
            assert "METER;CODE" in session.scalars(select(OutboxItem.payload)).one()["text"]
        assert _tree(sshd) == {"quarantine/huge.xml"}


def test_what_is_never_taken_in_a_partners_inbox_raises_an_alarm_until_it_is_gone(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    inbox = sshd.root / "deliveries"
    (inbox / "link.xml").symlink_to("/etc/passwd")
    (inbox / "folder.xml").mkdir()
    (inbox / ".hidden.xml").write_bytes(b"x")
    (inbox / "half.xml.tmp").write_bytes(b"x")
    with app.app_context():
        _look(settings)
        assert _open_alarm("PARTNER_LEFT_ALONE") == "folder.xml (FOLDER), link.xml (LINK)"
        with transaction() as session:
            assert session.scalars(select(InboundMessage)).all() == []
            assert session.scalars(select(Run)).all() == []
        # An upload that stands still for hours is none that is still coming.
        os.utime(inbox / "half.xml.tmp", (1_700_000_000, 1_700_000_000))
        (inbox / "link.xml").unlink()
        _look(settings)
        told = "folder.xml (FOLDER), half.xml.tmp (UPLOADING)"
        assert _open_alarm("PARTNER_LEFT_ALONE") == told
        (inbox / "folder.xml").rmdir()
        (inbox / "half.xml.tmp").unlink()
        _look(settings)
        assert _open_alarm("PARTNER_LEFT_ALONE") == ""


def test_a_file_that_the_server_does_not_let_us_have_stays_alone_and_is_told_of(
    app: Flask, sshd: SftpServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = SftpInbox.claim

    def _refuse(inbox: SftpInbox, name: str) -> str:
        if name == "a.xml":
            raise Retryable("sftp: claim: refused by the server")
        return claim(inbox, name)

    with app.app_context():
        _put(sshd, "a.xml", _file(BAD))
        _put(sshd, "b.xml", _file(GOOD))
        with monkeypatch.context() as patch:
            patch.setattr(SftpInbox, "claim", _refuse)
            _look(settings)
        assert _tree(sshd) == {"deliveries/a.xml", "archive/b.xml"}
        assert _open_alarm("PARTNER_SFTP").startswith("a.xml: Retryable")
        _look(settings)
        assert _tree(sshd) == {"archive/a.xml", "archive/b.xml"}
        assert _open_alarm("PARTNER_SFTP") == ""


def test_two_documents_cannot_share_a_folder(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    acks = shipped_content("regional_contractor", "ack", "in")
    with app.app_context(), transaction() as session:
        now = datetime.now(UTC)
        # Its inbox is another one, but what is claimed would lie side by side.
        with pytest.raises(BundleRefused, match="FOLDER_TAKEN"):
            bundle_versions.add(session, CODE, acks, by="staff:aino", now=now)
        # Nor may we empty the folder in which their rejects are to lie.
        own = Sftp(inbox="rejects", rejects="acks", processing="acks-processing")
        with pytest.raises(BundleRefused, match="FOLDER_TAKEN"):
            bundle_versions.add(
                session,
                CODE,
                msgspec.structs.replace(acks, transport=own),
                by="staff:aino",
                now=now,
            )
        own = msgspec.structs.replace(acks, transport=Sftp(processing="acks-processing"))
        assert bundle_activation.install(session, CODE, own, now)


@pytest.fixture
def settings(app: Flask, sshd: SftpServer) -> Settings:
    """The maker is a user of this test's own SFTP server."""
    for name in FOLDERS:
        (sshd.root / name).mkdir(exist_ok=True)
    base: Settings = app.extensions["tiedolla_settings"]
    own = with_server(base, sshd, CODE, cis_quiet_s=0.0)
    now = datetime.now(UTC)
    with app.app_context(), transaction() as session:
        setup.add_partner(
            session,
            CODE,
            "Valmistaja",
            transport="SFTP",
            base_url=f"sftp://{sshd.user}@{sshd.host}:{sshd.port}",
            order_types=[],
            sees_key_info=False,
            settings=own,
            now=now,
        )
        content = shipped_content("meter_maker", "delivery", "in")
        bundle_activation.install(session, CODE, content, now)
    return own


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """As a worker has one; clients live in it."""
    made = asyncio.new_event_loop()
    yield made
    clients.close_clients(made)
    made.close()


def _file(*meters: tuple[str, str, str], stock: str = "voima") -> bytes:
    items = "".join(
        f"<Meter><MeterNumber>{number}</MeterNumber><SerialNumber>{serial}</SerialNumber>"
        f"<ItemCode>{code}</ItemCode><FirmwareVersion>2.18.3</FirmwareVersion></Meter>"
        for number, serial, code in meters
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<MeterDelivery xmlns="urn:example:meter-maker:delivery:1"><Header>'
        "<DeliveryNumber>D-1</DeliveryNumber><DeliveryDate>2026-11-20</DeliveryDate>"
        f"<Sender>Meter works</Sender><Consignee>{stock}</Consignee></Header>"
        f"<Meters>{items}</Meters></MeterDelivery>"
    ).encode()


def _put(server: SftpServer, name: str, body: bytes) -> None:
    draft = server.root / "deliveries" / f"{name}.tmp"
    draft.write_bytes(body)
    draft.rename(server.root / "deliveries" / name)


def _look(settings: Settings) -> None:
    """Twice, since a file is taken once it has looked the same two times."""
    look_after_files(settings, 1, "test")
    look_after_files(settings, 1, "test")


def _open_alarm(kind: str) -> str:
    with transaction() as session:
        statement = select(Alarm.detail).where(Alarm.kind == kind, Alarm.closed_at.is_(None))
        return session.scalars(statement).one_or_none() or ""


def _tree(server: SftpServer) -> set[str]:
    return {
        f"{folder}/{path.name}"
        for folder in FOLDERS
        if folder != "rejects"
        for path in (server.root / folder).iterdir()
    }
