"""Codes, texts, deliveries, files and the audit trail go when their time is over; people on request."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.domain.languages import Language
from app.domain.notice_types import Channel
from app.models import InboundMessage, MassFile, MassOrder
from app.services import (
    audit,
    customer_data,
    inbound,
    purge,
    retention,
    search_index,
    verification,
)
from app.services.verification import Address, Outcome
from app.settings import Settings
from tests.services.world import (
    GSRN,
    MAIL,
    NOW,
    PHONE,
    claim,
    gate,
    leave_unknown,
    ledger,
    minutes,
    scalar,
    send_one,
    settle_in,
    tell,
    wish,
)
from workers.customer_care import care

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def settings(app: Flask) -> Settings:
    found: Settings = app.extensions["tiedolla_settings"]
    return found


def _send_code(settings: Settings, value: str = PHONE, **more: Any) -> str:
    channel = Channel.EMAIL if "@" in value else Channel.SMS
    with transaction() as session:
        return verification.send_code(
            session,
            Address(channel, value),
            purpose="LOGIN",
            language=Language.FI,
            now=NOW,
            settings=settings,
            **more,
        )


def _readable(pattern: str) -> int:
    """In how many places of the database six digits stand that look like a code."""
    found: int = scalar(
        "SELECT (SELECT count(*) FROM notice WHERE concat(subject, body, html) ~ :p)"
        " + (SELECT count(*) FROM outbox_item WHERE concat(payload->>'body', payload->>'text',"
        " payload->>'subject') ~ :p)",
        p=pattern,
    )
    return found


@pytest.mark.parametrize("value", [PHONE, MAIL])
def test_req_36_a_code_is_readable_only_on_its_way_and_until_used_or_expired(
    settings: Settings, value: str
) -> None:
    token = _send_code(settings, value)
    assert _readable(r"(koodi|Vahvistuskoodi) \d{6}") == 1
    lane = "email" if "@" in value else "sms"
    code = scalar(
        "SELECT substring(coalesce(payload->>'body', payload->>'text') FROM '\\d{6}')"
        " FROM outbox_item"
    )
    assert code not in (ledger()[0].body or "") + (ledger()[0].subject or "")
    send_one(lane=lane)
    with transaction() as session:
        proof = verification.check_code(
            session,
            token,
            f" {code[:3]} {code[3:]} ",
            purposes=["LOGIN"],
            source_address="1.2.3.4",
            settings=settings,
            now=NOW + minutes(1),
        )
    assert (proof.outcome, proof.address and proof.address.value) == (Outcome.OK, value)
    assert _readable(code) == 0
    assert scalar("SELECT code_hash FROM one_time_code") != code


def test_req_36_a_code_that_nobody_used_is_masked_and_gone_after_a_day(settings: Settings) -> None:
    _send_code(settings)
    with transaction() as session:
        assert verification.redact(session, NOW + minutes(9)) == 0
        assert verification.redact(session, NOW + minutes(10)) == 1
    assert _readable(r"koodi \d{6}") == 0
    assert gate(claim(now=NOW + minutes(1)), now=NOW + minutes(1))[0] == {}
    with transaction() as session:
        purge.purge(session, settings, NOW + timedelta(hours=23))
    assert scalar("SELECT count(*) FROM one_time_code") == 1
    with transaction() as session:
        purge.purge(session, settings, NOW + timedelta(hours=25))
    assert scalar("SELECT count(*) FROM one_time_code") == 0


def test_a_code_to_an_address_that_nobody_has_leaves(settings: Settings) -> None:
    _send_code(settings, "+358409999999")
    attempts, refused = gate(claim(), now=NOW + minutes(1))
    assert (len(attempts), refused) == (1, {})


def test_a_code_for_something_else_or_of_a_stranger_opens_nothing(settings: Settings) -> None:
    for known, purpose in ((True, "CONTACT"), (False, "LOGIN")):
        token = _send_code(settings, known=known)
        with transaction() as session:
            proof = verification.check_code(
                session,
                token,
                "123456",
                purposes=[purpose],
                source_address="1.2.3.4",
                settings=settings,
                now=NOW,
            )
        assert proof.outcome is not Outcome.OK
        assert proof.facts is None


def _retain(settings: Settings, now: Any) -> Counter[str]:
    counts: Counter[str] = Counter()
    for _ in range(200):
        with transaction() as session:
            due = list(retention.days_due(session, settings, now))
        for rule, day in due:
            with transaction() as session:
                counts += retention.clear_day(session, rule, day, now)
        if not due:
            return counts
    raise AssertionError("retention never ends")


def test_req_36_texts_go_after_24_months_and_what_became_of_them_after_36(
    settings: Settings,
) -> None:
    settle_in()
    tell("METER_SWAP_DONE")
    send_one()
    assert _retain(settings, NOW + 729 * DAY) == {}
    assert _retain(settings, NOW + 732 * DAY) == {"bodies": 1, "payloads": 1}
    (notice,) = ledger()
    assert (notice.body, notice.state, notice.sent_to) == (None, "SENT", PHONE)
    assert PHONE not in scalar("SELECT payload::text FROM outbox_item")
    assert _retain(settings, NOW + 1094 * DAY) == {}
    counts = _retain(settings, NOW + 1098 * DAY)
    assert (counts["notices"], counts["items"]) == (1, 1)
    assert scalar("SELECT count(*) FROM attempt") == 0


def test_req_36_what_is_still_in_doubt_is_kept_until_it_is_settled(settings: Settings) -> None:
    settle_in()
    tell("METER_SWAP_DONE")
    leave_unknown()
    _retain(settings, NOW + 1098 * DAY)
    assert scalar("SELECT count(*) FROM notice") == 1
    assert scalar("SELECT count(*) FROM outbox_item") == 1


def test_req_36_files_lose_their_body_after_90_days_and_keep_their_record(
    settings: Settings,
) -> None:
    with transaction() as session:
        for name in ("read.xml", "held.xml"):
            inbound.store(
                session, source="cis", kind="CIS_FILE", name=name, chunks=[name.encode()], now=NOW
            )
        session.query(InboundMessage).filter_by(name="read.xml").update({"state": "INTERPRETED"})
        session.query(InboundMessage).filter_by(name="held.xml").update({"state": "HELD"})
    assert _retain(settings, NOW + 93 * DAY) == {"chunks": 1, "messages": 1}
    assert scalar("SELECT count(*) FROM inbound_message WHERE body_removed_at IS NOT NULL") == 1
    assert scalar("SELECT count(*) FROM inbound_chunk") == 1


def test_a_mass_file_that_waits_for_people_keeps_its_body_until_they_have_decided(
    settings: Settings,
) -> None:
    with transaction() as session:
        inbound.store(session, source="cis", kind="CIS_FILE", name="m", chunks=[b"<x/>"], now=NOW)
        session.query(InboundMessage).update({"state": "PARTLY"})
        session.add(
            MassOrder(
                mass_id="M-1",
                state="HELD",
                state_at=NOW,
                allowed_models=[],
                counts={},
                counted_at=NOW,
                inbound_message_id=1,
                created_at=NOW,
                updated_at=NOW,
            )
        )
        session.flush()
        counts = ("declared", "item", "same", "rejected", "refused", "staged")
        session.add(
            MassFile(
                inbound_message_id=1,
                mass_id="M-1",
                state="HELD",
                state_at=NOW,
                done_seq=0,
                attempts=0,
                next_at=NOW,
                created_at=NOW,
                **{f"{name}_count": 0 for name in counts},
            )
        )
    assert _retain(settings, NOW + 93 * DAY) == {}
    with transaction() as session:
        # Decided long after its own day was done with.
        session.query(MassFile).update({"state": "SPLIT", "state_at": NOW + 94 * DAY})
    assert _retain(settings, NOW + 150 * DAY) == {}
    assert _retain(settings, NOW + 187 * DAY) == {"chunks": 1, "messages": 1}


def test_req_36_the_audit_trail_stays_six_years(settings: Settings) -> None:
    with transaction() as session:
        audit.record(session, "staff:aino", "LOGIN_OK", "staff:aino", {}, NOW)
    assert _retain(settings, NOW + 2190 * DAY) == {}
    assert _retain(settings, NOW + 2195 * DAY) == {"audit": 1}


def test_req_36_a_run_says_how_much_went(settings: Settings) -> None:
    settle_in()
    tell("METER_SWAP_DONE")
    send_one()
    care(settings, 1, "test", NOW + 732 * DAY)
    assert scalar("SELECT counts->>'BODIES' FROM run WHERE process = 'retention'") == "1"
    care(settings, 1, "test", NOW + 732 * DAY)
    assert scalar("SELECT count(*) FROM run WHERE process = 'retention'") == 1


def test_req_36_an_export_holds_everything_and_no_code(settings: Settings) -> None:
    settle_in(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    tell("METER_SWAP_DONE")
    _send_code(settings, contact_id=1, customer_id="C1")
    with transaction() as session:
        wish(session, 1, False, topic="STORM")
        found = json.dumps(customer_data.export(session, "C1", NOW), ensure_ascii=False)
    for expected in (PHONE, MAIL, GSRN, "Koivutie", "Mittarinvaihto valmis", "STORM", "K-C1"):
        assert expected in found, expected
    assert "koodi ******" in found
    with pytest.raises(customer_data.NoSuchCustomer), transaction() as session:
        customer_data.export(session, "C9", NOW)


def test_req_36_an_erased_customer_leaves_only_the_skeleton(settings: Settings) -> None:
    settle_in(contacts={PHONE: "SMS", MAIL: "EMAIL"})
    tell("METER_SWAP_DONE")
    send_one()
    _send_code(settings, contact_id=1, customer_id="C1")
    with transaction() as session:
        wish(session, 1, False, topic="STORM")
        session.execute(
            text("UPDATE work_order SET customer_id = 'C1', facts = CAST(:f AS jsonb)"),
            {"f": json.dumps({"customer_name": "Aino Virtanen", "phone": PHONE, "email": MAIL})},
        )
        session.execute(
            text(
                "INSERT INTO inbound_sms (sid, from_number, to_number, body, media_count, received_at,"
                " state, attempts, next_at) VALUES ('SM1', :phone, '16000', 'Aino tässä', 0, :now,"
                " 'DONE', 0, :now)"
            ),
            {"phone": PHONE, "now": NOW},
        )
        session.execute(
            text(
                "INSERT INTO letter (dedupe_key, notice_id, customer_id, gsrn, type, language, reason,"
                " subject, body, nameless, state, created_at) VALUES ('k', 1, 'C1', :gsrn,"
                " 'PLANNED_NOTICE', 'fi', 'OPTED_OUT', 'Aino', 'Hyvä Aino', false, 'POSTED', :now)"
            ),
            {"gsrn": GSRN, "now": NOW},
        )
        search_index.rebuild(session, [GSRN], NOW)
    with pytest.raises(customer_data.StillACustomer), transaction() as session:
        customer_data.erase(session, "C1", "system:test", NOW)
    with transaction() as session:
        session.execute(text("UPDATE occupancy SET moved_out_on = DATE '2026-11-01'"))
        search_index.rebuild(session, [GSRN], NOW)
        customer_data.erase(session, "C1", "system:test", NOW)
    dump = _everything()
    for secret in (PHONE, PHONE[1:], MAIL, "Aino", "Virtanen"):
        assert secret not in dump, secret
    notices = ledger()
    assert [(one.type, one.state, one.customer_id) for one in notices] == [
        ("METER_SWAP_DONE", "SENT", "C1"),
        ("VERIFY_CODE", "QUEUED", "C1"),
    ]
    assert scalar("SELECT count(*) FROM audit_entry WHERE action = 'CUSTOMER_ERASED'") == 1


def _everything() -> str:
    """Every row of every table, as text."""
    words = []
    with transaction() as session:
        tables = session.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ).scalars()
        for table in list(tables):
            rows = session.execute(text(f'SELECT t::text FROM "{table}" t'))
            words += [f"{table} {row[0]}" for row in rows]
    return "\n".join(words)
