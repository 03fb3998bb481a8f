"""The commands of the rollout."""

from __future__ import annotations

import json
from pathlib import Path

from flask import Flask

from app.db import transaction
from app.domain.roles import Role
from app.services import staff
from tests.services.rollout_world import NOW, add_world
from workers.rollout import refresh_rollout

PASSWORD = "a password of twelve"
PLAN = "wave;municipality;from;to;meters\nA1;Tampere;2026-11-02;2026-11-13;100\n"


def test_a_plan_is_imported_and_put_in_force_by_commands(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "plan.csv"
    file.write_text(PLAN, "utf-8")
    run = app.test_cli_runner()
    assert run.invoke(args=["rollout", "import-plan", str(file)]).output == "1\n"
    assert run.invoke(args=["rollout", "plans"]).output.startswith("     1       100 meters")
    # The account on the machine is neither the first person nor the second, whatever it is called.
    propose = ["rollout", "import-plan", str(file), "--propose"]
    assert run.invoke(args=propose).exit_code == 1
    for act in ("propose-plan", "activate-plan"):
        assert run.invoke(args=["rollout", act, "1"]).exit_code == 2
    with app.app_context(), transaction() as session:
        for name in ("aino", "otso"):
            staff.create(session, name, name, PASSWORD, Role.OPERATOR, NOW, by="test")
    by_aino = ["--by", "aino", "--password-stdin"]
    again = run.invoke(args=[*propose, *by_aino], input=PASSWORD + "\n")
    assert "1 (known before)" in again.output
    assert run.invoke(args=["rollout", "plans"]).output.startswith("?    1")
    by_otso = ["rollout", "activate-plan", "1", "--by", "otso", "--password-stdin"]
    assert run.invoke(args=by_otso, input=PASSWORD + "\n").exit_code == 0
    assert run.invoke(args=["rollout", "plans"]).output.startswith("*    1")
    in_force = ["rollout", "propose-plan", "1", *by_aino]
    assert run.invoke(args=in_force, input=PASSWORD + "\n").exit_code == 1
    unknown = ["rollout", "activate-plan", "7", *by_otso[3:]]
    assert run.invoke(args=unknown, input=PASSWORD + "\n").exit_code == 1
    by_otso[1] = "propose-plan"
    file.write_text(PLAN.replace("100", "200"), "utf-8")
    assert run.invoke(args=["rollout", "import-plan", str(file)]).output == "2\n"
    by_otso[2] = "2"
    assert run.invoke(args=by_otso, input=PASSWORD + "\n").exit_code == 0
    by_otso[1] = "activate-plan"
    alone = run.invoke(args=by_otso, input=PASSWORD + "\n")
    assert (alone.exit_code, "SAME_PERSON" in alone.output) == (1, True)


def test_a_bad_plan_is_told_line_by_line(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "plan.csv"
    file.write_text(PLAN + "A1;Atlantis;x;2026-11-13;1\n", "utf-8")
    found = app.test_cli_runner().invoke(args=["rollout", "import-plan", str(file)])
    assert found.exit_code == 1
    assert "plan.csv:3: municipality MUNICIPALITY_UNKNOWN Atlantis" in found.output
    assert "plan.csv:3: from DAY x" in found.output


def test_the_figures_are_shown_as_json(app: Flask) -> None:
    run = app.test_cli_runner()
    assert run.invoke(args=["rollout", "show"]).exit_code == 1
    with app.app_context():
        with transaction() as session:
            add_world(session)
        refresh_rollout(app.extensions["tiedolla_settings"], NOW, at_once=True)
    told = json.loads(run.invoke(args=["rollout", "show"]).output)
    assert told["as_of"] == "2026-11-25T10:00:00Z"
    assert told["figures"]["flags"]["booked"] == 2
