"""`flask processes`: list, start, stop and run again."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from click.testing import Result
from flask import Flask

from app.db import db, transaction
from app.models import AuditEntry, Lane, ProcessStart
from app.services import process_starts


def test_processes_are_listed_with_what_starts_them(app: Flask) -> None:
    done = _run(app, "list")
    assert done.exit_code == 0, done.output
    assert "schedule: */2 * * * *" in done.output
    rows = {row["code"]: row for row in json.loads(_run(app, "list", "--json").output)}
    assert rows["poll-cis"]["triggers"] == ["every 5 s"]
    assert rows["poll-mail"]["environment"] == "test"
    assert rows["poll-mail"]["next"] is not None
    assert "waiting" not in {row["state"] for row in rows.values()}
    assert json.loads(_run(app, "list", "--json", "--zone", "plant").output) == []


def test_one_is_started_stopped_and_run_again(app: Flask) -> None:
    assert "start 1: WAITING" in _run(app, "start", "purge").output
    assert "purge is stopped" in _run(app, "stop", "purge").output
    refused = _run(app, "start", "purge")
    assert refused.exit_code == 1
    assert "it is stopped" in refused.output
    assert "runs again" in _run(app, "stop", "purge", "--go-on").output
    again = _run(app, "rerun", "purge")
    assert "start 2: WAITING" in again.output, again.output
    with app.app_context(), transaction() as session:
        start = session.get(ProcessStart, 2)
        assert start is not None
        assert (start.kind, start.origin_id) == ("REPLAY", 1)
        actions = [entry.action for entry in session.query(AuditEntry).order_by(AuditEntry.id)]
    assert actions == ["PROCESS_STARTED", "PROCESS_STOPPED", "PROCESS_GOES_ON", "PROCESS_REPLAYED"]


def test_a_lane_is_paused_and_what_cannot_be_done_is_said(app: Flask) -> None:
    assert _run(app, "stop", "intake").exit_code == 0
    with app.app_context(), transaction() as session:
        lane = session.get(Lane, "intake")
        assert lane is not None
        assert lane.paused
    for args, words in (
        (("stop", "upkeep"), "cannot be stopped"),
        (("start", "nothing"), "no process nothing"),
        (("rerun", "signal"), "it has never run"),
        (("stop", "purge", "--go-on"), "it is not stopped"),
    ):
        done = _run(app, *args)
        assert done.exit_code == 1
        assert words in done.output


def test_a_start_that_the_policy_skips_ends_with_one(app: Flask) -> None:
    _run(app, "start", "poll-mail")
    with app.app_context(), transaction() as session:
        assert process_starts.claim(session, 1, "doorbell", datetime.now(UTC)) is not None
    done = _run(app, "start", "poll-mail")
    assert (done.exit_code, done.output) == (1, "start 2: SKIPPED\n")


def _run(app: Flask, *args: str) -> Result:
    done = app.test_cli_runner().invoke(args=["processes", *args])
    with app.app_context():
        db.session.remove()
    return done
