"""From one environment to another: what changes is seen before, let in by two, and all at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import transaction
from app.domain.alarm_rules import Days, Direction, Measure, Rule, RuleKind
from app.domain.environment_diff import Change, fingerprint
from app.domain.message_json import texts_from_json, texts_to_json
from app.domain.notice_types import NoticeType
from app.models import (
    AlarmRule,
    AuditEntry,
    EnvironmentImport,
    MessageVersion,
    PartnerBundle,
    Process,
    ProcessTrigger,
    RouteRule,
    RuleSet,
    Schedule,
)
from app.services import (
    alarm_rules,
    message_versions,
    process_triggers,
    processes,
    rule_sets,
)
from app.services.alarm_rules import Written
from app.services.bundle_content import shipped_content, to_row
from app.services.environments import imports, signed_export
from app.services.environments.imports import ImportRefused
from app.services.environments.signed_export import FileRefused
from app.services.message_templates import SHIPPED
from app.services.processes import Edited
from app.services.rule_sets import RuleValues
from app.settings import Settings
from tests.conftest import test_settings
from tests.services.world import scalar

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BRINGER, SECOND = "staff:aino", "staff:otso"
RULE = Rule(
    RuleKind.RATE,
    Measure.ORDERS,
    Direction.BELOW,
    window_min=60,
    limit=3,
    clear_limit=3,
    raise_after=2,
    clear_after=1,
    days=Days.WORKING,
    from_time=time(7),
    to_time=time(16),
)
WRITTEN = Written("Orders in an hour", RULE, 60, "operations", (), False, True)


def test_everything_travels_and_the_same_file_again_changes_nothing(app: Flask) -> None:
    _change_everything()
    body = _export(app, _testing(app))
    _undo_everything()
    changes = _brought(app, body)
    assert {(one.kind, one.key, one.what, one.standing) for one in changes} == {
        ("routing", "South by voima", "ADDED", "DUE"),
        ("texts", "FAULT_STARTED", "CHANGED", "DUE"),
        ("schedules", "upkeep", "CHANGED", "DUE"),
        ("processes", "purge", "CHANGED", "DUE"),
        ("alarm_rules", "few-orders", "ADDED", "DUE"),
    }
    _approve(app, changes)
    assert _effects() == {
        # Rules and texts wait for somebody who publishes them; the rest is in force.
        "rules": [("DRAFT", 4)],
        "texts": [("FAULT_STARTED", "DRAFT", "Uusi teksti ((address))")],
        "upkeep_s": 20.0,
        "purge": ("A better name", ["10 3 * * *"]),
        "alarm_rules": [("few-orders", True)],
    }
    before = _everything()
    assert {one.standing for one in _brought(app, body)} == {"WAITS"}
    assert scalar("SELECT count(*) FROM environment_import") == 1
    assert _everything() == before


def test_the_drafts_are_published_by_somebody_else_than_their_bringer(app: Flask) -> None:
    _change_everything()
    body = _export(app, _testing(app))
    _undo_everything()
    _approve(app, _brought(app, body))
    with transaction() as session:
        number = session.scalars(select(RuleSet.number).where(RuleSet.state == "DRAFT")).one()
        rule_sets.submit(session, number, "from test", by=BRINGER, now=NOW)
    with pytest.raises(rule_sets.RulesRefused), transaction() as session:
        rule_sets.activate(session, number, by=BRINGER, now=NOW)
    with transaction() as session:
        rule_sets.activate(session, number, by=SECOND, now=NOW)
    assert {one.kind for one in _brought(app, body)} == {"texts"}


def test_comparing_changes_nothing_at_all(app: Flask) -> None:
    _change_everything()
    body = _export(app, _testing(app))
    _undo_everything()
    before = _everything()
    with transaction() as session:
        brought = imports.compare_file(session, _trusting(app), body)
        assert (len(brought.difference), brought.import_id) == (5, None)
    assert _everything() == before


def test_whoever_brought_a_file_cannot_let_it_in_and_what_was_not_seen_is_not_let_in(
    app: Flask,
) -> None:
    changes = _something(app)
    for seen, by, code in (
        (fingerprint(changes), BRINGER, "SAME_PERSON"),
        ("something else", SECOND, "CHANGED_MEANWHILE"),
    ):
        with pytest.raises(ImportRefused) as refused, transaction() as session:
            imports.approve(session, _trusting(app), 1, seen, NOW, by=by)
        assert refused.value.code == code
    with transaction() as session:
        processes.set_pace(session, "upkeep", 77.0, NOW, by=SECOND)
    with pytest.raises(ImportRefused) as changed, transaction() as session:
        imports.approve(session, _trusting(app), 1, fingerprint(changes), NOW, by=SECOND)
    assert changed.value.code == "CHANGED_MEANWHILE"


def test_one_record_that_cannot_be_let_in_keeps_all_of_the_file_out(app: Flask) -> None:
    _change_everything()
    body = _export(app, _testing(app))
    _undo_everything()
    with transaction() as session:
        message_versions.save_draft(
            session,
            NoticeType.FAULT_STARTED,
            SHIPPED.by_type[NoticeType.FAULT_STARTED],
            note="mine",
            marketing=False,
            base=0,
            seen_at=None,
            by=SECOND,
            now=NOW,
        )
    changes = _brought(app, body)
    (blocked,) = [one for one in changes if one.standing == "BLOCKED"]
    assert (blocked.kind, blocked.reason) == ("texts", "DRAFT_IN_THE_WAY")
    before = _everything()
    with pytest.raises(ImportRefused) as refused, transaction() as session:
        imports.approve(session, _trusting(app), 1, fingerprint(changes), NOW, by=SECOND)
    assert (refused.value.code, refused.value.about) == ("DRAFT_IN_THE_WAY", "texts FAULT_STARTED")
    assert _everything() == before


def test_what_only_turns_out_while_it_is_let_in_undoes_all_of_it(app: Flask) -> None:
    file = _read(_export(app, _testing(app)))
    kinds = file["content"]["kinds"]
    kinds["schedules"]["upkeep"]["every_s"] = 33.0
    trigger = {"spec": {"partner": "nobody"}, "active": True}
    kinds["processes"]["purge"]["triggers"]["HTTP nobody"] = trigger
    changes = _brought(app, _signed(app, file))
    before = _everything()
    with pytest.raises(ImportRefused) as refused, transaction() as session:
        imports.approve(session, _trusting(app), 1, fingerprint(changes), NOW, by=SECOND)
    assert (refused.value.code, refused.value.about) == ("PARTNER_UNKNOWN", "processes purge")
    assert _everything() == before


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (
            lambda f: f["content"]["kinds"]["schedules"]["upkeep"].update(every_s=1.0),
            "FILE_ALTERED",
        ),
        (lambda f: f["content"].update(environment="production"), "FILE_ALTERED"),
        (lambda f: f.update(signature="AAAA"), "FILE_ALTERED"),
        (lambda f: f.update(key="not base64"), "FILE_ALTERED"),
        (lambda f: f.pop("key"), "FILE_ALTERED"),
        (lambda f: f.update(schema=2), "SCHEMA_NEWER"),
        (lambda f: f.update(schema=True), "FORMAT_UNKNOWN"),
        (lambda f: f.update(format="something"), "FORMAT_UNKNOWN"),
        (lambda f: f.pop("content"), "FORMAT_UNKNOWN"),
    ],
)
def test_an_altered_file_is_refused_with_its_code(app: Flask, alter: Any, code: str) -> None:
    file = _read(_export(app, _testing(app)))
    alter(file)
    assert _refusal(app, json.dumps(file).encode()) == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "NOT_JSON"),
        (b"\xff\xfe", "NOT_JSON"),
        (b"[1]", "FORMAT_UNKNOWN"),
        (b'{"a": 1, "a": 2}', "NOT_JSON"),
        (b'{"a": NaN}', "NOT_JSON"),
        (b"[" * 100_000, "NOT_JSON"),
        (b"9" * 17_000_000, "TOO_LARGE"),
    ],
)
def test_what_is_no_export_is_refused_with_its_code(app: Flask, body: bytes, code: str) -> None:
    assert _refusal(app, body) == code


def test_only_files_of_environments_that_are_trusted_are_taken(app: Flask) -> None:
    here, testing = _settings(app), _testing(app)
    body = _export(app, testing)
    assert _refusal(app, body, here) == "ENVIRONMENT_NOT_TRUSTED"
    stranger = testing.model_copy(update={"secret_key": type(here.secret_key)("s" * 64)})
    assert _refusal(app, _export(app, stranger), _trusting(app)) == "KEY_NOT_TRUSTED"
    # A file of its own comes back when somebody restores what was.
    _brought(app, _export(app, here), here)


def test_spaces_and_order_are_no_alteration(app: Flask) -> None:
    file = _read(_export(app, _testing(app)))
    body = json.dumps(dict(reversed(file.items())), indent=4).encode()
    with transaction() as session:
        assert imports.compare_file(session, _trusting(app), body).difference == []


def test_the_same_file_waits_once_and_a_rejected_one_stays_in_the_list(app: Flask) -> None:
    _something(app)
    _something(app)
    assert scalar("SELECT count(*) FROM environment_import") == 1
    with transaction() as session:
        imports.reject(session, 1, "not now", NOW, by=BRINGER)
    with pytest.raises(ImportRefused) as refused, transaction() as session:
        imports.approve(session, _trusting(app), 1, "x", NOW, by=SECOND)
    assert refused.value.code == "NOT_WAITING"
    with transaction() as session:
        row = session.get_one(EnvironmentImport, 1)
        assert (row.state, row.decided_by, row.note) == ("REJECTED", BRINGER, "not now")
        actions = set(session.scalars(select(AuditEntry.action)))
        assert actions >= {"ENVIRONMENT_BROUGHT", "ENVIRONMENT_REJECTED", "ENVIRONMENT_EXPORTED"}


def test_a_rule_that_the_file_does_not_have_is_switched_off_and_keeps_its_people(
    app: Flask,
) -> None:
    body = _export(app, _testing(app))
    with transaction() as session:
        alarm_rules.save(session, _settings(app), "mine", WRITTEN, NOW, by=SECOND, new=True)
    changes = _brought(app, body)
    assert [(one.key, one.what) for one in changes] == [("mine", "REMOVED")]
    _approve(app, changes)
    assert scalar("SELECT active FROM alarm_rule WHERE code = 'mine'") is False
    assert _brought(app, body) == []


def test_what_has_no_place_here_is_left_out_and_named(app: Flask) -> None:
    file = _read(_export(app, _testing(app)))
    kinds = file["content"]["kinds"]
    kinds["processes"]["partner-nobody"] = dict(kinds["processes"]["purge"])
    kinds["texts"]["OF_ANOTHER_RELEASE"] = {"fi": {"sms": "x"}}
    kinds["holograms"] = {"one": {"a": 1}}
    kinds["schedules"]["upkeep"]["every_s"] = 33.0
    changes = _brought(app, _signed(app, file))
    assert {(one.kind, one.key, one.standing, one.reason) for one in changes} == {
        ("processes", "partner-nobody", "SKIPPED", "NOT_HERE"),
        ("texts", "OF_ANOTHER_RELEASE", "SKIPPED", "NOT_HERE"),
        ("holograms", "one", "SKIPPED", "KIND_UNKNOWN"),
        ("schedules", "upkeep", "DUE", None),
    }
    _approve(app, changes)
    assert scalar("SELECT every_s FROM schedule WHERE name = 'upkeep'") == 33.0


@pytest.mark.parametrize(
    ("kind", "key", "record"),
    [
        ("routing", "Mass replacement", {"priority": "high"}),
        ("bundles", "voima order out", {"kind": "mass_installer"}),
        ("texts", "FAULT_STARTED", {"fi": 7}),
        ("schedules", "upkeep", {"every_s": -1.0, "active": True}),
        ("processes", "purge", {"name": "x"}),
        ("alarm_rules", "few-orders", {"name": "x", "limit": "three"}),
        ("alarm_rules", "Odd Code!", {}),
    ],
)
def test_a_record_of_another_form_keeps_the_file_out_and_breaks_nothing(
    app: Flask, kind: str, key: str, record: dict[str, Any]
) -> None:
    file = _read(_export(app, _testing(app)))
    file["content"]["kinds"][kind][key] = record
    (change,) = [one for one in _brought(app, _signed(app, file)) if one.key == key]
    assert (change.standing, change.reason) == ("BLOCKED", "CONTENT_INVALID")


def test_a_bundle_arrives_as_a_draft_version_and_never_changes_one_that_is_there(
    app: Flask,
) -> None:
    file = _read(_export(app, _testing(app)))
    second = to_row(shipped_content("mass_installer", "order", "out", 2))
    file["content"]["kinds"]["bundles"]["voima order out"] = second
    changes = _brought(app, _signed(app, file))
    assert [(one.kind, one.key, one.what, one.standing) for one in changes] == [
        ("bundles", "voima order out", "CHANGED", "DUE")
    ]
    _approve(app, changes)
    with transaction() as session:
        rows = session.execute(
            select(PartnerBundle.version, PartnerBundle.state, PartnerBundle.added_by).where(
                PartnerBundle.partner_code == "voima", PartnerBundle.document == "order"
            )
        ).all()
        assert {tuple(row) for row in rows} == {
            (1, "ACTIVE", "system:setup"),
            (2, "DRAFT", BRINGER),
        }
    assert {one.standing for one in _brought(app, _signed(app, file))} == {"WAITS"}
    second["capabilities"] = []
    (change,) = _brought(app, _signed(app, file))
    assert (change.standing, change.reason) == ("BLOCKED", "VERSION_TAKEN")
    file["content"]["kinds"]["bundles"]["nobody order out"] = second
    assert {one.reason for one in _brought(app, _signed(app, file))} >= {"PARTNER_UNKNOWN"}


def _change_everything() -> None:
    with transaction() as session:
        draft = rule_sets.begin_draft(session, by="staff:a", now=NOW)
        values = RuleValues("South by voima", 50, "voima", NOW, municipality_codes=["049"])
        rule_sets.save_rule(session, draft.number, None, values, by="staff:a", now=NOW)
        rule_sets.submit(session, draft.number, "why", by="staff:a", now=NOW)
        rule_sets.activate(session, draft.number, by="staff:b", now=NOW)
        _publish_text(session)
        processes.set_pace(session, "upkeep", 20.0, NOW, by="staff:a")
        edited = Edited(
            "A better name", "", "central", "test", "operations", "EVERYTHING", "QUEUE_ONE"
        )
        processes.edit(session, "purge", edited, NOW, by="staff:a")
        old = session.scalars(
            select(ProcessTrigger.id).where(ProcessTrigger.process_code == "purge")
        ).one()
        process_triggers.remove_trigger(session, old, NOW, by="staff:a")
        process_triggers.add_trigger(
            session, "purge", "SCHEDULE", {"cron": "10 3 * * *"}, NOW, by="a"
        )
        _save_rule(session)


def _save_rule(session: Session) -> None:
    alarm_rules.save(
        session, test_settings(), "few-orders", replace(WRITTEN), NOW, by="staff:a", new=True
    )


def _publish_text(session: Session) -> None:
    kind = NoticeType.FAULT_STARTED
    texts = texts_to_json(SHIPPED.by_type[kind])
    texts["fi"]["sms"] = "Uusi teksti ((address))"
    session.add(
        MessageVersion(
            kind=kind,
            number=1,
            based_on=0,
            texts=texts_to_json(texts_from_json(texts)),
            state="PUBLISHED",
            note="",
            authors=["staff:a"],
            created_at=NOW,
            changed_at=NOW,
            published_at=NOW,
        )
    )


def _undo_everything() -> None:
    with transaction() as session:
        for statement in (
            "DELETE FROM route_rule WHERE set_number = 2",
            "DELETE FROM rule_set WHERE number = 2",
            "UPDATE rule_set SET state = 'ACTIVE' WHERE number = 1",
            "DELETE FROM message_version",
            "UPDATE schedule SET every_s = 10 WHERE name = 'upkeep'",
            "UPDATE process SET name = NULL WHERE code = 'purge'",
            "UPDATE process_trigger SET spec = '{\"cron\": \"40 2 * * *\"}', key = '40 2 * * *'"
            " WHERE process_code = 'purge'",
            "DELETE FROM alarm_rule",
        ):
            session.execute(text(statement))


def _effects() -> dict[str, Any]:
    with transaction() as session:
        purge = session.get_one(Process, "purge", populate_existing=True)
        drafts = session.execute(
            select(RuleSet.state, RuleSet.number).where(RuleSet.number > 1)
        ).all()
        return {
            "rules": [
                (
                    state,
                    len(
                        session.scalars(
                            select(RouteRule.id).where(RouteRule.set_number == number)
                        ).all()
                    ),
                )
                for state, number in drafts
            ],
            "texts": [
                (row.kind, row.state, row.texts["fi"]["sms"])
                for row in session.scalars(select(MessageVersion))
            ],
            "upkeep_s": session.get_one(Schedule, "upkeep", populate_existing=True).every_s,
            "purge": (
                purge.name,
                list(
                    session.scalars(
                        select(ProcessTrigger.key).where(ProcessTrigger.process_code == "purge")
                    )
                ),
            ),
            "alarm_rules": [(row.code, row.active) for row in session.scalars(select(AlarmRule))],
        }


def _everything() -> list[str]:
    """Every row of every table that a file may change, and of the files and the trail."""
    tables = (
        "rule_set",
        "route_rule",
        "message_version",
        "schedule",
        "process",
        "process_trigger",
        "alarm_rule",
        "partner_bundle",
        "environment_import",
        "audit_entry",
    )
    with transaction() as session:
        return [
            str(row)
            for table in tables
            for row in session.execute(text(f"SELECT t::text FROM {table} t ORDER BY 1"))
        ]


def _something(app: Flask) -> list[Change]:
    file = _read(_export(app, _testing(app)))
    file["content"]["kinds"]["schedules"]["upkeep"]["every_s"] = 33.0
    file["content"]["exportedAt"] = NOW.isoformat()
    return _brought(app, _signed(app, file))


def _export(app: Flask, settings: Settings) -> bytes:
    with transaction() as session:
        return imports.export(session, settings, NOW, by="staff:a")


def _read(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body)
    return found


def _signed(app: Flask, file: dict[str, Any]) -> bytes:
    """The file as the environment test would have signed it."""
    return signed_export.write(_testing(app), file["content"]["kinds"], NOW, by="staff:a")


def _brought(app: Flask, body: bytes, settings: Settings | None = None) -> list[Change]:
    with transaction() as session:
        return imports.bring(session, settings or _trusting(app), body, NOW, by=BRINGER).difference


def _approve(app: Flask, changes: list[Change]) -> None:
    with transaction() as session:
        imports.approve(session, _trusting(app), 1, fingerprint(changes), NOW, by=SECOND)


def _refusal(app: Flask, body: bytes, settings: Settings | None = None) -> str:
    with pytest.raises(FileRefused) as refused, transaction() as session:
        imports.bring(session, settings or _trusting(app), body, NOW, by=BRINGER)
    return refused.value.code


def _settings(app: Flask) -> Settings:
    settings: Settings = app.extensions["tiedolla_settings"]
    return settings


def _testing(app: Flask) -> Settings:
    """Another installation, in the environment development."""
    here = _settings(app)
    secret = type(here.secret_key)("d" * 64)
    return here.model_copy(update={"environment": "development", "secret_key": secret})


def _trusting(app: Flask) -> Settings:
    """Here, where files of that other installation are taken."""
    trust = {"development": signed_export.public_key(_testing(app))}
    return _settings(app).model_copy(update={"environment_trust": trust})


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
