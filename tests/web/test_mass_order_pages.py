"""Mass orders on the pages: how far they are, what waits for people, and the proof in files."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.domain.roles import Role
from app.models import MassFile
from app.queries import mass_proof
from app.services import inbound, signed_files
from app.web.operators import mass_export
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


@pytest.mark.parametrize("mass_id", ["K/2026/17", "../../<x>"])
def test_a_mass_order_with_a_slash_in_its_name_has_its_page_and_its_acts(
    app: Flask, operator: Visitor, tmp_path: Path, mass_id: str
) -> None:
    _take(app, tmp_path, mass_id=mass_id)
    listed = operator.get("/mass-orders").text
    where = f"/mass-orders/{quote(mass_id, safe='')}"
    assert f'href="{where}"' in listed
    page = operator.get(where).text
    order = f"/orders/{quote(mass_id, safe='')}-000001"
    assert f'href="{order}"' in page
    assert operator.get(order).status_code == 200
    assert operator.get(f"{where}/proof").status_code == 200
    assert operator.get(f"{where}/proof.csv").status_code == 200
    assert operator.post(f"{where}/pause").status_code == 302
    assert "Paused" in operator.get(where).text
    assert operator.post(f"{where}/files/1/propose", {"note": "x"}).status_code == 302


def test_how_far_a_file_under_way_is_renews_itself(
    app: Flask, operator: Visitor, tmp_path: Path
) -> None:
    _take(app, tmp_path)
    assert "every 5s" not in operator.get("/mass-orders/M-1").text
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE mass_file SET state = 'READY', done_seq = 5"))
    page = operator.get("/mass-orders/M-1?lang=en").text
    assert "every 5s" in page
    assert "Orders of file 1 are made" in page
    # Read whole, which is the first half of the way, and a quarter of the second.
    assert "62 %" in page
    part = operator.get("/mass-orders/M-1?poll=1&lang=en", headers={"HX-Request": "true"}).text
    assert "62 %" in part
    assert "<html" not in part


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


def test_what_was_tried_and_did_not_arrive_is_still_due(
    app: Flask, operator: Visitor, tmp_path: Path
) -> None:
    _take(app, tmp_path, count=2)
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE outbox_item SET attempts = 60, state = 'READY'"))
        (partner, *_) = mass_proof.table(session, "M-1")
        assert (partner.due, partner.sent) == (2, 0)


def test_it_is_not_green_while_a_file_of_it_waits(
    app: Flask, operator: Visitor, tmp_path: Path
) -> None:
    _take(app, tmp_path, count=2)
    _waive(operator, "M-1-000001", "M-1-000002", systems=mass_proof.SYSTEMS)
    assert "Everything is confirmed" in operator.get(PAGES[2]).text
    _take(app, tmp_path, bad=frozenset(range(1, 11)))
    shown = operator.get(PAGES[2]).text
    assert "Not everything is confirmed" in shown
    assert "A file of this mass order is not over" in shown


def test_the_proof_names_what_lacks_and_who_waived_what_and_why(
    app: Flask, operator: Visitor, tmp_path: Path
) -> None:
    _take(app, tmp_path, count=3)
    _waive(operator, "M-1-000002", systems=("cis",))
    shown = operator.get(f"{PAGES[2]}?system=cis").text
    assert "M-1-000001" in shown
    assert "Not confirmed by" in shown
    assert "Settled by phone" in shown
    rows = list(csv.reader(io.StringIO(operator.get(f"{PAGES[2]}.csv").data.decode())))
    waived = rows[rows.index(["order", "system", "waived by", "at", "why"]) + 1 : -1]
    assert [(row[0], row[1], row[2], row[4]) for row in waived] == [
        ("M-1-000002", "cis", "staff:otso", "Settled by phone")
    ]


def test_a_workbook_goes_on_on_another_sheet_where_one_is_full(
    app: Flask, operator: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mass_export, "_SHEET_ROWS", 8)
    _take(app, tmp_path)
    answer = operator.get(f"{PAGES[2]}.xlsx")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        names = archive.read("xl/workbook.xml").decode()
        sheets = [archive.read(f"xl/worksheets/sheet{n}.xml").decode() for n in (2, 3, 4)]
    assert all(f'name="{name}"' in names for name in ("orders", "orders 2", "orders 3", "waived"))
    assert [sheet.count("<row ") for sheet in sheets] == [9, 9, 5]


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
