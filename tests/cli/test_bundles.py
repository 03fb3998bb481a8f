"""`flask bundles`: what is in force, and two people who bring another version into force."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.domain.roles import Role
from app.models import PartnerBundle
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


@pytest.mark.parametrize(
    ("kind", "changes", "told"),
    [
        ("mass_installer", {"capabilities": ["new", "acks"]}, "add cancel"),
        ("mass_installer", {"capabilities": ["new", "update", "cancel"]}, "acks is missing"),
        ("meter_maker", {"capabilities": ["deliveries", "acks"]}, "acks is not true"),
        ("meter_maker", {"capabilities": []}, "deliveries is missing"),
        ("regional_contractor", {"acks": {"by": "none"}}, "does not go with the documents"),
        ("regional_contractor", {"acks": {"by": "file"}}, "name the kinds of reports"),
        ("regional_contractor", {"acks": {"by": "file", "types": ["FAILED"]}}, "makes ACCEPTED"),
        (
            "regional_contractor",
            {"capabilities": ["new", "update", "cancel", "acks", "key_info"]},
            "no mapping of orders reads it",
        ),
    ],
)
def test_a_manifest_that_says_what_its_documents_do_not_is_told_so(
    app: Flask, tmp_path: Path, kind: str, changes: dict[str, Any], told: str
) -> None:
    folder = copy_of(kind, tmp_path)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}), "utf-8")
    answer = run(app, "check", str(folder))
    assert answer.exit_code == 1
    assert told in answer.output


@pytest.mark.parametrize(
    ("name", "before", "after", "told"),
    [
        (
            "order-out-1.json",
            '"source": "customer_name"',
            '"source": "customer_name", "required": true',
            "customer_name is required and not in a cancellation",
        ),
        ("codes.json", '"CANCEL": "PERUTTU"', '"NONE": "PERUTTU"', "actions lacks CANCEL"),
    ],
)
def test_a_form_of_orders_that_cannot_call_one_off_is_told_so(
    app: Flask, tmp_path: Path, name: str, before: str, after: str, told: str
) -> None:
    file = copy_of("regional_contractor", tmp_path) / name
    text_before = file.read_text("utf-8")
    assert before in text_before
    file.write_text(text_before.replace(before, after), "utf-8")
    assert told in run(app, "check", str(file.parent)).output


def test_where_a_version_asks_for_other_bounds_than_the_lane_has_is_shown_and_taken(
    app: Flask,
) -> None:
    add_people(app)
    with app.app_context(), transaction() as session:
        number = session.scalars(
            select(PartnerBundle.id).where(
                PartnerBundle.partner_code == "voima", PartnerBundle.document == "order"
            )
        ).one()
        session.execute(text("UPDATE lane SET in_flight_count = 8 WHERE name = 'partner.voima'"))
    assert "has 8 in flight, the version asks for 100" in run(app, "limits", str(number)).output
    assert run(app, "limits", str(number), "--take").exit_code == 1
    taken = run(app, "limits", str(number), "--take", *by("aino"))
    assert taken.output.endswith("Taken.\n")
    assert run(app, "limits", str(number)).output == "The lane has what it asks for.\n"


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
