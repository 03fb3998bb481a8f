"""Mass orders on the pages: how far they are, what waits for people, and the proof in files."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.domain.roles import Role
from app.models import MassFile
from app.queries import mass_proof
from app.services import inbound, signed_files
from simulators.cis.mass_orders import MassWish, write_mass_order
from simulators.cis.world import make_points
from tests.web.visitor import Visitor, visitor_as
from workers import intake as worker

COUNT = 20
PAGES = ("/mass-orders", "/mass-orders/M-1", "/mass-orders/M-1/proof")


def test_the_list_and_the_page_tell_how_far_it_is_in_words(
    app: Flask, operator: Visitor, tmp_path: Path
) -> None:
    _take(app, tmp_path, bad=frozenset({3}))
    page = operator.get("/mass-orders").text
    assert "M-1" in page
    assert "Waiting to leave: " in page
    assert "Rejected: " in page
    page = operator.get("/mass-orders/M-1").text
    assert "M-1-000001" in page
    assert "MODEL_UNKNOWN" in page
    page = operator.get("/mass-orders/M-1?state=REJECTED").text
    assert "M-1-000003" in page
    assert "M-1-000001" not in page
    assert operator.get("/mass-orders/M-2").status_code == 404


def test_a_held_file_is_let_go_by_two_people_only(
    app: Flask, operator: Visitor, tmp_path: Path
) -> None:
    _take(app, tmp_path, bad=frozenset(range(1, 11)))
    page = operator.get("/mass-orders/M-1").text
    assert "10 of 20 items are bad, more than 5 %" in page
    where = "/mass-orders/M-1/files/1"
    operator.post(f"{where}/propose", {"note": ""})
    assert _file(app).proposed_by is None
    operator.post(f"{where}/propose", {"note": "Checked with the CIS"})
    assert _file(app).proposed_by == "staff:otso"
    operator.post(f"{where}/release", {})
    assert _file(app).state == "HELD"
    visitor_as(app, Role.ADMIN).post(f"{where}/release", {})
    assert _file(app).state == "READY"
    with app.app_context(), transaction() as session:
        acts = session.execute(text("SELECT actor, action FROM audit_entry ORDER BY id")).all()
    assert ("staff:otso", "MASS_RELEASE_PROPOSED") in acts
    assert ("staff:armi", "MASS_RELEASED") in acts


def test_pausing_resuming_and_calling_off(app: Flask, operator: Visitor, tmp_path: Path) -> None:
    _take(app, tmp_path)
    for act, state in (("pause", "PAUSED"), ("resume", "DISPATCHING")):
        operator.post(f"/mass-orders/M-1/{act}", {})
        with app.app_context():
            _interpret(app)
            with transaction() as session:
                row = session.execute(text("SELECT state, todo FROM mass_order")).one()
        assert tuple(row) == (state, None)
    operator.post("/mass-orders/M-1/call-off", {})
    with app.app_context():
        _interpret(app)
        with transaction() as session:
            assert session.scalar(text("SELECT state FROM mass_order")) == "CANCELLED"
    assert operator.post("/mass-orders/M-1/nonsense", {}).status_code == 404


def test_the_proof_is_green_only_when_every_cell_is_final(
    app: Flask, operator: Visitor, tmp_path: Path
) -> None:
    _take(app, tmp_path, count=2)
    assert "Not everything is confirmed" in operator.get(PAGES[2]).text
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE outbox_item SET state = 'SENT', ref = 'R'"))
        session.execute(text("UPDATE work_order SET state = 'REPORTED'"))
        cells = {cell.system: cell for cell in mass_proof.table(session, "M-1")}
        assert (cells["partner"].due, cells["partner"].confirmed) == (2, 2)
        # Nobody has told the CIS and the DMS of these completions, whatever their state says.
        assert [cells[s].due - cells[s].confirmed for s in mass_proof.SYSTEMS] == [0, 2, 0, 2, 0]
    _waive(operator, "M-1-000001", "M-1-000002", systems=("cis", "dms"))
    assert "Everything is confirmed" in operator.get(PAGES[2]).text
    with app.app_context(), transaction() as session:
        # One that the partner never acknowledged: somebody has to say that this is well.
        session.execute(text("UPDATE work_order SET state = 'SENT' WHERE order_id = 'M-1-000002'"))
    assert "Not everything is confirmed" in operator.get(PAGES[2]).text
    _waive(operator, "M-1-000002", systems=mass_proof.SYSTEMS)
    assert "Everything is confirmed" in operator.get(PAGES[2]).text
    with app.app_context(), transaction() as session:
        by = session.execute(text("SELECT DISTINCT by, reason FROM mass_waiver")).all()
    assert by == [("staff:otso", "Settled by phone")]


def test_the_manifest_changes_with_any_order(app: Flask, tmp_path: Path) -> None:
    _take(app, tmp_path)
    with app.app_context(), transaction() as session:
        before = mass_proof.manifest(session, "M-1")
        session.execute(
            text("UPDATE outbox_item SET payload_hash = 'x' WHERE business_key = 'M-1-000007'")
        )
        after = mass_proof.manifest(session, "M-1")
    assert before.count == after.count == COUNT
    assert before.digest != after.digest


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_proofs_are_signed_safe_and_tell_the_same(
    app: Flask, operator: Visitor, tmp_path: Path, kind: str
) -> None:
    _take(app, tmp_path, mass_id="=M+1")
    answer = operator.get(f"/mass-orders/=M+1/proof.{kind}")
    assert answer.status_code == 200
    path = tmp_path / f"proof.{kind}"
    path.write_bytes(answer.data)
    if kind == "csv":
        rows = list(csv.reader(io.StringIO(answer.data.decode())))
        assert rows[0] == ["mass order", "'=M+1"]
        assert len([row for row in rows if row[0].startswith("'=M+1-0")]) == COUNT
    else:
        with zipfile.ZipFile(path) as archive:
            sheet = archive.read("xl/worksheets/sheet2.xml").decode()
            assert archive.testzip() is None
        assert "=M+1-000001" in sheet
        assert "<f>" not in sheet
    run = app.test_cli_runner()
    assert run.invoke(args=["orders", "verify", str(path)]).exit_code == 0
    for change in (answer.data.replace(b"1", b"2", 1), answer.data[:-1], answer.data + b"x"):
        path.write_bytes(change)
        assert run.invoke(args=["orders", "verify", str(path)]).exit_code == 1


def test_only_operators_see_mass_orders(app: Flask, agent: Visitor, visitor: Visitor) -> None:
    for path in PAGES:
        assert agent.get(path).status_code == 403
        assert visitor.get(path).status_code == 302


def test_nothing_that_begins_like_a_formula_stays_one() -> None:
    for text_ in ("=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1"):
        assert signed_files.safe_cell(text_) == f"'{text_}"
    assert signed_files.safe_cell("M-1") == "M-1"


def _waive(operator: Visitor, *order_ids: str, systems: tuple[str, ...]) -> None:
    for order_id in order_ids:
        for system in systems:
            what = {"order": order_id, "system": system, "note": "Settled by phone"}
            operator.post("/mass-orders/M-1/proof/waive", what)


def _take(
    app: Flask,
    tmp_path: Path,
    *,
    count: int = COUNT,
    bad: frozenset[int] = frozenset(),
    mass_id: str = "M-1",
) -> None:
    path = tmp_path / "mass.xml"
    wish = MassWish(mass_id, "2026-W50", "Tampere", bad=bad)
    write_mass_order(path, make_points(1, 1, count), count, wish, datetime.now(UTC))
    with app.app_context():
        with transaction() as session:
            inbound.store(
                session,
                source="cis",
                kind=worker.KIND,
                name="mass.xml",
                chunks=[path.read_bytes()],
                now=datetime.now(UTC),
            )
        _interpret(app)


def _interpret(app: Flask) -> None:
    settings = app.extensions["tiedolla_settings"]
    worker.interpret_files(settings, 1, "test")


def _file(app: Flask) -> MassFile:
    with app.app_context(), transaction() as session:
        row = session.get_one(MassFile, 1)
        return row
