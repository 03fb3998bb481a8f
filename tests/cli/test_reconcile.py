"""`flask reconcile` and `flask retention`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from click.testing import Result
from flask import Flask

from app.cli.persons import machine_account
from app.db import transaction
from app.domain.roles import Role
from app.models import ProcessStart
from app.services import audit, staff
from tests.field_work import gsrn
from tests.services.reconciling import SENT_AT, a_list, device, differences, holds, sent
from tests.services.world import scalar

PASSWORD = "a password of twelve"


def test_a_file_is_compared_here_and_now(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "devices.jsonl"
    with app.app_context():
        sent([device(1), device(2)], at=SENT_AT - timedelta(days=400))
    path.write_bytes(a_list(holds(1), taken_at=SENT_AT - timedelta(days=300)).getvalue())
    done = _run(app, "reconcile", "run", "--system", "nis", "--file", str(path))
    assert (done.exit_code, done.output) == (0, "DIFFED: MISSING 1\n")
    listed = _run(app, "reconcile", "list", "--system", "nis").output
    assert gsrn(2) in listed
    assert "1 of 1" in listed
    (row,) = json.loads(_run(app, "reconcile", "list", "--json").output)
    assert (row["kind"], row["reason"], row["owner"]) == ("MISSING", "NOT_THERE", "operations")


def test_a_broken_file_is_said_and_changes_nothing(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "devices.jsonl"
    path.write_bytes(a_list(holds(1), count=5, taken_at=SENT_AT).getvalue())
    done = _run(app, "reconcile", "run", "--system", "nis", "--file", str(path))
    assert done.exit_code == 1
    assert "COUNT_WRONG" in done.output
    with app.app_context():
        assert differences() == []
        assert scalar("SELECT reason FROM snapshot") == "COUNT_WRONG"


def test_a_comparison_is_started_like_any_process(app: Flask) -> None:
    assert "start 1: WAITING" in _run(app, "reconcile", "run", "--system", "nis").output
    assert "start 2: WAITING" in _run(app, "reconcile", "run", "--changes").output
    refused = _run(app, "reconcile", "run", "--system", "nothing")
    assert refused.exit_code == 1
    with app.app_context(), transaction() as session:
        starts = session.query(ProcessStart).order_by(ProcessStart.id).all()
        assert [(one.process_code, one.params) for one in starts] == [
            ("reconcile", {"system": "nis"}),
            ("reconcile-changes", {}),
        ]


def test_one_is_repaired_and_many_are_proposed(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "devices.jsonl"
    with app.app_context():
        sent([device(1), device(2)], at=SENT_AT - timedelta(days=400))
    path.write_bytes(a_list([], taken_at=SENT_AT - timedelta(days=300)).getvalue())
    _run(app, "reconcile", "run", "--system", "nis", "--file", str(path))
    assert _run(app, "reconcile", "repair", "1").output == "1: on its way\n"
    with app.app_context():
        done = "SELECT actor FROM audit_entry WHERE action = 'DIFFERENCE_REPAIRED'"
        assert scalar(done) == machine_account()
    again = _run(app, "reconcile", "repair", "1", "9")
    assert again.exit_code == 1
    assert "1: ON_ITS_WAY" in again.output
    assert "9: NO_DIFFERENCE" in again.output
    nobody = _run(app, "reconcile", "repair", "--system", "nis")
    assert (nobody.exit_code, "--by USERNAME" in nobody.output) == (1, True)
    with app.app_context(), transaction() as session:
        staff.create(session, "aino", "Aino", PASSWORD, Role.OPERATOR, SENT_AT, by="test")
    proposed = app.test_cli_runner().invoke(
        args=["reconcile", "repair", "--system", "nis", "--by", "aino", "--password-stdin"],
        input=f"{PASSWORD}\n",
    )
    assert "replay 1: 1 items" in proposed.output
    with app.app_context():
        # On its page, she decides.
        assert scalar("SELECT asked_by FROM replay") == "staff:aino"
    assert _run(app, "reconcile", "repair").exit_code == 2
    many = _run(app, "reconcile", "repair", *map(str, range(1, 102)))
    assert (many.exit_code, "second person" in many.output) == (2, True)


def test_retention_says_what_is_kept_and_what_would_go(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        long_ago = datetime.now(UTC) - timedelta(days=4000)
        audit.record(session, "staff:aino", "X", "x", {}, long_ago)
    assert "audit 1" in _run(app, "retention", "purge", "--dry-run").output
    with app.app_context():
        assert scalar("SELECT count(*) FROM audit_entry") == 1
    assert "audit 1" in _run(app, "retention", "purge").output
    assert "Nothing was due" in _run(app, "retention", "purge").output
    report = _run(app, "retention", "report").output
    assert "step" in report
    assert "audit        kept  2192 days" in report
    told = json.loads(_run(app, "retention", "report", "--json").output)
    (removal,) = told["removed"]
    assert (removal["class"], removal["counts"], removal["by"]) == (
        "audit",
        {"audit": 1},
        machine_account(),
    )


def _run(app: Flask, *args: str) -> Result:
    return app.test_cli_runner().invoke(args=list(args))
