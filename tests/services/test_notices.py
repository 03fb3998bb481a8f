"""Whom a notice goes to, what stays untold and why, and what is stopped before it leaves."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.models import Contact
from tests.services.world import (
    GSRN,
    MAIL,
    NOW,
    PHONE,
    add_customer,
    add_order,
    add_point,
    claim,
    end,
    gate,
    items,
    leave_unknown,
    ledger,
    minutes,
    settle_in,
    tell,
    wish,
)

STARTED, DONE, FAILED = "METER_SWAP_STARTED", "METER_SWAP_DONE", "METER_SWAP_FAILED"


@pytest.fixture(autouse=True)
def _context(app: Flask) -> object:
    with app.app_context():
        yield


def test_a_start_is_told_by_text_message_in_the_customers_language() -> None:
    settle_in(language="sv")
    (notice,) = tell(STARTED)
    assert (notice.state, notice.channel, notice.sent_to) == ("QUEUED", "SMS", PHONE)
    assert notice.body == (
        "Verkkoyhtio: Mätarbytet började kl. 12.00, Koivutie 12 A 3."
        " Strömmen är bruten ca 20 min. Vi meddelar när arbetet är klart."
    )
    assert (notice.encoding, notice.segments) == ("GSM-7", 1)
    (item,) = items()
    assert (item.lane, item.mode, item.business_key) == ("sms", "once", f"notice:{notice.id}")
    assert item.payload["notice_id"] == notice.id
    assert item.payload["body"] == notice.body
    assert item.payload["from"] == "Verkko"
    assert item.payload["status_callback_base"] == "http://tiedolla.test/callbacks/twilio/status"
    assert item.expires_at == notice.expires_at == NOW + minutes(30)


def test_an_email_has_the_same_facts_in_words_and_markup() -> None:
    settle_in(contacts={MAIL: "EMAIL"}, channel="EMAIL", language="en")
    (notice,) = tell(DONE)
    (item,) = items()
    assert item.lane == "email"
    assert item.payload["subject"] == notice.subject == "Meter replacement done at 12:00"
    assert "Koivutie 12 A 3" in item.payload["text"]
    assert "<html lang=" in item.payload["html"]
    assert item.payload["language"] == "en"
    assert (notice.body, notice.html) == (item.payload["text"], item.payload["html"])


def test_a_contacts_own_language_comes_before_the_customers() -> None:
    settle_in()
    with transaction() as session:
        session.query(Contact).update({"language": "en"})
    assert "Meter replacement started" in (tell(STARTED)[0].body or "")


def test_the_same_event_is_told_once_however_often_it_comes() -> None:
    settle_in()
    for _ in range(3):
        tell(STARTED, ack_id="ack-1")
    assert len(ledger()) == len(items()) == 1


def test_the_other_channel_is_used_when_the_preferred_one_has_no_contact() -> None:
    settle_in(contacts={MAIL: "EMAIL"}, channel="SMS")
    (notice,) = tell(STARTED)
    assert (notice.channel, notice.state) == ("EMAIL", "QUEUED")


def test_the_other_channel_is_used_when_the_preferred_contact_is_invalid() -> None:
    settle_in(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    with transaction() as session:
        session.query(Contact).filter_by(kind="SMS").update({"state": "INVALID"})
    (notice,) = tell(STARTED)
    assert (notice.channel, notice.state) == ("EMAIL", "QUEUED")


def test_who_left_the_topic_is_not_reached_through_the_other_channel() -> None:
    settle_in(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    with transaction() as session:
        phone = session.query(Contact).filter_by(kind="SMS").one()
        wish(session, phone.id, False)
    (notice,) = tell(STARTED)
    assert (notice.state, notice.suppress_reason, notice.sent_to) == (
        "SUPPRESSED",
        "OPTED_OUT",
        PHONE,
    )
    assert items() == []


def test_a_wish_for_this_point_comes_before_the_general_one() -> None:
    settle_in()
    with transaction() as session:
        wish(session, session.query(Contact).one().id, False, gsrn=GSRN)
    assert tell(STARTED)[0].suppress_reason == "OPTED_OUT"


def test_a_point_without_anybody_leaves_a_record_of_why_nobody_was_told() -> None:
    with transaction() as session:
        add_point(session)
        add_order(session)
    (notice,) = tell(STARTED)
    assert (notice.state, notice.suppress_reason, notice.customer_id) == (
        "SUPPRESSED",
        "NO_CONTACT",
        None,
    )
    assert notice.decision
    assert len(tell(STARTED)) == 1


def test_a_customer_without_contacts_leaves_a_record_too() -> None:
    settle_in(contacts={})
    (notice,) = tell(STARTED)
    assert (notice.suppress_reason, notice.customer_id) == ("NO_CONTACT", "C1")


def test_a_customer_who_wants_no_channel_is_recorded_as_opted_out() -> None:
    settle_in(channel="NONE")
    (notice,) = tell(STARTED)
    assert (notice.state, notice.suppress_reason) == ("SUPPRESSED", "OPTED_OUT")


def test_somebody_who_moved_out_the_day_before_hears_nothing() -> None:
    with transaction() as session:
        add_point(session)
        add_customer(
            session, "OLD", contacts={"+358400000001": "SMS"}, moved_out_on=date(2026, 11, 23)
        )
        add_customer(session, "NEW")
        add_order(session)
    (notice,) = tell(STARTED)
    assert notice.customer_id == "NEW"


def test_the_day_of_the_event_is_the_day_in_finland() -> None:
    with transaction() as session:
        add_point(session)
        add_customer(session, moved_out_on=date(2026, 11, 23))
        add_order(session)
    # 22.30 UTC on the 23rd is half past midnight on the 24th in Finland.
    late = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)
    (notice,) = tell(STARTED, event_at=late)
    assert notice.suppress_reason == "NO_CONTACT"


def test_one_phone_under_two_customers_rings_once() -> None:
    with transaction() as session:
        add_point(session)
        add_customer(session, "C1")
        add_customer(session, "C2")
        add_order(session)
    tell(STARTED)
    assert len(items()) == 1


def test_two_phones_of_one_customer_are_both_told() -> None:
    settle_in(contacts={PHONE: "SMS", "+358409999999": "SMS"})
    assert {notice.sent_to for notice in tell(STARTED)} == {PHONE, "+358409999999"}


def test_an_address_under_a_safety_ban_is_not_in_the_text() -> None:
    settle_in(safety_ban=True)
    (notice,) = tell(STARTED)
    assert "Koivutie" not in (notice.body or "")
    assert "käyttöpaikkasi" in (notice.body or "")


def test_a_safety_ban_that_only_the_order_knows_keeps_the_address_out_as_well() -> None:
    settle_in()
    with transaction() as session:
        session.execute(text("UPDATE work_order SET facts = '{\"safety_ban\": true}'"))
    (notice,) = tell(STARTED)
    assert "Koivutie" not in (notice.body or "")
    assert "käyttöpaikkasi" in (notice.body or "")


def test_a_failed_visit_says_the_reason_in_words() -> None:
    settle_in()
    (notice,) = tell(FAILED, reason_code="ACC_LOCKED")
    assert "lukittu portti tai tila" in (notice.body or "")


def test_an_end_stops_a_start_that_has_not_left() -> None:
    settle_in()
    tell(STARTED)
    start, done = tell(DONE, event_at=NOW + minutes(15))
    assert (start.state, done.state) == ("SUPERSEDED", "QUEUED")
    assert [item.state for item in items()] == ["CANCELLED", "READY"]


def test_a_start_that_is_claimed_when_the_end_comes_does_not_leave() -> None:
    settle_in()
    tell(STARTED)
    (claimed,) = claim()
    tell(DONE, event_at=NOW + minutes(15))
    attempts, refused = gate([claimed])
    assert (attempts, refused) == ({}, {claimed.id: "SUPERSEDED"})


def test_a_start_that_was_not_sent_does_not_leave_again_after_the_end() -> None:
    settle_in()
    tell(STARTED)
    (claimed,) = claim()
    attempts, _ = gate([claimed])
    tell(DONE, event_at=NOW + minutes(15))
    end(claimed, attempts[claimed.id], "NOT_SENT", "READY", next_at=NOW, error_class="Retryable")
    (again,) = [item for item in claim() if item.id == claimed.id]
    assert gate([again]) == ({}, {again.id: "SUPERSEDED"})
    assert ledger()[0].state == "SUPERSEDED"


def test_a_start_of_unknown_outcome_is_not_resent_after_the_end() -> None:
    settle_in()
    tell(STARTED)
    leave_unknown()
    start, _ = tell(DONE, event_at=NOW + minutes(15))
    assert (start.state, start.suppress_reason) == ("UNKNOWN", "SUPERSEDED")


def test_a_start_that_comes_after_the_end_is_never_told() -> None:
    settle_in()
    tell(DONE, event_at=NOW)
    done, start = tell(STARTED, event_at=NOW - minutes(15), now=NOW)
    assert (done.state, start.state, start.suppress_reason) == ("QUEUED", "SUPPRESSED", "STALE")
    assert len(items()) == 1


def test_a_start_older_than_half_an_hour_is_never_told() -> None:
    settle_in()
    (notice,) = tell(STARTED, event_at=NOW - minutes(31), now=NOW)
    assert (notice.state, notice.suppress_reason) == ("SUPPRESSED", "STALE")


def test_a_start_without_a_cut_is_not_told() -> None:
    settle_in()
    assert tell(STARTED, no_outage=True)[0].state == "SUPPRESSED"


def test_a_second_visit_is_told_although_the_first_one_was() -> None:
    settle_in()
    tell(STARTED, ack_id="ack-1")
    tell(FAILED, event_at=NOW + minutes(10), ack_id="ack-2", reason_code="ACC_DOG")
    rows = tell(STARTED, event_at=NOW + timedelta(days=1), ack_id="ack-3")
    assert [row.state for row in rows] == ["SUPERSEDED", "SUPERSEDED", "QUEUED"]


def test_a_late_end_in_quiet_hours_is_held_and_leaves_in_the_morning() -> None:
    settle_in(quiet=(time(22), time(7)))
    happened = datetime(2026, 11, 24, 19, 0, tzinfo=UTC)
    night = datetime(2026, 11, 24, 21, 0, tzinfo=UTC)
    morning = datetime(2026, 11, 25, 5, 0, tzinfo=UTC)
    (notice,) = tell(DONE, event_at=happened, now=night)
    assert (notice.state, notice.not_before_at) == ("HELD", morning)
    assert claim(now=morning - minutes(1)) == []
    (claimed,) = claim(now=morning)
    attempts, refused = gate([claimed], now=morning)
    assert refused == {}
    assert set(attempts) == {claimed.id}
    assert ledger()[0].state == "SENDING"


def test_the_start_of_a_contact_leaves_before_its_end() -> None:
    settle_in()
    tell(STARTED)
    tell(FAILED, event_at=NOW + minutes(1), reason_code="ACC_DOG")
    first, second = items()
    assert first.order_key == second.order_key
