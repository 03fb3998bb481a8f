"""A poll takes files that have come to rest, byte for byte, once, whatever happens in between."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import db, transaction
from app.models import Alarm, InboundMessage, OutboxItem, Run, Step, WorkOrder
from app.services import inbound, schedules
from app.settings import Settings
from integrations.sftp.inbox import SftpInbox
from simulators.cis.work_orders import Wish, write_work_orders
from simulators.cis.world import make_points
from simulators.maker.delivery import as_csv, make_delivery, make_meters
from tests.integrations.cis.servers import asyncssh_server
from tests.servers import SftpServer
from workers.intake import interpret_files
from workers.meter_deliveries import take_deliveries
from workers.poll_cis import poll_cis

BODY = b"<WorkOrderMessage xmlns='urn:tiedolla:cis:work-order:1'/>" + bytes(range(256)) * 5000


def test_a_file_is_stored_byte_for_byte_and_archived(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    _put(sshd, "orders.xml", BODY)
    with app.app_context():
        _poll_twice(settings)
        with transaction() as session:
            message = session.scalars(select(InboundMessage)).one()
            assert (message.name, message.state) == ("orders.xml", "STORED")
            assert message.size_bytes == len(BODY)
            assert message.remote_name == "orders.xml"
            message_id = message.id
        assert b"".join(inbound.read_chunks(db.engine, message_id)) == BODY
    assert _tree(sshd) == {"archive/orders.xml"}


def test_a_file_of_the_meter_maker_is_kept_as_a_delivery_and_put_into_the_stock(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    meters = list(make_meters("1234", 1, 2))
    delivery = make_delivery(
        meters, name="F-1", kind="DELIVERED", partner="voima", now=datetime.now(UTC)
    )
    body = as_csv(delivery)
    _put(sshd, "Meter-Delivery_F-1.csv", body)
    with app.app_context():
        _poll_twice(settings)
        with transaction() as session:
            message = session.scalars(select(InboundMessage)).one()
            assert (message.source, message.kind) == ("maker-files", "METER_DELIVERY")
            assert inbound.read_body(session, message.id) == body
            assert schedules.lanes_waiting(session, datetime.now(UTC)) == ["intake"]
        take_deliveries(settings, 1, "test")
        with transaction() as session:
            states = session.execute(text("SELECT DISTINCT state FROM meter")).scalars().all()
            assert states == ["ALLOCATED"]
    assert _tree(sshd) == {"archive/Meter-Delivery_F-1.csv"}


def test_a_growing_file_is_left_alone_until_it_rests(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    with app.app_context():
        for size in (10, 20, 30):
            _put(sshd, "orders.xml", BODY[:size])
            poll_cis(settings, 1, "test")
            assert _tree(sshd) == {"inbox/orders.xml"}
        poll_cis(settings, 1, "test")
        assert _tree(sshd) == {"archive/orders.xml"}


def test_the_quiet_time_counts_from_the_last_change(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    patient = settings.model_copy(update={"cis_quiet_s": 3600.0})
    _put(sshd, "orders.xml", BODY)
    with app.app_context():
        _poll_twice(patient)
        assert _tree(sshd) == {"inbox/orders.xml"}


def test_unfinished_hidden_and_linked_files_are_not_touched_and_are_told_of(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    _put(sshd, "half.xml.tmp", BODY)
    _put(sshd, ".hidden.xml", BODY)
    (sshd.folder("inbox") / "link.xml").symlink_to("/etc/passwd")
    (sshd.folder("inbox") / "folder.xml").mkdir()
    before = _tree(sshd)
    with app.app_context():
        _poll_twice(settings)
        with transaction() as session:
            assert session.scalars(select(InboundMessage)).all() == []
            assert session.scalars(select(Run)).all() == []
        assert _open_alarm("CIS_LEFT_ALONE") == "folder.xml (FOLDER), link.xml (LINK)"
        assert _tree(sshd) == before
        # An upload that stands still for hours is none that is still coming.
        (sshd.folder("inbox") / "link.xml").unlink()
        os.utime(sshd.folder("inbox") / "half.xml.tmp", (1_700_000_000, 1_700_000_000))
        poll_cis(settings, 1, "test")
        told = "folder.xml (FOLDER), half.xml.tmp (UPLOADING)"
        assert _open_alarm("CIS_LEFT_ALONE") == told
        (sshd.folder("inbox") / "folder.xml").rmdir()
        (sshd.folder("inbox") / "half.xml.tmp").rename(sshd.folder("inbox") / "half.xml")
        poll_cis(settings, 1, "test")
        assert _open_alarm("CIS_LEFT_ALONE") == ""


@pytest.mark.parametrize("cut", [None, -500, 0, 500], ids=["empty", "none", "one", "in the next"])
def test_a_file_whose_sender_paused_for_too_long_is_taken_again_when_it_has_grown(
    app: Flask, sshd: SftpServer, settings: Settings, tmp_path: Path, cut: int | None
) -> None:
    whole = _work_orders(tmp_path)
    with app.app_context(), (sshd.folder("inbox") / "orders.xml").open("wb") as sender:
        if cut is not None:
            sender.write(whole[: whole.index(b"</WorkOrder>") + len(b"</WorkOrder>") + cut])
        sender.flush()
        for _ in range(3):
            _poll_twice(settings)
            interpret_files(settings, 1, "test")
        broken = _tree(sshd)
        assert broken in ({"archive/orders.xml"}, {"quarantine/orders.xml"})
        sender.write(whole[sender.tell() :])
        sender.flush()
        for _ in range(3):
            poll_cis(settings, 1, "test")
        assert _tree(sshd) == {"archive/orders.xml"}
        interpret_files(settings, 1, "test")
        with transaction() as session:
            broke, last = session.scalars(select(InboundMessage).order_by(InboundMessage.id))
            assert (broke.reason_code, broke.remote_name) == ("XML_MALFORMED", None)
            assert (last.size_bytes, last.state) == (len(whole), "INTERPRETED")
            assert len(session.scalars(select(WorkOrder)).all()) == 3
            states = session.scalars(select(Step.state).where(Step.name == "look again")).all()
            assert states == ["GROWN"]


def test_a_broken_file_that_stays_as_it_is_stays_where_it_is(
    app: Flask, sshd: SftpServer, settings: Settings, tmp_path: Path
) -> None:
    with app.app_context():
        _put(sshd, "orders.xml", _work_orders(tmp_path)[:1500])
        _poll_twice(settings)
        interpret_files(settings, 1, "test")
        for _ in range(3):
            poll_cis(settings, 1, "test")
        assert _tree(sshd) == {"quarantine/orders.xml"}
        with transaction() as session:
            assert session.scalars(select(InboundMessage.remote_name)).one() == "orders.xml"


def test_the_same_bytes_under_another_name_are_stored_once(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    with app.app_context():
        for name in ("first.xml", "second.xml", "first.xml"):
            _put(sshd, name, BODY)
            _poll_twice(settings)
        with transaction() as session:
            assert [m.name for m in session.scalars(select(InboundMessage))] == ["first.xml"]
    archived = sorted(_tree(sshd))
    assert len(archived) == 3
    assert {"archive/first.xml", "archive/second.xml"} < set(archived)


def test_a_death_after_the_claim_loses_nothing(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    (sshd.folder("processing") / "orders.xml").write_bytes(BODY)
    with app.app_context():
        poll_cis(settings, 1, "test")
        with transaction() as session:
            assert session.scalars(select(InboundMessage.size_bytes)).one() == len(BODY)
    assert _tree(sshd) == {"archive/orders.xml"}


def test_a_death_after_storing_archives_without_storing_twice(
    app: Flask, sshd: SftpServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _die(*_args: Any) -> str:
        raise KeyboardInterrupt

    _put(sshd, "orders.xml", BODY)
    with app.app_context():
        poll_cis(settings, 1, "test")
        with monkeypatch.context() as patch:
            patch.setattr(SftpInbox, "archive", _die)
            with pytest.raises(KeyboardInterrupt):
                poll_cis(settings, 1, "test")
        assert _tree(sshd) == {"processing/orders.xml"}
        poll_cis(settings, 1, "test")
        with transaction() as session:
            assert len(session.scalars(select(InboundMessage)).all()) == 1
    assert _tree(sshd) == {"archive/orders.xml"}


def test_a_huge_file_is_quarantined_unread_with_an_answer_for_the_cis(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    huge = sshd.folder("inbox") / "huge.xml"
    huge.touch()
    os.truncate(huge, 1024**3)
    _put(sshd, "orders.xml", BODY)
    with app.app_context():
        _poll_twice(settings)
        with transaction() as session:
            rows = {
                m.name: (m.state, m.reason_code) for m in session.scalars(select(InboundMessage))
            }
            assert rows == {
                "huge.xml": ("REJECTED", "FILE_TOO_LARGE"),
                "orders.xml": ("STORED", None),
            }
            reject = session.scalars(select(OutboxItem).where(OutboxItem.lane == "cis")).one()
            assert reject.payload["entries"][0]["code"] == "FILE_TOO_LARGE"
            stored = session.scalar(text("SELECT count(*) FROM inbound_chunk"))
            assert stored == 2
    assert _tree(sshd) == {"quarantine/huge.xml", "archive/orders.xml"}


def test_a_file_that_the_second_stage_refuses_ends_in_the_quarantine(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    _put(sshd, "nonsense.xml", b"this is no XML")
    with app.app_context():
        _poll_twice(settings)
        interpret_files(settings, 1, "test")
        poll_cis(settings, 1, "test")
    assert _tree(sshd) == {"quarantine/nonsense.xml"}


def test_names_with_tricks_become_plain_names_and_lose_nothing(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    tricks = ("x..%2f..%2fetc%2fpasswd.xml", "$(reboot).xml", "a'b\"c;d.xml", "back\\slash.xml")
    for number, name in enumerate((*tricks, "ääkköset öinen.xml")):
        _put(sshd, name, BODY + str(number).encode())
    with app.app_context():
        _poll_twice(settings)
        with transaction() as session:
            names = session.scalars(select(InboundMessage.name)).all()
    assert len(names) == 5
    assert "ääkköset öinen.xml" in names
    assert not any(letter in name for name in names for letter in "$'\"\\;/")
    assert _tree(sshd) == {f"archive/{name}" for name in names}


def test_a_file_that_the_server_does_not_let_us_read_stands_in_nobodys_way(
    app: Flask, tmp_path: Path
) -> None:
    with asyncssh_server(tmp_path / "asyncssh", unreadable=b"locked.xml") as server:
        settings = _settings_for(app, server)
        _put(server, "locked.xml", BODY)
        with app.app_context():
            _poll_twice(settings)
            assert _tree(server) == {"processing/locked.xml"}
            _put(server, "orders.xml", BODY)
            _poll_twice(settings)
            assert _tree(server) == {"processing/locked.xml", "archive/orders.xml"}
            said = "locked.xml: LaneDown: sftp: permission denied by the server"
            assert _open_alarm() == said
            with transaction() as session:
                run = session.scalars(select(Run)).one()
                assert (run.state, run.error) == ("PARTLY", said)


def test_a_disk_of_ours_that_is_full_fails_the_poll_and_raises_an_alarm(
    app: Flask, sshd: SftpServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(sshd, "small.xml", b"<WorkOrderMessage/>")
    os.utime(sshd.folder("inbox") / "small.xml", (1, 1))
    # Larger than what is held in memory, so it needs the folder for temporary files.
    _put(sshd, "large.xml", BODY * 8)
    with app.app_context():
        monkeypatch.setattr("tempfile.tempdir", "/nowhere")
        poll_cis(settings, 1, "test")
        with pytest.raises(OSError, match="nowhere"):
            poll_cis(settings, 1, "test")
        assert _open_alarm().startswith("The poll ended early, FileNotFoundError")
        with transaction() as session:
            assert [(run.state, run.counts) for run in session.scalars(select(Run))] == [
                ("FAILED", {"STORED": 1})
            ]
        monkeypatch.undo()
        poll_cis(settings, 1, "test")
        assert _open_alarm() == ""
    assert _tree(sshd) == {"archive/small.xml", "archive/large.xml"}


def test_another_host_key_stops_the_poll_and_raises_an_alarm(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    other = "ssh-ed25519 " + "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
    _put(sshd, "orders.xml", BODY)
    with app.app_context():
        _poll_twice(settings.model_copy(update={"cis_sftp_host_key": other}))
        assert "host key" in _open_alarm()
        assert _tree(sshd) == {"inbox/orders.xml"}
        _poll_twice(settings)
        assert _open_alarm() == ""
        assert _tree(sshd) == {"archive/orders.xml"}


def test_a_frozen_server_does_not_hold_the_poll(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    _put(sshd, "orders.xml", BODY)
    hasty = settings.model_copy(update={"http_total_s": 1.0, "http_connect_s": 1.0})
    os.kill(sshd.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with app.app_context():
            poll_cis(hasty, 1, "test")
            assert time.monotonic() - started < 8
            assert _open_alarm().startswith("Retryable")
    finally:
        os.kill(sshd.pid, signal.SIGCONT)


@pytest.fixture
def settings(app: Flask, sshd: SftpServer) -> Settings:
    return _settings_for(app, sshd)


def test_a_file_of_the_dms_is_its_own_and_rings_another_lane(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    _put(sshd, "dms-outages-20261124.jsonl", b'{"sourceRef": "F-1"}')
    _put(sshd, "dms-orders.xml", BODY)
    with app.app_context():
        _poll_twice(settings)
        with transaction() as session:
            rows = session.execute(
                select(InboundMessage.name, InboundMessage.kind, InboundMessage.source)
            )
            assert sorted(tuple(row) for row in rows) == [
                ("dms-orders.xml", "CIS_FILE", "cis"),
                ("dms-outages-20261124.jsonl", "DMS_OUTAGES", "dms"),
            ]


def _settings_for(app: Flask, sshd: SftpServer) -> Settings:
    base: Settings = app.extensions["tiedolla_settings"]
    return base.model_copy(update=sshd.as_settings())


def _put(sshd: SftpServer, name: str, body: bytes) -> None:
    (sshd.folder("inbox") / name).write_bytes(body)


def _work_orders(folder: Path) -> bytes:
    """Three good orders in one file."""
    path = folder / "orders.xml"
    write_work_orders(path, make_points(1, 1, 3), Wish("MVM", "NEW", 1, "T"), datetime.now(UTC))
    return path.read_bytes()


def _poll_twice(settings: Settings) -> None:
    poll_cis(settings, 1, "test")
    poll_cis(settings, 1, "test")


def _tree(sshd: SftpServer) -> set[str]:
    return {
        f"{folder}/{path.name}"
        for folder in ("inbox", "processing", "archive", "quarantine")
        for path in sshd.folder(folder).iterdir()
    }


def _open_alarm(kind: str = "CIS_SFTP") -> str:
    with transaction() as session:
        query = select(Alarm.detail).where(Alarm.kind == kind, Alarm.closed_at.is_(None))
        return session.scalars(query).one_or_none() or ""
