"""What must not be kept for ever goes, in its order; export and erasure keep the skeleton (REQ-36)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest
from flask import Flask, current_app
from sqlalchemy import select, text

from app.db import db, transaction
from app.models import AuditEntry, InboundMessage, OneTimeCode
from app.services import audit, customer_data, inbound, purge, retention
from app.settings import Settings
from tests.services.world import (
    GSRN,
    MAIL,
    NOW,
    PHONE,
    items,
    ledger,
    scalar,
    send_one,
    settle_in,
    tell,
)

STARTED = "METER_SWAP_STARTED"
LEFT = date(2025, 12, 31)


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_req_36_the_words_of_a_message_go_before_what_became_of_it() -> None:
    settle_in()
    tell(STARTED)
    send_one()
    assert keep_house(after(settings().retention_body_days)) == {}
    assert keep_house(after(settings().retention_body_days + 2)) == {"bodies": 1, "payloads": 1}
    (notice,) = ledger()
    assert (notice.body, notice.subject, notice.html) == (None, None, None)
    assert (notice.state, notice.sent_to) == ("SENT", PHONE)
    (item,) = items()
    assert not {"body", "to"}.intersection(item.payload)
    gone = keep_house(after(settings().retention_delivery_days + 2))
    assert (gone["items"], gone["notices"]) == (1, 1)
    assert ledger() == []


def test_req_36_a_message_that_is_still_under_way_is_not_forgotten() -> None:
    settle_in()
    tell(STARTED)
    gone = keep_house(after(settings().retention_delivery_days + 2))
    assert "notices" not in gone
    assert [item.state for item in items()] == ["READY"]
    assert items()[0].payload["to"] == PHONE


def test_req_36_files_go_once_they_have_been_read_and_their_record_stays() -> None:
    with transaction() as session:
        for name, state in (("read.xml", "INTERPRETED"), ("unread.xml", "STORED")):
            inbound.store_small(
                session,
                source="cis",
                kind="CIS_FILE",
                name=name,
                body=name.encode(),
                now=NOW,
                state=state,
            )
    gone = keep_house(after(settings().retention_xml_days + 2))
    assert gone == {"chunks": 1, "messages": 1}
    with transaction() as session:
        kept = session.scalars(select(InboundMessage).order_by(InboundMessage.id)).all()
        assert [(one.name, one.body_removed_at is None) for one in kept] == [
            ("read.xml", False),
            ("unread.xml", True),
        ]
        assert inbound.read_body(session, kept[1].id) == b"unread.xml"


def test_req_36_the_audit_trail_stays_longest() -> None:
    with transaction() as session:
        audit.record(session, "staff:aino", "ADDRESS_REVEALED", "point:1", {}, NOW)
    years = settings().retention_audit_days
    assert years >= 6 * 365
    assert keep_house(after(years)) == {}
    assert keep_house(after(years + 2)) == {"audit": 1}
    assert scalar("SELECT count(*) FROM audit_entry") == 0


def test_req_36_a_round_that_was_broken_off_goes_on_where_it_ended() -> None:
    settle_in()
    tell(STARTED)
    send_one()
    now = after(settings().retention_body_days + 30)
    with transaction() as session:
        first = next(iter(retention.days_due(session, settings(), now)))
        counts = retention.clear_day(session, *first, now)
    assert counts["bodies"] == 1
    with transaction() as session:
        rest = [day for _, day in retention.days_due(session, settings(), now)]
    assert first[1] not in rest
    assert rest[0] == first[1] + timedelta(days=1)


def test_req_36_one_time_codes_live_a_day() -> None:
    settle_in()
    with transaction() as session:
        session.add(
            OneTimeCode(
                token_hash="t",
                purpose="LOGIN",
                kind="SMS",
                value=PHONE,
                facts={},
                code_hash="c",
                created_at=NOW,
                expires_at=NOW + timedelta(minutes=10),
            )
        )
    day = timedelta(hours=settings().retention_code_h)
    for at, left in ((NOW + day, 1), (NOW + day + timedelta(minutes=1), 0)):
        with transaction() as session:
            purge.purge(session, settings(), at)
        assert scalar("SELECT count(*) FROM one_time_code") == left


def test_req_36_everything_about_a_customer_can_be_handed_out() -> None:
    settle_in(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    tell(STARTED)
    with transaction() as session:
        told = customer_data.export(session, "C1", NOW)
    assert told["customer"]["name"] == "Aino Virtanen"
    assert {one["value"] for one in told["contacts"]} == {PHONE, MAIL}
    assert [one["gsrn"] for one in told["metering_points"]] == [GSRN]
    assert [(one["type"], one["sent_to"] == PHONE) for one in told["messages"]] == [(STARTED, True)]
    with transaction() as session, pytest.raises(customer_data.NoSuchCustomer):
        customer_data.export(session, "C2", NOW)


def test_req_36_who_has_left_is_erased_and_the_skeleton_of_the_record_stays() -> None:
    settle_in(contacts={PHONE: "SMS", MAIL: "EMAIL"}, moved_out_on=None)
    tell(STARTED)
    send_one()
    with transaction() as session:
        audit.record(session, "customer:C1", "LOGGED_IN", "customer:C1", {}, NOW)
    with transaction() as session, pytest.raises(customer_data.StillACustomer):
        customer_data.erase(session, "C1", "staff:aino", NOW)
    with transaction() as session:
        session.execute(text("UPDATE occupancy SET moved_out_on = :day"), {"day": LEFT})
        customer_data.erase(session, "C1", "staff:aino", NOW)
    assert everything_that_names(PHONE, MAIL, "Aino Virtanen", PHONE.removeprefix("+358")) == []
    (notice,) = ledger()
    assert (notice.type, notice.state, notice.customer_id) == (STARTED, "SENT", "C1")
    with transaction() as session:
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["LOGGED_IN", "CUSTOMER_ERASED"]


def settings() -> Settings:
    found: Settings = current_app.extensions["tiedolla_settings"]
    return found


def after(days: int) -> datetime:
    return NOW + timedelta(days=days)


def keep_house(now: datetime) -> Counter[str]:
    """Every round that is due then, as the worker does them."""
    counts: Counter[str] = Counter()
    while True:
        with transaction() as session:
            due = list(retention.days_due(session, settings(), now))
        if not due:
            return counts
        for rule, day in due:
            with transaction() as session:
                counts += retention.clear_day(session, rule, day, now)


def everything_that_names(*words: str) -> list[tuple[str, str]]:
    """Tables in whose rows one of the words stands, whatever the column."""
    found = []
    with transaction() as session:
        for table in db.metadata.sorted_tables:
            rows = session.execute(text(f'SELECT CAST(t AS text) FROM "{table.name}" t'))
            text_of_all = " ".join(rows.scalars())
            found += [(table.name, word) for word in words if word in text_of_all]
    return found
