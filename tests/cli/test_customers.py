"""`flask customers export` and `erase`."""

from __future__ import annotations

import json

from flask import Flask
from sqlalchemy import text

from app.db import transaction
from tests.services.world import PHONE, scalar, settle_in


def test_an_export_is_json_and_recorded(app: Flask) -> None:
    with app.app_context():
        settle_in()
    answer = app.test_cli_runner().invoke(args=["customers", "export", "C1"])
    assert json.loads(answer.output)["contacts"][0]["value"] == PHONE
    with app.app_context():
        assert scalar("SELECT action || ' ' || subject FROM audit_entry") == (
            "CUSTOMER_EXPORTED customer:C1"
        )


def test_only_somebody_without_a_contract_is_erased(app: Flask) -> None:
    with app.app_context():
        settle_in()
    runner = app.test_cli_runner()
    assert "running contract" in runner.invoke(args=["customers", "erase", "C1", "--yes"]).output
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE occupancy SET moved_out_on = DATE '2026-01-01'"))
    assert runner.invoke(args=["customers", "erase", "C1"], input="n\n").exit_code == 1
    assert "Erased." in runner.invoke(args=["customers", "erase", "C1", "--yes"]).output
    with app.app_context():
        assert scalar("SELECT value FROM contact") == "erased/1"


def test_somebody_we_do_not_know_is_said(app: Flask) -> None:
    for command in (["export", "C9"], ["erase", "C9", "--yes"]):
        answer = app.test_cli_runner().invoke(args=["customers", *command])
        assert answer.exit_code == 1
        assert "there is no such customer" in answer.output
