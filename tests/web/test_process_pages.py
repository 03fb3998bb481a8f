"""Processes and alarm rules on the pages: found, started, stopped, run again, and changed."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.domain.roles import Role
from app.models import AlarmRule, AuditEntry, Lane, Process, ProcessStart, ProcessTrigger
from app.services import process_starts
from tests.web.conftest import Writing
from tests.web.visitor import Visitor, visitor_as

NONCE = "0123456789abcdef"
RULE = {
    "code": "orders",
    "name": "Orders in an hour",
    "kind": "RATE",
    "measure": "ORDERS",
    "subject": "",
    "window_min": "60",
    "direction": "BELOW",
    "limit": "100",
    "clear_limit": "150",
    "raise_after": "2",
    "clear_after": "2",
    "least_count": "0",
    "days": "WORKING",
    "from_time": "7.00",
    "to_time": "16:00",
    "every_s": "300",
    "owner": "operations",
    "active": "y",
}


def test_processes_are_found_by_words_of_their_name_and_description(operator: Visitor) -> None:
    page = operator.get("/processes").text
    assert "Fetching e-mails" in page
    assert "Sending: Billing" in page
    found = operator.get("/processes?q=attachments+STORES").text
    assert "Fetching e-mails" in found
    assert "Sending: Billing" not in found
    assert "No process fits" in operator.get("/processes?q=nothing+like+it").text


@pytest.mark.parametrize(
    ("language", "words", "title"),
    [("fi", "liitteet", "Sähköpostien haku"), ("sv", "bilagor", "Hämtning av e-post")],
)
def test_they_are_found_in_the_readers_own_language(
    app: Flask, language: str, words: str, title: str
) -> None:
    reader = visitor_as(app, Role.OPERATOR, language)
    assert title in reader.get(f"/processes?q={words}").text


def test_zone_and_environment_are_filters(operator: Visitor, writing: Writing) -> None:
    with writing() as session:
        session.execute(text("UPDATE process SET zone = 'plant' WHERE code = 'purge'"))
        session.execute(text("UPDATE process SET environment = 'rehearsal' WHERE code = 'dms'"))
    page = operator.get("/processes?zone=plant").text
    assert "Clearing away" in page
    assert "Fetching e-mails" not in page
    page = operator.get("/processes?environment=rehearsal").text
    assert "Sending: Distribution management" in page
    assert "Clearing away" not in page


def test_pressing_start_twice_starts_once(operator: Visitor, writing: Writing) -> None:
    for _ in range(2):
        operator.post("/processes/purge/start", {"nonce": NONCE})
    with writing() as session:
        [start] = session.execute(select(ProcessStart)).scalars()
        assert (start.asked_by, start.kind) == ("staff:otso", "MANUAL")
        actions = session.execute(select(AuditEntry.action)).scalars().all()
    assert actions == ["PROCESS_STARTED"]
    assert operator.post("/processes/purge/start", {"nonce": "no"}).status_code == 400


def test_a_running_one_is_asked_to_stop_and_the_page_says_so(
    operator: Visitor, writing: Writing
) -> None:
    operator.post("/processes/purge/start", {"nonce": NONCE})
    with writing() as session:
        assert process_starts.claim(session, 1, "doorbell", datetime.now(UTC)) is not None
    operator.post("/processes/purge/stop")
    page = operator.get("/processes/purge").text
    assert "Stopped by" in page
    with writing() as session:
        [start] = session.execute(select(ProcessStart)).scalars()
        assert start.stop_asked_by == "staff:otso"
    operator.post("/processes/purge/go-on")
    assert "Being stopped" in operator.get("/processes/purge").text


def test_a_start_that_is_over_is_run_again(operator: Visitor, writing: Writing) -> None:
    operator.post("/processes/purge/start", {"nonce": NONCE})
    with writing() as session:
        session.execute(text("UPDATE process_start SET state = 'DONE', ended_at = now()"))
    assert "Run again" in operator.get("/processes/purge").text
    for _ in range(2):
        operator.post("/processes/purge/rerun", {"nonce": NONCE, "start": "1"})
    with writing() as session:
        starts = session.execute(select(ProcessStart).order_by(ProcessStart.id)).scalars().all()
        assert [(start.kind, start.origin_id) for start in starts] == [
            ("MANUAL", None),
            ("REPLAY", 1),
        ]


def test_a_lane_is_paused_by_stopping_its_process(operator: Visitor, writing: Writing) -> None:
    operator.post("/processes/nis/stop")
    with writing() as session:
        lane = session.get(Lane, "nis")
        assert lane is not None
        assert lane.paused
    answer = operator.post("/processes/upkeep/stop")
    assert answer.status_code == 302
    assert "cannot be stopped" in operator.get("/processes/upkeep").text


def test_how_it_runs_is_changed_and_recorded(operator: Visitor, writing: Writing) -> None:
    form = {
        "name": "Siivous",
        "description": "",
        "zone": "plant",
        "environment": "test",
        "owner": "aino",
        "log_level": "ERRORS",
        "overlap": "SKIP",
    }
    operator.post("/processes/purge/edit", form)
    operator.post("/processes/purge/edit", {**form, "overlap": "NEVER"})
    here = {**form, "name": "", "zone": "central", "every_s": "2,5"}
    operator.post("/processes/poll-cis/edit", here)
    with writing() as session:
        process = session.get(Process, "purge")
        assert process is not None
        assert (process.name, process.overlap, process.log_level) == ("Siivous", "SKIP", "ERRORS")
        pace = session.execute(text("SELECT every_s FROM schedule WHERE lane = 'poll_cis'"))
        assert pace.scalar_one() == 2.5
        entry = session.execute(
            select(AuditEntry).where(AuditEntry.subject == "process:purge")
        ).scalar_one()
    assert entry.detail["overlap"] == ["QUEUE_ONE", "SKIP"]
    assert "Siivous" in operator.get("/processes?q=siivous").text


def test_triggers_are_added_switched_and_taken_away(operator: Visitor, writing: Writing) -> None:
    path = "/processes/signal/triggers"
    operator.post(path, {"kind": "SCHEDULE", "SCHEDULE-cron": "0 7-16 * * mon-fri"})
    operator.post(path, {"kind": "SCHEDULE", "SCHEDULE-cron": "nonsense"})
    operator.post(path, {"kind": "CHANGE", "CHANGE-table": "mass_order", "CHANGE-state": "DONE"})
    operator.post(path, {"kind": "END", "END-process": "poll-mail", "END-ended": "BAD"})
    operator.post(path, {"kind": "HTTP", "HTTP-partner": "dms"})
    operator.post(path, {"kind": "FILE", "FILE-source": "cis", "FILE-name": "*.csv"})
    operator.post(path, {"kind": "MAIL", "MAIL-mailbox": "orders", "MAIL-subject": "Hi*"})
    # The parts of a schedule stay on one line.
    page = operator.get("/processes/signal").text.replace("\xa0", " ")
    assert "schedule" in operator.get("/processes?q=0+7-16").text.lower()
    for words in (
        "Schedule 0 7-16 * * mon-fri",
        "Change of mass_order (DONE)",
        "End of poll-mail, when it went wrong",
        "Request by dms",
        "File *.csv from cis",
        "E-mail to orders (Hi*)",
    ):
        assert words in page
    with writing() as session:
        ids = session.execute(
            select(ProcessTrigger.id).where(ProcessTrigger.process_code == "signal")
        ).scalars()
        first, *rest = sorted(ids)
    assert len(rest) == 5
    operator.post(f"{path}/{first}/off")
    operator.post(f"{path}/{rest[0]}/remove")
    with writing() as session:
        found = session.execute(
            select(ProcessTrigger).where(ProcessTrigger.process_code == "signal")
        ).scalars()
        assert {row.id: row.active for row in found} == {
            first: False,
            **dict.fromkeys(rest[1:], True),
        }


def test_a_rule_is_written_changed_and_shown(operator: Visitor, writing: Writing) -> None:
    assert operator.post("/alarm-rules/new", RULE).status_code == 302
    page = operator.get("/alarm-rules").text
    assert "Orders in an hour" in page
    assert "Has not looked yet" in page
    changed = {**RULE, "limit": "50,5", "clear_limit": "", "from_time": "", "to_time": ""}
    assert operator.post("/alarm-rules/orders", changed).status_code == 302
    with writing() as session:
        row = session.get(AlarmRule, "orders")
        assert row is not None
        assert (row.limit_value, row.clear_value, row.from_time) == (50.5, 50.5, None)
        assert row.changed_by == "staff:otso"
        actions = session.execute(select(AuditEntry.action).order_by(AuditEntry.id)).scalars().all()
    assert actions == ["ALARM_RULE_ADDED", "ALARM_RULE_CHANGED"]
    assert 'value="50.5"' in operator.get("/alarm-rules/orders").text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"limit": "many"}, "limit"),
        ({"limit": "inf"}, "limit"),
        ({"limit": "1e300"}, "limit"),
        ({"window_min": "999"}, "window_min"),
        ({"to_time": "late"}, "to_time"),
        ({"kind": "NEVER"}, "kind"),
        ({"measure": "LANE_AGE"}, "measure"),
        ({"clear_limit": "10"}, "clear_limit"),
        ({"recipients": "nobody"}, "recipients"),
        ({"code": "Ä!"}, "code"),
        ({"name": ""}, "name"),
    ],
)
def test_a_faulty_rule_comes_back_with_what_was_typed(
    operator: Visitor, writing: Writing, change: dict[str, str], field: str
) -> None:
    answer = operator.post("/alarm-rules/new", {**RULE, **change})
    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text
    assert 'value="Orders in an hour"' in answer.text or "name" in change
    with writing() as session:
        assert session.execute(select(AlarmRule)).all() == []


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
@pytest.mark.parametrize(
    "path", ["/processes", "/processes/poll-cis", "/alarm-rules", "/alarm-rules/new"]
)
def test_each_page_has_one_heading_and_labels_for_its_fields(
    app: Flask, path: str, language: str
) -> None:
    page = visitor_as(app, Role.OPERATOR, language).get(path).text
    assert f'<html lang="{language}"' in page
    assert page.count("<h1") == 1
    content = page[page.index("<main") :]
    fields = set(re.findall(r'<(?:input|select)[^>]* id="([^"]+)"', content))
    labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', content))
    assert fields <= labelled
