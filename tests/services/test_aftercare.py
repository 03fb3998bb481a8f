"""A planned cut that did not arrive is told by the other channel once, else by letter (REQ-26)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from uuid import UUID

import pytest
from flask import Flask, current_app
from pypdf import PdfReader
from sqlalchemy import text

from app.db import transaction
from app.domain.clock import helsinki_day
from app.domain.notice_types import NoticeType
from app.models import Contact, Letter, MeteringPoint, Notice
from app.services import aftercare, letter_print, letters, opt_outs, receipt_store
from app.services.receipt_store import NewReceipt
from app.settings import Settings
from tests.services.announcing import POINTS, add_outage, settle_people, tell_all
from tests.services.world import GSRN, MAIL, NOW, PHONE, items, ledger, scalar, send_one
from workers.receipts import apply_receipts

N = NoticeType
FROM = NOW + timedelta(days=5)
PLAN = {"from_at": FROM, "to_at": FROM + timedelta(hours=3), "cause_code": "MAINTENANCE"}


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_req_26_what_was_not_delivered_goes_to_the_other_channel_once() -> None:
    _plan_for(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    _report(send_one(), "undelivered", "30003")
    assert _care() == {"FALLBACK": 1}
    first, second = ledger()
    assert (first.state, second.state) == ("FALLBACK", "QUEUED")
    assert (second.channel, second.sent_to, second.fallback_of) == ("EMAIL", MAIL, first.id)
    assert "Koivutie 12 A 3" in (second.body or "")
    assert second.announcement_id == first.announcement_id
    # It is not done again, whatever happens to the second.
    assert _care() == {}
    _report(send_one(lane="email"), "bounce", "bounce", provider="sendgrid")
    assert _care() == {"LETTER": 1}
    assert [row.state for row in ledger()] == ["FALLBACK", "UNDELIVERED"]
    assert _care() == {}
    assert [letter.state for letter in _letters()] == ["DUE"]


def test_req_26_a_refused_message_takes_the_other_channel_as_well() -> None:
    _plan_for(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    send_one("REJECTED", "DEAD", error_class="Rejected", findings=(("$", "21614", "landline"),))
    assert ledger()[0].state == "FAILED"
    assert _care() == {"FALLBACK": 1}
    assert [row.state for row in ledger()] == ["FALLBACK", "QUEUED"]


def test_two_that_look_at_once_send_one(app: Flask) -> None:
    _plan_for(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    _report(send_one(), "undelivered", "30003")
    _care()
    with transaction() as session:
        session.execute(text("UPDATE notice SET aftercare_at = NULL, state = 'UNDELIVERED'"))
        session.execute(text("UPDATE notice SET state = 'SENT' WHERE fallback_of IS NOT NULL"))
    # Told at the other address already, so nothing more is owed; and the key would forbid it.
    assert _care() == {"NOTHING": 1}
    assert len(ledger()) == 2


def test_news_of_a_fault_that_did_not_arrive_are_let_go() -> None:
    settle_people(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    tell_all(N.FAULT_STARTED, add_outage())
    _report(send_one(), "undelivered", "30003")
    assert _care() == {}
    assert [row.state for row in ledger()] == ["UNDELIVERED"]


def test_at_night_the_other_channel_waits_for_the_morning() -> None:
    _plan_for(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    _report(send_one(), "undelivered", "30003")
    with transaction() as session:
        settings: Settings = current_app.extensions["tiedolla_settings"]
        aftercare.care(session, settings, 10, NOW + timedelta(hours=11))
    second = ledger()[1]
    assert second.state == "HELD"
    assert second.not_before_at == NOW + timedelta(hours=19)
    assert items()[1].next_at == second.not_before_at


def test_at_night_the_other_channel_does_not_wait_with_what_is_needed_before_the_morning() -> None:
    """The cut of the next morning is called off, and whoever sleeps would rise early for it."""
    _plan_for(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    _report(send_one(), "undelivered", "30003")
    begins = (NOW + timedelta(hours=18)).isoformat()
    with transaction() as session:
        session.execute(text("UPDATE notice SET type = 'PLANNED_CANCELLED'"))
        session.execute(
            text(
                "UPDATE announcement SET type = 'PLANNED_CANCELLED',"
                " facts = facts || jsonb_build_object('from_at', CAST(:at AS text))"
            ),
            {"at": begins},
        )
        settings: Settings = current_app.extensions["tiedolla_settings"]
        aftercare.care(session, settings, 10, NOW + timedelta(hours=11))
    assert ledger()[1].state == "QUEUED"


def test_whoever_has_no_contact_or_has_left_the_topic_gets_a_letter() -> None:
    settle_people(2, phones=[PHONE, "+358401111111"])
    with transaction() as session:
        session.query(Contact).filter_by(value=PHONE).update({"state": "INVALID"})
        opt_outs.opt_out(session, "+358401111111", None, source="SMS", by="test", now=NOW)
    tell_all(N.PLANNED_NOTICE, add_outage(POINTS[:2], kind="PLANNED"), **PLAN)
    assert {row.state for row in ledger()} == {"SUPPRESSED"}
    assert _care() == {"LETTER": 2}
    assert {(one.gsrn, one.reason) for one in _letters()} == {
        (POINTS[0], "CONTACT_INVALID"),
        (POINTS[1], "OPTED_OUT"),
    }


def test_who_is_told_at_another_number_is_owed_nothing() -> None:
    _plan_for(contacts={PHONE: "SMS", "+358409999999": "SMS"})
    assert len(ledger()) == 2
    _report(send_one_of(0), "undelivered", "30003")
    assert _care() == {"NOTHING": 1}
    assert _letters() == []


def test_a_letter_that_would_come_too_late_is_not_owed() -> None:
    soon = NOW + timedelta(hours=20)
    settle_people(contacts={})
    tell_all(
        N.PLANNED_NOTICE,
        add_outage(kind="PLANNED"),
        **{**PLAN, "from_at": soon, "to_at": soon + timedelta(hours=1)},
    )
    assert _care() == {"NOTHING": 1}


def test_a_letter_is_printed_with_the_letters_of_the_language_and_then_posted() -> None:
    settle_people(contacts={})
    with transaction() as session:
        point = session.get_one(MeteringPoint, GSRN)
        point.street_name, point.postal_code, point.post_office = "Äyräpäänkatu", "33100", "Tampere"
    tell_all(N.PLANNED_NOTICE, add_outage(kind="PLANNED"), **PLAN)
    _care()
    (letter,) = _letters()
    with transaction() as session:
        printed = letters.print_out(session, [letter.id], by="staff:otso", now=NOW)
    assert printed[0].receiver == ("Aino Virtanen", "Äyräpäänkatu 12 A 3", "33100 TAMPERE")
    pdf = letter_print.build_pdf(
        [printed[0], printed[0]], ["Verkkoyhtiö Oy", "PL 1"], helsinki_day(NOW)
    )
    pages = PdfReader(BytesIO(pdf)).pages
    assert len(pages) == 2
    assert (round(pages[0].mediabox.width), round(pages[0].mediabox.height)) == (595, 842)
    words = pages[0].extract_text()
    for word in (
        "Verkkoyhtiö Oy",
        "Äyräpäänkatu 12 A 3",
        "33100 TAMPERE",
        "24.11.2026",
        "0800 123 45",
    ):
        assert word in words
    assert _letters()[0].state == "PRINTED"
    with transaction() as session:
        assert letters.mark_posted(session, [letter.id], by="staff:otso", now=NOW) == 1
        assert letters.mark_posted(session, [letter.id], by="staff:otso", now=NOW) == 0
    assert (_letters()[0].state, _letters()[0].posted_by) == ("POSTED", "staff:otso")
    with transaction() as session:
        assert letters.print_out(session, [letter.id], by="x", now=NOW) == []
    assert scalar("SELECT count(*) FROM audit_entry WHERE action LIKE 'LETTERS%'") == 2


def test_req_31_a_letter_under_a_safety_ban_goes_to_the_occupant_without_a_name() -> None:
    settle_people(contacts={}, safety_ban=True)
    with transaction() as session:
        session.get_one(MeteringPoint, GSRN).postal_code = "33100"
    tell_all(N.PLANNED_NOTICE, add_outage(kind="PLANNED"), **PLAN)
    _care()
    (letter,) = _letters()
    assert letter.nameless
    assert "Koivutie" not in letter.body
    with transaction() as session:
        (printed,) = letters.print_out(session, [letter.id], by="staff:otso", now=NOW)
    assert printed.receiver[0] == "Käyttöpaikan haltija"


def test_a_letter_without_an_address_stays_due_where_it_is_seen() -> None:
    settle_people(contacts={})
    tell_all(N.PLANNED_NOTICE, add_outage(kind="PLANNED"), **PLAN)
    _care()
    (letter,) = _letters()
    with transaction() as session:
        assert letters.print_out(session, [letter.id], by="x", now=NOW) == []
    assert _letters()[0].state == "DUE"


def test_a_letter_is_withdrawn_once_the_cut_has_begun() -> None:
    settle_people(contacts={})
    tell_all(N.PLANNED_NOTICE, add_outage(kind="PLANNED"), **PLAN)
    _care()
    with transaction() as session:
        assert letters.withdraw_passed(session, FROM - timedelta(seconds=1)) == 0
        assert letters.withdraw_passed(session, FROM) == 1
    assert _letters()[0].state == "WITHDRAWN"


def test_a_notice_of_which_no_text_can_be_made_raises_an_alarm_and_stops_nobody() -> None:
    settle_people(2, phones=[PHONE, "+358401111111"])
    tell_all(N.PLANNED_NOTICE, add_outage(POINTS[:2], kind="PLANNED"), **PLAN)
    with transaction() as session:
        session.execute(text("UPDATE notice SET state = 'UNDELIVERED', state_at = now()"))
        # A kind that nobody can make a letter of any more.
        session.execute(text("UPDATE announcement SET facts = facts - 'to_at' WHERE id = 1"))
    assert _care() == {"FAILED": 2}
    assert scalar("SELECT count(*) FROM alarm WHERE kind = 'AFTERCARE_FAILED'") == 2


def send_one_of(place: int) -> UUID:
    """Send one of several that wait; the rest stays claimed by nobody."""
    with transaction() as session:
        keep = session.query(Notice).order_by(Notice.id).all()[place]
        session.execute(
            text("UPDATE outbox_item SET next_at = 'infinity' WHERE business_key <> :key"),
            {"key": f"notice:{keep.id}"},
        )
    return send_one()


def _plan_for(**customer: object) -> None:
    settle_people(**customer)  # type: ignore[arg-type]
    tell_all(N.PLANNED_NOTICE, add_outage(kind="PLANNED"), **PLAN)


def _care() -> dict[str, int]:
    settings: Settings = current_app.extensions["tiedolla_settings"]
    with transaction() as session:
        cared = aftercare.care(session, settings, 100, NOW)
    counts: dict[str, int] = {}
    for one in cared:
        counts[one.action] = counts.get(one.action, 0) + 1
    return counts


def _report(attempt: UUID, status: str, code: str, provider: str = "twilio") -> None:
    receipt = NewReceipt(
        provider, f"{provider}:{attempt}:{status}", attempt, "ref", status, code, NOW
    )
    with transaction() as session:
        receipt_store.store(session, [receipt], NOW)
    apply_receipts(current_app.extensions["tiedolla_settings"], 1, "test")


def _letters() -> list[Letter]:
    with transaction() as session:
        return list(session.query(Letter).order_by(Letter.id).populate_existing())
