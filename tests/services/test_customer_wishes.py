"""Opt-outs, opt-ins, unsubscribe links and the end of contracts: who hears of what afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.domain.notice_types import CHOSEN_TOPICS, Channel, Topic
from app.models import Contact, Occupancy
from app.services import contacts, opt_outs, preferences, tenancies, unsubscribe, unsubscribe_link
from app.services.contacts import Origin, ThirdParty
from app.services.preference_matrix import find_matrix
from app.services.preferences import LastChannel, NotTheirs, Wish
from app.services.unsubscribe import Result
from app.services.unsubscribe_link import Link
from app.services.verification import Address
from app.settings import Settings
from tests.services.world import (
    GSRN,
    MAIL,
    NOW,
    PHONE,
    TODAY,
    add_customer,
    add_point,
    claim,
    gate,
    ledger,
    scalar,
    settle_in,
    tell,
    wish,
)

OTHER = "649999000000000020"
ORIGIN = Origin("PORTAL", "customer:C1", NOW)


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def settings(app: Flask) -> Settings:
    found: Settings = app.extensions["tiedolla_settings"]
    return found


def _stop(value: str = PHONE) -> opt_outs.OptOut:
    with transaction() as session:
        return opt_outs.opt_out(session, value, None, source="SMS", by="contact:1", now=NOW)


def _told(topic: Topic = Topic.FAULT, gsrn: str = GSRN) -> set[str]:
    with transaction() as session:
        matrix = find_matrix(session, "C1")
        return {one.value for one in matrix.contacts if one.id in matrix.told(topic, gsrn)}


def test_req_11_an_opt_out_between_queue_and_send_suppresses_what_waits() -> None:
    settle_in()
    tell("METER_SWAP_DONE")
    (claimed,) = claim()
    _stop()
    assert gate([claimed])[0] == {}
    assert (ledger()[0].state, ledger()[0].suppress_reason) == ("SUPPRESSED", "OPTED_OUT")
    assert _told() == set()


def test_req_11_an_opt_out_leaves_what_must_reach_somebody() -> None:
    settle_in()
    tell("METER_SWAP_DONE")
    with transaction() as session:
        session.execute(text("UPDATE notice SET must_reach = true"))
    assert _stop().stopped_notice_ids == ()
    assert gate(claim())[1] == {}


def test_req_11_who_comes_back_hears_of_everything_again_but_points_chosen_apart() -> None:
    settle_in()
    with transaction() as session:
        contact = session.query(Contact).one().id
        wish(session, contact, False, topic="FAULT", gsrn=GSRN)
        wish(session, contact, True, topic="STORM", gsrn=GSRN)
    _stop()
    assert scalar("SELECT count(*) FROM preference WHERE enabled") == 0
    with transaction() as session:
        back = opt_outs.opt_in(session, PHONE, source="SMS", by="contact:1", now=NOW)
    assert back.changed == len(CHOSEN_TOPICS)
    assert _told(Topic.PLANNED) == _told(Topic.STORM) == {PHONE}
    assert _told(Topic.FAULT) == set()
    assert scalar("SELECT state FROM contact") == "VERIFIED"


def test_req_12_the_answer_names_what_stays_active(settings: Settings) -> None:
    settle_in(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    with transaction() as session:
        mail = session.query(Contact).filter_by(kind="EMAIL").one().id
        wish(session, mail, True, topic="FAULT")
        wish(session, mail, True, topic="STORM")
    token = unsubscribe_link.make_token(settings, MAIL, Topic.FAULT)
    link = unsubscribe_link.read_token(settings, token)
    assert link == Link(MAIL, Topic.FAULT)
    for _ in range(2):
        with transaction() as session:
            done = unsubscribe.unsubscribe(session, link, NOW)
        assert (done.result, done.others, done.topics) == (
            Result.OTHERS_ACTIVE,
            ("…567",),
            (Topic.STORM,),
        )
    assert _told() == {PHONE}
    assert scalar("SELECT count(*) FROM audit_entry WHERE action = 'UNSUBSCRIBE'") == 1


def test_req_13_a_link_ends_nothing_for_whoever_has_the_contract_now(settings: Settings) -> None:
    settle_in(contacts={MAIL: "EMAIL"}, channel="EMAIL")
    link = Link(MAIL, Topic.FAULT)
    with transaction() as session:
        session.query(Contact).update({"value": "uusi@example.fi"})
        assert unsubscribe.unsubscribe(session, link, NOW).result is Result.NO_MATCH
    assert scalar("SELECT count(*) FROM preference") == 0


def test_req_13_a_link_of_somebody_who_moved_out_no_longer_matches() -> None:
    settle_in(contacts={MAIL: "EMAIL"}, channel="EMAIL", moved_out_on=TODAY - timedelta(days=1))
    with transaction() as session:
        done = unsubscribe.unsubscribe(session, Link(MAIL, Topic.FAULT), NOW)
    assert done.result is Result.NO_MATCH


def test_req_13_nobody_can_make_or_change_a_token(settings: Settings) -> None:
    token = unsubscribe_link.make_token(settings, MAIL, Topic.FAULT)
    assert token == unsubscribe_link.make_token(settings, MAIL, Topic.FAULT)
    assert MAIL not in token
    for bad in ("", "x", token[:-2], token[:-1] + ("A" if token[-1] != "A" else "B"), token + "A"):
        assert unsubscribe_link.read_token(settings, bad) is None


@pytest.mark.parametrize("topic", [Topic.PLANNED, Topic.SAFETY, Topic.SERVICE])
def test_what_the_law_wants_told_is_not_left_by_one_click_on_the_last_channel(
    topic: Topic,
) -> None:
    settle_in(contacts={MAIL: "EMAIL"}, channel="EMAIL")
    with transaction() as session:
        done = unsubscribe.unsubscribe(session, Link(MAIL, topic), NOW)
    assert done.result is Result.NOT_ALLOWED
    assert _told(Topic.PLANNED) == {MAIL}


def test_planned_cuts_go_to_the_other_channel_before_a_letter_is_owed() -> None:
    settle_in(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    _stop()
    assert _told(Topic.PLANNED) == {MAIL}
    assert _told(Topic.FAULT) == set()


def test_the_last_channel_for_planned_cuts_is_left_only_for_a_letter() -> None:
    settle_in()
    off = [Wish(1, Topic.PLANNED, False)]
    values = {"source": "PORTAL", "by": "customer:C1", "now": NOW}
    with pytest.raises(LastChannel), transaction() as session:
        preferences.save(session, "C1", off, **values)  # type: ignore[arg-type]
    assert scalar("SELECT count(*) FROM preference") == 0
    with transaction() as session:
        preferences.save(session, "C1", off, letter_ok=True, **values)  # type: ignore[arg-type]
    assert scalar("SELECT legal_basis FROM preference_change") == "LEGAL_DUTY"


def test_choices_about_other_peoples_contacts_and_points_are_refused() -> None:
    settle_in()
    for bad in (Wish(99, Topic.FAULT, False), Wish(1, Topic.FAULT, False, gsrn=OTHER)):
        with pytest.raises(NotTheirs), transaction() as session:
            preferences.save(session, "C1", [bad], source="PORTAL", by="x", now=NOW)


def test_a_choice_is_written_into_the_history_once_and_taking_it_back_too() -> None:
    settle_in()
    for enabled in (False, False, None, None):
        with transaction() as session:
            preferences.save(
                session,
                "C1",
                [Wish(1, Topic.STORM, enabled)],
                source="PORTAL",
                by="customer:C1",
                now=NOW,
            )
    assert scalar("SELECT count(*) FROM preference_change") == 2
    assert scalar("SELECT count(*) FROM preference_change WHERE ended") == 1


def test_req_14_choices_end_at_the_day_change_after_moving_out() -> None:
    with transaction() as session:
        add_point(session)
        add_point(session, OTHER)
        add_customer(session, moved_out_on=TODAY)
        session.add(
            Occupancy(
                contract_id="K-2",
                version=1,
                customer_id="C1",
                gsrn=OTHER,
                moved_in_on=date(2025, 1, 1),
                updated_at=NOW,
            )
        )
        session.flush()
        wish(session, 1, False, topic="FAULT", gsrn=GSRN)
        wish(session, 1, False, topic="STORM", gsrn=OTHER)
        wish(session, 1, False, topic="METER_SWAP")
        aunt = contacts.add(
            session,
            "C1",
            Address(Channel.SMS, "+358407778888"),
            ORIGIN,
            third_party=ThirdParty("Aunt", (GSRN,)),
        )
        contacts.confirm(session, aunt, ORIGIN)
    with transaction() as session:
        # The last day of the contract belongs to it.
        assert tenancies.end_left(session, NOW) == {}
    later = NOW + timedelta(days=1)
    with transaction() as session:
        assert tenancies.end_left(session, later) == {"choices": 1, "third_parties": 1}
        assert tenancies.end_left(session, later) == {}
    assert scalar("SELECT string_agg(topic, ',' ORDER BY topic) FROM preference") == (
        "METER_SWAP,STORM"
    )
    assert scalar("SELECT source FROM preference_change WHERE ended AND gsrn IS NOT NULL") == "CIS"
    assert scalar("SELECT state FROM contact WHERE third_party_name IS NOT NULL") == "REMOVED"


def test_req_14_whoever_left_altogether_keeps_no_choice() -> None:
    settle_in(moved_out_on=TODAY - timedelta(days=1))
    with transaction() as session:
        wish(session, 1, False, topic="FAULT")
        assert tenancies.end_left(session, NOW) == {"choices": 1}


def test_a_third_party_of_nobody_with_a_contract_is_left_alone() -> None:
    settle_in()
    with transaction() as session:
        session.query(Occupancy).delete()
        session.query(Contact).update({"third_party_name": "area subscriber"})
        assert tenancies.end_left(session, NOW) == {}
    assert scalar("SELECT state FROM contact") == "UNVERIFIED"


def test_a_removed_contact_gets_nothing_more_and_leaves_a_history() -> None:
    settle_in()
    tell("METER_SWAP_DONE")
    with transaction() as session:
        wish(session, 1, True, topic="FAULT")
        contacts.remove(session, session.query(Contact).one(), ORIGIN)
    assert ledger()[0].suppress_reason == "NO_CONTACT"
    assert scalar("SELECT count(*) FROM preference") == 0
    assert scalar("SELECT what FROM contact_change") == "REMOVED"
