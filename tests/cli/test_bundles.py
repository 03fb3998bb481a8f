"""`flask bundles`: what is in force, and two people who bring another version into force."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from app.db import transaction
from app.domain.roles import Role
from app.services import staff
from app.services.bundle_content import shipped

PASSWORD = "a password of twelve"


def test_all_shipped_bundles_are_listed_and_good(app: Flask) -> None:
    answer = run(app, "check")
    assert answer.exit_code == 0
    assert answer.output.count(": good,") == len(shipped())
    kinds = run(app, "kinds").output
    assert all(kind in kinds for kind in shipped())


def test_a_broken_folder_is_told_what_is_wrong_with_it(app: Flask, tmp_path: Path) -> None:
    folder = copy_of("mass_installer", tmp_path)
    mapping = folder / "order-out-1.json"
    mapping.write_text(mapping.read_text("utf-8").replace('"order_id"', '"orderid"'), "utf-8")
    answer = run(app, "check", str(folder))
    assert answer.exit_code == 1
    assert "MAP_SOURCE_UNKNOWN" in answer.output
    assert "our document has no orderid" in answer.output
    assert run(app, "check", str(tmp_path)).exit_code == 1


def test_run_prints_what_a_golden_pair_has(app: Flask) -> None:
    folder = shipped()["regional_contractor"].folder / "golden" / "order-out-1"
    answer = run(
        app, "run", "regional_contractor", "order", "out", "1", str(folder / "changed.in.json")
    )
    assert answer.stdout_bytes == (folder / "changed.out.csv").read_bytes()


def test_a_version_goes_from_a_folder_through_the_shadow_into_force_and_back(app: Flask) -> None:
    add_people(app)
    added = run(app, "add", "voima", "mass_installer", "order", "out", "2", *by("lina"))
    assert added.exit_code == 0, added.output
    number = added.output.split()[0]
    assert run(app, "shadow", number, *by("aino")).exit_code == 0
    shown = json.loads(run(app, "differences", number, "--json").output)
    assert shown == {"documents": 0, "differing": 0, "fields": []}
    assert run(app, "activate", number, *by("eino")).output.endswith("flask bundles propose\n")
    assert run(app, "propose", number, *by("aino")).exit_code == 0
    same = run(app, "activate", number, *by("aino"))
    assert "a second person" in same.output
    assert run(app, "activate", number, *by("eino")).exit_code == 0
    rows = in_force(app)
    assert ("voima", "order", 2) in rows
    (first,) = [row for row in listed(app) if row["state"] == "RETIRED"]
    assert run(app, "roll-back", str(first["id"]), *by("aino")).exit_code == 0
    assert ("voima", "order", 1) in in_force(app)


@pytest.mark.parametrize(
    ("who", "password", "told"),
    [
        ("aino", "another password", "not let in"),
        ("nobody", PASSWORD, "not let in"),
        ("agent", PASSWORD, "may not"),
    ],
)
def test_nobody_acts_in_anothers_name(app: Flask, who: str, password: str, told: str) -> None:
    add_people(app)
    answer = run(
        app,
        *("add", "voima", "mass_installer", "order", "out", "2"),
        *("--by", who, "--password-stdin"),
        given=password,
    )
    assert answer.exit_code == 1
    assert told in answer.output
    assert len(listed(app)) == 3


def test_a_new_partner_begins_with_a_shipped_kind(app: Flask) -> None:
    for _ in range(2):
        partner = app.test_cli_runner().invoke(
            args=[
                *("partners", "add", "rautio", "--name", "Rautio", "--transport", "SFTP"),
                *("--address", "sftp://rautio@127.0.0.1:22"),
            ]
        )
        assert partner.exit_code == 0, partner.output
        assert run(app, "begin", "rautio", "regional_contractor").exit_code == 0
    assert ("rautio", "order", 1) in in_force(app)
    assert ("rautio", "ack", 1) in in_force(app)
    wrong = run(app, "begin", "rautio", "own_crews")
    assert wrong.exit_code == 1
    assert "another kind" in wrong.output


def run(app: Flask, *words: str, given: str = PASSWORD) -> Result:
    return app.test_cli_runner().invoke(args=["bundles", *words], input=f"{given}\n")


def by(name: str) -> tuple[str, ...]:
    return ("--by", name, "--password-stdin")


def listed(app: Flask) -> list[dict[str, object]]:
    return [json.loads(line) for line in run(app, "list", "--json").output.splitlines()]


def in_force(app: Flask) -> set[tuple[object, ...]]:
    return {
        (row["partner_code"], row["document"], row["version"])
        for row in listed(app)
        if row["in_force"]
    }


def add_people(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        for name, role in (
            ("aino", Role.OPERATOR),
            ("eino", Role.ADMIN),
            ("lina", Role.OPERATOR),
            ("agent", Role.AGENT),
        ):
            staff.create(session, name, name, PASSWORD, role, datetime.now(UTC), by="test")


def copy_of(kind: str, folder: Path) -> Path:
    source = shipped()[kind].folder
    target = folder / kind
    for path in source.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return target
