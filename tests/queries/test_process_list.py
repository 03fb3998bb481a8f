"""Every run belongs to a process that the page lists, also what a lane does under other names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.domain.alarm_rules import Days, Direction, Measure, Rule, RuleKind
from app.domain.processes import RUN_OWNERS, runs_of
from app.models import Process, ProcessStart
from app.queries import alarm_measures, process_list
from app.services import process_triggers, runs, triggers
from app.services.runs import StepRow

NOW = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
_LITERAL = re.compile(r"start_run\(\s*session, \"([^\"]+)\"")
_CONSTANT = re.compile(r"^_?(?:PROCESS|READ|POLL) = \"([^\"]+)\"", re.MULTILINE)


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_every_name_under_which_a_worker_records_runs_belongs_to_a_process() -> None:
    with transaction() as session:
        known = set(session.scalars(select(Process.run_name)))
    names = set()
    for path in (ROOT / "workers").glob("*.py"):
        source = path.read_text("utf-8")
        if "run" in source:
            names |= {*_LITERAL.findall(source), *_CONSTANT.findall(source)}
    assert len(names) > 15
    assert names - {*RUN_OWNERS, *known} == set()
    # And whoever owns them is there, under the name that it is asked by.
    assert set(RUN_OWNERS.values()) <= known


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("partner-files", "partner files"),
        ("partner-files", "poll partners"),
        ("intake", "mass split"),
        ("upkeep", "routing"),
        ("poll-cis", "poll CIS"),
    ],
)
def test_the_last_runs_of_a_process_are_listed_whatever_their_name(code: str, name: str) -> None:
    for minutes in range(7):
        _run(name, NOW + timedelta(minutes=minutes))
    _run("acks", NOW + timedelta(hours=1))
    with transaction() as session:
        rows = {row.code: row for row in process_list.processes(session)}
        found = [one.started_at for one in rows[code].last_runs]
    assert found == [NOW + timedelta(minutes=minutes) for minutes in (6, 5, 4, 3, 2)]


def test_the_end_of_a_part_starts_what_waits_for_the_process() -> None:
    with transaction() as session:
        spec = {"process": "upkeep", "ended": "OK"}
        process_triggers.add_trigger(session, "purge", "END", spec, NOW, by="staff:otso")
    _run("routing", NOW)
    _run("mass split", NOW)
    with transaction() as session:
        triggers.consume_changes(session, NOW)
        assert session.scalars(select(ProcessStart.cause)).all() == ["upkeep OK"]


def test_how_much_is_kept_is_set_with_the_process() -> None:
    with transaction() as session:
        session.execute(text("UPDATE process SET log_level = 'ERRORS' WHERE code = 'upkeep'"))
        run_id = runs.start_run(session, "routing", "test", NOW)
        steps = [StepRow("a", "OK", ("k",), NOW), StepRow("b", "FAILED", ("k",), NOW)]
        runs.add_steps(session, run_id, steps)
        kept = session.execute(text("SELECT name FROM step")).scalars().all()
    assert kept == ["b"]


def test_alarm_rules_of_a_process_measure_its_parts_too() -> None:
    _run("poll partners", NOW - timedelta(minutes=10))
    rule = Rule(
        RuleKind.LATENESS,
        Measure.PROCESS_AGE,
        Direction.ABOVE,
        60,
        30,
        30,
        1,
        1,
        Days.EVERY,
        None,
        None,
        "partner-files",
    )
    with transaction() as session:
        assert alarm_measures.measure(session, rule, NOW).number == 10.0
    assert runs_of("partner files") == ["partner files", "poll partners"]


def _run(name: str, at: datetime) -> None:
    with transaction() as session:
        run_id = runs.start_run(session, name, "test", at)
        runs.finish_run(session, run_id, "OK", at)
