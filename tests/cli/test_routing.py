"""`flask routing …` and `flask lanes …`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select, text

from app.db import db, transaction
from app.domain.roles import Role
from app.models import Lane, Replay, RuleSet
from app.services import rule_sets, staff
from tests.services.routing_world import (
    NOW,
    a_swap,
    add_partner,
    an_order,
    put_in_force,
    take,
    values,
)
from workers.cli import register as register_workers

PASSWORD = "a password of twelve"


def test_rules_are_shown_with_what_is_odd_about_them(app: Flask, world: None) -> None:
    shown = _run(app, "routing", "show").output
    assert "100 Mass replacement: voima (MVM)" in shown
    assert "odd: GAP HUO" in shown
    assert "ACTIVE" in _run(app, "routing", "list").output


def test_one_order_is_tried_and_all_are_counted(app: Flask, world: None) -> None:
    tried = _run(app, "routing", "try", "A-1").output
    assert "Mass replacement: fits" in tried
    assert "on record: ROUTED, voima, version 1" in tried
    told = json.loads(_run(app, "routing", "impact", "--json").output)
    assert (told["open"], told["same"], told["changes"]) == (2, 2, [])
    assert _run(app, "routing", "try", "A-99").exit_code == 1


def test_no_command_of_the_workers_hides_one_of_the_product(app: Flask) -> None:
    ours = set(app.cli.commands)
    background = Flask("background")
    register_workers(background)
    assert ours.isdisjoint(background.cli.commands)
    plain = _run(app, "lanes", "list", "--plain").output.split()
    with app.app_context(), transaction() as session:
        assert plain == sorted(session.scalars(select(Lane.name)))


def test_a_file_becomes_a_draft_and_nobody_activates_their_own(
    app: Flask, world: None, tmp_path: Path
) -> None:
    path = tmp_path / "rules.json"
    path.write_text(_run(app, "routing", "show", "--json").output, "utf-8")
    assert "draft of 3 rules" in _run(app, "routing", "draft", str(path)).output
    # The account on the machine is neither the first person nor the second, whatever it is called.
    assert _run(app, "routing", "submit", "2", "--note", "x").exit_code == 2
    assert _run(app, "routing", "activate", "2").exit_code == 2
    assert "rejected" in _run(app, "routing", "reject", "2").output
    path.write_text("[{}]", "utf-8")
    assert _run(app, "routing", "draft", str(path)).exit_code == 1


def test_what_somebody_else_submitted_is_activated_and_rolled_back(app: Flask, world: None) -> None:
    with app.app_context(), transaction() as session:
        number = rule_sets.begin_draft(session, by="staff:aino", now=NOW).number
        rule_sets.save_rule(session, number, None, values(), by="staff:aino", now=NOW)
        rule_sets.submit(session, number, "x", by="staff:aino", now=NOW)
    _add_people(app)
    eino = ("--by", "eino", "--password-stdin")
    done = _run(app, "routing", "activate", "2", *eino, given=f"{PASSWORD}\n")
    assert "decides from now on" in done.output
    back = ("routing", "roll-back", "1", "--note", "wrong")
    assert _run(app, *back).exit_code == 2
    assert "equals version 1" in _run(app, *back, *eino, given=f"{PASSWORD}\n").output
    with app.app_context(), transaction() as session:
        states = {row.number: row.state for row in session.scalars(select(RuleSet))}
    assert states == {1: "RETIRED", 2: "ACTIVE", 3: "SUBMITTED"}


def test_two_people_at_one_terminal_are_two_who_show_their_passwords(
    app: Flask, world: None, tmp_path: Path
) -> None:
    _add_people(app)
    path = tmp_path / "rules.json"
    path.write_text(_run(app, "routing", "show", "--json").output, "utf-8")
    aino, eino = (("--by", name, "--password-stdin") for name in ("aino", "eino"))
    word = f"{PASSWORD}\n"
    assert _run(app, "routing", "draft", str(path), *aino, given=word).exit_code == 0
    assert _run(app, "routing", "submit", "2", "--note", "x", *aino, given=word).exit_code == 0
    refused = _run(app, "routing", "activate", "2", *aino, given=word)
    assert refused.stderr == "refused: SAME_PERSON\n"
    wrong = _run(app, "routing", "activate", "2", *eino, given="something else\n")
    assert wrong.exit_code == 1
    assert "decides" in _run(app, "routing", "activate", "2", *eino, given=word).output
    with app.app_context(), transaction() as session:
        assert session.get_one(RuleSet, 2).decided_by == "staff:eino"


def test_a_lane_is_bounded_paused_and_resumed(app: Flask, world: None) -> None:
    done = _run(
        app,
        "lanes",
        "bounds",
        "nis",
        "--hours",
        "1-5 7:00-16:00",
        "--day-cap",
        "10",
        "--reason",
        "agreed",
    )
    assert done.exit_code == 0, done.output
    assert _run(app, "lanes", "bounds", "nis", "--rate", "5", "--reason", "agreed").exit_code == 0
    with app.app_context(), transaction() as session:
        lane = session.get_one(Lane, "nis")
        # What is not named stays.
        assert (lane.hours, lane.day_cap, lane.rate_per_s) == ("1-5 07:00-16:00", 10, 5)
    wrong = _run(app, "lanes", "bounds", "nis", "--hours", "9", "--reason", "x")
    assert "cannot be understood: 9" in wrong.output + wrong.stderr
    assert _run(app, "lanes", "pause", "nis").exit_code == 0
    assert "PAUSED" in _run(app, "lanes", "list").output
    listed = json.loads(_run(app, "lanes", "list", "--json").output)
    assert {row["name"]: row["state"] for row in listed}["nis"] == "PAUSED"
    assert _run(app, "lanes", "resume", "nis").exit_code == 0
    assert _run(app, "lanes", "pause", "nowhere").exit_code == 1


def test_a_replay_is_counted_before_it_is_done(app: Flask, world: None, tmp_path: Path) -> None:
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE outbox_item SET state = 'DEAD'"))
    lane = "partner.voima"
    assert "1 items" in _run(app, "lanes", "replay", lane).output
    path = tmp_path / "orders.csv"
    path.write_text("A-1\nA-7\n", "utf-8")
    nobody = _run(app, "lanes", "replay", lane, "--reason", "back")
    assert (nobody.exit_code, "--by USERNAME" in nobody.stderr) == (1, True)
    _add_people(app)
    aino, word = ("--by", "aino", "--password-stdin"), f"{PASSWORD}\n"
    file = ("--file", str(path))
    done = _run(app, "lanes", "replay", lane, *file, "--reason", "back", *aino, given=word).output
    assert "left out: 1 NOT_FOUND" in done
    assert "DONE, 1 are due again." in done
    wide = ("--arrived", "--key", "x", "--reason", "x")
    refused = _run(app, "lanes", "replay", "sms", *wide, *aino, given=word)
    assert (refused.exit_code, refused.stderr) == (1, "refused: TOO_WIDE\n")
    with app.app_context(), transaction() as session:
        assert set(session.scalars(select(Replay.state))) == {"PREVIEWED", "DONE"}
        askers = session.scalars(select(Replay.asked_by).where(Replay.state == "DONE"))
        assert askers.all() == ["staff:aino"]


def test_many_are_sent_again_by_two_who_show_their_passwords(app: Flask, world: None) -> None:
    with app.app_context():
        take([a_swap(number) for number in range(100, 202)], 5)
        with transaction() as session:
            session.execute(text("UPDATE outbox_item SET state = 'DEAD'"))
    _add_people(app)
    aino, eino = (("--by", name, "--password-stdin") for name in ("aino", "eino"))
    word = f"{PASSWORD}\n"
    lane = "partner.voima"
    asked = _run(app, "lanes", "replay", lane, "--reason", "back", *aino, given=word)
    assert "PROPOSED, 0 are due again." in asked.output
    assert _run(app, "lanes", "replay-confirm", "1").exit_code == 2
    same = _run(app, "lanes", "replay-confirm", "1", *aino, given=word)
    assert same.stderr == "refused: SAME_PERSON\n"
    assert "Confirmed" in _run(app, "lanes", "replay-confirm", "1", *eino, given=word).output
    with app.app_context(), transaction() as session:
        assert session.get_one(Replay, 1).decided_by == "staff:eino"


def _add_people(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        for name in ("aino", "eino"):
            staff.create(session, name, name, PASSWORD, Role.OPERATOR, datetime.now(UTC), by="test")


def _run(app: Flask, *arguments: str, given: str | None = None) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments), input=given)


@pytest.fixture
def world(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            add_partner(session)
        take([a_swap(1), an_order(2)])
        db.session.remove()


def test_waiting_orders_are_counted_and_moved(app: Flask, world: None) -> None:
    with app.app_context():
        put_in_force(values("piiri", order_type_codes=["MVM"]))
    assert "1 voima -> piiri (as A-1)" in _run(app, "routing", "move").output
    nobody = _run(app, "routing", "move", "--reason", "down")
    assert (nobody.exit_code, "--by USERNAME" in nobody.stderr) == (1, True)
    _add_people(app)
    aino, eino = (("--by", name, "--password-stdin") for name in ("aino", "eino"))
    word = f"{PASSWORD}\n"
    asked = _run(app, "routing", "move", "--reason", "down", *aino, given=word)
    assert "APPROVED, 1 orders" in asked.output
    over = _run(app, "routing", "move-confirm", "1", *eino, given=word)
    assert over.stderr == "refused: CHANGED_MEANWHILE\n"
    assert "2 orders" not in _run(app, "routing", "look-again").output
