"""The pages of sending: the stop with its banner, routes, rates, money, doubts and letters."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO

import pytest
from flask import Flask
from pypdf import PdfReader
from sqlalchemy import text

from app.models import (
    AuditEntry,
    BudgetRaise,
    Customer,
    Lane,
    Letter,
    MeteringPoint,
    ProviderRoute,
    ProviderRouteChange,
    SendingStop,
)
from tests.services.queueing import queue
from tests.services.world import GSRN, add_customer, add_point, claim, end, gate
from tests.web.conftest import Writing
from tests.web.visitor import Visitor

PAGES = ("/sending", "/sending/routes/twilio", "/doubts", "/letters")


@pytest.mark.parametrize("path", PAGES)
def test_the_pages_are_for_operators(operator: Visitor, agent: Visitor, path: str) -> None:
    assert operator.get(path).status_code == 200
    assert agent.get(path).status_code == 403


def test_one_button_stops_everything_and_every_page_says_so(
    operator: Visitor, agent: Visitor, writing: Writing
) -> None:
    answer = operator.post(
        "/sending/stop", {"channel": "ALL", "reason": "wrong text"}, page="/sending"
    )
    assert answer.status_code == 302
    with writing() as session:
        stops = session.query(SendingStop).order_by(SendingStop.channel).all()
        assert [(s.channel, s.keep_service, s.stopped_by) for s in stops] == [
            ("EMAIL", False, "staff:otso"),
            ("SMS", False, "staff:otso"),
        ]
        acts = [entry.action for entry in session.query(AuditEntry)]
        assert acts.count("SENDING_STOPPED") == 2
    for page in (operator.get("/lanes").text, agent.get("/").text):
        assert page.count("Sending is stopped: ") == 2
        assert "wrong text" in page

    operator.post("/sending/start", {"channel": "SMS"}, page="/sending")
    assert agent.get("/").text.count("Sending is stopped: ") == 1


def test_a_stop_needs_a_reason(operator: Visitor, writing: Writing) -> None:
    answer = operator.post("/sending/stop", {"channel": "SMS"}, page="/sending")
    assert answer.status_code == 422
    assert "Enter a reason" in answer.text
    with writing() as session:
        assert session.query(SendingStop).count() == 0


def test_a_stranger_sees_no_banner(operator: Visitor, visitor: Visitor) -> None:
    operator.post("/sending/stop", {"channel": "ALL", "reason": "x"}, page="/sending")
    assert "Sending is stopped" not in visitor.get("/login").text


def test_a_route_is_set_with_a_reason_that_stays(operator: Visitor, writing: Writing) -> None:
    path = "/sending/routes/twilio"
    new = {"weight": "0", "rate_per_s": "50", "active": "y", "reason": "too dear"}
    assert operator.post(path, {**new, "reason": ""}, page=path).status_code == 422
    assert operator.post(path, {**new, "weight": "-1"}, page=path).status_code == 422
    assert operator.post(path, new, page=path).status_code == 302
    with writing() as session:
        route = session.get_one(ProviderRoute, "twilio")
        assert (route.weight, route.rate_per_s, route.active) == (0, 50, True)
        assert session.query(ProviderRouteChange).one().reason == "too dear"
    page = operator.get(path).text
    assert "too dear" in page
    assert 'value="0"' in page
    assert "Stands by" in page
    assert operator.get("/sending/routes/nobody").status_code == 404


def test_the_rate_of_a_channel_is_set_and_lifted(operator: Visitor, writing: Writing) -> None:
    for given, kept in (("25", 25), ("", None), ("0", None)):
        operator.post("/sending/rate", {"lane": "sms", "rate": given}, page="/sending")
        with writing() as session:
            assert session.get_one(Lane, "sms").rate_per_s == kept
    for bad in ({"lane": "nis", "rate": "1"}, {"lane": "sms", "rate": "1.5"}):
        assert operator.post("/sending/rate", bad, page="/sending").status_code == 400


def test_money_is_added_for_today_by_name_and_reason(
    operator: Visitor, writing: Writing, app: Flask
) -> None:
    for euros in ("", "-5", "x", "1e9"):
        operator.post("/sending/budget", {"euros": euros, "reason": "storm"}, page="/sending")
    operator.post("/sending/budget", {"euros": "99,50", "reason": "storm"}, page="/sending")
    with writing() as session:
        raised = session.query(BudgetRaise).one()
        assert (raised.extra_cents, raised.raised_by, raised.reason) == (
            9950,
            "staff:otso",
            "storm",
        )
    assert "99.50 €" in operator.get("/sending").text


def test_doubts_are_counted_with_their_age_and_lead_to_their_notice(
    operator: Visitor, writing: Writing, app: Flask
) -> None:
    with app.app_context():
        queue_two_unknown()
    with writing() as session:
        session.execute(
            text(
                "UPDATE attempt SET resolved_by = 'LOOKUP', lookups = 2, outcome = 'SENT'"
                " WHERE id = (SELECT min(id::text)::uuid FROM attempt)"
            )
        )
    page = operator.get("/doubts").text
    assert "the oldest for 2 h" in page
    assert "Found when asked again" in page
    assert page.count('href="/runs?key=notice') == 2


def test_a_doubt_that_only_a_person_can_end_is_ended_on_the_page(
    operator: Visitor, writing: Writing, app: Flask
) -> None:
    with app.app_context():
        queue_two_unknown()
    with writing() as session:
        session.execute(text("UPDATE attempt SET next_lookup_at = '9999-01-01 00:00+00'"))
        ids = session.execute(text("SELECT id FROM attempt ORDER BY id")).scalars().all()
    page = operator.get("/doubts").text
    assert page.count('value="not_arrived"') == 2
    # Whoever looks at the provider has to know whom it went to and what it said.
    message = re.search(r'href="(/notices/\d+)"', page)
    assert message is not None
    assert operator.get(message[1]).status_code == 200
    path = f"/doubts/{ids[0]}"
    assert operator.post(path, {"found": "perhaps"}, page="/doubts").status_code == 400
    assert operator.post(path, {"found": "arrived"}, page="/doubts").status_code == 303
    page = operator.get("/doubts").text
    assert "The message counts as sent." in page
    assert "Found by a person" in page
    assert page.count('value="not_arrived"') == 1
    operator.post(path, {"found": "not_arrived"}, page="/doubts")
    assert "This doubt has ended already." in operator.get("/doubts").text


def queue_two_unknown() -> None:
    queue(2)
    began = datetime.now(UTC) - timedelta(hours=2)
    for item in claim(now=datetime.now(UTC)):
        attempts, _ = gate([item], began)
        end(item, attempts[item.id], "UNKNOWN", "UNKNOWN", now=began, error="no answer")


def test_letters_are_printed_listed_and_posted(operator: Visitor, writing: Writing) -> None:
    with writing() as session:
        add_point(session)
        session.get_one(MeteringPoint, GSRN).postal_code = "33100"
        add_customer(session, contacts={})
        # A name that a spreadsheet would take for a formula.
        session.get_one(Customer, "C1").name = "=1+2"
        for number in range(3):
            session.add(_letter(number))
    page = operator.get("/letters").text
    assert page.count('type="checkbox"') == 3

    listed = operator.post("/letters/list", {"letter": ["1", "2"]}, page="/letters")
    assert listed.mimetype == "text/csv"
    rows = list(csv.reader(StringIO(listed.text.lstrip("\ufeff")), delimiter=";"))
    assert [row[0] for row in rows] == ["number", "1", "2"]
    assert rows[1][1] == "'=1+2"

    printed = operator.post("/letters/print", {"state": "DUE"}, page="/letters")
    assert (printed.mimetype, printed.headers["Cache-Control"]) == ("application/pdf", "no-store")
    assert len(PdfReader(BytesIO(printed.data)).pages) == 3

    operator.post("/letters/posted", {"letter": ["1", "2"]}, page="/letters?state=PRINTED")
    with writing() as session:
        states = [letter.state for letter in session.query(Letter).order_by(Letter.id)]
        assert states == ["POSTED", "POSTED", "PRINTED"]
        acts = [e.action for e in session.query(AuditEntry).order_by(AuditEntry.id)]
        assert acts == ["LETTERS_LISTED", "LETTERS_PRINTED", "LETTERS_POSTED"]
    assert "otso" in operator.get("/letters?state=POSTED").text


def test_nothing_to_print_is_said(operator: Visitor, writing: Writing) -> None:
    with writing() as session:
        session.add(_letter(1))
    answer = operator.post("/letters/print", {"letter": "1"}, page="/letters")
    assert answer.status_code == 302
    page = operator.get("/letters").text
    assert "None of these letters can be printed" in page
    assert "No postal address is known" in page


def _letter(number: int) -> Letter:
    return Letter(
        dedupe_key=f"k{number}",
        notice_id=number,
        customer_id="C1",
        gsrn=GSRN,
        type="PLANNED_NOTICE",
        language="fi",
        reason="NO_CONTACT",
        subject="Suunniteltu sähkökatko",
        body="Sähköt ovat poikki.",
        nameless=False,
        state="DUE",
        created_at=datetime.now(UTC),
    )
