"""The pages of reconciliation and retention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.models import AuditEntry, Difference, ProcessStart, PurgeReport, Replay
from app.services import reconciliation
from tests.field_work import gsrn
from tests.services.reconciling import SETTINGS, a_list, device, holds, sent
from tests.web.visitor import Visitor

# Pages look at the clock on the wall.
NOW = datetime.now(UTC)
BEFORE = NOW - timedelta(days=3)


def test_the_list_shows_each_difference_with_its_sides_age_and_owner(
    app: Flask, operator: Visitor, found: None
) -> None:
    page = operator.get("/reconciliation?lang=en").text
    for words in (gsrn(2), "Missing there", "Only there", "operations", "2 d", "Repair 1"):
        assert words in page, words
    assert "Found: 2" in page
    assert "Missing there" in operator.get("/reconciliation?lang=en&kind=MISSING").text
    nothing = operator.get("/reconciliation?lang=en&kind=DIFFERENT").text
    assert "No difference is as you asked for." in nothing
    assert gsrn(2) in operator.get(f"/reconciliation?key={gsrn(2)}").text
    assert "<span" in operator.get("/reconciliation?lang=fi").text
    for language, words in (("fi", "Puuttuu sieltä"), ("sv", "Saknas där")):
        assert words in operator.get(f"/reconciliation?lang={language}").text


def test_what_was_never_compared_is_not_said_to_be_well(app: Flask, operator: Visitor) -> None:
    page = operator.get("/reconciliation?lang=en").text
    assert "Nothing compared yet" in page
    assert "No difference" not in page


def test_one_is_handed_over_accepted_and_repaired_under_ones_name(
    app: Flask, operator: Visitor, found: None
) -> None:
    path = "/reconciliation/1"
    page = operator.get(f"{path}?lang=en").text
    assert "They had confirmed it, and it is not in their list" in page
    assert "nis:WO-2:1" in page
    operator.post(f"{path}/hand-over", {"note": "otso"}, page=path)
    operator.post(f"{path}/accept", {"note": " "}, page=path)
    assert "Say why." in operator.get(f"{path}?lang=en").text
    operator.post(f"{path}/accept", {"note": "they know"}, page=path)
    operator.post(f"{path}/repair", page=path)
    with app.app_context(), transaction() as session:
        row = session.get_one(Difference, 1)
        assert (row.owner, row.state, row.repair_count) == ("otso", "ACCEPTED", 0)
        assert session.query(AuditEntry).count() == 2
    shown = operator.get(f"{path}?lang=en").text
    assert "they know" in shown


def test_a_repair_leaves_under_the_original_key(app: Flask, operator: Visitor, found: None) -> None:
    path = "/reconciliation/1"
    operator.post(f"{path}/repair", page=path)
    with app.app_context(), transaction() as session:
        assert session.get_one(Difference, 1).state == "REPAIRING"
        rows = session.execute(text("SELECT dedupe_key, state FROM outbox_item ORDER BY id")).all()
        assert [tuple(row) for row in rows] == [("nis:WO-1:1", "SENT"), ("nis:WO-2:1", "READY")]
        acts = [entry.action for entry in session.query(AuditEntry)]
        assert acts == ["DIFFERENCE_REPAIRED"]
    assert "Send it again" not in operator.get(f"{path}?lang=en").text


def test_many_are_repaired_through_a_replay(app: Flask, operator: Visitor, found: None) -> None:
    made = operator.post("/reconciliation/repair", {"system": "nis"}, page="/reconciliation")
    assert made.location.endswith("/replays/1")
    with app.app_context(), transaction() as session:
        assert session.get_one(Replay, 1).item_count == 1
    operator.get("/reconciliation?lang=en")
    operator.post("/reconciliation/repair", {"system": "dms"}, page="/reconciliation")
    assert "Sending again would not end it." in operator.get("/reconciliation?lang=en").text


def test_a_repair_under_way_is_seen_with_who_and_when_so_that_nobody_begins_another(
    app: Flask, operator: Visitor, found: None
) -> None:
    operator.post("/reconciliation/repair", {"system": "nis"}, page="/reconciliation")
    operator.post("/replays/1/ask", {"note": "their disk was lost"}, page="/replays/1")
    shown = operator.get("/reconciliation?lang=en").text
    assert "Repair 1" not in shown
    assert "otso, " in shown
    shown = operator.get("/reconciliation/1?lang=en").text
    assert "otso has it repaired since" in shown
    assert 'href="/replays/1"' in shown
    assert "Send it again" not in shown
    for language, words in (("fi", "Seuraava luettelo"), ("sv", "Nästa lista")):
        assert words in operator.get(f"/reconciliation/1?lang={language}").text


def test_a_comparison_is_started_once_however_often_the_button_is_pressed(
    app: Flask, operator: Visitor
) -> None:
    form = {"system": "nis", "nonce": "0123456789abcdef"}
    for _ in range(2):
        operator.post("/reconciliation/run", form, page="/reconciliation")
    assert (
        operator.post("/reconciliation/run", {"system": "x"}, page="/reconciliation").status_code
        == 404
    )
    with app.app_context(), transaction() as session:
        (start,) = session.query(ProcessStart).all()
        assert (start.process_code, start.params, start.kind) == (
            "reconcile",
            {"system": "nis"},
            "MANUAL",
        )


def test_a_system_shows_its_lists_and_what_was_wrong_with_them(
    app: Flask, operator: Visitor, found: None
) -> None:
    with app.app_context(), transaction() as session:
        reconciliation.note_broken(session, "nis", "COUNT_WRONG", "1 records of 2", NOW)
    page = operator.get("/reconciliation/systems/nis?lang=en").text
    assert "It has not as many records as its first line says" in page
    assert "1 records of 2" in page
    assert "Compared" in page
    assert "Not usable" in operator.get("/reconciliation?lang=en").text
    assert "A system gave no usable list" in operator.get("/alarms?lang=en").text


def test_retention_shows_limits_tables_and_what_went(app: Flask, operator: Visitor) -> None:
    assert "Nothing has been removed yet" in operator.get("/retention?lang=en").text
    with app.app_context(), transaction() as session:
        session.add(
            PurgeReport(
                class_code="steps",
                period_on=NOW.date(),
                counts={"step": 4321},
                by="system:retention",
                at=NOW,
            )
        )
    page = operator.get("/retention?lang=en").text
    for words in ("Steps of runs", "1,461", "4,321", "The clock", "audit_entry"):
        assert words in page, words


@pytest.fixture
def found(app: Flask) -> None:
    """The NIS lacks one of two devices and has one that nobody gave it."""
    with app.app_context():
        sent([device(1), device(2)], at=BEFORE - timedelta(hours=2))
        with transaction() as session:
            stream = a_list([*holds(1), {"id": "GHOST-1", "version": 1}], taken_at=BEFORE)
            at = NOW - timedelta(days=2, hours=1)
            reconciliation.take(session, "nis", stream, SETTINGS, at)
