"""Who of a customer's contacts hears of a topic: choices, defaults, channels, third parties."""

from __future__ import annotations

import random
from collections.abc import Iterator
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.domain.contact_choice import ContactWish, choose_contacts
from app.domain.notice_types import Topic
from app.models import Announcement, Contact
from app.services.audience import open_audience
from app.services.recipients import find_recipients
from tests.services.world import GSRN, MAIL, NOW, PHONE, TODAY, add_customer, add_point, wish

FAULT, PLANNED = Topic.FAULT, Topic.PLANNED


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def _one(id_: int, channel: str = "SMS", **changes: bool | None) -> ContactWish:
    values = {"usable": True, "enrolled": True, "chosen": None, "third_party": False, **changes}
    return ContactWish(id_, channel, **values)  # type: ignore[arg-type]


CASES = [
    ("nobody", [], "SMS", FAULT, []),
    ("the preferred channel", [_one(1), _one(2, "EMAIL")], "SMS", FAULT, [(1, True)]),
    ("the other channel", [_one(1, usable=False), _one(2, "EMAIL")], "SMS", FAULT, [(2, True)]),
    (
        "both were chosen",
        [_one(1, chosen=True), _one(2, "EMAIL", chosen=True)],
        "SMS",
        FAULT,
        [(1, True), (2, True)],
    ),
    (
        "a choice beside the default",
        [_one(1), _one(2, "EMAIL", chosen=True)],
        "SMS",
        FAULT,
        [(1, True), (2, True)],
    ),
    (
        "declined: no reason to write to the other channel",
        [_one(1, chosen=False), _one(2, "EMAIL")],
        "SMS",
        FAULT,
        [(1, False)],
    ),
    (
        "declined, but the law wants it announced",
        [_one(1, chosen=False), _one(2, "EMAIL")],
        "SMS",
        PLANNED,
        [(1, False), (2, True)],
    ),
    (
        "declined everywhere: a letter is owed",
        [_one(1, chosen=False), _one(2, "EMAIL", chosen=False)],
        "SMS",
        PLANNED,
        [(1, False), (2, False)],
    ),
    ("not enrolled", [_one(1, enrolled=False)], "SMS", FAULT, [(1, False)]),
    ("unusable", [_one(1, usable=False)], "SMS", FAULT, [(1, True)]),
    ("no channel wanted", [_one(1, enrolled=False)], "NONE", FAULT, [(1, False)]),
    ("no channel wanted, but chosen", [_one(1, chosen=True)], "NONE", FAULT, [(1, True)]),
    (
        "a third party hears beside the customer, whatever the preferred channel",
        [_one(1, "EMAIL"), _one(2, third_party=True)],
        "EMAIL",
        FAULT,
        [(1, True), (2, True)],
    ),
    (
        "a third party is no channel of the customer's own",
        [_one(1, chosen=False), _one(2, "EMAIL"), _one(3, third_party=True)],
        "SMS",
        PLANNED,
        [(1, False), (2, True), (3, True)],
    ),
]


@pytest.mark.parametrize(
    ("contacts", "preferred", "topic", "expected"),
    [case[1:] for case in CASES],
    ids=[str(case[0]) for case in CASES],
)
def test_who_hears_of_a_topic(
    contacts: list[ContactWish], preferred: str, topic: Topic, expected: list[tuple[int, bool]]
) -> None:
    found = choose_contacts(contacts, preferred, topic)
    assert [(one.contact_id, one.wants) for one in found] == expected


def test_many_are_chosen_by_the_statement_as_one_is_by_the_rules() -> None:
    chance = random.Random(7)  # noqa: S311 - repeatable on purpose.
    for round_ in range(150):
        with transaction() as session:
            for table in ("preference", "contact", "occupancy", "customer", "metering_point"):
                session.execute(text(f"DELETE FROM {table}"))
            add_point(session)
            _people(session, chance)
            topic = chance.choice([FAULT, PLANNED])
            single = {
                (one.customer_id, one.contact and one.contact.value, one.wants)
                for one in find_recipients(session, GSRN, TODAY, topic)
            }
        assert _audience(topic) == single, f"round {round_}"


def _people(session: Session, chance: random.Random) -> None:
    for number in range(chance.randint(1, 2)):
        channel = chance.choice(["SMS", "EMAIL", "NONE"])
        values = {
            f"+35840000{number}00{place}" if kind == "SMS" else f"a{number}{place}@example.fi": kind
            for place in range(3)
            for kind in chance.sample(["SMS", "EMAIL"], chance.randint(0, 1))
        }
        add_customer(session, f"C{number}", contacts=values, channel=channel)
    for contact in session.query(Contact):
        contact.state = chance.choice(["VERIFIED", "UNVERIFIED", "INVALID", "UNVERIFIED"])
        contact.source = chance.choice(["CIS", "CIS", "PORTAL"])
        contact.doubt = chance.choice([None, None, "SHARED"])
        contact.enrolled = chance.choice([True, True, False])
        contact.third_party_name = chance.choice([None, None, None, "Aunt"])
        contact.only_gsrns = chance.choice([None, None, [GSRN], ["elsewhere"]])
        for topic in ("FAULT", "PLANNED"):
            for gsrn in (None, GSRN):
                if chance.random() < 0.4:
                    wish(session, contact.id, chance.random() < 0.5, topic=topic, gsrn=gsrn)


def _audience(topic: Topic) -> set[tuple[str, str | None, bool]]:
    with transaction() as session:
        outage_id = session.execute(
            text(
                "INSERT INTO outage (source, source_ref, kind, state, version, started_at,"
                " created_at, updated_at) VALUES ('DMS', :ref, 'FAULT', 'CONFIRMED', 1, :now, :now,"
                " :now) RETURNING id"
            ),
            {"now": NOW, "ref": str(uuid4())},
        ).scalar_one()
        session.execute(
            text("INSERT INTO outage_point (outage_id, gsrn, off_at) VALUES (:id, :gsrn, :now)"),
            {"id": outage_id, "gsrn": GSRN, "now": NOW},
        )
    kind = "FAULT_STARTED" if topic is FAULT else "PLANNED_NOTICE"
    announcement = Announcement(type=kind, topic=topic, subject=f"outage:{outage_id}", facts={})
    with open_audience(announcement, TODAY, outage_id, [outage_id]) as listeners:
        found = [one.recipient for one in listeners]
    db.session.rollback()
    return {(one.customer_id, one.contact and one.contact.value, one.wants) for one in found}


def test_a_wish_for_the_point_beats_the_general_one_and_that_the_default() -> None:
    with transaction() as session:
        add_point(session)
        add_customer(session, contacts={PHONE: "SMS", MAIL: "EMAIL"})
        mail = session.query(Contact).filter_by(kind="EMAIL").one().id
        wish(session, mail, True, topic="FAULT")
    assert _audience(FAULT) == {("C1", PHONE, True), ("C1", MAIL, True)}
    with transaction() as session:
        wish(session, mail, False, topic="FAULT", gsrn=GSRN)
    assert _audience(FAULT) == {("C1", PHONE, True), ("C1", MAIL, False)}
