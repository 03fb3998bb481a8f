"""One metering point: the sentence, the timeline, the messages, and what stays hidden."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import db
from app.models import AuditEntry
from tests.web.conftest import Writing
from tests.web.sample_rows import (
    add_ack,
    add_cut,
    add_item,
    add_notice,
    add_order,
    add_point,
    add_swap,
    gsrn,
)
from tests.web.visitor import Visitor

PAGE = f"/points/{gsrn(1)}"
NOW = datetime.now(UTC)


def test_a_finished_swap_is_told_in_one_sentence_with_the_last_message(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_swap(session, 1)

    said = sentence(agent)

    assert re.search(
        r"The meter was replaced (today|yesterday) at \d\d:\d\d\. The power is on\.", said
    )
    assert "The new meter is N0000001." in said
    assert re.search(r"Last message: SMS (today|yesterday) at \d\d:\d\d, delivered\.", said)


def test_a_swap_under_way_says_since_when_the_power_is_off(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        order = add_order(session, add_point(session, 1), "STARTED")
        add_cut(session, order, NOW - timedelta(minutes=9), None)

    assert "The meter is being replaced right now. The power has been off since" in sentence(agent)


def test_req_19_a_swap_without_an_end_never_claims_that_the_power_is_back(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        order = add_order(session, add_point(session, 1), "STARTED")
        add_cut(session, order, NOW - timedelta(hours=3), None, state="STALE")

    said = sentence(agent)

    assert "its end has not been acknowledged" in said
    assert "The power is on" not in agent.get(PAGE).text


def test_a_dangerous_fault_that_left_the_power_off_is_said_so(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        order = add_order(session, add_point(session, 1), "FAILED")
        add_ack(
            session,
            order,
            "FAILED",
            NOW - timedelta(hours=1),
            failure={"reasonCode": "TECH_NEUTRAL"},
        )
        add_cut(session, order, NOW - timedelta(hours=1), None)

    said = sentence(agent)

    assert "dangerous fault, power cut off" in said
    assert "nobody has reported the power back" in said


def test_a_finished_swap_without_word_of_the_power_claims_nothing(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        order = add_order(session, add_point(session, 1), "COMPLETED")
        add_cut(session, order, NOW - timedelta(minutes=30), None)

    assert "Whether the power is back is not known" in sentence(agent)


def test_a_cut_that_was_taken_back_is_not_on_the_timeline(agent: Visitor, writing: Writing) -> None:
    with writing() as session:
        order = add_order(session, add_point(session, 1), "ACCEPTED")
        add_cut(session, order, NOW - timedelta(minutes=30), NOW - timedelta(minutes=30))

    assert "The power went off" not in agent.get(PAGE).text


@pytest.mark.parametrize(
    ("state", "type_code", "words"),
    [
        ("SENT", "MVM", "Voima Asennus Oy has not answered yet"),
        ("ACCEPTED", "MVY", "Voima Asennus Oy has accepted it; no time yet"),
        ("RETURNED", "MVM", "The old meter stays in use"),
        ("NO_ROUTE", "MVY", "no contractor fits the order"),
        ("REJECTED", "MVM", "the checks rejected the order"),
        ("PARTNER_REJECTED", "MVM", "refused the order"),
        ("CANCELLED", "MVM", "cancelled"),
        ("STARTED", "HUO", "Maintenance visit: began"),
        ("COMPLETED", "HUO", "Maintenance visit: done"),
        ("VALIDATED", "POI", "Meter removal: ordered, not answered yet"),
        ("CLOSED", "MVV", "The meter was replaced"),
    ],
)
def test_each_state_of_an_order_has_its_sentence(
    agent: Visitor, writing: Writing, state: str, type_code: str, words: str
) -> None:
    with writing() as session:
        add_order(session, add_point(session, 1), state, order_type_code=type_code)

    assert words in sentence(agent)


def test_a_booked_visit_is_told_with_its_window(agent: Visitor, writing: Writing) -> None:
    with writing() as session:
        order = add_order(session, add_point(session, 1), "SCHEDULED")
        window = {"from": "2027-03-09T08:00:00+02:00", "to": "2027-03-09T10:00:00+02:00"}
        add_ack(session, order, "SCHEDULED", NOW - timedelta(hours=1), schedule=window)

    assert "will be replaced 9 Mar 2027 between 08:00 and 10:00." in sentence(agent)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ({"reasonCode": "ACC_DOG"}, "animal on site"),
        ({"reasonCode": "NOBODY_KNOWS"}, "work interrupted"),
        (None, "work interrupted"),
    ],
)
def test_a_failed_visit_is_told_with_its_reason(
    agent: Visitor, writing: Writing, failure: Any, words: str
) -> None:
    with writing() as session:
        order = add_order(session, add_point(session, 1), "FAILED")
        add_ack(session, order, "FAILED", NOW - timedelta(hours=1), failure=failure)

    assert f": {words}. The old meter stays in use." in sentence(agent)


def test_a_quiet_point_says_that_nothing_is_known(agent: Visitor, writing: Writing) -> None:
    with writing() as session:
        add_point(session, 1)

    assert "no work orders and no power cuts are known" in sentence(agent)


def test_the_timeline_runs_from_now_to_the_beginning_and_shows_the_gaps(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_swap(session, 1)

    page = agent.get(PAGE).text
    told = [html.unescape(text) for text in re.findall(r'timeline__title">([^<]+)<', page)]

    assert told[0] == "Every system has been told"
    assert told[-2:] == ["The order was sent to the contractor", "The order came from the CIS"]
    assert told.index("The work was completed") < told.index("The power went off")
    assert "passed</li>" in page


def test_an_acknowledgement_that_came_late_says_when_it_was_told(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        order = add_order(session, add_point(session, 1), "COMPLETED")
        add_ack(session, order, "COMPLETED", NOW - timedelta(hours=5))
        session.execute(db.text("UPDATE ack SET received_at = now(), verdict = 'STALE'"))

    page = agent.get(PAGE).text

    assert "told to us" in page
    assert "Came too late to act on" in page


def test_a_message_stands_there_word_by_word_in_its_own_language(
    agent: Visitor, writing: Writing
) -> None:
    body = "Verkko: Mätarbytet klart kl. 14.05, Ström & ljus <är> tillbaka."
    with writing() as session:
        add_notice(session, add_point(session, 1), "METER_SWAP_DONE", NOW, language="sv", body=body)

    page = agent.get(PAGE).text

    assert f'<div class="td-message__bubble" lang="sv">{html.escape(body)}</div>' in page
    assert "Delivered" in page
    assert "+358401234567" in page


@pytest.mark.parametrize(
    ("state", "facts", "words"),
    [
        (
            "SUPPRESSED",
            {"suppress_reason": "OPTED_OUT"},
            "the customer does not want these messages",
        ),
        ("UNDELIVERED", {"error_code": "30005"}, "Error 30005"),
        ("UNKNOWN", {}, "Outcome unknown"),
        ("EXPIRED", {}, "Expired before sending"),
    ],
)
def test_what_became_of_a_message_is_said(
    agent: Visitor, writing: Writing, state: str, facts: dict[str, str], words: str
) -> None:
    with writing() as session:
        point = add_point(session, 1)
        add_notice(session, point, "METER_SWAP_DONE", NOW, state=state, delivered_at=None, **facts)

    assert words in agent.get(PAGE).text


def test_what_waits_for_an_operator_is_on_the_timeline(agent: Visitor, writing: Writing) -> None:
    with writing() as session:
        order = add_order(session, add_point(session, 1), "COMPLETED")
        add_item(
            session, "billing", "HELD", business_key=order.order_id, hold_reason="READING_JUMP"
        )

    page = agent.get(PAGE).text

    assert "Waits for an operator: Billing" in page
    assert "Held for a check" in page


def test_how_far_each_system_has_been_told_is_beside_the_order(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_swap(session, 1)

    page = agent.get(PAGE).text

    assert "Told to other systems" in page
    assert page.count("<span>Sent</span>") == 4


def test_an_address_under_a_safety_ban_is_hidden_until_somebody_asks_once(
    app: Flask, agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_point(session, 1, street="Rauhankatu", safety_ban=True)
    assert "Rauhankatu" not in agent.get(PAGE).text

    agent.post(f"{PAGE}/address", page=PAGE)

    assert "Rauhankatu" in agent.get(PAGE).text
    assert "Rauhankatu" not in agent.get(PAGE).text
    assert audited(app) == [("staff:aino", "ADDRESS_SEEN", f"point:{gsrn(1)}")]


def test_req_31_messages_of_before_a_safety_ban_show_neither_address_nor_number(
    agent: Visitor, writing: Writing
) -> None:
    with writing() as session:
        point = add_point(session, 1, safety_ban=True)
        number = add_notice(session, point, "METER_SWAP_DONE", datetime.now(UTC)).id
    for page in (PAGE, f"/notices/{number}"):
        shown = agent.get(page).text
        assert "Mittarinvaihto valmis klo 14.05, käyttöpaikkasi. Sähköt on kytketty." in shown
        assert "Koivutie" not in shown
        assert "+358401234567" not in shown

    agent.post(f"{PAGE}/address", page=PAGE)

    shown = agent.get(PAGE).text
    assert "Koivutie 12 A 3. Sähköt" in shown
    assert "+358401234567" in shown


def test_a_safety_ban_of_anybody_there_hides_the_address(agent: Visitor, writing: Writing) -> None:
    with writing() as session:
        add_point(session, 1, street="Rauhankatu", safety_ban=True)
        add_point(session, 2, name="Onni Uusi")
        # Somebody without a ban has moved in with the one who has it.
        session.execute(
            text("UPDATE occupancy SET gsrn = :gsrn, moved_in_on = '2025-01-01' WHERE gsrn = :old"),
            {"gsrn": gsrn(1), "old": gsrn(2)},
        )
    for page in (PAGE, "/search?q=rauhankatu"):
        shown = agent.get(page).text
        assert "Onni Uusi" in shown
        assert "Rauhankatu" not in shown


def test_keys_and_codes_are_shown_to_those_who_may_and_the_look_is_recorded(
    app: Flask, agent: Visitor, operator: Visitor, writing: Writing
) -> None:
    with writing() as session:
        add_point(session, 1, key_info="Avain 7 huoltoyhtiöllä")
    assert "Avain 7" not in agent.get(PAGE).text
    assert "Show keys and codes" not in operator.get(PAGE).text

    agent.post(f"{PAGE}/key-info", page=PAGE)

    assert "Avain 7" in agent.get(PAGE).text
    assert audited(app) == [("staff:aino", "KEY_INFO_SEEN", f"point:{gsrn(1)}")]


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_the_page_opens_in_every_language(agent: Visitor, writing: Writing, language: str) -> None:
    with writing() as session:
        add_swap(session, 1)

    assert agent.get(f"{PAGE}?lang={language}").status_code == 200


def sentence(visitor: Visitor) -> str:
    """The words of the sentence at the top of the page."""
    page = visitor.get(PAGE).text
    part = page[page.index('id="situation"') : page.index('class="td-columns"')]
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", part.partition(">")[2]).split()))


def audited(app: Flask) -> list[tuple[str, str, str]]:
    """What the audit trail holds: who, what, about what."""
    with app.app_context():
        rows = db.session.execute(
            select(AuditEntry.actor, AuditEntry.action, AuditEntry.subject).order_by(AuditEntry.id)
        )
        found = [(row.actor, row.action, row.subject) for row in rows]
        db.session.remove()
    return found
