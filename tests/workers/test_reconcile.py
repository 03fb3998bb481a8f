"""Reconciliation against the rehearsed systems: their lists lie, their ledgers do not."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import text

from app import clients
from app.db import transaction
from app.models import Alarm, Snapshot
from app.services import difference_acts, outbox, runs, setup
from app.services.outbox import NewItem
from app.settings import Settings
from tests.field_work import gsrn
from tests.services.queueing import drain_now, states
from tests.services.reconciling import device, differences
from tests.services.world import scalar
from tests.simulators.running import Listener, RunningRehearsal, listening
from workers.reconcile import reconcile, reconcile_changes
from workers.task import Task

COUNT = 20


def test_req_35_what_a_system_lost_is_sent_again_and_nothing_is_done_twice(
    app: Flask, world: _World
) -> None:
    world.send(device(number) for number in range(1, COUNT + 1))
    assert world.compare("nis") == {"COMPARED": 1}
    world.rehearsal.disturb("nis", snapshot_lose_ratio=0.4, snapshot_add_count=2)
    found = world.compare("nis")
    lost = found["MISSING"]
    assert 0 < lost < COUNT
    assert found["EXTRA"] == 2
    _repair_all()
    assert states()["READY"] == lost
    world.drain("nis")
    # It had everything all along: each key came twice, and each device was hung once.
    entries = Counter(entry["kind"] for entry in world.rehearsal.ledger("nis"))
    assert entries == {"applied": COUNT, "repeat": lost}
    world.rehearsal.calm("nis")
    assert world.compare("nis") == {"COMPARED": 1, "RESOLVED": lost + 2}
    assert {row[3] for row in differences()} == {"RESOLVED"}


def test_req_35_a_system_that_came_back_from_an_old_backup_gets_only_what_it_lacks(
    app: Flask, world: _World
) -> None:
    world.send(device(number) for number in range(1, 11))
    world.restore_to("nis", 6)
    assert world.compare("nis") == {"COMPARED": 1, "MISSING": 4}
    _repair_all()
    world.drain("nis")
    told = [entry["id"] for entry in world.rehearsal.ledger("nis", "applied")]
    assert Counter(told) == dict.fromkeys((gsrn(number) for number in range(1, 11)), 1)
    assert world.compare("nis") == {"COMPARED": 1, "RESOLVED": 4}


@pytest.mark.parametrize(
    ("lie", "fault"),
    [
        ({"snapshot_broken": "half"}, "COUNT_WRONG"),
        ({"snapshot_broken": "count"}, "COUNT_WRONG"),
        ({"snapshot_broken": "digest"}, "DIGEST_WRONG"),
        ({"fail_ratio": 1.0}, "UNREACHABLE"),
        ({"drop_before_ratio": 1.0}, "UNREACHABLE"),
        ({"nonsense_ratio": 1.0}, "HEAD_BAD"),
    ],
)
def test_a_system_that_gives_no_list_or_half_of_one_changes_nothing_and_stops_nobody(
    app: Flask, world: _World, lie: dict[str, Any], fault: str
) -> None:
    world.send([device(1)])
    world.rehearsal.disturb("nis", **lie)
    counts = world.compare(None)
    # Orders, DMS and billing have given theirs.
    assert counts == {"COMPARED": 3, "FAILED": 1}
    assert differences() == []
    with transaction() as session:
        broken = session.query(Snapshot).filter_by(system="nis").one()
        assert (broken.state, broken.reason) == ("BROKEN", fault)
        assert session.query(Alarm).filter_by(subject="nis", closed_at=None).count() == 1
    world.rehearsal.calm("nis")
    assert world.compare("nis") == {"COMPARED": 1}
    with transaction() as session:
        assert session.query(Alarm).filter_by(closed_at=None).count() == 0


def test_a_list_of_yesterday_leads_to_repairs_that_do_nothing_twice(
    app: Flask, world: _World
) -> None:
    world.send([device(1)])
    world.rehearsal.disturb("nis", snapshot_age_s=3600.0)
    assert world.compare("nis") == {"COMPARED": 1, "MISSING": 1}
    _repair_all()
    world.drain("nis")
    kinds = Counter(entry["kind"] for entry in world.rehearsal.ledger("nis"))
    assert kinds == {"applied": 1, "repeat": 1}


def test_the_lists_of_the_cis_are_files_and_are_put_away(app: Flask, world: _World) -> None:
    world.send([_completion(1), _completion(2)])
    world.lay_down()
    assert world.compare("cis") == {"COMPARED": 1}
    world.rehearsal.disturb("cis", snapshot_lose_ratio=1.0)
    world.lay_down()
    world.rehearsal.disturb("cis", snapshot_broken="digest")
    world.lay_down()
    assert world.compare("cis") == {"COMPARED": 1, "FAILED": 1, "MISSING": 2}
    assert [row[:3] for row in differences("cis")] == [
        ("WO-1", "MISSING", "NOT_THERE"),
        ("WO-2", "MISSING", "NOT_THERE"),
    ]
    assert len(world.files("archive")) == 2
    assert len(world.files("quarantine")) == 1
    assert world.files("snapshots") == []


def test_between_whole_lists_what_changed_is_enough(app: Flask, world: _World) -> None:
    world.send([device(1), device(2)])
    assert world.compare("nis", reconcile_changes) == {"COMPARED": 1}
    world.rehearsal.disturb("nis", snapshot_change_ratio=1.0)
    world.send([device(3)])
    assert world.compare("nis", reconcile_changes) == {"COMPARED": 1, "DIFFERENT": 1}
    kinds = scalar("SELECT string_agg(kind, ' ' ORDER BY id) FROM snapshot")
    assert kinds == "FULL DELTA"
    assert [row[0] for row in differences()] == [gsrn(3)]


def test_each_comparison_is_a_step_of_the_run(app: Flask, world: _World) -> None:
    world.compare("nis")
    world.rehearsal.disturb("nis", fail_ratio=1.0)
    world.compare("nis")
    with transaction() as session:
        rows = session.execute(text("SELECT state, error_class, keys[1] FROM step ORDER BY id"))
        assert [tuple(row) for row in rows] == [
            ("DIFFED", None, "nis"),
            ("FAILED", "UNREACHABLE", "nis"),
        ]


@dataclass
class _World:
    """The rehearsed systems, and a Tiedolla that knows where they are."""

    settings: Settings
    rehearsal: RunningRehearsal
    loop: asyncio.AbstractEventLoop

    def send(self, items: Iterator[NewItem] | list[NewItem]) -> None:
        some = list(items)
        with transaction() as session:
            outbox.put(session, some, datetime.now(UTC))
        for lane in {one.lane for one in some}:
            self.drain(lane)

    def drain(self, lane: str) -> None:
        drain_now(self.settings, self.loop, lane)

    def compare(self, system: str | None, how: Any = reconcile) -> dict[str, int]:
        with transaction() as session:
            run_id = runs.start_run(session, "reconcile", "manual", datetime.now(UTC))
        params = {"system": system} if system else {}
        task = Task(1, 1, "reconcile", run_id, params, self.settings, lambda: False)
        return dict(how(task))

    def lay_down(self) -> None:
        requests.post(f"{self.rehearsal.url}/cis/snapshots", timeout=10).raise_for_status()

    def files(self, folder: str) -> list[str]:
        root = self.rehearsal.folder / self.rehearsal.config["sftp"]["root_dir"]
        return sorted(path.name for path in (root / folder).iterdir())

    def restore_to(self, system: str, count: int) -> None:
        """As if the system had been set up again from a backup with its first entries only."""
        self.rehearsal.stop()
        path = self.rehearsal.folder / "ledger" / f"{system}.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:count]))
        self.rehearsal.start()
        # It has another port now.
        clients.close_clients(self.loop)
        self.settings = _settings(self.settings, self.rehearsal)


@pytest.fixture
def world(
    app: Flask, tmp_path: Path, tiedolla: Listener, loop: asyncio.AbstractEventLoop
) -> Iterator[_World]:
    rehearsal = RunningRehearsal(tmp_path / "rehearsal", tiedolla.url)
    rehearsal.start()
    assert rehearsal.process is not None
    try:
        with app.app_context():
            known: Settings = app.extensions["tiedolla_settings"]
            yield _World(_settings(known, rehearsal), rehearsal, loop)
    finally:
        rehearsal.process.kill()
        rehearsal.process.wait()
        shutil.rmtree(rehearsal.folder)


@pytest.fixture
def tiedolla() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    clients.close_clients(loop)
    loop.close()


def _settings(known: Settings, rehearsal: RunningRehearsal) -> Settings:
    """Where the rehearsal is now, which changes with each start; partners are rows."""
    config = rehearsal.config
    with transaction() as session:
        setup.set_partner_url(session, setup.MASS_INSTALLER, f"{rehearsal.url}/installer")
    sftp = config["sftp"]
    host_key = (rehearsal.folder / f"{sftp['host_key_file']}.pub").read_text("utf-8")
    return known.model_copy(
        update={
            **{f"{name}_url": f"{rehearsal.url}/{name}" for name in ("nis", "dms", "billing")},
            **{
                f"{name}_token": SecretStr(config[name]["token"])
                for name in ("nis", "dms", "billing")
            },
            "partner_tokens": {"voima": SecretStr(config["installer"]["token"])},
            "cis_sftp_port": rehearsal.sftp_port,
            "cis_sftp_user": sftp["user"],
            "cis_sftp_key_file": rehearsal.folder / sftp["client_key_file"],
            "cis_sftp_host_key": " ".join(host_key.split()[:2]),
            "reconcile_grace_s": 0.0,
        }
    )


def _completion(number: int) -> NewItem:
    order = f"WO-{number}"
    return NewItem(
        lane="cis",
        kind="CIS_COMPLETION",
        business_key=order,
        order_key=gsrn(number),
        version=1,
        dedupe_key=f"cis:{order}:1",
        payload={
            "order_id": order,
            "revision": 1,
            "order_type_code": "MVM",
            "final_state": "COMPLETED",
            "completed_at": "2026-11-24T14:00:00Z",
            "gsrn": gsrn(number),
            "new_meter": {"meter_number": f"6534-{number}"},
        },
        gsrn=gsrn(number),
    )


def _repair_all() -> None:
    now = datetime.now(UTC) - timedelta(seconds=1)
    with transaction() as session:
        for number in difference_acts.repairable_ids(session, "nis", 1000):
            difference_acts.repair(session, number, now, by="staff:aino")
