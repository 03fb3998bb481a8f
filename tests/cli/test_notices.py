"""`flask notices doubts` counts what was sent again in doubt and what was given up in doubt."""

from __future__ import annotations

import json
from datetime import timedelta

from flask import Flask
from sqlalchemy import text

from app.db import db, transaction
from app.services import unknowns
from tests.services.announcing import add_outage, settle_people
from tests.services.world import NOW, leave_unknown, ledger, scalar, send_one, settle_in, tell

LATER = NOW + timedelta(hours=1)


def test_a_warning_of_fallen_lines_asks_first(app: Flask) -> None:
    with app.app_context():
        settle_people(1)
        number = add_outage()
        with transaction() as session:
            session.execute(text("UPDATE metering_point SET municipality_code = '837'"))
        db.session.remove()
    for answer, count in (("n\n", 0), ("y\n", 1)):
        app.test_cli_runner().invoke(args=["notices", "warn", str(number)], input=answer)
        with app.app_context():
            assert scalar("SELECT count(*) FROM announcement") == count
    again = app.test_cli_runner().invoke(args=["notices", "warn", str(number), "--yes"])
    assert (again.exit_code, "WARNED_LATELY" in again.output) == (1, True)


def test_without_a_doubt_nothing_is_counted(app: Flask) -> None:
    with app.app_context():
        settle_in()
        tell("METER_SWAP_DONE")
        send_one()
        db.session.remove()
    assert doubts(app) == {}
    assert "No message is in doubt." in said(app)


def test_a_message_that_left_twice_is_counted_as_sent_again(app: Flask) -> None:
    with app.app_context():
        settle_in()
        tell("METER_SWAP_DONE")
        leave_unknown()
        decide()
        send_one(now=LATER)
        assert ledger()[0].state == "RESENT"
        db.session.remove()
    assert doubts(app) == {"METER_SWAP_DONE": {"resent": 1, "given_up": 0}}
    assert "METER_SWAP_DONE      1 sent again, 0 given up" in said(app)


def test_a_message_that_stays_in_doubt_is_counted_as_given_up(app: Flask) -> None:
    with app.app_context():
        settle_in()
        tell("METER_SWAP_DONE")
        for _ in range(2):
            leave_unknown(now=LATER)
            decide()
        assert ledger()[0].state == "EXPIRED"
        db.session.remove()
    assert doubts(app) == {"METER_SWAP_DONE": {"resent": 1, "given_up": 1}}


def test_a_message_that_expired_without_having_left_is_no_doubt(app: Flask) -> None:
    with app.app_context():
        settle_in()
        tell("METER_SWAP_DONE")
        with transaction() as session:
            session.execute(text("UPDATE notice SET state = 'EXPIRED'"))
        db.session.remove()
    assert doubts(app) == {}


def decide() -> None:
    """Nobody found it, so policy has to say what happens."""
    with transaction() as session:
        session.execute(text("UPDATE attempt SET next_lookup_at = :now"), {"now": NOW})
        session.execute(text("UPDATE notice SET state = 'UNKNOWN'"))
    with transaction() as session:
        (doubt,) = unknowns.due(session, 10, LATER)
        assert unknowns.decide(session, doubt, LATER) is not None


def doubts(app: Flask) -> dict[str, dict[str, int]]:
    told: dict[str, dict[str, int]] = json.loads(said(app, "--json"))
    return told


def said(app: Flask, *words: str) -> str:
    result = app.test_cli_runner().invoke(args=["notices", "doubts", *words])
    assert result.exit_code == 0, result.output
    return result.output
