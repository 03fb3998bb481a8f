"""Customer service changes choices on a customer's behalf, settles contact data, and is recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db
from app.models import Contact, ContactIssue
from tests.web.conftest import Writing
from tests.web.sample_rows import add_point, add_swap
from tests.web.test_customer_pages import PHONE, checked, count, rows
from tests.web.visitor import Visitor

PAGE = "/customers/C000001"


def test_an_agent_changes_choices_with_source_and_name(
    app: Flask, agent: Visitor, home: str
) -> None:
    assert f'href="{PAGE}"' in agent.get(f"/points/{home}").text
    fields = checked(agent.get(PAGE).text)
    del fields["w-1-STORM"]
    agent.post(f"{PAGE}/preferences", fields, page=PAGE)
    assert rows(app, "SELECT topic, source, changed_by FROM preference_change") == [
        ("STORM", "AGENT", "staff:aino")
    ]
    assert count(app, "SELECT count(*) FROM audit_entry WHERE action = 'PREFERENCES_CHANGED'") == 1
    assert "Customer service" in agent.get(PAGE).text
    del fields["w-1-PLANNED"]
    assert agent.post(f"{PAGE}/preferences", fields, page=PAGE).status_code == 422


def test_a_number_that_the_caller_gives_waits_for_its_own_code(
    app: Flask, agent: Visitor, home: str
) -> None:
    agent.post(f"{PAGE}/contacts", {"address": "050 555 1234"}, page=PAGE)
    assert rows(app, "SELECT state, source, enrolled FROM contact WHERE id = 2") == [
        ("UNVERIFIED", "AGENT", False)
    ]
    for bad in ("050 555 1234", "nonsense"):
        answer = agent.post(f"{PAGE}/contacts", {"address": bad}, page=PAGE)
        assert answer.status_code == 422
    agent.post(f"{PAGE}/contacts/2/remove", page=PAGE)
    assert rows(app, "SELECT state, removed_by FROM contact WHERE id = 2") == [("REMOVED", "AGENT")]
    assert agent.get(f"{PAGE}/contacts/2").status_code == 404


def test_an_agent_sets_quiet_hours_and_stops_everything(
    app: Flask, agent: Visitor, home: str
) -> None:
    page = f"{PAGE}/contacts/1"
    agent.post(page, {"quiet": "own", "quiet_from": "21:00", "quiet_to": "08:00"}, page=page)
    assert rows(app, "SELECT what, source, changed_by FROM contact_change") == [
        ("QUIET_HOURS", "AGENT", "staff:aino")
    ]
    agent.post(f"{PAGE}/stop", page=PAGE)
    assert count(app, "SELECT count(*) FROM preference WHERE NOT enabled AND source = 'AGENT'") == 6


def test_operators_may_look_but_not_change(app: Flask, operator: Visitor, home: str) -> None:
    page = operator.get(PAGE)
    assert page.status_code == 200
    assert "Save for the customer" not in page.text
    assert operator.post(f"{PAGE}/stop", page=PAGE).status_code == 403
    assert operator.get("/customers/C999999").status_code == 404


def test_req_31_a_safety_ban_hides_contacts_and_addresses_until_a_recorded_look(
    app: Flask, agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_point(session, 1, safety_ban=True, phone=PHONE)
        _issue(session, their_value="+358409990000")
    for path in (PAGE, f"{PAGE}/contacts/1", "/contacts-to-check"):
        page = agent.get(path).text
        for secret in (PHONE, "+358409990000", "Koivutie"):
            assert secret not in page, (path, secret)
    agent.post(f"{PAGE}/reveal", page=PAGE)
    assert rows(app, "SELECT actor, subject FROM audit_entry WHERE action = 'ADDRESS_SEEN'") == [
        ("staff:aino", "customer:C000001")
    ]
    assert PHONE in agent.get(PAGE).text
    assert PHONE not in agent.get(PAGE).text


@pytest.mark.parametrize(
    ("resolution", "left"),
    [
        ("KEEP", [(PHONE, "VERIFIED")]),
        ("TAKE", [("+358409990000", "UNVERIFIED")]),
        ("BOTH", [(PHONE, "VERIFIED"), ("+358409990000", "UNVERIFIED")]),
    ],
)
def test_both_values_of_a_conflict_are_shown_and_one_is_chosen(
    app: Flask, agent: Visitor, home: str, writing: Writing, resolution: str, left: list[Any]
) -> None:
    with writing() as session:
        session.query(Contact).update({"state": "VERIFIED"})
        _issue(session, their_value="+358409990000")
    page = agent.get("/contacts-to-check").text
    assert PHONE in page
    assert "+358409990000" in page
    for _ in range(2):
        agent.post(
            "/contacts-to-check/1",
            {"resolution": resolution, "kind": "CONFLICT"},
            page="/contacts-to-check",
        )
    assert (
        rows(app, "SELECT value, state FROM contact WHERE state <> 'REMOVED' ORDER BY id") == left
    )
    assert rows(app, "SELECT state, resolution, settled_by FROM contact_issue") == [
        ("SETTLED", resolution, "staff:aino")
    ]
    assert count(app, "SELECT count(*) FROM audit_entry WHERE action LIKE 'CONTACT_ISSUE%'") == 1


@pytest.mark.parametrize("kind", ["CONFLICT", "SHARED", "UNREADABLE", "INVALID", "UNKNOWN", "x"])
def test_every_list_opens(agent: Visitor, home: str, writing: Writing, kind: str) -> None:
    with writing() as session:
        session.query(Contact).update({"state": "INVALID"})
        _issue(session, kind="UNREADABLE", their_value="ei puhelinta")
    page = agent.get(f"/contacts-to-check?kind={kind}")
    assert page.status_code == 200
    shown = {"UNREADABLE": "ei puhelinta", "INVALID": PHONE, "UNKNOWN": "Maija Meikäläinen"}
    assert shown.get(kind, "Contacts to check") in page.text


def _issue(session: Any, kind: str = "CONFLICT", **values: Any) -> None:
    session.add(
        ContactIssue(
            customer_id="C000001",
            kind=kind,
            contact_id=1,
            their_kind="SMS",
            state="OPEN",
            opened_at=datetime.now(UTC),
            **values,
        )
    )
    session.flush()


@pytest.fixture
def home(writing: Writing) -> str:
    """A home whose meter was replaced half an hour ago."""
    with writing() as session:
        point = add_swap(session, 1)
        session.execute(text("UPDATE notice SET contact_id = 1, customer_id = 'C000001'"))
        db.session.flush()
    return point
