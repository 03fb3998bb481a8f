"""Lists that a partner lays down on its own SFTP server: of its orders, and of its stock of our meters."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.models import Alarm, Difference, Snapshot
from app.services import bundle_activation, reconciliation, runs, setup
from app.services.bundle_content import shipped_content
from app.services.reconciliation import Taken
from app.settings import Settings
from tests.field_work import add_order, gsrn
from tests.servers import SftpServer
from tests.workers.contractor import with_server
from workers.reconcile import reconcile
from workers.task import Task

CODE = "rautio"
ORDERS, STOCK = f"partner.{CODE}", f"stock.{CODE}"
FOLDERS = ("snapshots", "snapshots-stock", "archive", "quarantine")


def test_req_35_a_contractors_list_of_orders_is_compared_and_put_away(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    with app.app_context():
        _lay_down(sshd, "snapshots", "a.ndjson", "orders", [{"id": "MVY-1", "version": 1}])
        assert _compare(settings, ORDERS) == {"COMPARED": 1, "MISSING": 1}
        assert _differences() == [(ORDERS, "MVY-2", "MISSING")]
        assert _tree(sshd) == {"archive/a.ndjson"}
        both = [{"id": f"MVY-{n}", "version": 1} for n in (1, 2)]
        _lay_down(sshd, "snapshots", "b.ndjson", "orders", both)
        assert _compare(settings, ORDERS) == {"COMPARED": 1, "RESOLVED": 1}


def test_a_list_that_is_still_being_written_is_left_and_half_a_list_changes_nothing(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    with app.app_context():
        _lay_down(sshd, "snapshots", "a.ndjson.tmp", "orders", [])
        assert _compare(settings, ORDERS) == {}
        whole = _list("orders", [{"id": "MVY-1", "version": 1}])
        (sshd.root / "snapshots" / "b.ndjson").write_bytes(whole[:-20])
        assert _compare(settings, ORDERS) == {"FAILED": 1}
        assert _tree(sshd) == {"quarantine/b.ndjson", "snapshots/a.ndjson.tmp"}
        assert _differences() == []
        with transaction() as session:
            alarm = session.scalars(select(Alarm)).one()
            assert (alarm.kind, alarm.subject) == ("SNAPSHOT_BROKEN", ORDERS)


def test_a_list_of_the_stock_lies_in_a_folder_of_its_own(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    with app.app_context():
        _lay_down(sshd, "snapshots", "orders.ndjson", "orders", [])
        _lay_down(sshd, "snapshots-stock", "stock.ndjson", "stock", [{"id": "6534-9"}])
        # One after the other as the night does, and neither takes the other's list for a bad one.
        assert _compare(settings, STOCK) == {"COMPARED": 1, "EXTRA": 1}
        assert _compare(settings, ORDERS) == {"COMPARED": 1, "MISSING": 2}
        assert _tree(sshd) == {"archive/orders.ndjson", "archive/stock.ndjson"}


def test_a_server_out_of_reach_is_told_and_changes_nothing(
    app: Flask, sshd: SftpServer, settings: Settings
) -> None:
    with app.app_context():
        with transaction() as session:
            setup.set_partner_url(session, CODE, "sftp://nobody@127.0.0.1:1")
        assert _compare(settings, ORDERS) == {"FAILED": 1}
        with transaction() as session:
            assert session.scalars(select(Snapshot.reason)).all() == ["UNREACHABLE"]
        assert _differences() == []


def test_a_list_over_which_our_own_code_fails_stays_and_keeps_none_behind_it_waiting(
    app: Flask, sshd: SftpServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        for name in ("a.ndjson", "b.ndjson"):
            _lay_down(sshd, "snapshots", name, "orders", [{"id": "MVY-1", "version": 1}])
        with monkeypatch.context() as broken:
            _fail_over(broken, "a.ndjson")
            assert _compare(settings, ORDERS) == {"FAILED": 1, "COMPARED": 1, "MISSING": 1}
        assert _tree(sshd) == {"snapshots/a.ndjson", "archive/b.ndjson"}
        with transaction() as session:
            told = session.execute(select(Snapshot.ref, Snapshot.reason).order_by(Snapshot.id))
            assert told.all() == [("a.ndjson", "INTERNAL"), ("b.ndjson", None)]
        # By now it is older than what was compared.
        assert _compare(settings, ORDERS) == {"COMPARED": 1}
        assert _tree(sshd) == {"archive/a.ndjson", "archive/b.ndjson"}


def _fail_over(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    real = reconciliation.take

    def _take(*args: Any, **more: Any) -> Taken:
        if more["name"] == name:
            raise ArithmeticError
        return real(*args, **more)

    monkeypatch.setattr(reconciliation, "take", _take)


def _compare(settings: Settings, system: str) -> dict[str, int]:
    with transaction() as session:
        run_id = runs.start_run(session, "reconcile", "manual", datetime.now(UTC))
    task = Task(1, 1, "reconcile", run_id, {"system": system}, settings, lambda: False)
    return dict(reconcile(task))


def _differences() -> list[tuple[str, str, str]]:
    with transaction() as session:
        rows = session.execute(
            select(Difference.system, Difference.key, Difference.kind).where(
                Difference.state == "OPEN"
            )
        )
        return [(row.system, row.key, row.kind) for row in rows]


def _list(name: str, records: list[dict[str, Any]]) -> bytes:
    body = b"".join(json.dumps(one).encode() + b"\n" for one in records)
    head = {
        "snapshot": "S-1",
        "list": name,
        "kind": "FULL",
        "takenAt": datetime.now(UTC).isoformat(),
        "count": len(records),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return json.dumps(head).encode() + b"\n" + body


def _lay_down(
    server: SftpServer, folder: str, name: str, what: str, records: list[dict[str, Any]]
) -> None:
    (server.root / folder / name).write_bytes(_list(what, records))


def _tree(server: SftpServer) -> set[str]:
    return {
        f"{folder}/{path.name}" for folder in FOLDERS for path in (server.root / folder).iterdir()
    }


@pytest.fixture
def settings(app: Flask, sshd: SftpServer) -> Settings:
    """A contractor with two orders, that it got an hour ago."""
    for name in FOLDERS:
        (sshd.root / name).mkdir(exist_ok=True)
    base: Settings = app.extensions["tiedolla_settings"]
    own = with_server(base, sshd, CODE)
    now = datetime.now(UTC)
    before = now - timedelta(hours=1)
    with app.app_context(), transaction() as session:
        setup.add_partner(
            session,
            CODE,
            "Rautio",
            transport="SFTP",
            base_url=f"sftp://{sshd.user}@{sshd.host}:{sshd.port}",
            order_types=[],
            sees_key_info=False,
            settings=own,
            now=now,
        )
        content = shipped_content("regional_contractor", "order", "out")
        bundle_activation.install(session, CODE, content, now)
        for number in (1, 2):
            order = add_order(session, f"MVY-{number}", gsrn=gsrn(number), old_meter_number=None)
            order.partner_code = CODE
            session.execute(
                text(
                    "INSERT INTO outbox_item (lane, kind, business_key, order_key, gsrn, version,"
                    " dedupe_key, payload, payload_hash, mode, priority, state, attempts, next_at,"
                    " created_at, settled_at) VALUES (:lane, 'WORK_ORDER', :id, :gsrn, :gsrn, 1,"
                    " :id || '-1', '{}', 'x', 'idempotent', 30, 'SENT', 1, :at, :at, :at)"
                ),
                {
                    "lane": f"partner.{CODE}",
                    "id": order.order_id,
                    "gsrn": order.gsrn,
                    "at": before,
                },
            )
    return own
