"""`flask sending …` stops and starts what leaves, by name and with a reason."""

from __future__ import annotations

from flask import Flask

from app.db import transaction
from app.models import AuditEntry
from tests.services.queueing import add_route


def test_everything_stops_and_starts_and_the_status_says_so(app: Flask) -> None:
    assert "Sending is stopped." in _run(app, "stop", "--reason", "wrong text")
    said = _run(app, "status")
    assert "SMS is stopped since" in said
    assert "wrong text" in said
    assert "Sending again: SMS, EMAIL." in _run(app, "start")
    assert "stopped" not in _run(app, "status")
    assert "Nothing was stopped." in _run(app, "start")
    with app.app_context(), transaction() as session:
        actors = {entry.actor for entry in session.query(AuditEntry)}
    assert len(actors) == 1
    assert actors.pop().startswith("cli:")


def test_one_channel_stops_alone_and_codes_may_leave(app: Flask) -> None:
    _run(app, "stop", "--channel", "sms", "--reason", "x", "--keep-service")
    said = _run(app, "status")
    assert "SMS is stopped" in said
    assert "codes and replies leave" in said
    assert "EMAIL is stopped" not in said


def test_a_stop_without_a_reason_is_refused(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["sending", "stop"])
    assert result.exit_code == 2
    assert "--reason" in result.output


def test_the_status_names_each_route_and_how_it_is(app: Flask) -> None:
    with app.app_context():
        add_route()
    said = _run(app, "status")
    assert "twilio       weight 100 CLOSED" in said
    assert "twilio2      weight 0 STANDBY" in said


def _run(app: Flask, *words: str) -> str:
    result = app.test_cli_runner().invoke(args=["sending", *words])
    assert result.exit_code == 0, result.output
    return result.output
