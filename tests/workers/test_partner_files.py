"""A contractor that works with files, both ways: orders out, acknowledgements in, rejects back."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from flask import Flask
from sqlalchemy import select, text

from app import clients
from app.db import db, held_lock, transaction
from app.domain.lock_spaces import LockSpace
from app.models import (
    Ack,
    Alarm,
    InboundFinding,
    InboundMessage,
    OutboxItem,
    Run,
    Step,
    UnmappedField,
    WorkOrder,
)
from app.services import (
    bundle_activation,
    bundle_drift,
    bundle_versions,
    inbound,
)
from app.services.bundle_content import shipped_content
from app.settings import Settings
from integrations.sftp.inbox import SftpInbox
from tests.servers import SftpServer
from tests.services.queueing import set_lane
from tests.workers.contractor import (
    CODE,
    FOLDERS,
    HEAD,
    LANE,
    a_file,
    an_order,
    install,
    put,
    queue_order,
    with_server,
)
from workers import partner_files as worker
from workers.acks import interpret_acks
from workers.drain import Drain, drain
from workers.partner_files import look_after_files


def test_an_order_becomes_a_file_with_the_bytes_that_were_settled_when_it_was_written(
    app: Flask, sshd: SftpServer, settings: Settings, loop: asyncio.AbstractEventLoop
) -> None:
    with app.app_context():
        queue_order()
        assert _drain(settings, loop) == {"SENT": 1}
        name = "MVY-1-1.csv"
        body = (sshd.root / "orders" / name).read_bytes()
        assert body.startswith(b"\xef\xbb\xbfTILAUS;REVISIO;TOIMINTO")
        (row,) = csv.DictReader(io.StringIO(body.decode("utf-8-sig")), delimiter=";")
        assert (row["TILAUS"], row["TOIMINTO"], row["KATU"]) == ("MVY-1", "UUSI", "Äijänkatu")
        with transaction() as session:
            item = session.scalars(select(OutboxItem)).one()
            assert (item.state, item.ref, item.payload["text"]) == (
                "SENT",
                name,
                body.decode("utf-8-sig"),
            )
            # Settled on, yet sent once more: the file is there, which is as good.
            session.execute(text("UPDATE outbox_item SET state = 'READY', settled_at = NULL"))
        assert _drain(settings, loop) == {"SENT": 1}
        assert (sshd.root / "orders" / name).read_bytes() == body


def test_a_change_of_the_bundle_changes_nothing_that_waits(
    app: Flask, sshd: SftpServer, settings: Settings, loop: asyncio.AbstractEventLoop
) -> None:
    with app.app_context():
        queue_order()
        with transaction() as session:
            before = session.scalars(select(OutboxItem.payload)).one()["text"]
        _change_bundle("order", "out", rules=[{"target": "TILAUS", "source": "order_id"}])
        assert _drain(settings, loop) == {"SENT": 1}
        assert (sshd.root / "orders" / "MVY-1-1.csv").read_bytes().decode("utf-8-sig") == before


def test_a_file_of_acknowledgements_is_kept_byte_for_byte_and_moves_its_orders(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    body = a_file(
        "K-1;MVY-1;1;VASTAANOTETTU;24.11.2026 11.05;24.11.2026 11.06;RS-9;;",
        "K-2;MVY-1;1;ALOITETTU;24.11.2026 12.00;24.11.2026 12.01;RS-9;24.11.2026 12.00;",
        "K-3;MVY-1;1;KESKEYTYNYT;24.11.2026 12.20;24.11.2026 12.21;RS-9;;KOIRA",
    )
    with app.app_context():
        an_order()
        put(sshd, "acks", "paiva.csv", body)
        _look(settings)
        with transaction() as session:
            file = session.scalars(
                select(InboundMessage).where(InboundMessage.kind == "PARTNER_FILE")
            ).one()
            assert (file.state, file.counts, file.remote_name) == (
                "INTERPRETED",
                {"TAKEN": 3},
                "paiva.csv",
            )
            file_id = file.id
        assert b"".join(inbound.read_chunks(db.engine, file_id)) == body
        interpret_acks(settings, 1, "test")
        with transaction() as session:
            order = session.get_one(WorkOrder, "MVY-1")
            assert (order.state, order.partner_ref) == ("FAILED", "RS-9")
            facts = session.scalars(select(Ack).order_by(Ack.occurred_at)).all()
            assert [(a.type, a.verdict, a.partner_code) for a in facts] == [
                ("ACCEPTED", "APPLIED", CODE),
                # Days old, so nobody is told of the start; it counts all the same.
                ("STARTED", "STALE", CODE),
                ("FAILED", "APPLIED", CODE),
            ]
            assert facts[1].payload["outage"]["offAt"] == "2026-11-24T10:00:00Z"
            assert facts[2].payload["failure"]["reasonCode"] == "ACC_DOG"
        assert _tree(sshd) == {"archive/paiva.csv"}


def test_the_same_rows_in_another_file_are_taken_once(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    row = "K-1;MVY-1;1;VASTAANOTETTU;24.11.2026 11.05;24.11.2026 11.06;RS-9;;"
    with app.app_context():
        an_order()
        put(sshd, "acks", "a.csv", a_file(row))
        _look(settings)
        # Other bytes, since there is one row more; and the first file again, under another name.
        more = "K-2;MVY-1;1;ALOITETTU;24.11.2026 12.00;24.11.2026 12.01;RS-9;24.11.2026 12.00;"
        put(sshd, "acks", "b.csv", a_file(row, more))
        put(sshd, "acks", "c.csv", a_file(row))
        _look(settings)
        interpret_acks(settings, 1, "test")
        with transaction() as session:
            assert sorted(session.scalars(select(Ack.type))) == ["ACCEPTED", "STARTED"]
            files = session.scalars(
                select(InboundMessage.counts).where(InboundMessage.kind == "PARTNER_FILE")
            ).all()
            assert sorted(map(str, files)) == ["{'KNOWN': 1, 'TAKEN': 1}", "{'TAKEN': 1}"]


def test_bad_rows_are_answered_with_their_line_and_code_and_stop_no_good_one(
    app: Flask, sshd: SftpServer, settings: Settings, loop: asyncio.AbstractEventLoop
) -> None:
    body = a_file(
        "K-1;MVY-1;1;OUTOSANA;24.11.2026 11.05;24.11.2026 11.06;;;",
        "K-2;MVY-1;1;VASTAANOTETTU;25.10.2026 03.30;24.11.2026 11.06;;;",
        "K-3;MVY-1;1;ALOITETTU;24.11.2026 11.05;24.11.2026 11.06;;;",
        "K-4;MVY-1;1;VASTAANOTETTU;24.11.2026 11.05",
        "K-5;MVY-1;1;VASTAANOTETTU;24.11.2026 11.05;24.11.2026 11.06;;;",
    )
    with app.app_context():
        an_order()
        put(sshd, "acks", "paiva.csv", body)
        _look(settings)
        with transaction() as session:
            file = session.scalars(
                select(InboundMessage).where(InboundMessage.kind == "PARTNER_FILE")
            ).one()
            assert (file.state, file.counts) == ("PARTLY", {"REFUSED": 4, "TAKEN": 1})
            kept = session.execute(
                select(InboundFinding.line, InboundFinding.code, InboundFinding.path).order_by(
                    InboundFinding.id
                )
            ).all()
            assert [tuple(row) for row in kept] == [
                (2, "FIELD_INVALID", "TAPAHTUMA"),
                (3, "FIELD_INVALID", "AIKA"),
                (4, "FIELD_MISSING", "$.outage.offAt"),
                (5, "FIELD_INVALID", "/"),
            ]
        assert _drain(settings, loop) == {"SENT": 1}
        (answer,) = (sshd.root / "rejects").iterdir()
        rows = list(
            csv.DictReader(io.StringIO(answer.read_bytes().decode("utf-8-sig")), delimiter=";")
        )
        assert [(row["LINE"], row["CODE"], row["ORDER"]) for row in rows] == [
            ("2", "FIELD_INVALID", "MVY-1"),
            ("3", "FIELD_INVALID", "MVY-1"),
            ("4", "FIELD_MISSING", "MVY-1"),
            ("5", "FIELD_INVALID", ""),
        ]
        assert answer.name.startswith("paiva.")
        # Read again from our own copy, nothing is doubled and nothing answered twice.
        with transaction() as session:
            session.execute(
                text("UPDATE inbound_message SET state = 'STORED' WHERE kind = 'PARTNER_FILE'")
            )
            session.execute(text("DELETE FROM inbound_finding"))
        _look(settings)
        assert _drain(settings, loop) == {}
        interpret_acks(settings, 1, "test")
        with transaction() as session:
            assert session.scalars(select(Ack.type)).all() == ["ACCEPTED"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "CSV_MALFORMED"),
        (b"PK\x03\x04" + b"\0" * 50, "ENCODING_WRONG"),
        ("KUITTAUS;TILAUS\r\nä".encode("iso-8859-1"), "ENCODING_WRONG"),
        (b"Ack,Order\r\n1,2\r\n", "CSV_HEADING"),
    ],
)
def test_a_file_that_cannot_be_read_is_answered_and_ends_in_the_quarantine(
    app: Flask, sshd: SftpServer, settings: Settings, body: bytes, code: str
) -> None:
    with app.app_context():
        put(sshd, "acks", "outo.csv", body)
        _look(settings)
        look_after_files(settings, 1, "test")
        with transaction() as session:
            file = session.scalars(select(InboundMessage)).one()
            assert (file.state, file.reason_code) == ("REJECTED", "FILE_UNREADABLE")
            finding = session.scalars(select(InboundFinding.text)).one()
            assert finding.startswith(code)
            assert session.scalars(select(OutboxItem.kind)).all() == ["PARTNER_REJECT"]
        assert _tree(sshd) == {"quarantine/outo.csv"}


def test_a_file_over_the_limit_is_never_read(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    with app.app_context():
        with (sshd.root / "acks" / "huge.csv").open("wb") as file:
            file.truncate(6 * 1024 * 1024)
        _look(settings)
        with transaction() as session:
            message = session.scalars(select(InboundMessage)).one()
            assert (message.state, message.reason_code) == ("REJECTED", "FILE_TOO_LARGE")
            assert session.scalars(select(OutboxItem.kind)).all() == ["PARTNER_REJECT"]
        assert _tree(sshd) == {"quarantine/huge.csv"}


@pytest.mark.parametrize("step", ["archive", "claim"])
def test_a_death_between_two_steps_loses_and_doubles_nothing(
    app: Flask,
    sshd: SftpServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    def _die(*_args: Any) -> str:
        raise KeyboardInterrupt

    with app.app_context():
        an_order()
        row = "K-1;MVY-1;1;VASTAANOTETTU;24.11.2026 11.05;24.11.2026 11.06;RS-9;;"
        put(sshd, "acks", "a.csv", a_file(row))
        look_after_files(settings, 1, "test")
        with monkeypatch.context() as patch:
            patch.setattr(SftpInbox, step, _die)
            with pytest.raises(KeyboardInterrupt):
                look_after_files(settings, 1, "test")
        _look(settings)
        interpret_acks(settings, 1, "test")
        with transaction() as session:
            assert session.scalars(select(Ack.type)).all() == ["ACCEPTED"]
        assert _tree(sshd) == {"archive/a.csv"}


def test_a_death_in_the_middle_of_a_file_takes_each_row_once(
    app: Flask, sshd: SftpServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_ROWS_COUNT", 2)
    rows = [
        f"K-{n};MVY-1;1;VASTAANOTETTU;24.11.2026 11.0{n};24.11.2026 11.20;RS-9;;" for n in range(5)
    ]
    taken = worker.partner_files.take_rows
    calls = []

    def _die_in_the_second(*args: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        taken(*args)

    with app.app_context():
        an_order()
        put(sshd, "acks", "a.csv", a_file(*rows))
        look_after_files(settings, 1, "test")
        with monkeypatch.context() as patch:
            patch.setattr(worker.partner_files, "take_rows", _die_in_the_second)
            with pytest.raises(KeyboardInterrupt):
                look_after_files(settings, 1, "test")
        with transaction() as session:
            kept = select(InboundMessage.id).where(InboundMessage.kind == "ACK")
            assert len(session.scalars(kept).all()) == 2
        _look(settings)
        with transaction() as session:
            assert len(session.scalars(kept).all()) == 5


def test_a_partner_out_of_reach_raises_an_alarm_and_keeps_no_other_waiting(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    with app.app_context():
        with transaction() as session:
            install(session, "aaa", "sftp://nobody@127.0.0.1:1", settings)
        keys = {**settings.partner_host_keys, "aaa": sshd.host_key}
        hasty = settings.model_copy(update={"partner_host_keys": keys})
        an_order()
        row = "K-1;MVY-1;1;VASTAANOTETTU;24.11.2026 11.05;24.11.2026 11.06;RS-9;;"
        put(sshd, "acks", "a.csv", a_file(row))
        _look(hasty)
        assert _tree(sshd) == {"archive/a.csv"}
        with transaction() as session:
            alarm = session.scalars(select(Alarm)).one()
            assert (alarm.kind, alarm.subject, alarm.closed_at) == ("PARTNER_SFTP", "aaa", None)


def test_a_fault_of_ours_over_one_partner_keeps_no_other_waiting(
    app: Flask, sshd: SftpServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = SftpInbox.list_inbox

    def _fail_over_the_first(inbox: SftpInbox) -> Any:
        if inbox._config.user == "aaa":
            raise RuntimeError("nobody thought of this")
        return asked(inbox)

    monkeypatch.setattr(SftpInbox, "list_inbox", _fail_over_the_first)
    with app.app_context():
        with transaction() as session:
            install(session, "aaa", f"sftp://aaa@{sshd.host}:{sshd.port}", settings)
        keys = {**settings.partner_host_keys, "aaa": sshd.host_key}
        both = settings.model_copy(update={"partner_host_keys": keys})
        an_order()
        row = "K-1;MVY-1;1;VASTAANOTETTU;24.11.2026 11.05;24.11.2026 11.06;RS-9;;"
        put(sshd, "acks", "a.csv", a_file(row))
        _look(both)
        assert _tree(sshd) == {"archive/a.csv"}
        with transaction() as session:
            alarm = session.scalars(select(Alarm)).one()
            assert (alarm.kind, alarm.subject) == ("PARTNER_SFTP", "aaa")
            assert "RuntimeError" in alarm.detail


def test_files_are_looked_at_while_the_network_is_read(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    with app.app_context():
        put(sshd, "acks", "a.csv", a_file())
        with held_lock(LockSpace.NETWORK, 1) as held:
            assert held
            _look(settings)
        assert _tree(sshd) == {"archive/a.csv"}


def test_a_paused_lane_neither_fetches_nor_reads(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    row = "K-1;MVY-1;1;VASTAANOTETTU;24.11.2026 11.05;24.11.2026 11.06;RS-9;;"
    with app.app_context():
        an_order()
        with transaction() as session:
            number = inbound.store_small(
                session,
                source=f"partner-file:{CODE}",
                kind="PARTNER_FILE",
                name="here.csv",
                body=a_file(row),
                now=datetime.now(UTC),
            ).id
        set_lane("partner_files", paused=True)
        put(sshd, "acks", "a.csv", a_file(row, row.replace("K-1", "K-2")))
        _look(settings)
        assert _tree(sshd) == {"acks/a.csv"}
        with transaction() as session:
            assert session.get_one(InboundMessage, number).state == "STORED"
            assert session.scalars(select(Run)).all() == []
        set_lane("partner_files", paused=False)
        _look(settings)
        assert _tree(sshd) == {"archive/a.csv"}
        with transaction() as session:
            kept = session.scalars(
                select(InboundMessage.state).where(InboundMessage.kind == "PARTNER_FILE")
            ).all()
            assert set(kept) == {"INTERPRETED"}


def test_a_file_whose_sender_paused_for_too_long_is_taken_again_when_it_has_grown(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    """A table has no end that one could miss: what came first was read as if it were all."""
    rows = [
        f"K-{n};MVY-1;1;VASTAANOTETTU;24.11.2026 11.0{n};24.11.2026 11.20;RS-9;;" for n in range(4)
    ]
    whole = a_file(*rows)
    with app.app_context(), (sshd.root / "acks" / "a.csv").open("wb") as sender:
        an_order()
        sender.write(whole[: whole.index(b"K-2")])
        sender.flush()
        _look(settings)
        assert _tree(sshd) == {"archive/a.csv"}
        sender.write(whole[sender.tell() :])
        sender.flush()
        for _ in range(3):
            look_after_files(settings, 1, "test")
        assert _tree(sshd) == {"archive/a.csv"}
        with transaction() as session:
            files = session.execute(
                select(InboundMessage.counts, InboundMessage.remote_name)
                .where(InboundMessage.kind == "PARTNER_FILE")
                .order_by(InboundMessage.id)
            ).all()
            assert [tuple(one) for one in files] == [
                ({"TAKEN": 2}, None),
                ({"KNOWN": 2, "TAKEN": 2}, "a.csv"),
            ]
            assert session.scalars(select(Step.state).where(Step.name == "look again")).all() == [
                "GROWN"
            ]
        # From now on it is as it is.
        _look(settings)
        assert _tree(sshd) == {"archive/a.csv"}


def test_a_column_that_nobody_knows_is_counted_and_raises_an_alarm_until_it_is_accepted(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    body = f"{HEAD};AUTO\r\nK-1;MVY-1;1;VASTAANOTETTU;24.11.2026 11.05;24.11.2026 11.06;RS-9;;;AB 123\r\n"
    now = datetime.now(UTC)
    with app.app_context():
        an_order()
        put(sshd, "acks", "a.csv", body.encode())
        _look(settings)
        with transaction() as session:
            field = session.scalars(select(UnmappedField)).one()
            assert (field.partner_code, field.document, field.path) == (CODE, "ack", "AUTO")
            assert (field.count, field.examples) == (1, ["MVY-1"])
            bundle_drift.watch(session, now)
            alarm = session.scalars(select(Alarm)).one()
            assert (alarm.kind, alarm.subject) == ("BUNDLE_DRIFT", f"{CODE} ack")
            assert alarm.detail == "Fields that no rule reads: AUTO (1 times)"
            assert "AB 123" not in alarm.detail
        with transaction() as session:
            assert bundle_drift.accept(session, CODE, "ack", "AUTO", by="staff:aino", now=now)
            bundle_drift.watch(session, now)
            assert session.scalars(select(Alarm.closed_at)).one() is not None


def test_nothing_to_do_leaves_no_run(app: Flask, sshd: SftpServer, settings: Settings) -> None:
    with app.app_context():
        _look(settings)
        with transaction() as session:
            assert session.scalars(select(Run)).all() == []


@pytest.fixture
def settings(app: Flask, sshd: SftpServer) -> Settings:
    """The contractor is a user of this test's own SFTP server."""
    for name in FOLDERS:
        (sshd.root / name).mkdir(exist_ok=True)
    base: Settings = app.extensions["tiedolla_settings"]
    own = with_server(base, sshd, CODE, cis_quiet_s=0.0)
    with app.app_context(), transaction() as session:
        install(session, CODE, f"sftp://{sshd.user}@{sshd.host}:{sshd.port}", own)
    return own


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """As a worker has one; clients live in it."""
    made = asyncio.new_event_loop()
    yield made
    clients.close_clients(made)
    made.close()


def _change_bundle(document: str, direction: str, rules: list[dict[str, Any]]) -> None:
    now = datetime.now(UTC)
    content = shipped_content("regional_contractor", document, direction)
    changed = msgspec.structs.replace(content, version=2, mapping={"mapping": 1, "rules": rules})
    with transaction() as session:
        row = bundle_versions.add(session, CODE, changed, by="staff:aino", now=now)
        bundle_versions.propose(session, row, by="staff:aino", now=now, valid_from=None)
        bundle_activation.activate(session, row, by="staff:eino", now=now)


def _drain(settings: Settings, loop: asyncio.AbstractEventLoop) -> dict[str, int]:
    return dict(drain(Drain(lane=LANE, lease=1, settings=settings, loop=loop)))


def _look(settings: Settings) -> None:
    """Twice, since a file is taken once it has looked the same two times."""
    look_after_files(settings, 1, "test")
    look_after_files(settings, 1, "test")


def _tree(server: SftpServer) -> set[str]:
    return {
        f"{folder}/{path.name}"
        for folder in FOLDERS
        if folder not in ("orders", "rejects")
        for path in (server.root / folder).iterdir()
    }
