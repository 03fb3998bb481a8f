"""`flask planned-cuts`: drafts from files."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import Result
from flask import Flask
from sqlalchemy import select, update

from app.db import db, transaction
from app.domain.roles import Role
from app.models import MeteringPoint, Outage, OutagePoint, Partner, PlannedCut
from app.services import staff
from tests.field_work import gsrn

FROM = datetime.now(UTC).replace(microsecond=0) + timedelta(days=20)
TO = FROM + timedelta(hours=2)
PASSWORD = "a password of twelve"


def test_a_table_makes_one_draft_per_reference(app: Flask, tmp_path: Path) -> None:
    _add_points(app)
    head = "reference;from;to;causeCode;gsrn"
    times = f"{FROM.isoformat()};{TO.isoformat()};CLEARING"
    lines = [head, f"T-1;{times};{gsrn(1)}", f"T-1;{times};{gsrn(2)}", f"T-2;{times};{gsrn(2)}"]
    path = tmp_path / "cuts.csv"
    path.write_text("\r\n".join(lines), encoding="utf-8")
    done = app.test_cli_runner().invoke(args=["planned-cuts", "import", str(path)])
    assert done.exit_code == 0, done.output
    assert "T-1: NEW, 2 points, DRAFT" in done.output
    again = app.test_cli_runner().invoke(args=["planned-cuts", "import", str(path)])
    assert "T-2: SAME, 1 points, DRAFT" in again.output
    assert len(_all(app, Outage)) == 2
    assert len(_all(app, OutagePoint)) == 3


def test_a_bad_cut_in_a_file_stops_none_of_the_others(app: Flask, tmp_path: Path) -> None:
    _add_points(app)
    path = tmp_path / "cuts.json"
    good = _cut("T-1")
    wrong: list[Any] = [{**_cut("T-2"), "causeCode": "STORM"}, {"reference": "T-3"}, 7]
    path.write_text(json.dumps([*wrong, good]), encoding="utf-8")
    done = app.test_cli_runner().invoke(args=["planned-cuts", "import", str(path)])
    assert done.exit_code == 1
    assert "T-2: not taken, CAUSE_UNKNOWN" in done.output
    assert "$.version FIELD_MISSING" in done.output
    assert [outage.source_ref for outage in _all(app, Outage)] == ["T-1"]


def test_a_table_without_its_columns_is_told_so(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "cuts.csv"
    path.write_text("gsrn\n1\n", encoding="utf-8")
    done = app.test_cli_runner().invoke(args=["planned-cuts", "import", str(path)])
    assert done.exit_code == 1
    assert "reference FIELD_MISSING this column is required" in done.output


def test_a_draft_is_approved_and_announced_once(app: Flask, tmp_path: Path) -> None:
    _add_points(app)
    path = tmp_path / "cuts.json"
    path.write_text(json.dumps([_cut("T-1")]), encoding="utf-8")
    run = app.test_cli_runner().invoke
    assert run(args=["planned-cuts", "import", str(path)]).exit_code == 0
    source = _all(app, Outage)[0].source
    approve = ["planned-cuts", "approve", "T-1", "--source", source]
    # The account on the machine is no second person, whatever it is called.
    assert run(args=approve).exit_code == 2
    _add_otso(app)
    assert _by_otso(app, *approve).exit_code == 0
    assert [outage.state for outage in _all(app, Outage)] == ["ANNOUNCED"]
    assert [cut.approved_by for cut in _all(app, PlannedCut)] == ["staff:otso"]
    again = _by_otso(app, *approve)
    assert (again.exit_code, "not approved" in again.output) == (1, True)
    missing = _by_otso(app, "planned-cuts", "approve", "T-2")
    assert (missing.exit_code, "no planned cut" in missing.output) == (1, True)


def test_nobody_approves_by_a_command_what_they_changed_in_the_portal(
    app: Flask, tmp_path: Path
) -> None:
    _add_points(app)
    _add_otso(app)
    path = tmp_path / "cuts.json"
    path.write_text(json.dumps([_cut("T-1")]), encoding="utf-8")
    app.test_cli_runner().invoke(args=["planned-cuts", "import", str(path)])
    with app.app_context(), transaction() as session:
        session.execute(update(PlannedCut).values(changed_by="staff:otso"))
    source = _all(app, Outage)[0].source
    alone = _by_otso(app, "planned-cuts", "approve", "T-1", "--source", source)
    assert (alone.exit_code, "SAME_PERSON" in alone.output) == (1, True)


def test_a_planner_is_made_and_loses_the_right(app: Flask) -> None:
    run = app.test_cli_runner().invoke
    assert run(args=["planned-cuts", "planner", "verkko"]).exit_code == 1
    assert run(args=["planned-cuts", "planner", "verkko", "--name", "Suunnittelu"]).exit_code == 0
    assert [p.plans_cuts for p in _all(app, Partner) if p.code == "verkko"] == [True]
    run(args=["planned-cuts", "planner", "verkko", "--revoke"])
    assert [p.plans_cuts for p in _all(app, Partner) if p.code == "verkko"] == [False]


def _add_otso(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        staff.create(session, "otso", "Otso", PASSWORD, Role.OPERATOR, datetime.now(UTC), by="test")


def _by_otso(app: Flask, *words: str) -> Result:
    args = [*words, "--by", "otso", "--password-stdin"]
    return app.test_cli_runner().invoke(args=args, input=f"{PASSWORD}\n")


def _cut(reference: str) -> dict[str, Any]:
    return {
        "reference": reference,
        "version": 1,
        "name": "x",
        "from": FROM.isoformat(),
        "to": TO.isoformat(),
        "causeCode": "CLEARING",
        "points": [gsrn(1)],
    }


def _add_points(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            for number in (1, 2):
                session.add(
                    MeteringPoint(
                        gsrn=gsrn(number), version=1, status="AE01", type="AG01", updated_at=FROM
                    )
                )
        db.session.remove()


def _all(app: Flask, model: Any) -> list[Any]:
    with app.app_context(), transaction() as session:
        rows = list(session.scalars(select(model).order_by(*model.__table__.primary_key.columns)))
        return rows
