"""A contractor that works with files in another network: a runner leaves its orders and fetches its
reports, and a death at any step loses none and does none twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db, transaction
from app.services import bundle_activation, bundle_versions, inbound, runner_files
from app.services.bundle_content import shipped_content
from app.settings import Settings
from integrations.runner_api.types import Heartbeat
from tests.servers import SftpServer
from tests.workers.contractor import (
    CODE,
    FOLDERS,
    LANE,
    a_file,
    an_order,
    install,
    put,
    queue_order,
)
from tests.workers.runner_world import Plant, plant_of, rows, states, until
from workers.acks import interpret_acks
from workers.partner_files import look_after_files

ROW = "K-{};MVY-1;1;VASTAANOTETTU;24.11.2026 11.05;24.11.2026 11.06;RS-9;;"
NAME = "MVY-1-1.csv"


def test_orders_leave_and_reports_arrive_through_a_runner_near_the_contractor(
    plant: Plant, sshd: SftpServer
) -> None:
    queue_order()
    runner = plant.start()
    until(lambda: set(states(LANE).values()) == {"SENT"}, "the order to be left")
    assert (sshd.root / "orders" / NAME).read_bytes().startswith(b"\xef\xbb\xbfTILAUS;")
    an_order()
    body = a_file(ROW.format(1))
    put(sshd, "acks", "paiva.csv", body)
    until(lambda: _tree(sshd) == {"archive/paiva.csv"}, "the reports to be fetched")
    assert plant.stop(runner) == 0, plant.output()
    (file,) = rows("SELECT id, source, name FROM inbound_message WHERE kind = 'PARTNER_FILE'")
    assert (file.source, file.name) == (f"partner-file:{CODE}", "paiva.csv")
    assert b"".join(inbound.read_chunks(db.engine, file.id)) == body
    (run,) = rows("SELECT trigger, subject, state FROM run WHERE process = 'poll partners'")
    assert tuple(run) == ("runner plant", CODE, "OK")
    # Here it is read, and nobody tries to reach the contractor's server from here.
    look_after_files(plant.settings, 1, "test")
    interpret_acks(plant.settings, 1, "test")
    assert [row[0] for row in rows("SELECT state FROM work_order")] == ["ACCEPTED"]
    assert rows("SELECT kind FROM alarm WHERE closed_at IS NULL") == []


@pytest.mark.parametrize("kill_at", [3, 5, 6, 8, 9, 11])
def test_no_death_between_two_steps_leaves_an_order_twice_or_not_at_all(
    plant: Plant, sshd: SftpServer, kill_at: int
) -> None:
    queue_order()
    runner = plant.start(kill_at=kill_at)
    assert runner.wait(20) == -signal.SIGKILL, plant.output()
    runner = plant.start()
    until(lambda: _make_due() and set(states(LANE).values()) == {"SENT"}, "the order to be left")
    assert [path.name for path in (sshd.root / "orders").iterdir()] == [NAME]
    assert plant.stop(runner) == 0, plant.output()


# The first two steps are a process's look at its journal.
@pytest.mark.parametrize("kill_at", [3, 4])
def test_no_death_around_a_report_loses_it_or_takes_it_twice(
    plant: Plant, sshd: SftpServer, kill_at: int
) -> None:
    """Before the centre was told of the file, and after, when it has not been put away."""
    put(sshd, "acks", "paiva.csv", a_file(ROW.format(1)))
    runner = plant.start(kill_at=kill_at)
    assert runner.wait(20) == -signal.SIGKILL, plant.output()
    assert _tree(sshd) == {"processing/paiva.csv"}
    runner = plant.start()
    until(lambda: _tree(sshd) == {"archive/paiva.csv"}, "the file to be put away")
    assert len(rows("SELECT id FROM inbound_message WHERE kind = 'PARTNER_FILE'")) == 1
    assert plant.stop(runner) == 0, plant.output()


def test_a_report_waits_at_the_contractors_while_the_centre_is_away(
    plant: Plant, sshd: SftpServer
) -> None:
    runner = plant.start()
    until(lambda: rows("SELECT id FROM lane_runner"), "the runner to be known")
    put(sshd, "acks", "paiva.csv", a_file(ROW.format(1)))
    plant.leave()
    until(lambda: "centre_not_reached" in plant.output(), "the centre to be missed")
    assert _tree(sshd) <= {"acks/paiva.csv", "processing/paiva.csv", "archive/paiva.csv"}
    plant.serve()
    until(lambda: _tree(sshd) == {"archive/paiva.csv"}, "the reports to be handed over")
    assert len(rows("SELECT id FROM inbound_message WHERE kind = 'PARTNER_FILE'")) == 1
    assert plant.stop(runner) == 0, plant.output()


def test_a_file_that_is_too_large_is_answered_and_put_aside_unread(
    plant: Plant, sshd: SftpServer
) -> None:
    _let_files_have(1024)
    put(sshd, "acks", "suuri.csv", a_file(*(ROW.format(number) for number in range(50))))
    runner = plant.start()
    until(lambda: _tree(sshd) == {"quarantine/suuri.csv"}, "the file to be put aside")
    (message,) = rows("SELECT state, reason_code FROM inbound_message")
    assert tuple(message) == ("REJECTED", "FILE_TOO_LARGE")
    until(lambda: list((sshd.root / "rejects").iterdir()), "the answer to be left")
    assert plant.stop(runner) == 0, plant.output()


def test_what_keeps_a_runner_out_of_a_folder_is_told_until_it_is_over(
    plant: Plant, sshd: SftpServer
) -> None:
    (sshd.root / "processing").rename(sshd.root / "elsewhere")
    runner = plant.start()
    alarm = "SELECT detail FROM alarm WHERE kind = 'PARTNER_SFTP' AND closed_at IS NULL"
    (told,) = until(lambda: rows(alarm), "the alarm")
    assert "a folder is missing" in told.detail
    (sshd.root / "elsewhere").rename(sshd.root / "processing")
    until(lambda: not rows(alarm), "the alarm to end")
    assert plant.stop(runner) == 0, plant.output()


def test_what_is_never_taken_is_told_as_well(plant: Plant, sshd: SftpServer) -> None:
    (sshd.root / "acks" / "folder").mkdir()
    runner = plant.start()
    alarm = "SELECT detail FROM alarm WHERE kind = 'PARTNER_LEFT_ALONE' AND closed_at IS NULL"
    (told,) = until(lambda: rows(alarm), "the alarm")
    assert told.detail == "folder (FOLDER)"
    (sshd.root / "acks" / "folder").rmdir()
    until(lambda: not rows(alarm), "the alarm to end")
    assert plant.stop(runner) == 0, plant.output()


def test_the_word_of_one_runner_does_not_end_what_another_tells(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_files, "_TOLD_WITHIN", timedelta(seconds=60))
    now = datetime.now(UTC)

    def _beat(after_s: float, **told: dict[str, str]) -> list[str]:
        beat = Heartbeat(
            runner=uuid4(),
            boot=uuid4(),
            first=True,
            host="plant-1",
            version="1",
            started_at=now,
            clock_offset_ms=0,
            open=0,
            unreported=0,
            **told,  # type: ignore[arg-type] # only these two words
        )
        with transaction() as session:
            at = now + timedelta(seconds=after_s)
            runner_files.look_after(session, "plant", beat, plant.settings, at)
        return [row.detail for row in rows("SELECT detail FROM alarm WHERE closed_at IS NULL")]

    assert _beat(0, troubles={LANE: "no way"}) == ["no way"]
    assert _beat(2) == ["no way"]
    assert _beat(59, troubles={LANE: "no way"}) == ["no way"]
    assert _beat(100) == ["no way"]
    assert _beat(120) == []
    assert len(rows("SELECT id FROM alarm")) == 1


def _let_files_have(most_bytes: int) -> None:
    content = shipped_content("regional_contractor", "ack", "in")
    limits = msgspec.structs.replace(content.limits, file_max_bytes=most_bytes)
    changed = msgspec.structs.replace(content, version=2, limits=limits)
    now = datetime.now(UTC)
    with transaction() as session:
        row = bundle_versions.add(session, CODE, changed, by="staff:aino", now=now)
        bundle_versions.propose(session, row, by="staff:aino", now=now, valid_from=None)
        bundle_activation.activate(session, row, by="staff:eino", now=now)


def _make_due() -> bool:
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET next_at = now() WHERE state = 'READY'"))
    return True


def _tree(server: SftpServer) -> set[str]:
    return {
        f"{folder}/{path.name}"
        for folder in FOLDERS
        if folder not in ("orders", "rejects") and (server.root / folder).exists()
        for path in (server.root / folder).iterdir()
    }


@pytest.fixture
def plant(
    app: Flask, sshd: SftpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Plant]:
    """The contractor's lane is the plant's; the centre is served, no runner yet."""
    for name in FOLDERS:
        (sshd.root / name).mkdir(exist_ok=True)
    base: Settings = app.extensions["tiedolla_settings"]
    # No key and no host key of the contractor's server: the centre could not reach it.
    own = base.model_copy(update={"cis_quiet_s": 0.0})
    monkeypatch.setitem(app.extensions, "tiedolla_settings", own)
    folder = tmp_path / "plant"
    folder.mkdir()
    monkeypatch.setattr(runner_files, "_TOLD_WITHIN", timedelta(seconds=0.5))
    with plant_of(app, folder) as plant:
        with transaction() as session:
            install(session, CODE, f"sftp://{sshd.user}@{sshd.host}:{sshd.port}", own)
        plant.move(LANE)
        reach: dict[str, dict[str, Any]] = {
            LANE: {
                "client": "partner_files",
                "host": sshd.host,
                "port": sshd.port,
                "user": sshd.user,
                "key_file": str(sshd.private_key_file),
                "host_key": sshd.host_key,
                "orders": "orders",
                "rejects": "rejects",
            }
        }
        plant.write_reach(**reach)
        plant.serve()
        yield plant
