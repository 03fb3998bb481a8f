"""What the CIS may do to contacts: enrol, add and remove its own, never replace what was confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.models import Contact, Occupancy
from app.services import cis_contacts, contacts, enrolment
from app.services.contacts import Origin
from app.settings import Settings
from integrations.cis.types import CisContact, CisCustomer
from tests.services.world import (
    MAIL,
    NOW,
    PHONE,
    TODAY,
    add_customer,
    add_point,
    ledger,
    scalar,
    settle_in,
)

NEW = "+358409990000"


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def _sent(*values: str, customer: str = "C1", channel: str = "SMS") -> None:
    """The CIS sends the customer with these contacts."""
    record = CisCustomer(
        customer_id=customer,
        version=2,
        kind="consumer",
        name="Aino Virtanen",
        language="fi",
        preferred_channel=channel,
        contacts=tuple(CisContact("EMAIL" if "@" in v else "SMS", v) for v in values),
    )
    with transaction() as session:
        session.execute(
            text("UPDATE customer SET preferred_channel = :c WHERE cis_id = :id"),
            {"c": channel, "id": customer},
        )
        cis_contacts.sync(session, [record], NOW)


def _contacts(customer: str = "C1") -> dict[str, tuple[Any, ...]]:
    with transaction() as session:
        found = session.execute(
            text(
                "SELECT value, state, enrolled, doubt FROM contact WHERE customer_id = :id"
                " ORDER BY id"
            ),
            {"id": customer},
        )
        return {row[0]: tuple(row[1:]) for row in found}


def _issues() -> list[tuple[Any, ...]]:
    with transaction() as session:
        found = session.execute(
            text("SELECT kind, their_value, state, resolution FROM contact_issue ORDER BY id")
        )
        return [tuple(row) for row in found]


def test_contacts_of_the_cis_are_enrolled_unless_the_customer_wants_no_channel() -> None:
    settle_in(contacts={})
    _sent(PHONE, MAIL)
    assert {one[1] for one in _contacts().values()} == {True}
    _sent(PHONE, MAIL, channel="NONE")
    assert {one[1] for one in _contacts().values()} == {False}
    assert scalar("SELECT count(*) FROM preference") == 0
    assert scalar("SELECT count(*) FROM contact_change WHERE what = 'ENROLLED'") == 2


def test_a_confirmed_number_is_not_replaced_but_both_values_wait_for_a_person() -> None:
    settle_in()
    with transaction() as session:
        contacts.confirm(session, session.query(Contact).one(), Origin("PORTAL", "x", NOW))
    for _ in range(2):
        _sent(NEW)
    assert _contacts() == {PHONE: ("VERIFIED", True, None)}
    assert _issues() == [("CONFLICT", NEW, "OPEN", None)]
    _sent(PHONE)
    assert _issues() == [("CONFLICT", NEW, "SETTLED", "GONE")]
    _sent(NEW)
    assert _issues() == [("CONFLICT", NEW, "OPEN", None)]


def test_a_number_beside_the_confirmed_one_is_simply_added() -> None:
    settle_in()
    with transaction() as session:
        contacts.confirm(session, session.query(Contact).one(), Origin("PORTAL", "x", NOW))
    _sent(PHONE, NEW)
    assert set(_contacts()) == {PHONE, NEW}
    assert _issues() == []


def test_what_a_person_removed_does_not_come_back_and_what_the_cis_removed_does() -> None:
    settle_in(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    with transaction() as session:
        phone = session.query(Contact).filter_by(kind="SMS").one()
        contacts.remove(session, phone, Origin("PORTAL", "customer:C1", NOW))
    _sent()
    assert {one[0] for one in _contacts().values()} == {"REMOVED"}
    _sent(PHONE, MAIL)
    assert _contacts()[PHONE][0] == "REMOVED"
    assert _contacts()[MAIL][0] == "UNVERIFIED"


def test_req_14_a_number_of_another_customer_with_a_contract_has_to_be_confirmed() -> None:
    with transaction() as session:
        add_point(session)
        add_customer(session, "C1")
        add_customer(session, "C2", contacts={})
    _sent(PHONE, customer="C2")
    assert _contacts("C1")[PHONE] == ("UNVERIFIED", True, None)
    assert _contacts("C2")[PHONE] == ("UNVERIFIED", True, "SHARED")
    assert _issues() == [("SHARED", PHONE, "OPEN", None)]
    with transaction() as session:
        shared = session.query(Contact).filter_by(customer_id="C2").one()
        contacts.confirm(session, shared, Origin("PORTAL", "customer:C2", NOW))
    assert _contacts("C2")[PHONE] == ("VERIFIED", True, None)
    assert _issues() == [("SHARED", PHONE, "SETTLED", "CONFIRMED")]


def test_in_a_first_load_nobody_is_asked_since_contracts_come_later() -> None:
    with transaction() as session:
        add_point(session)
        for number in ("C1", "C2"):
            add_customer(session, number, contacts={})
        session.query(Occupancy).delete()
    _sent(PHONE, customer="C1")
    _sent(PHONE, customer="C2")
    assert _contacts("C2")[PHONE][2] is None


def test_what_cannot_be_read_waits_for_a_person() -> None:
    settle_in()
    _sent(PHONE, "ei puhelinta")
    assert _issues() == [("UNREADABLE", "ei puhelinta", "OPEN", None)]
    _sent(PHONE)
    assert _issues() == [("UNREADABLE", "ei puhelinta", "SETTLED", "GONE")]


def _welcome(settings: Settings, **changes: Any) -> int:
    on = settings.model_copy(update={"enrolment_confirmation": True, **changes})
    with transaction() as session:
        return enrolment.welcome(session, on, changes.pop("now", NOW))["welcomed"]


@pytest.fixture
def settings(app: Flask) -> Settings:
    found: Settings = app.extensions["tiedolla_settings"]
    return found


def test_a_new_contract_is_confirmed_once_and_an_old_one_never(settings: Settings) -> None:
    with transaction() as session:
        add_point(session)
        for number in ("OLD", "NEW"):
            add_customer(session, number, contacts={})
        session.execute(text("UPDATE occupancy SET updated_at = :t"), {"t": NOW + timedelta(1)})
        session.execute(
            text("UPDATE occupancy SET moved_in_on = :d WHERE customer_id = 'NEW'"), {"d": TODAY}
        )
    _sent(PHONE, customer="OLD")
    _sent(NEW, customer="NEW")
    assert _welcome(settings) == 1
    assert _welcome(settings) == 0
    (notice,) = ledger()
    assert (notice.type, notice.sent_to, notice.state) == ("OPT_IN_OK", NEW, "QUEUED")
    assert "Koivutie 12 A 3" in (notice.body or "")
    assert scalar("SELECT count(*) FROM contact WHERE welcome_due_at IS NOT NULL") == 0


def test_a_number_that_joins_a_running_contract_is_confirmed(settings: Settings) -> None:
    settle_in(contacts={})
    with transaction() as session:
        session.execute(text("UPDATE occupancy SET updated_at = :t"), {"t": NOW - timedelta(9)})
    _sent(PHONE)
    assert _welcome(settings) == 1


def test_confirmations_wait_for_the_morning_and_for_their_minute(settings: Settings) -> None:
    settle_in(contacts={})
    with transaction() as session:
        session.execute(text("UPDATE occupancy SET updated_at = :t"), {"t": NOW - timedelta(9)})
    _sent(PHONE, NEW)
    night = NOW + timedelta(hours=12)
    on = settings.model_copy(update={"enrolment_confirmation": True})
    with transaction() as session:
        assert enrolment.welcome(session, on, night)["welcomed"] == 0
    with transaction() as session:
        session.execute(text("UPDATE contact SET welcome_due_at = :t"), {"t": NOW})
    assert _welcome(settings, enrolment_per_min_count=1) == 1
    assert _welcome(settings, enrolment_per_min_count=1) == 0
    with transaction() as session:
        assert enrolment.welcome(session, on, NOW + timedelta(minutes=1))["welcomed"] == 1


def test_switched_off_nobody_is_told_then_or_later(settings: Settings) -> None:
    settle_in(contacts={})
    _sent(PHONE)
    with transaction() as session:
        enrolment.welcome(session, settings, NOW)
    assert _welcome(settings) == 0
