"""`flask orders`: files straight from the disk, quiet where nobody watches."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app.cli.persons import machine_account
from app.db import transaction
from simulators.cis.mass_orders import MassWish, write_mass_order
from simulators.cis.world import make_points
from workers import intake


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mass.xml"
    wish = MassWish("M-1", "2026-W50", "Tampere")
    write_mass_order(path, make_points(1, 1, 12), 12, wish, datetime.now(UTC))
    return path


def test_import_stores_the_file_and_says_so_in_one_line(app: Flask, file: Path) -> None:
    run = app.test_cli_runner()
    done = run.invoke(args=["orders", "import", str(file), "--no-wait"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "message 1: STORED\n"
    again = run.invoke(args=["orders", "import", str(file), "--no-wait"])
    assert again.stdout == "message 1 (received before): STORED\n"
    with app.app_context(), transaction() as session:
        acts = session.execute(text("SELECT actor, action FROM audit_entry")).all()
        assert acts == [(machine_account(), "FILE_IMPORTED")]


def test_import_answers_in_json_what_became_of_it(app: Flask, file: Path) -> None:
    run = app.test_cli_runner()
    run.invoke(args=["orders", "import", str(file), "--no-wait"])
    with app.app_context():
        intake.interpret_files(app.extensions["tiedolla_settings"], 1, "test")
    done = run.invoke(args=["orders", "import", str(file), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "message": 1,
        "new": False,
        "state": "INTERPRETED",
        "mass_order": "M-1",
        "file_state": "SPLIT",
        "hold_reason": None,
        "counts": {"NEW": 12},
    }


@pytest.mark.parametrize("quiet", [[], ["--json"]])
def test_import_draws_a_bar_for_whoever_watches_and_none_for_scripts(
    app: Flask, file: Path, quiet: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = app.test_cli_runner()
    run.invoke(args=["orders", "import", str(file), "--no-wait"])
    with app.app_context():
        intake.interpret_files(app.extensions["tiedolla_settings"], 1, "test")
    # As if both streams were a terminal.
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    done = run.invoke(args=["orders", "import", str(file), *quiet])
    assert done.exit_code == 0
    shown = [word in done.stderr for word in ("storing", "taking in", "100%")]
    assert shown == ([False] * 3 if quiet else [True] * 3)
    assert "NEW" in done.stdout


def test_import_of_a_file_that_waits_ends_with_2(app: Flask, file: Path) -> None:
    body = file.read_bytes()
    file.write_bytes(body.replace(b"<DeclaredCount>12<", b"<DeclaredCount>13<"))
    run = app.test_cli_runner()
    run.invoke(args=["orders", "import", str(file), "--no-wait"])
    with app.app_context():
        intake.interpret_files(app.extensions["tiedolla_settings"], 1, "test")
    done = run.invoke(args=["orders", "import", str(file)])
    assert done.exit_code == 2
    assert "MASS_COUNT 12 13" in done.stderr


def test_import_refuses_what_is_too_large_before_it_reads_it(app: Flask, file: Path) -> None:
    settings = app.extensions["tiedolla_settings"]
    app.extensions["tiedolla_settings"] = settings.model_copy(update={"cis_file_max_bytes": 2000})
    try:
        done = app.test_cli_runner().invoke(args=["orders", "import", str(file)])
    finally:
        app.extensions["tiedolla_settings"] = settings
    assert done.exit_code == 1
    assert "2000 are taken at most" in done.output


def test_verify_knows_no_signature_of_others(app: Flask, file: Path) -> None:
    done = app.test_cli_runner().invoke(args=["orders", "verify", str(file)])
    assert done.exit_code == 1
    assert "no signature" in done.output
