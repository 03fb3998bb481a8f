"""What text messages to us do, word by word."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db, transaction
from app.domain.notice_types import CHOSEN_TOPICS
from app.models import CustomerReport, Outage, OutagePoint
from app.services.reply_desk import ANSWERS_PER_DAY_UNKNOWN, ANSWERS_PER_HOUR
from tests.services.elsewhere import Elsewhere
from tests.services.replying import (
    OURS,
    answers,
    cases,
    handle,
    last_answer,
    messages,
    reply,
    send,
    two_way_settings,
)
from tests.services.world import (
    GSRN,
    MAIL,
    NOW,
    PHONE,
    add_customer,
    add_point,
    claim,
    gate,
    gate_in,
    items,
    ledger,
    minutes,
    scalar,
    send_one,
    settle_in,
    tell,
)

STRANGER = "+358409999999"
SECOND = "649999000000000020"
STARTED = "METER_SWAP_STARTED"


@pytest.mark.parametrize("word", ["STOP", "seis", "Stopp.", " LOPETA ", "sluta!"])
def test_req_11_stop_ends_every_topic_and_is_confirmed(place: Flask, word: str) -> None:
    settle_in()
    assert reply(word) == "STOP"
    assert not hears(PHONE)
    assert last_answer()[0] == "OPT_OUT_OK"
    tell(STARTED, now=NOW + minutes(1))
    assert [(n.state, n.suppress_reason) for n in ledger() if n.type == STARTED] == [
        ("SUPPRESSED", "OPTED_OUT")
    ]


def test_req_11_stop_beats_what_is_queued_already(place: Flask) -> None:
    settle_in()
    tell(STARTED)
    claimed = claim()
    reply("SEIS")
    _, refused = gate([one for one in claimed if one.kind == "NOTICE"])
    assert list(refused.values()) == ["OPTED_OUT"]
    assert [n.state for n in ledger() if n.type == STARTED] == ["SUPPRESSED"]


def test_req_11_stop_that_races_the_drain_is_either_before_or_after_the_wire(
    place: Flask,
) -> None:
    settle_in()
    tell(STARTED)
    claimed = claim()
    message = send("STOP")
    stop = Elsewhere(place, lambda: handle(message))
    with transaction() as session:
        attempts, refused = gate_in(session, claimed)
        # The attempt is on its way to the commit; whoever says stop waits for it.
        stop.start()
        stop.wait_until_blocked()
    stop.join()
    assert (len(attempts), refused, stop.result) == (1, {}, "STOP")
    assert [n.state for n in ledger() if n.type == STARTED] == ["SENDING"]
    # Whatever comes after it does not leave.
    tell("METER_SWAP_DONE", now=NOW + minutes(5))
    assert [n.state for n in ledger() if n.type == "METER_SWAP_DONE"] == ["SUPPRESSED"]


def test_req_11_the_answer_to_stop_leaves_although_the_number_has_opted_out(place: Flask) -> None:
    settle_in()
    reply("STOP")
    send_one()
    assert [n.state for n in ledger()] == ["SENT"]
    assert items()[0].payload["from"] == OURS


def test_req_12_the_answer_names_what_stays_active_masked(place: Flask) -> None:
    settle_in(contacts={PHONE: "SMS", "+358407654321": "SMS", MAIL: "EMAIL"})
    reply("SEIS")
    kind, words = last_answer()
    assert kind == "OPT_OUT_OTHERS_ACTIVE"
    assert "321" in words
    assert "sähköposti" in words
    assert "7654" not in words
    assert MAIL not in words


def test_req_12_contacts_that_get_nothing_are_not_named(place: Flask) -> None:
    settle_in(contacts={PHONE: "SMS", "+358407654321": "SMS"})
    reply("STOP", "+358407654321")
    reply("STOP")
    assert last_answer()[0] == "OPT_OUT_OK"


def test_req_13_stop_ends_the_number_under_every_customer_and_nobody_elses(place: Flask) -> None:
    with transaction() as session:
        add_point(session)
        add_point(session, SECOND)
        add_customer(session, "C1")
        add_customer(session, "C2", gsrn=SECOND)
        add_customer(session, "C3", gsrn=SECOND, contacts={"+358407654321": "SMS"})
    reply("STOP")
    assert not hears(PHONE)
    assert hears("+358407654321")
    assert scalar("SELECT count(DISTINCT contact_id) FROM preference") == 2


def test_req_13_a_number_that_nobody_has_any_more_hears_that_it_gets_nothing(place: Flask) -> None:
    settle_in()
    assert reply("STOP", STRANGER) == "STOP"
    assert last_answer(STRANGER)[0] == "OPT_OUT_OK"
    assert hears(PHONE)
    assert cases()[0].reasons == ["UNKNOWN_NUMBER"]


def test_start_begins_every_topic_again_and_proves_the_number(place: Flask) -> None:
    settle_in()
    reply("STOP")
    assert reply("ALOITA", now=NOW + minutes(2)) == "START"
    assert hears(PHONE)
    kind, words = last_answer()
    assert kind == "OPT_IN_OK"
    assert "Koivutie 12 A 3" in words
    tell(STARTED, now=NOW + minutes(3))
    assert [n.state for n in ledger() if n.type == STARTED] == ["QUEUED"]
    assert scalar("SELECT state FROM contact") == "VERIFIED"


def test_req_14_a_number_that_two_customers_claim_is_told_nothing_of_either(place: Flask) -> None:
    settle_in()
    with transaction() as session:
        session.execute(text("UPDATE contact SET doubt = 'SHARED'"))
    assert reply("TILA") == "UNKNOWN_NUMBER"
    assert "Koivutie" not in last_answer()[1]
    # But whoever it is may end it.
    reply("STOP")
    assert not hears(PHONE)


def test_somebody_who_helps_hears_of_the_points_that_were_allowed_and_of_no_other_number(
    place: Flask,
) -> None:
    _two_sites()
    with transaction() as session:
        session.execute(
            text(
                "UPDATE contact SET third_party_name = 'Naapuri', state = 'VERIFIED',"
                " only_gsrns = :points WHERE customer_id = 'C2'"
            ),
            {"points": [SECOND]},
        )
        session.execute(text("UPDATE contact SET value = '+358407654321' WHERE customer_id = 'C1'"))
    assert reply("TILA") == "STATUS"
    assert "Rantatie 5" in last_answer()[1]
    reply("STOP")
    assert last_answer()[0] == "OPT_OUT_OK"


def test_an_enrolment_lets_a_new_number_follow_the_point(place: Flask) -> None:
    settle_in()
    assert reply(f"START C001 {GSRN}", STRANGER) == "ENROL_REFUSED"
    assert reply(f"aloita c1 {GSRN}", STRANGER, NOW + minutes(1)) == "ENROL"
    kind, words = last_answer(STRANGER)
    assert kind == "OPT_IN_OK"
    assert "Koivutie 12 A 3" in words
    tell(STARTED)
    assert {n.sent_to for n in ledger() if n.type == STARTED} == {PHONE, STRANGER}
    history = scalar(
        "SELECT array_agg(DISTINCT source || ' ' || changed_by) FROM preference_change"
    )
    assert history == [f"SMS sms:{messages()[-1].id}"]


def test_req_31_a_point_under_a_safety_ban_is_enrolled_by_a_person_only(place: Flask) -> None:
    settle_in(safety_ban=True)
    assert reply(f"START C1 {GSRN}", STRANGER) == "ENROL_REFUSED"
    assert answers(STRANGER)[0][0] == "NOT_UNDERSTOOD"
    assert cases()[0].reasons == ["ENROL_REFUSED"]
    assert scalar("SELECT count(*) FROM contact WHERE value = :v", v=STRANGER) == 0


def test_guessing_enrolments_ends_after_a_few_tries(place: Flask) -> None:
    settle_in()
    for number in range(5):
        assert reply(f"START X{number} {GSRN}", STRANGER, NOW + minutes(number)) == "ENROL_REFUSED"
    assert reply(f"START C1 {GSRN}", STRANGER, NOW + minutes(9)) == "ENROL_REFUSED"
    assert scalar("SELECT count(*) FROM contact WHERE value = :v", v=STRANGER) == 0
    # The same answer as to any odd message, and once an hour only.
    assert [kind for kind, _ in answers(STRANGER)] == ["NOT_UNDERSTOOD"]


def test_req_05_katko_is_kept_as_a_report_and_thanked_for(place: Flask) -> None:
    settle_in()
    assert reply("Katko!") == "OUTAGE"
    (report,) = _reports()
    assert (report.gsrn, report.reported_at, report.by) == (GSRN, NOW, f"sms:{messages()[0].id}")
    kind, words = last_answer()
    assert kind == "REPORT_RECEIVED"
    assert "Koivutie 12 A 3" in words


def test_katko_in_a_known_outage_is_answered_with_what_is_known(place: Flask) -> None:
    settle_in()
    _outage(etr_minutes=90)
    reply("AVBROTT")
    kind, words = last_answer()
    assert kind == "STATUS_OUTAGE"
    assert "13.30" in words
    assert len(_reports()) == 1


def test_katko_where_a_fault_is_only_suspected_is_thanked_for(place: Flask) -> None:
    settle_in()
    _outage(state="DETECTED")
    reply("KATKO")
    assert last_answer()[0] == "REPORT_RECEIVED"
    assert len(_reports()) == 1


def test_req_06_an_estimate_that_has_passed_is_not_told(place: Flask) -> None:
    settle_in()
    _outage(etr_minutes=-1)
    reply("TILA")
    assert "ei vielä tiedossa" in last_answer()[1]


def test_req_08_no_estimate_is_told_while_a_storm_is_not_assessed(place: Flask) -> None:
    settle_in()
    _outage(etr_minutes=90)
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO storm (name, municipality_codes, started_at, opened_by, created_at)"
                " VALUES ('Jari', '{837}', :now, 'staff:a', :now)"
            ),
            {"now": NOW},
        )
        session.execute(text("UPDATE outage SET storm_id = (SELECT id FROM storm)"))
    reply("TILA")
    assert "ei vielä tiedossa" in last_answer()[1]


@pytest.mark.parametrize("word", ["TILA", "läge", "LAGE", "status"])
def test_status_without_a_cut_says_that_none_is_known(place: Flask, word: str) -> None:
    settle_in()
    assert reply(word) == "STATUS"
    assert last_answer()[0] == "STATUS_NO_OUTAGE"
    assert messages()[0].gsrn == GSRN


def test_an_answer_does_not_wait_behind_what_is_held_for_the_morning(place: Flask) -> None:
    settle_in()
    night = NOW + timedelta(hours=11)
    visit = night + timedelta(days=3)
    tell("METER_SWAP_ANNOUNCED", night, from_at=visit, to_at=visit + timedelta(hours=2))
    assert [notice.state for notice in ledger()] == ["HELD"]
    reply("TILA", now=night)
    (item,) = claim(now=night)
    assert "Tiedossamme ei ole sähkökatkoa" in item.payload["body"]


@pytest.mark.parametrize(
    ("kind", "state", "told", "words"),
    [
        ("FAULT", "DETECTED", "STATUS_SUSPECTED", "Mahdollinen sähkökatko klo 11.30"),
        ("METER_SWAP", "OPEN", "STATUS_SWAP", "Sähkömittariasi vaihdetaan klo 11.30"),
        ("METER_SWAP", "STALE", "STATUS_SWAP_UNCONFIRMED", "Loppua ei ole kuitattu"),
        ("PLANNED", "ONGOING", "STATUS_PLANNED_ON", "Arvio päättymisestä: 24.11. klo 13.00"),
    ],
)
def test_req_21_status_never_calls_a_fault_what_is_none(
    place: Flask, kind: str, state: str, told: str, words: str
) -> None:
    settle_in()
    _outage(kind=kind, state=state, planned=(NOW - minutes(30), NOW + minutes(60)))
    reply("TILA")
    assert last_answer()[0] == told
    assert words in last_answer()[1]
    assert "Vika on tiedossamme" not in last_answer()[1]


def test_katko_while_the_meter_is_replaced_is_answered_and_no_report(place: Flask) -> None:
    settle_in()
    _outage(kind="METER_SWAP", state="OPEN")
    reply("KATKO")
    assert last_answer()[0] == "STATUS_SWAP"
    assert _reports() == []


@pytest.mark.parametrize("state", ["STALE", "CLOSED"])
def test_katko_after_a_visit_that_nobody_ended_comes_before_a_person(
    place: Flask, state: str
) -> None:
    settle_in()
    _outage(kind="METER_SWAP", state=state)
    reply("KATKO")
    assert last_answer()[0] == "REPORT_RECEIVED"
    assert len(_reports()) == 1
    (case,) = cases()
    assert (case.reasons, case.gsrn) == (["OFF_AFTER_VISIT"], GSRN)


def test_status_before_a_planned_cut_tells_its_time(place: Flask) -> None:
    settle_in()
    _outage(kind="PLANNED", state="ANNOUNCED", planned=(NOW + minutes(60), NOW + minutes(120)))
    reply("TILA")
    kind, words = last_answer()
    assert kind == "STATUS_PLANNED"
    assert "13.00-14.00" in words


def test_several_sites_are_asked_for_and_a_number_answers(place: Flask) -> None:
    _two_sites()
    assert reply("KATKO") == "OUTAGE_WHICH"
    kind, words = last_answer()
    assert kind == "WHICH_SITE"
    assert "1 Koivutie 12 A 3, 2 Rantatie 5" in words
    assert _reports() == []
    assert reply("2.", now=NOW + minutes(29)) == "OUTAGE"
    assert [report.gsrn for report in _reports()] == [SECOND]
    assert last_answer()[0] == "REPORT_RECEIVED"
    assert "Rantatie 5" in last_answer()[1]


def test_a_question_is_forgotten_after_half_an_hour_and_after_its_answer(place: Flask) -> None:
    _two_sites()
    reply("TILA")
    assert reply("1", now=NOW + minutes(31)) == "UNCLEAR"
    reply("TILA", now=NOW + minutes(32))
    assert reply("1", now=NOW + minutes(33)) == "STATUS"
    assert reply("1", now=NOW + minutes(34)) == "UNCLEAR"


@pytest.mark.parametrize("number", ["3", "99"])
def test_a_number_that_was_not_offered_is_left_to_a_person(place: Flask, number: str) -> None:
    _two_sites()
    reply("TILA")
    assert reply(number) == "UNCLEAR"
    # The question is still open.
    assert reply("1") == "STATUS"


def test_a_number_beside_the_word_needs_no_question(place: Flask) -> None:
    _two_sites()
    assert reply("KATKO 2") == "OUTAGE"
    assert [report.gsrn for report in _reports()] == [SECOND]


def test_req_31_a_question_does_not_name_the_address_under_a_safety_ban(place: Flask) -> None:
    _two_sites(safety_ban=True)
    reply("TILA")
    words = last_answer()[1]
    assert "Koivutie" not in words
    assert GSRN[-4:] in words


def test_help_is_given_and_an_odd_message_goes_to_a_person(place: Flask) -> None:
    settle_in()
    assert reply("OHJE") == "HELP"
    assert last_answer()[0] == "HELP_REPLY"
    assert reply("Milloin sähköt palaavat?") == "UNCLEAR"
    assert last_answer()[0] == "NOT_UNDERSTOOD"
    (case,) = cases()
    assert (case.number, case.reasons, case.state, case.gsrn) == (PHONE, ["UNCLEAR"], "OPEN", GSRN)
    assert messages()[-1].case_id == case.id


def test_what_is_not_understood_is_said_once_an_hour_and_joins_one_case(place: Flask) -> None:
    settle_in()
    for minute in (0, 10, 59, 61):
        assert reply("mitä?", now=NOW + minutes(minute)) == "UNCLEAR"
    assert [kind for kind, _ in answers()] == ["NOT_UNDERSTOOD", "NOT_UNDERSTOOD"]
    assert len(cases()) == 1


def test_a_number_that_we_do_not_know_gets_no_data_and_a_persons_eyes(place: Flask) -> None:
    settle_in()
    assert reply("KATKO", STRANGER) == "UNKNOWN_NUMBER"
    kind, words = last_answer(STRANGER)
    assert kind == "NOT_UNDERSTOOD"
    assert "Koivutie" not in words
    assert _reports() == []
    assert [(case.number, case.reasons) for case in cases()] == [(STRANGER, ["UNKNOWN_NUMBER"])]
    # It can leave although we have no contact for the number.
    send_one()
    assert [n.state for n in ledger()] == ["SENT"]


def test_nobody_can_make_us_write_without_end(place: Flask) -> None:
    settle_in()
    for minute in range(ANSWERS_PER_HOUR + 5):
        reply("TILA", now=NOW + minutes(minute))
    assert len(answers()) == ANSWERS_PER_HOUR
    assert cases()[0].reasons == ["LIMITED"]
    # A stop counts all the same, and what was asked an hour later is answered again.
    assert reply("STOP", now=NOW + minutes(30)) == "STOP"
    assert not hears(PHONE)
    reply("TILA", now=NOW + minutes(120))
    assert len(answers()) == ANSWERS_PER_HOUR + 1


def test_strangers_are_answered_a_few_times_a_day_and_not_abroad(place: Flask) -> None:
    settle_in()
    for hour in range(8):
        reply("OHJE", STRANGER, NOW + timedelta(hours=hour))
    assert len(answers(STRANGER)) == ANSWERS_PER_DAY_UNKNOWN
    assert reply("HELP", "+88213000000") == "HELP"
    assert answers("+88213000000") == []


@pytest.mark.parametrize("sender", ["Posti", "16400", OURS])
def test_what_cannot_be_answered_never_is(place: Flask, sender: str) -> None:
    settle_in()
    reply("HELP", sender)
    assert answers(sender) == []
    assert cases()[0].number == sender


def test_a_message_is_handled_once_however_often_it_comes(place: Flask) -> None:
    settle_in()
    message = send("KATKO", sid="SM" + "7" * 32)
    assert send("KATKO", sid="SM" + "7" * 32) == message
    assert handle(message) == "OUTAGE"
    assert handle(message) is None
    assert len(answers()) == len(_reports()) == len(messages()) == 1


def test_req_29_answers_leave_from_the_number_that_can_be_answered(place: Flask) -> None:
    settle_in()
    reply("OHJE")
    (item,) = items()
    assert item.payload["from"] == two_way_settings().sms_two_way_sender == OURS
    assert item.payload["to"] == PHONE


def test_the_customers_language_comes_before_that_of_the_word(place: Flask) -> None:
    settle_in(language="sv")
    reply("TILA")
    assert "elavbrott" in last_answer()[1]
    reply("HELP", STRANGER)
    assert "customer service" in last_answer(STRANGER)[1].lower()


def hears(number: str) -> bool:
    """Whether the number still gets anything that can be left."""
    return bool(
        scalar(
            "SELECT bool_or(coalesce(p.enabled, k.enrolled)) FROM contact k"
            " CROSS JOIN unnest(CAST(:topics AS text[])) AS t (topic)"
            " LEFT JOIN preference p ON p.contact_id = k.id AND p.topic = t.topic"
            " WHERE k.value = :number",
            topics=list(CHOSEN_TOPICS),
            number=number,
        )
    )


def _reports() -> list[CustomerReport]:
    with transaction() as session:
        return list(session.query(CustomerReport).order_by(CustomerReport.id))


def _two_sites(**customer: bool) -> None:
    with transaction() as session:
        add_point(session)
        add_point(session, SECOND)
        session.execute(
            text(
                "UPDATE metering_point SET street_name = 'Rantatie', house_number = '5',"
                " staircase = NULL, apartment = NULL WHERE gsrn = :gsrn"
            ),
            {"gsrn": SECOND},
        )
        add_customer(session, "C1", **customer)
        add_customer(session, "C2", gsrn=SECOND)


def _outage(
    kind: str = "FAULT",
    state: str = "CONFIRMED",
    etr_minutes: int | None = None,
    planned: tuple[object, object] | None = None,
) -> None:
    with transaction() as session:
        outage = Outage(
            source="DMS",
            source_ref="V-1",
            kind=kind,
            state=state,
            version=1,
            started_at=NOW - minutes(30),
            etr_at=None if etr_minutes is None else NOW + minutes(etr_minutes),
            planned_from_at=planned[0] if planned else None,
            planned_to_at=planned[1] if planned else None,
            created_at=NOW,
            updated_at=NOW,
        )
        session.add(outage)
        session.flush()
        session.add(OutagePoint(outage_id=outage.id, gsrn=GSRN, off_at=NOW - minutes(30)))


@pytest.fixture
def place(app: Flask) -> Iterator[Flask]:
    """The application's context."""
    with app.app_context():
        yield app
        db.session.remove()
