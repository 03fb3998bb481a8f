"""Following an area from the public site: form, code, messages, and the ways to stop."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.db import db, transaction
from app.domain.notice_types import NoticeType, Topic
from app.models import MeteringPoint
from app.services import opt_outs, unsubscribe
from app.services.announcements import about_storm
from app.services.area_digests import announce_digests
from app.services.customer_sessions import openable, read_address
from app.services.unsubscribe import Result
from app.services.unsubscribe_link import Link
from tests.services.announcing import add_outage, plan_all, tell_all
from tests.services.replying import cases, reply
from tests.services.world import GSRN, NOW, PHONE, add_customer, add_point
from tests.web.conftest import StandingClock, Writing
from tests.web.visitor import Visitor

FORM = "/status/subscribe"
STRANGER = "+358407654321"
AREA = {"fi": "Tampere", "sv": "Tammerfors", "en": "Tampere"}


@pytest.fixture(autouse=True)
def world(app: Flask, writing: Writing, clock: StandingClock) -> None:
    """One home in Tampere, whose customer has a phone; a Tuesday at noon."""
    clock.at = NOW
    with writing() as session:
        add_point(session)
        session.get_one(MeteringPoint, GSRN).municipality_code = "837"
        add_customer(session, "C1")


def test_a_stranger_proves_the_address_and_hears_of_the_storm(app: Flask, visitor: Visitor) -> None:
    follow(app, visitor, "040 765 4321")
    with app.app_context():
        tell_all(NoticeType.STORM_BULLETIN, about_storm(1, "837"), NOW, area=AREA, count=3)
        tell_all(NoticeType.STORM_BULLETIN, about_storm(1, "091"), NOW, area=AREA, count=3)
        found = told("STORM_BULLETIN")
        db.session.remove()
    ((value, body, state),) = found
    assert (value, state) == (STRANGER, "QUEUED")
    assert "Widespread power outage, Tampere" in body


def test_a_customer_who_follows_as_well_hears_of_it_once(app: Flask, visitor: Visitor) -> None:
    follow(app, visitor, PHONE)
    with app.app_context():
        add_outage([GSRN])
        tell_all(NoticeType.STORM_BULLETIN, about_storm(1, "837"), NOW, area=AREA, count=3)
        found = told("STORM_BULLETIN")
        db.session.remove()
    assert [value for value, _, _ in found] == [PHONE]


def test_whoever_stopped_following_by_text_message_comes_back_with_start(
    app: Flask, visitor: Visitor
) -> None:
    follow(app, visitor, STRANGER)
    with app.app_context():
        assert reply("STOP", STRANGER) == "STOP"
        assert cases() == []
        tell_all(NoticeType.STORM_BULLETIN, about_storm(1, "837"), NOW, area=AREA, count=3)
        assert told("STORM_BULLETIN") == []
        assert reply("ALOITA", STRANGER) == "START"
        assert "Tilanneviestit käytössä, Tampere." in told("OPT_IN_OK")[0][1]
        tell_all(NoticeType.STORM_BULLETIN, about_storm(2, "837"), NOW, area=AREA, count=3)
        assert [value for value, _, _ in told("STORM_BULLETIN")] == [STRANGER]
        # A number that follows nothing is still for a person.
        assert reply("START", "+358405550000") == "UNKNOWN_NUMBER"
        db.session.remove()


@pytest.mark.parametrize(
    ("usual", "two_way", "words"),
    [
        ("Verkko", "", "To stop, use the link in an e-mail"),
        ("Verkko", "+358457390001", "text STOP to +358457390001"),
        ("+358457390001", "", "reply STOP to a text message"),
    ],
)
def test_req_29_a_reply_is_offered_only_where_it_reaches_us(
    app: Flask,
    visitor: Visitor,
    monkeypatch: pytest.MonkeyPatch,
    usual: str,
    two_way: str,
    words: str,
) -> None:
    senders = {"sms_sender": usual, "sms_two_way_sender": two_way}
    mine = app.extensions["tiedolla_settings"].model_copy(update=senders)
    monkeypatch.setitem(app.extensions, "tiedolla_settings", mine)
    assert words in visitor.get(f"{FORM}/done/start").text


def test_known_and_unknown_addresses_get_the_same_answer(app: Flask, visitor: Visitor) -> None:
    answers = []
    for address in (PHONE, STRANGER):
        answer = ask(visitor, address)
        answers.append((answer.status_code, answer.headers["Location"]))
    assert answers[0] == answers[1]


def test_whoever_asks_too_often_gets_the_same_answer_and_no_code(
    app: Flask, visitor: Visitor
) -> None:
    answers = {ask(visitor, STRANGER).headers["Location"] for _ in range(7)}
    assert answers == {f"{FORM}/code"}
    with app.app_context():
        assert len(told("VERIFY_CODE")) == 5
        db.session.remove()


def test_a_wrong_code_starts_nothing_and_five_of_them_end_the_code(
    app: Flask, visitor: Visitor
) -> None:
    ask(visitor, STRANGER)
    right = code_of(app)
    wrong = "000000" if right != "000000" else "111111"
    for _ in range(5):
        answer = enter(visitor, wrong)
        assert answer.status_code == 422
        assert "The code is wrong" in answer.text
    assert "cannot be used any more" in enter(visitor, right).text
    assert rows(app, "SELECT count(*) FROM area_subscription") == [(0,)]


def test_a_code_ends_after_ten_minutes(app: Flask, visitor: Visitor, clock: StandingClock) -> None:
    ask(visitor, STRANGER)
    code = code_of(app)
    clock.pass_by(minutes=11)
    assert "cannot be used any more" in enter(visitor, code).text


def test_a_subscription_is_stopped_with_a_code_too(app: Flask, visitor: Visitor) -> None:
    follow(app, visitor, STRANGER)
    ask(visitor, STRANGER, wish="stop")
    answer = enter(visitor, code_of(app))
    assert answer.headers["Location"] == f"{FORM}/done/stop"
    assert rows(app, "SELECT stopped_at IS NULL FROM area_subscription") == [(False,)]
    acts = [row[0] for row in rows(app, "SELECT action FROM audit_entry ORDER BY id")]
    assert acts == ["AREA_STARTED", "AREA_STOPPED"]


@pytest.mark.parametrize("way", ["reply", "link"])
def test_stop_by_reply_or_link_ends_it_and_whoever_comes_back_is_told_again(
    app: Flask, visitor: Visitor, way: str, clock: StandingClock
) -> None:
    follow(app, visitor, STRANGER)
    with app.app_context():
        with transaction() as session:
            if way == "reply":
                opt_outs.opt_out(session, STRANGER, None, source="SMS", by="sms", now=NOW)
            else:
                link = Link(STRANGER, Topic.STORM)
                assert unsubscribe.unsubscribe(session, link, NOW).result is Result.DONE
        tell_all(NoticeType.STORM_BULLETIN, about_storm(1, "837"), NOW, area=AREA, count=3)
        assert told("STORM_BULLETIN") == []
        db.session.remove()
    clock.pass_by(hours=2)
    follow(app, visitor, STRANGER)
    with app.app_context():
        later = NOW + timedelta(hours=2)
        tell_all(NoticeType.STORM_BULLETIN, about_storm(1, "837"), later, area=AREA, count=3)
        assert len(told("STORM_BULLETIN")) == 1
        db.session.remove()


@pytest.mark.parametrize(("topic", "left"), [(Topic.FAULT, 1), (Topic.STORM, 0)])
def test_leaving_a_topic_by_link_ends_what_is_followed_only_if_it_is_about_areas(
    app: Flask, visitor: Visitor, topic: Topic, left: int
) -> None:
    follow(app, visitor, PHONE)
    with app.app_context():
        with transaction() as session:
            unsubscribe.unsubscribe(session, Link(PHONE, topic), NOW)
        db.session.remove()
    stopped = "SELECT count(*) FROM area_subscription WHERE stopped_at IS NULL"
    assert rows(app, stopped) == [(left,)]


def test_followers_hear_of_planned_cuts_once_and_of_new_ones_the_next_day(
    app: Flask, visitor: Visitor
) -> None:
    follow(app, visitor, STRANGER)

    def plan(ref: str, begin: datetime) -> None:
        add_outage(
            [GSRN],
            begin,
            kind="PLANNED",
            state="ANNOUNCED",
            source_ref=ref,
            planned_from_at=begin,
            planned_to_at=begin + timedelta(hours=2),
        )

    with app.app_context():
        plan("P-1", NOW + timedelta(days=2))
        plan("P-far", NOW + timedelta(days=20))
        assert [digest(NOW), digest(NOW + timedelta(minutes=5))] == [1, 0]
        plan("P-2", NOW + timedelta(days=4))
        # What came in meanwhile waits for tomorrow, and nobody is woken.
        assert digest(NOW + timedelta(hours=1)) == 0
        assert digest(NOW + timedelta(hours=20)) == 0
        assert digest(NOW + timedelta(days=1)) == 1
        found = told("AREA_PLANNED")
        db.session.remove()
    assert [value for value, _, _ in found] == [STRANGER, STRANGER]
    assert (
        "Planned power cuts, Tampere: 1 in the next 7 days, the first 26 Nov 12:00" in found[0][1]
    )
    assert "Tampere: 2 in the next 7 days" in found[1][1]


def test_nobody_logs_in_as_a_subscriber(app: Flask, visitor: Visitor) -> None:
    follow(app, visitor, STRANGER)
    with app.app_context():
        address = read_address(STRANGER)
        assert address is not None
        with transaction() as session:
            assert openable(session, address, None) == []
        db.session.remove()


@pytest.mark.parametrize("address", ["", "hello", "12", "a@"])
def test_something_that_is_no_address_is_told_so(visitor: Visitor, address: str) -> None:
    answer = ask(visitor, address)
    assert answer.status_code == 422
    assert 'href="#address"' in answer.text


def test_only_municipalities_of_ours_can_be_followed(visitor: Visitor) -> None:
    assert ask(visitor, STRANGER, municipality="091").status_code == 422
    assert (
        '<option value="837" selected>Tampere</option>'
        in visitor.get(f"{FORM}?municipality=837").text
    )


def follow(app: Flask, visitor: Visitor, address: str) -> None:
    """Ask, read the code and enter it."""
    ask(visitor, address)
    answer = enter(visitor, code_of(app))
    assert answer.headers["Location"] == f"{FORM}/done/start"
    assert visitor.get(answer.headers["Location"]).status_code == 200


def ask(
    visitor: Visitor, address: str, *, wish: str = "start", municipality: str = "837"
) -> TestResponse:
    data = {"address": address, "municipality": municipality, "wish": wish}
    return visitor.post(FORM, data, page=FORM)


def enter(visitor: Visitor, code: str) -> TestResponse:
    return visitor.post(f"{FORM}/code", {"code": code}, page=f"{FORM}/code")


def code_of(app: Flask) -> str:
    """The code that is on its way; the ledger does not show it."""
    found = rows(
        app,
        "SELECT coalesce(payload ->> 'body', payload ->> 'text') FROM outbox_item ORDER BY id DESC"
        " LIMIT 1",
    )
    match = re.search(r"\d{6}", found[0][0])
    assert match is not None
    return match[0]


def rows(app: Flask, statement: str) -> list[tuple[object, ...]]:
    with app.app_context():
        with transaction() as session:
            found = [tuple(row) for row in session.execute(text(statement))]
        db.session.remove()
    return found


def told(kind: str) -> list[tuple[str, str, str]]:
    with transaction() as session:
        found = session.execute(
            text("SELECT sent_to, body, state FROM notice WHERE type = :kind ORDER BY id"),
            {"kind": kind},
        )
        return [(row[0], row[1], row[2]) for row in found]


def digest(now: datetime) -> int:
    with transaction() as session:
        count = announce_digests(session, now)
    plan_all(now)
    return count
