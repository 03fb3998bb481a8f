"""The customers' portal: getting in, seeing one's own and nothing else, choosing, leaving."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from app.db import db
from app.domain.clock import HELSINKI
from app.domain.notice_types import Topic
from app.models import Contact, Occupancy, Outage, OutagePoint
from app.models.outage import Storm
from app.services.preference_matrix import find_matrix
from app.services.reply_enrolment import enrol
from tests.web.conftest import StandingClock, Writing
from tests.web.resident import Resident, last_code
from tests.web.sample_rows import add_notice, add_point, add_swap, gsrn
from tests.web.test_security import inline_parts

PHONE, MAIL = "+358401234567", "maija@example.fi"
PAGES = (
    "/my/",
    f"/my/points/{gsrn(1)}",
    "/my/messages",
    "/my/preferences",
    "/my/contacts",
    "/my/contacts/new",
    "/my/contacts/1",
    "/my/contacts/1/remove",
    "/my/people",
    "/my/people/new",
    "/my/stop",
    "/my/history",
)


def test_a_code_opens_the_customers_own_pages(app: Flask, home: str) -> None:
    resident = Resident(app).come_in("040 123 4567")

    page = resident.get("/my/").text
    assert "Koivutie 12 A 3" in page
    assert "Your meter was replaced" in page
    assert "Maija Meikäläinen" in page
    assert count(app, "SELECT count(*) FROM audit_entry WHERE action = 'CUSTOMER_LOGIN'") == 1
    assert count(app, "SELECT count(*) FROM contact WHERE state = 'VERIFIED'") == 1


@pytest.mark.parametrize("path", PAGES)
def test_without_a_session_every_page_asks_to_log_in(app: Flask, home: str, path: str) -> None:
    answer = Resident(app).get(path)
    assert (answer.status_code, answer.location) == (302, "/my/login")


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_in_every_language(
    app: Flask, home: str, path: str, language: str
) -> None:
    resident = Resident(app, language).come_in(PHONE)
    answer = resident.get(path)
    assert answer.status_code == 200
    assert f'<html lang="{language}"' in answer.text
    assert inline_parts(answer.text) == []
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Content-Security-Policy" in answer.headers


def test_a_stranger_gets_the_same_answer_and_no_message(app: Flask, home: str) -> None:
    known, stranger = Resident(app), Resident(app)
    first, second = known.ask(PHONE), stranger.ask("+358409999999")
    assert first.status_code == second.status_code == 303
    pages = [one.get("/my/login/code").text for one in (known, stranger)]
    blank = [
        re.sub(r'value="[^"]+"', "", page).replace(value, "X")
        for page, value in zip(pages, (PHONE, "+358409999999"), strict=True)
    ]
    assert blank[0] == blank[1]
    assert count(app, "SELECT count(*) FROM outbox_item WHERE lane = 'sms'") == 1
    assert count(app, "SELECT count(*) FROM one_time_code") == 2
    assert "The code is not right" in stranger.enter("000000").text


def test_a_stranger_costs_the_same_statements(app: Flask, home: str) -> None:
    said: list[str] = []

    def listen(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        said.append(" ".join(statement.split())[:60])

    # The texts are read once in a while; that is nobody's work in particular.
    Resident(app).ask("+358408888888")
    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", listen)
    try:
        runs = []
        for address in (PHONE, "+358409999999"):
            said.clear()
            assert Resident(app).ask(address).status_code == 303
            runs.append(list(said))
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    # What a stranger would get is taken back instead of kept; that is all the difference there is.
    end = re.compile(r"^(RELEASE|ROLLBACK TO) SAVEPOINT")
    assert [end.sub("END", one) for one in runs[0]] == [end.sub("END", one) for one in runs[1]]


def test_five_wrong_tries_spend_a_code_and_another_browser_cannot_use_it(
    app: Flask, home: str
) -> None:
    resident, other = Resident(app), Resident(app)
    resident.ask(PHONE)
    code = last_code(app)
    other.ask("+358409999999")
    assert other.enter(code).status_code == 422
    wrong = "111111" if code != "111111" else "222222"
    for _ in range(5):
        assert "not right" in resident.enter(wrong).text
    assert "no longer good" in resident.enter(code).text


def test_a_code_is_good_for_ten_minutes_and_once(
    app: Flask, home: str, clock: StandingClock
) -> None:
    resident = Resident(app)
    resident.ask(PHONE)
    code = last_code(app)
    clock.pass_by(minutes=11)
    assert "no longer good" in resident.enter(code).text

    again = Resident(app)
    again.ask(PHONE)
    code = last_code(app)
    assert again.enter(code).status_code == 303
    with again.client.session_transaction() as cookie:
        assert "customer_code" not in cookie


def test_too_many_codes_are_refused_whoever_asks(app: Flask, home: str) -> None:
    for address in (PHONE, "+358409999999"):
        answers = [Resident(app).ask(address).status_code for _ in range(6)]
        assert answers == [303] * 5 + [429]
    assert count(app, "SELECT count(*) FROM outbox_item WHERE lane = 'sms'") == 5


def test_without_the_counters_no_code_is_sent(app: Flask, home: str, writing: Writing) -> None:
    with writing() as session:
        session.execute(text("ALTER TABLE rate_count RENAME TO rate_count_away"))
    try:
        with pytest.raises(ProgrammingError):
            Resident(app).ask(PHONE)
    finally:
        with writing() as session:
            session.execute(text("ALTER TABLE rate_count_away RENAME TO rate_count"))
    assert count(app, "SELECT count(*) FROM outbox_item WHERE lane = 'sms'") == 0


def test_a_session_ends_when_idle_by_log_out_and_with_its_contact(
    app: Flask, home: str, clock: StandingClock, writing: Writing
) -> None:
    idle = Resident(app).come_in(PHONE)
    clock.pass_by(minutes=31)
    assert idle.get("/my/").status_code == 302
    assert "nothing happened for a while" in idle.get("/my/login").text

    left = Resident(app).come_in(PHONE)
    with left.client.session_transaction() as cookie:
        token = cookie["customer"]
    left.post("/my/logout", page="/my/stop")
    with left.client.session_transaction() as cookie:
        cookie["customer"] = token
    assert left.get("/my/").status_code == 302

    gone = Resident(app).come_in(PHONE)
    with writing() as session:
        session.query(Contact).update({"state": "REMOVED"})
    assert gone.get("/my/").status_code == 302


def test_somebody_elses_point_contact_and_messages_are_not_found(
    app: Flask, home: str, writing: Writing
) -> None:
    with writing() as session:
        other = add_point(
            session, 7, name="Toinen Ihminen", phone="+358405550000", street="Salatie"
        )
        add_notice(session, other, "METER_SWAP_DONE", datetime.now(UTC), body="Salainen viesti")
    resident = Resident(app).come_in(PHONE)
    assert resident.get(f"/my/points/{other}").status_code == 404
    assert resident.get(f"/my/preferences?point={other}").status_code == 404
    assert resident.get("/my/contacts/2").status_code == 404
    assert resident.send("/my/stop").status_code == 303
    for path in PAGES:
        assert "Salatie" not in resident.get(path).text
        assert "Salainen" not in resident.get(path).text
    assert count(app, "SELECT count(*) FROM preference WHERE contact_id = 2") == 0


def test_an_address_of_two_customers_asks_which_one(
    app: Flask, home: str, writing: Writing
) -> None:
    with writing() as session:
        add_point(session, 7, name="Mökki Meikäläinen", phone=PHONE, street="Rantatie")
    resident = Resident(app).come_in(PHONE)
    assert resident.get("/my/").location == "/my/choose"
    assert "Mökki Meikäläinen" in resident.get("/my/choose").text
    resident.send("/my/choose", {"customer_id": "C000007"})
    assert "Rantatie" in resident.get("/my/").text
    assert resident.send("/my/choose", {"customer_id": "C999999"}).status_code == 400


def test_a_contact_in_doubt_opens_only_with_the_customer_number(
    app: Flask, home: str, writing: Writing
) -> None:
    with writing() as session:
        session.query(Contact).update({"doubt": "SHARED"})
    stranger = Resident(app)
    stranger.ask(PHONE)
    assert count(app, "SELECT count(*) FROM notice WHERE type = 'VERIFY_CODE'") == 0
    Resident(app).come_in(PHONE, "C000001")
    assert count(app, "SELECT count(*) FROM contact WHERE state = 'VERIFIED'") == 1
    assert count(app, "SELECT count(*) FROM contact WHERE doubt IS NOT NULL") == 0


def test_the_matrix_keeps_what_was_left_alone_a_default(app: Flask, home: str) -> None:
    resident = Resident(app).come_in(PHONE)
    fields = checked(resident.get("/my/preferences").text)
    assert set(fields) == {f"w-1-{topic}" for topic in TOPICS}
    assert resident.send("/my/preferences", fields).location == "/my/preferences"
    assert count(app, "SELECT count(*) FROM preference") == 0
    del fields["w-1-STORM"]
    resident.send("/my/preferences", fields)
    assert rows(app, "SELECT topic, enabled, source FROM preference") == [
        ("STORM", False, "PORTAL")
    ]
    assert rows(
        app, "SELECT topic, enabled, source, legal_basis, changed_by FROM preference_change"
    ) == [("STORM", False, "PORTAL", "CONTRACT", "customer:C000001")]
    assert "w-1-STORM" not in checked(resident.get("/my/preferences").text)
    assert "Storm bulletins: off" in resident.get("/my/history").text


def test_both_channels_may_be_chosen(app: Flask, writing: Writing) -> None:
    with writing() as session:
        add_point(session, 1, phone=PHONE, email=MAIL)
    resident = Resident(app).come_in(PHONE)
    fields = checked(resident.get("/my/preferences").text)
    assert not [name for name in fields if name.startswith("w-2-")]
    resident.send("/my/preferences", {**fields, "w-2-FAULT": "1"})
    after = checked(resident.get("/my/preferences").text)
    assert {"w-1-FAULT", "w-2-FAULT"} <= set(after)


def test_planned_cuts_keep_a_channel_unless_a_letter_is_wanted(app: Flask, home: str) -> None:
    resident = Resident(app).come_in(PHONE)
    fields = checked(resident.get("/my/preferences").text)
    del fields["w-1-PLANNED"]
    answer = resident.send("/my/preferences", fields)
    assert answer.status_code == 422
    assert "Planned cuts have to be announced" in answer.text
    assert count(app, "SELECT count(*) FROM preference") == 0
    assert resident.send("/my/preferences", {**fields, "letter": "1"}).status_code == 303
    assert "by letter" in resident.get("/my/preferences").text


def test_one_point_may_differ_from_the_others(app: Flask, home: str, writing: Writing) -> None:
    with writing() as session:
        second = add_point(session, 7, name="Toinen", phone=None, street="Rantatie")
        session.query(Occupancy).filter_by(gsrn=second).update({"customer_id": "C000001"})
    resident = Resident(app).come_in(PHONE)
    path = f"/my/preferences?point={second}"
    values = {f"w-1-{topic}": "" for topic in TOPICS}
    assert (
        resident.post(
            "/my/preferences", {**values, "w-1-FAULT": "0", "point": second}, page=path
        ).location
        == f"/my/preferences?point={second}"
    )
    assert rows(app, "SELECT topic, gsrn, enabled FROM preference") == [("FAULT", second, False)]
    resident.post("/my/preferences", {**values, "point": second}, page=path)
    assert rows(app, "SELECT topic, gsrn, enabled FROM preference") == []
    assert count(app, "SELECT count(*) FROM preference_change WHERE ended") == 1


def test_stop_ends_everything_and_says_what_stays(app: Flask, home: str) -> None:
    resident = Resident(app).come_in(PHONE)
    assert "we announce them by letter" in resident.get("/my/stop").text
    resident.send("/my/stop")
    assert count(app, "SELECT count(*) FROM preference WHERE NOT enabled") == 6
    assert checked(resident.get("/my/preferences").text) == {}


def test_a_new_number_is_silent_until_its_code_has_come_back(app: Flask, home: str) -> None:
    resident = Resident(app).come_in(PHONE)
    answer = resident.send("/my/contacts/new", {"address": "050 555 1234"})
    assert answer.location == "/my/contacts/2/confirm"
    assert rows(app, "SELECT state, enrolled, source FROM contact WHERE id = 2") == [
        ("UNVERIFIED", False, "PORTAL")
    ]
    page = "/my/contacts/2/confirm"
    assert "not right" in resident.send(page, {"code": wrong_code(app)}).text
    assert resident.send(page, {"code": last_code(app)}).status_code == 303
    assert rows(app, "SELECT state, enrolled FROM contact WHERE id = 2") == [("VERIFIED", True)]
    assert (
        "You have this number"
        in resident.send("/my/contacts/new", {"address": "+358505551234"}).text
    )


def test_quiet_hours_language_and_night_are_kept_with_their_history(app: Flask, home: str) -> None:
    resident = Resident(app).come_in(PHONE)
    values = {
        "quiet": "own",
        "quiet_from": "23:00",
        "quiet_to": "06:00",
        "language": "sv",
        "night-FAULT": "1",
    }
    assert resident.send("/my/contacts/1", values).status_code == 303
    assert rows(app, "SELECT quiet_from::text, quiet_to::text, language FROM contact") == [
        ("23:00:00", "06:00:00", "sv")
    ]
    assert rows(app, "SELECT topic, enabled, night_ok FROM preference") == [("FAULT", True, True)]
    page = resident.get("/my/history").text
    assert "Quiet hours: 23.00-06.00" in page
    assert "on, also at night" in page
    assert resident.send("/my/contacts/1", {**values, "quiet_to": "23:00"}).status_code == 422
    resident.send("/my/contacts/1", {"quiet": "never", "language": ""})
    assert rows(app, "SELECT quiet_from = quiet_to, language FROM contact") == [(True, None)]


def test_a_choice_for_one_point_leaves_the_nights_as_they_were(app: Flask, home: str) -> None:
    resident = Resident(app).come_in(PHONE)
    resident.send("/my/contacts/1", {"quiet": "default", "language": "", "night-FAULT": "1"})
    path = f"/my/preferences?point={gsrn(1)}"
    values = {f"w-1-{topic}": "" for topic in TOPICS} | {"w-1-FAULT": "1", "point": gsrn(1)}
    resident.post("/my/preferences", values, page=path)
    nights = "SELECT gsrn, night_ok FROM preference WHERE topic = 'FAULT' ORDER BY gsrn NULLS FIRST"
    assert rows(app, nights) == [(None, True), (gsrn(1), True)]
    resident.send("/my/contacts/1", {"quiet": "default", "language": ""})
    assert rows(app, nights) == [(None, False), (gsrn(1), False)]


def test_letting_a_topic_come_at_night_is_no_wish_against_it(app: Flask, writing: Writing) -> None:
    """The e-mail address stands by for the phone; declined, it would not take over from it."""
    with writing() as session:
        add_point(session, 1, phone=PHONE, email=MAIL)
    resident = Resident(app).come_in(PHONE)
    assert 'name="night-FAULT"' in resident.get("/my/contacts/1").text
    assert 'name="night-FAULT"' not in resident.get("/my/contacts/2").text
    resident.send("/my/contacts/2", {"quiet": "default", "language": "", "night-FAULT": "1"})
    assert count(app, "SELECT count(*) FROM preference") == 0


def test_a_third_party_hears_only_after_both_said_yes_and_sees_only_its_own(
    app: Flask, home: str, writing: Writing
) -> None:
    with writing() as session:
        second = add_point(session, 7, name="Toinen", phone=None, street="Rantatie")
        session.query(Occupancy).filter_by(gsrn=second).update({"customer_id": "C000001"})
    owner = Resident(app).come_in(PHONE)
    values = {"name": "Täti Tarja", "address": "050 777 8888", "points": "some", "gsrn": second}
    assert owner.send("/my/people/new", values).location == "/my/contacts/2/confirm"
    aunt = Resident(app).come_in("050 777 8888")
    assert aunt.get("/my/").location == "/my/invitation"
    # Messages leave from a name here, and what answers to a name reaches nobody (REQ-29).
    assert "You can end it here at any time." in aunt.get("/my/invitation").text
    assert rows(app, "SELECT state FROM contact WHERE id = 2") == [("UNVERIFIED",)]
    aunt.send("/my/invitation", {"answer": "yes"})
    assert rows(app, "SELECT state, approved_by FROM contact WHERE id = 2") == [
        ("VERIFIED", "customer:C000001")
    ]
    assert "Rantatie" in aunt.get("/my/").text
    assert "Koivutie" not in aunt.get("/my/").text
    assert aunt.get(f"/my/points/{home}").status_code == 404
    assert PHONE not in aunt.get("/my/contacts").text
    assert aunt.get("/my/contacts/1").status_code == 404
    assert aunt.get("/my/people").status_code == 403
    assert PHONE not in aunt.get("/my/history").text
    assert aunt.post("/my/data", page="/my/stop").status_code == 403
    assert not re.search(r'name="w-1-', aunt.get("/my/preferences").text)
    aunt.send("/my/stop")
    assert count(app, "SELECT count(*) FROM preference WHERE contact_id = 1") == 0
    assert "Täti Tarja" in owner.get("/my/people").text
    owner.send("/my/contacts/2/remove")
    assert aunt.get("/my/").status_code == 302


def test_a_number_that_was_enrolled_by_text_message_hears_of_its_point_and_owns_nothing(
    app: Flask, home: str, writing: Writing
) -> None:
    with writing() as session:
        customer_id = session.query(Contact).filter_by(value=PHONE).one().customer_id
        enrolled = enrol(
            session, "+358407777777", customer_id, home, by="sms:1", now=datetime.now(UTC)
        )
        assert enrolled == (customer_id, home)
    follower = Resident(app).come_in("+358407777777")
    assert follower.get(f"/my/points/{home}").status_code == 200
    contacts = follower.get("/my/contacts").text
    assert "+358407777777" in contacts
    assert PHONE not in contacts
    assert PHONE not in follower.get("/my/preferences").text
    for path in ("/my/people", "/my/contacts/new", "/my/connections", "/my/contacts/1"):
        assert follower.get(path).status_code in (403, 404), path
    assert follower.post("/my/data", {}, page="/my/history").status_code == 403
    # What it ends ends for itself.
    follower.post("/my/stop", {}, page="/my/stop")
    with writing() as session:
        told = find_matrix(session, customer_id).told(Topic.FAULT)
        assert [session.get_one(Contact, one).value for one in told] == [PHONE]


def test_the_data_come_as_a_file_and_that_is_recorded(app: Flask, home: str) -> None:
    resident = Resident(app).come_in(PHONE)
    answer = resident.post("/my/data", page="/my/history")
    found = json.loads(answer.text)
    assert found["customer"]["name"] == "Maija Meikäläinen"
    assert found["contracts"][0]["gsrn"] == home
    assert not re.search(r"koodi \d{6}|code \d{6}", answer.text)
    assert count(app, "SELECT count(*) FROM audit_entry WHERE action = 'CUSTOMER_EXPORTED'") == 1


def test_the_point_page_has_the_words_that_were_sent_and_nothing_internal(
    app: Flask, home: str
) -> None:
    page = Resident(app).come_in(PHONE).get(f"/my/points/{home}").text
    assert "Mittarinvaihto valmis klo" in page
    for secret in ("M1234", "JM-07", "VO-881204", "Mittarikeskus", "billing", "GSM-7", "TT-"):
        assert secret not in page, secret


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "We do not know yet when it will be back."),
        ({"etr_at": timedelta(hours=2)}, "We expect it back"),
        ({"etr_at": timedelta(minutes=-5)}, "a new estimate follows"),
        ({"kind": "PLANNED", "state": "DRAFT"}, "No cuts are planned."),
        (
            {
                "kind": "PLANNED",
                "state": "ANNOUNCED",
                "planned_from_at": timedelta(days=3),
                "planned_to_at": timedelta(days=3, hours=2),
            },
            "Planned power cut",
        ),
        (
            {
                "kind": "PLANNED",
                "state": "ANNOUNCED",
                "planned_from_at": timedelta(days=3),
                "planned_to_at": timedelta(days=5),
            },
            f"to {datetime.now(HELSINKI) + timedelta(days=5):%-d %b}",
        ),
        ({"state": "DETECTED"}, "Your power may have been off since"),
        # A visit failed, and nobody said that the power is back.
        ({"kind": "METER_SWAP", "state": "CLOSED"}, "its end has not been reported"),
    ],
)
def test_cuts_are_told_as_they_stand_and_never_with_a_past_estimate(
    app: Flask, home: str, writing: Writing, change: dict[str, Any], words: str
) -> None:
    now = datetime.now(UTC)
    values = {
        name: now + value if isinstance(value, timedelta) else value
        for name, value in change.items()
    }
    with writing() as session:
        _add_cut(session, home, now, **values)
    page = Resident(app).come_in(PHONE).get("/my/").text
    assert words in page
    if change.get("etr_at") == timedelta(minutes=-5):
        assert "We expect it back" not in page


def test_req_21_two_faults_at_one_point_have_one_estimate(
    app: Flask, home: str, writing: Writing
) -> None:
    now = datetime.now(UTC)
    with writing() as session:
        for hours in (2, 3):
            etr_at = now + timedelta(hours=hours)
            _add_cut(session, home, now, source_ref=f"V-{hours}", state="ETR_SET", etr_at=etr_at)
    page = Resident(app).come_in(PHONE).get("/my/").text
    told = re.findall(r"We expect it back ([^<]+?)\. *<", page)
    assert len(told) == 2
    assert len(set(told)) == 1


def test_req_21_what_is_only_suspected_moves_no_estimate(
    app: Flask, home: str, writing: Writing
) -> None:
    now = datetime.now(UTC)
    with writing() as session:
        for ref, state, hours in (("V-1", "ETR_SET", 2), ("V-2", "DETECTED", 5)):
            etr_at = now + timedelta(hours=hours)
            _add_cut(session, home, now, source_ref=ref, state=state, etr_at=etr_at)
    page = Resident(app).come_in(PHONE).get("/my/").text
    (told,) = re.findall(r"We expect it back ([^<]+?)\. *<", page)
    assert told.endswith((now + timedelta(hours=2)).astimezone(HELSINKI).strftime("%H:%M"))


def _add_cut(session: Session, point: str, now: datetime, **values: Any) -> None:
    """A fault at the point for 40 minutes, or another outage from when it is planned."""
    told = {"kind": "FAULT", "state": "CONFIRMED", "cause_code": "TREE", "source_ref": "V-1"}
    times = {"started_at": now, "created_at": now, "updated_at": now}
    outage = Outage(source="DMS", version=1, **times, **{**told, **values})
    session.add(outage)
    session.flush()
    off_at = values.get("planned_from_at", now - timedelta(minutes=40))
    session.add(OutagePoint(outage_id=outage.id, gsrn=point, off_at=off_at))


def test_req_08_no_estimate_is_shown_while_a_storm_is_not_assessed(
    app: Flask, home: str, writing: Writing
) -> None:
    now = datetime.now(UTC)
    with writing() as session:
        storm = Storm(
            name="Jari", municipality_codes=["109"], started_at=now, opened_by="x", created_at=now
        )
        session.add(storm)
        session.flush()
        outage = Outage(
            source="DMS",
            source_ref="V-1",
            version=1,
            kind="FAULT",
            state="ETR_SET",
            storm_id=storm.id,
            started_at=now,
            etr_at=now + timedelta(hours=2),
            created_at=now,
            updated_at=now,
        )
        session.add(outage)
        session.flush()
        session.add(OutagePoint(outage_id=outage.id, gsrn=home, off_at=now - timedelta(minutes=40)))
    resident = Resident(app).come_in(PHONE)
    page = resident.get("/my/").text
    assert "The power has been off since" in page
    assert "We expect it back" not in page
    with writing() as session:
        session.execute(text("UPDATE storm SET assessed_at = :now"), {"now": now})
    assert "We expect it back" in resident.get("/my/").text


TOPICS = ("PLANNED", "FAULT", "STORM", "METER_SWAP", "CONNECTION", "COMPENSATION")


def checked(page: str) -> dict[str, str]:
    """The boxes that are ticked, as a browser would send them."""
    boxes = re.findall(r'<input class="govuk-checkboxes__input"[^>]+>', page)
    return {
        str(re.search(r'name="([^"]+)"', box)[1]): "1"  # type: ignore[index]
        for box in boxes
        if " checked" in box
    }


def wrong_code(app: Flask) -> str:
    """Six digits that are not the code."""
    return "111111" if last_code(app) != "111111" else "222222"


def rows(app: Flask, statement: str) -> list[tuple[Any, ...]]:
    """What the database says."""
    with app.app_context():
        found = [tuple(row) for row in db.session.execute(text(statement))]
        db.session.remove()
    return found


def count(app: Flask, statement: str) -> int:
    """One number of the database."""
    return int(rows(app, statement)[0][0])


@pytest.fixture
def home(writing: Writing) -> str:
    """A home whose meter was replaced half an hour ago."""
    with writing() as session:
        point = add_swap(session, 1)
        session.execute(text("UPDATE notice SET contact_id = 1, customer_id = 'C000001'"))
    return point
