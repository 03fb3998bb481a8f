"""Lists for reconciliation that lie in another network: a runner fetches them, and they are compared here."""

from __future__ import annotations

import gzip
import io
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db, transaction
from app.models import LaneRunner
from app.services import inbound, processes, reconciliation, runner_lists, runs
from app.services.lane_runners import RunnerRefused
from app.services.reconciliation import Taken
from app.settings import Settings
from integrations.runner_api.types import FileTold, ListAsked
from tests.integrations.stub_server import Behaviour, Reply, StubServer
from tests.servers import SftpServer
from tests.services.reconciling import a_list, holds
from tests.workers.contractor import CODE, FOLDERS, LANE, an_order, install
from tests.workers.runner_world import Plant, plant_of, rows, until
from workers.reconcile import reconcile
from workers.task import Task

ORDERS, STOCK = f"partner.{CODE}", f"stock.{CODE}"
LISTS = ("snapshots", "snapshots-stock")


def test_req_35_a_list_that_only_a_runner_reaches_is_compared(
    plant: Plant, sshd: SftpServer
) -> None:
    an_order()
    runner = plant.start()
    body = _list([{"id": "MVY-9", "version": 1}])
    _lay_down(sshd, "snapshots", body)
    until(lambda: _tree(sshd) == {"archive/a.ndjson"}, "the list to be fetched")
    assert plant.stop(runner) == 0, plant.output()
    (message,) = rows("SELECT id, source, kind, state FROM inbound_message")
    assert tuple(message)[1:] == (f"list:{ORDERS}", "LIST", "STORED")
    assert b"".join(inbound.read_chunks(db.engine, message.id)) == body
    # It is compared at once, and nobody tries to reach the server from here.
    (start,) = rows("SELECT process_code, params, state FROM process_start WHERE kind = 'MANUAL'")
    assert (start.process_code, start.params, start.state) == (
        "reconcile",
        {"stored": True},
        "WAITING",
    )
    assert _compare(plant.settings, stored=True) == {"COMPARED": 1, "EXTRA": 1}
    assert _compare(plant.settings, stored=True) == {}
    assert _compare(plant.settings, system=ORDERS) == {}
    (after,) = rows("SELECT state, body_removed_at FROM inbound_message")
    assert (after.state, after.body_removed_at is not None) == ("INTERPRETED", True)
    assert rows("SELECT seq FROM inbound_chunk") == []
    (snapshot,) = rows("SELECT system, ref, state FROM snapshot")
    assert tuple(snapshot) == (ORDERS, "a.ndjson", "DIFFED")


def test_a_list_of_the_stock_has_its_own_folder_there_as_well(
    plant: Plant, sshd: SftpServer
) -> None:
    runner = plant.start()
    _lay_down(sshd, "snapshots-stock", _list([{"id": "6534-9"}], of="stock"))
    until(lambda: rows("SELECT id FROM inbound_message"), "the list to be fetched")
    assert plant.stop(runner) == 0, plant.output()
    assert [row.source for row in rows("SELECT source FROM inbound_message")] == [f"list:{STOCK}"]
    assert _compare(plant.settings, system=STOCK) == {"COMPARED": 1, "EXTRA": 1}


@pytest.mark.parametrize("kill_at", [3, 4])
def test_no_death_loses_a_list_or_compares_it_twice(
    plant: Plant, sshd: SftpServer, kill_at: int
) -> None:
    runner = plant.start(kill_at=kill_at)
    _lay_down(sshd, "snapshots", _list([{"id": "MVY-9", "version": 1}]))
    assert runner.wait(20) == -signal.SIGKILL, plant.output()
    assert _tree(sshd) == {"snapshots/a.ndjson"}
    runner = plant.start()
    until(lambda: _tree(sshd) == {"archive/a.ndjson"}, "the list to be fetched")
    assert plant.stop(runner) == 0, plant.output()
    assert len(rows("SELECT id FROM inbound_message")) == 1
    assert _compare(plant.settings, stored=True) == {"COMPARED": 1, "EXTRA": 1}


def test_a_list_that_is_too_large_is_put_aside_and_told(
    plant: Plant, sshd: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_lists, "MOST_BYTES", 100)
    runner = plant.start()
    _lay_down(sshd, "snapshots", _list([{"id": "MVY-9", "version": 1}]))
    until(lambda: _tree(sshd) == {"quarantine/a.ndjson"}, "the list to be put aside")
    assert plant.stop(runner) == 0, plant.output()
    (snapshot,) = rows("SELECT system, state, reason FROM snapshot")
    assert tuple(snapshot) == (ORDERS, "BROKEN", "TOO_LARGE")
    assert rows("SELECT id FROM inbound_message") == []


def test_half_a_list_changes_nothing_and_the_next_one_is_compared(
    plant: Plant, sshd: SftpServer
) -> None:
    runner = plant.start()
    _lay_down(sshd, "snapshots", _list([{"id": "MVY-9", "version": 1}])[:-20])
    until(lambda: _tree(sshd) == {"archive/a.ndjson"}, "the list to be fetched")
    _lay_down(sshd, "snapshots", _list([]), "b.ndjson")
    until(lambda: len(rows("SELECT id FROM inbound_message")) == 2, "the next one")
    assert plant.stop(runner) == 0, plant.output()
    assert _compare(plant.settings, stored=True) == {"FAILED": 1, "COMPARED": 1}
    states = [row.state for row in rows("SELECT state FROM inbound_message ORDER BY id")]
    assert states == ["REJECTED", "INTERPRETED"]


def test_what_keeps_a_runner_from_the_lists_is_told(plant: Plant, sshd: SftpServer) -> None:
    (sshd.root / "snapshots").rmdir()
    runner = plant.start()
    alarm = "SELECT subject, detail FROM alarm WHERE kind = 'SNAPSHOT_BROKEN'"
    (told,) = until(lambda: rows(alarm), "the alarm")
    assert told.subject == ORDERS
    assert told.detail.startswith("UNREACHABLE: LaneDown")
    assert plant.stop(runner) == 0, plant.output()


def test_req_35_a_list_by_http_of_a_system_that_only_a_runner_reaches_is_compared(
    plant: Plant,
) -> None:
    body = a_list(holds(1), taken_at=datetime.now(UTC)).getvalue()
    with StubServer(Reply(200, body)) as nis:
        _reach_nis(plant, nis.url)
        assert _wanted(plant) == []
        _begin("reconcile")
        runner = plant.start()
        until(lambda: rows("SELECT id FROM inbound_message"), "the list to be fetched")
        (asked,) = nis.received
        assert (asked.method, asked.path) == ("GET", "/snapshot")
        assert asked.headers["authorization"] == "Bearer t"
        assert _wanted(plant) == []
        assert _compare(plant.settings, system="nis") == {"COMPARED": 1, "EXTRA": 1}
        # The next one asks only for what has changed; the same list again is an answer, too.
        _begin("reconcile-changes")
        (wanted,) = _wanted(plant)
        assert (wanted.system, wanted.since is not None) == ("nis", True)
        until(lambda: len(nis.received) == 2, "the next list")
        assert nis.received[1].path.startswith("/snapshot?since=")
        until(lambda: _wanted(plant) == [], "the answer")
        assert plant.stop(runner) == 0, plant.output()
    states = [row.state for row in rows("SELECT state FROM snapshot ORDER BY id")]
    assert states == ["DIFFED", "STALE"]


def test_a_system_there_that_gives_no_list_is_told_and_left_alone_for_a_while(
    plant: Plant,
) -> None:
    with StubServer(Reply(503)) as nis:
        _reach_nis(plant, nis.url)
        _begin("reconcile", system="nis")
        runner = plant.start()
        alarm = "SELECT subject, detail FROM alarm WHERE kind = 'SNAPSHOT_BROKEN'"
        (told,) = until(lambda: rows(alarm), "the alarm")
        assert told.subject == "nis"
        assert told.detail == "UNREACHABLE: Retryable: list: answered 503"
        assert plant.stop(runner) == 0, plant.output()
        assert len(nis.received) == 1
    # Nobody asks it from here meanwhile.
    assert _compare(plant.settings, system="nis") == {}


def test_a_system_that_gives_its_list_drop_by_drop_keeps_no_other_waiting(plant: Plant) -> None:
    body = a_list(holds(1), taken_at=datetime.now(UTC)).getvalue()
    with StubServer(Behaviour.DRIP) as dms, StubServer(Reply(200, body)) as nis:
        plant.move("dms", "nis")
        plant.write_reach(
            dms={"client": "dms", "base_url": dms.url, "token": "t"},
            nis={"client": "nis", "base_url": nis.url, "token": "t"},
        )
        _begin("reconcile")
        runner = plant.start()
        until(lambda: rows("SELECT id FROM inbound_message WHERE source = 'list:nis'"), "the list")
        assert [one.path for one in dms.received] == ["/snapshot"]
        assert plant.stop(runner) == 0, plant.output()


def test_a_list_that_a_system_gave_before_ends_the_alarm_only_if_it_could_be_used(
    plant: Plant,
) -> None:
    lists = [_list([{"id": "MVY-9", "version": 1}]), _list([])[:-20]]
    good, bad = map(gzip.compress, lists)
    alarm = "SELECT closed_at FROM alarm WHERE kind = 'SNAPSHOT_BROKEN'"
    with transaction() as session:
        assert [_take(session, plant.settings, body) for body in (good, bad)] == ["STORED"] * 2
    assert _compare(plant.settings, stored=True) == {"FAILED": 1, "COMPARED": 1, "EXTRA": 1}
    for body, ends in ((bad, False), (good, True)):
        with transaction() as session:
            assert _take(session, plant.settings, body) == "DUPLICATE"
        (told,) = rows(alarm)
        assert (told.closed_at is not None) is ends


def test_a_list_over_which_our_own_code_fails_keeps_none_behind_it_waiting(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction() as session:
        for number in (1, 2):
            body = gzip.compress(_list([{"id": f"MVY-{number}", "version": 1}]))
            assert _take(session, plant.settings, body) == "STORED"
    states = "SELECT state FROM inbound_message ORDER BY id"
    real, calls = reconciliation.take, iter([True])

    def _fails_first(*args: Any, **more: Any) -> Taken:
        if next(calls, False):
            raise ArithmeticError
        return real(*args, **more)

    with monkeypatch.context() as broken:
        broken.setattr(reconciliation, "take", _fails_first)
        done = {"FAILED": 1, "COMPARED": 1, "EXTRA": 1}
        assert _compare(plant.settings, stored=True) == done
    assert [row.state for row in rows(states)] == ["STORED", "INTERPRETED"]
    assert _compare(plant.settings, stored=True) == {"COMPARED": 1}
    assert [row.state for row in rows(states)] == ["INTERPRETED", "INTERPRETED"]


def test_only_the_zone_of_a_systems_lane_hands_over_its_lists(plant: Plant) -> None:
    body = gzip.compress(_list([]))
    for system, lane, zone in (
        (ORDERS, LANE, "south"),
        ("dms", "dms", "plant"),
        (ORDERS, "nis", "plant"),
        ("nothing", LANE, "plant"),
    ):
        with pytest.raises(RunnerRefused, match="FOLDER_ELSEWHERE"), transaction() as session:
            _take(session, plant.settings, body, system=system, lane=lane, zone=zone)
    with transaction() as session:
        assert _take(session, plant.settings, body) == "STORED"
        assert _take(session, plant.settings, body) == "DUPLICATE"


@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(b"x" * 1000)[:-12], b""],
    ids=["other", "half", "nothing"],
)
def test_what_cannot_be_unpacked_is_refused(plant: Plant, body: bytes) -> None:
    with transaction() as session:
        assert _take(session, plant.settings, body) == "REFUSED"


def _take(
    session: Any,
    settings: Settings,
    body: bytes,
    *,
    system: str = ORDERS,
    lane: str = LANE,
    zone: str = "plant",
) -> str:
    told = FileTold(
        runner=uuid4(),
        boot=uuid4(),
        lane=lane,
        document="list",
        name="a.ndjson",
        size=len(body),
        body=body,
        system=system,
    )
    row = LaneRunner(id=told.runner, zone_code=zone, host="plant-1")
    return runner_lists.take(session, row, told, settings, datetime.now(UTC))


def _reach_nis(plant: Plant, url: str) -> None:
    plant.move("nis")
    plant.write_reach(nis={"client": "nis", "base_url": url, "token": "t"})


def _begin(code: str, **params: str) -> None:
    """A comparison has begun, as the clock or a person wanted it."""
    now = datetime.now(UTC)
    with transaction() as session:
        asked = processes.start(session, code, uuid4().hex, now, by="staff:aino", params=params)
        session.execute(
            text("UPDATE process_start SET state = 'DONE', begun_at = :now WHERE id = :id"),
            {"now": now, "id": asked.id},
        )


def _wanted(plant: Plant) -> list[ListAsked]:
    with transaction() as session:
        return runner_lists.wanted(session, "plant", plant.settings)


def _list(records: list[dict[str, Any]], of: str = "orders") -> bytes:
    made: io.BytesIO = a_list(records, of=of, taken_at=datetime.now(UTC))
    return made.getvalue()


def _lay_down(server: SftpServer, folder: str, body: bytes, name: str = "a.ndjson") -> None:
    part = server.root / folder / f"{name}.tmp"
    part.write_bytes(body)
    part.rename(server.root / folder / name)


def _compare(settings: Settings, **params: Any) -> dict[str, int]:
    with transaction() as session:
        run_id = runs.start_run(session, reconciliation.PROCESS, "manual", datetime.now(UTC))
    task = Task(1, 1, reconciliation.PROCESS, run_id, params, settings, lambda: False)
    return dict(reconcile(task))


def _tree(server: SftpServer) -> set[str]:
    return {
        f"{folder}/{path.name}"
        for folder in (*LISTS, "archive", "quarantine")
        if (server.root / folder).exists()
        for path in (server.root / folder).iterdir()
    }


@pytest.fixture
def plant(
    app: Flask, sshd: SftpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Plant]:
    """The contractor's lane is the plant's; the centre is served, no runner yet."""
    for name in (*FOLDERS, *LISTS):
        (sshd.root / name).mkdir(exist_ok=True)
    base: Settings = app.extensions["tiedolla_settings"]
    # No key and no host key of the contractor's server: the centre could not reach it.
    own = base.model_copy(
        update={"cis_quiet_s": 0.0, "reconcile_systems": f"{ORDERS},{STOCK},nis,dms"}
    )
    monkeypatch.setitem(app.extensions, "tiedolla_settings", own)
    folder = tmp_path / "plant"
    folder.mkdir()
    with plant_of(app, folder) as plant:
        with transaction() as session:
            install(session, CODE, f"sftp://{sshd.user}@{sshd.host}:{sshd.port}", own)
        plant.move(LANE)
        way = {
            "client": "partner_files",
            "host": sshd.host,
            "port": sshd.port,
            "user": sshd.user,
            "key_file": str(sshd.private_key_file),
            "host_key": sshd.host_key,
            "orders": "orders",
            "rejects": "rejects",
        }
        plant.write_reach(**{LANE: way})
        plant.serve()
        yield plant
