"""What a message says is true as it leaves: no address under a ban, no power where there is none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from flask import Flask, current_app
from sqlalchemy import text

from app.db import db, transaction
from app.domain.lanes import Mode
from app.domain.notice_types import NoticeType
from app.services import sending_slices
from app.services.outbox import Claimed
from tests.services.announcing import POINTS, add_outage, restore, settle_people, tell_all
from tests.services.world import (
    LEASE,
    MAIL,
    NOW,
    add_customer,
    claim,
    end,
    items,
    ledger,
    scalar,
    send_one,
    settle_in,
    tell,
)

DONE, STILL_OFF = "METER_SWAP_DONE", "METER_SWAP_DONE_STILL_OFF"


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
        db.session.remove()


@pytest.mark.parametrize("whose", ["C1", "C2"], ids=["their own", "of somebody at the point"])
def test_req_31_a_ban_set_between_the_decision_and_the_sending_takes_the_address_out(
    whose: str,
) -> None:
    settle_in()
    tell(DONE)
    assert "Koivutie 12 A 3" in (ledger()[0].body or "")
    with transaction() as session:
        if whose == "C2":
            add_customer(session, "C2", contacts={})
        else:
            # Theirs counts wherever they live.
            session.execute(text("DELETE FROM occupancy"))
        session.execute(
            text("UPDATE customer SET personal_safety_ban = true WHERE cis_id = :id"), {"id": whose}
        )
    (sent,) = _leave()
    assert "Koivutie" not in sent.payload["body"]
    assert "käyttöpaikkasi" in sent.payload["body"]
    (notice,), (item,) = ledger(), items()
    assert (notice.body, item.payload) == (sent.payload["body"], sent.payload)
    assert "because of a safety ban" in notice.decision
    stored = msgspec.json.encode(sent.payload)
    assert item.payload_hash == sent.payload_hash == hashlib.sha256(stored).hexdigest()


def test_req_31_the_order_may_know_of_a_ban_that_the_master_data_has_not_told() -> None:
    settle_in()
    tell(DONE)
    with transaction() as session:
        session.execute(text("""UPDATE work_order SET facts = '{"safety_ban": true}'"""))
    (sent,) = _leave()
    assert "Koivutie" not in sent.payload["body"]


def test_req_31_an_email_hides_the_address_in_every_part() -> None:
    settle_in(contacts={MAIL: "EMAIL"}, channel="EMAIL")
    with transaction() as session:
        session.execute(text("UPDATE metering_point SET street_name = 'Kivi & Ranta'"))
    tell(DONE)
    assert "Kivi &amp; Ranta" in (ledger()[0].html or "")
    _ban()
    (sent,) = _leave("email")
    assert not any("Ranta" in str(part) for part in sent.payload.values())
    assert "käyttöpaikkasi" in sent.payload["html"]


def test_req_31_words_without_an_address_stay_as_they_are() -> None:
    settle_in(safety_ban=True)
    tell(DONE)
    before = ledger()[0]
    (sent,) = _leave()
    assert (sent.payload["body"], ledger()[0].decision) == (before.body, before.decision)


def test_req_31_what_takes_more_parts_without_the_address_costs_what_it_takes() -> None:
    settle_in()
    with transaction() as session:
        session.execute(text("UPDATE metering_point SET street_name = 'T', house_number = '1'"))
    tell(DONE)
    _ban()
    assert ledger()[0].segments == 1
    _leave()
    body = ledger()[0].body or ""
    assert ledger()[0].segments == (1 if len(body) <= 160 else 2)


def test_req_31_a_message_about_a_fault_loses_its_address_too() -> None:
    settle_people()
    tell_all(NoticeType.FAULT_STARTED, add_outage(), off_at=NOW)
    _ban()
    (sent,) = _leave()
    assert "Koivutie" not in sent.payload["body"]


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("FAULT", "CONFIRMED"),
        ("PLANNED", "ONGOING"),
        ("FAULT", "DETECTED"),
        ("PLANNED", "ANNOUNCED"),
    ],
)
def test_req_05_a_replaced_meter_has_power_only_where_nothing_else_cuts_it(
    kind: str, state: str
) -> None:
    settle_in()
    tell(DONE)
    sure = state not in ("DETECTED", "ANNOUNCED")
    add_outage(kind=kind, state=state, confirmed_at=NOW if sure else None)
    (sent,) = _leave()
    assert ("Sähköt on kytketty" in sent.payload["body"]) is not sure
    (notice,) = ledger()
    assert (notice.type, notice.body) == (STILL_OFF if sure else DONE, sent.payload["body"])
    if sure:
        assert "Sähköt ovat vielä poikki" in sent.payload["body"]
        assert "Koivutie 12 A 3" in sent.payload["body"]
        assert "another cut was on" in notice.decision


def test_req_05_what_could_not_leave_says_what_is_true_when_it_is_tried_again() -> None:
    settle_in()
    tell(DONE)
    cut = add_outage(confirmed_at=NOW)
    (item,) = _leave()
    end(item, None, "NOT_SENT", "READY", next_at=NOW)
    with transaction() as session:
        session.execute(text("UPDATE notice SET state = 'QUEUED'"))
    restore(cut, NOW + timedelta(minutes=1))
    later = NOW + timedelta(minutes=2)
    (sent,) = _leave(now=later)
    assert "Sähköt on kytketty" in sent.payload["body"]
    assert ledger()[0].type == DONE


def test_who_was_told_so_is_not_told_again_that_the_meter_was_replaced() -> None:
    settle_in()
    tell(DONE, ack_id="1")
    add_outage(confirmed_at=NOW)
    _leave()
    tell(DONE, NOW + timedelta(minutes=3), ack_id="2")
    assert [one.type for one in ledger()] == [STILL_OFF]


@pytest.mark.parametrize("count", [2, 3])
def test_req_05_an_end_at_several_points_speaks_of_those_only_that_have_power(count: int) -> None:
    settle_people(count, phones=["+358401234560"] * count)
    outage_id = add_outage(POINTS[:count], confirmed_at=NOW)
    tell_all(NoticeType.FAULT_STARTED, outage_id, off_at=NOW)
    send_one()
    back_at = NOW + timedelta(minutes=30)
    restore(outage_id, back_at)
    times = {"off_at": NOW, "on_at": back_at, "duration_s": 1800}
    tell_all(NoticeType.FAULT_RESTORED, outage_id, back_at, **times)
    assert f"{count} käyttöpaikkaa" in (ledger()[-1].body or "")
    # The first of them, by whose number the message was filed.
    add_outage(POINTS[:1], off_at=back_at, confirmed_at=back_at)
    (sent,) = _leave(now=back_at)
    left = POINTS[1:count]
    assert ("Koivutie 14 A 3" if count == 2 else "2 käyttöpaikkaa") in sent.payload["body"]
    notice = ledger()[-1]
    assert (notice.gsrn, notice.point_count, notice.body) == (
        left[0],
        len(left),
        sent.payload["body"],
    )
    named = scalar(
        "SELECT array_agg(gsrn ORDER BY gsrn) FROM notice_point WHERE notice_id = :id", id=notice.id
    )
    assert named == (None if count == 2 else list(left))
    assert "another cut was on at some of its points" in notice.decision


def test_req_05_and_31_an_end_at_the_one_point_that_is_left_hides_its_address_under_a_ban() -> None:
    settle_people(2, phones=["+358401234560"] * 2)
    outage_id = add_outage(POINTS[:2], confirmed_at=NOW)
    tell_all(NoticeType.FAULT_STARTED, outage_id, off_at=NOW)
    send_one()
    restore(outage_id, NOW + timedelta(minutes=30))
    times = {"off_at": NOW, "on_at": NOW, "duration_s": 1800}
    tell_all(NoticeType.FAULT_RESTORED, outage_id, NOW + timedelta(minutes=30), **times)
    add_outage(POINTS[:1], off_at=NOW + timedelta(minutes=31), confirmed_at=NOW)
    _ban()
    (sent,) = _leave(now=NOW + timedelta(minutes=32))
    assert "käyttöpaikkasi" in sent.payload["body"]


def test_req_31_and_05_at_once() -> None:
    settle_in()
    tell(DONE)
    add_outage(POINTS[:1], confirmed_at=NOW)
    _ban()
    (sent,) = _leave()
    assert "Sähköt ovat vielä poikki" in sent.payload["body"]
    assert "Koivutie" not in sent.payload["body"]


def _ban() -> None:
    with transaction() as session:
        session.execute(text("UPDATE customer SET personal_safety_ban = true"))


def _leave(lane: str = "sms", now: datetime = NOW) -> list[Claimed]:
    """Begin calls as a drain does; the items as they go on the wire."""
    claimed = claim(lane, now)
    settings = current_app.extensions["tiedolla_settings"]
    routes = {item.id: uuid4().hex for item in claimed}
    with transaction() as session:
        begun, _ = sending_slices.begin(
            session,
            Mode.ONCE,
            LEASE,
            claimed,
            routes,
            settings,
            now,
        )
    return [one.item for one in begun]
