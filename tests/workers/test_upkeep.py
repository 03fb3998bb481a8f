"""What waits too long, died, or is in doubt raises an alarm, which ends when the trouble does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.domain.notice_types import NoticeType
from app.doorbell import lanes_ringing
from app.models import Drainer, FileSighting
from app.services import announcements, inbound, watch
from tests.field_work import add_order, gsrn
from tests.services.world import NOW, items, leave_unknown, scalar, settle_in, tell
from workers.upkeep import upkeep

STARTED = "METER_SWAP_STARTED"


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_a_lane_whose_oldest_item_is_late_raises_an_alarm_until_it_is_gone() -> None:
    _queue()
    assert _open(NOW + timedelta(minutes=14)) == []
    assert _open(NOW + timedelta(minutes=16)) == [("LANE_OLD", "sms")]
    assert _open(NOW + timedelta(minutes=17)) == [("LANE_OLD", "sms")]
    assert scalar("SELECT count(*) FROM alarm") == 1
    _item_is("SENT")
    assert _open(NOW + timedelta(minutes=18)) == []


@pytest.mark.parametrize("tried", ["attempts = 0", "attempts = 1, last_error = 'QUIET_HOURS'"])
def test_what_is_held_for_the_morning_is_not_late(tried: str) -> None:
    _queue()
    with transaction() as session:
        session.execute(
            text(f"UPDATE outbox_item SET next_at = :at, {tried}"), {"at": NOW + timedelta(hours=9)}
        )
    assert _open(NOW + timedelta(hours=8)) == []


def test_what_is_tried_again_and_again_is_late_although_its_next_try_is_to_come() -> None:
    _queue()
    with transaction() as session:
        session.execute(
            text("UPDATE outbox_item SET attempts = 5, next_at = :at"),
            {"at": NOW + timedelta(hours=2)},
        )
    assert _open(NOW + timedelta(hours=1)) == [("LANE_OLD", "sms")]


def test_news_that_nobody_makes_notices_of_is_late_once_it_may_be_told() -> None:
    with transaction() as session:
        announcements.announce(
            session,
            NoticeType.STORM_BULLETIN,
            announcements.about_area("837"),
            occurrence="1",
            event_at=NOW,
            facts={},
            now=NOW,
            by="staff:aino",
            not_before=NOW + timedelta(hours=1),
        )
    assert _open(NOW + timedelta(minutes=70)) == []
    assert _open(NOW + timedelta(minutes=80)) == [("LANE_OLD", "notices")]


def test_a_dead_item_raises_an_alarm() -> None:
    _queue()
    _item_is("DEAD")
    assert _open(NOW) == [("ITEMS_DEAD", "sms")]
    _item_is("READY")
    assert _open(NOW) == []


def test_a_doubt_that_lasts_raises_an_alarm() -> None:
    _queue()
    leave_unknown()
    assert _open(NOW + timedelta(minutes=59)) == []
    assert _open(NOW + timedelta(minutes=61)) == [("OUTCOME_UNKNOWN", "sms")]
    with transaction() as session:
        session.execute(text("UPDATE attempt SET resolved_by = 'POLICY'"))
    assert _open(NOW + timedelta(minutes=62)) == []


def test_a_message_that_we_failed_to_read_raises_an_alarm_until_it_is_read() -> None:
    _receive_held("INTERNAL ValueError")
    assert _open(NOW) == [("INBOUND_HELD", "acks")]
    with transaction() as session:
        session.execute(text("UPDATE inbound_message SET state = 'INTERPRETED'"))
    assert _open(NOW) == []


def test_a_message_that_waits_for_its_order_raises_an_alarm_only_after_a_day() -> None:
    _receive_held("ACK_UNKNOWN_ORDER")
    assert _open(NOW + timedelta(hours=23)) == []
    assert _open(NOW + timedelta(hours=25)) == [("INBOUND_HELD", "acks")]


def test_a_message_put_aside_while_its_order_was_being_stored_is_read_again(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    _receive_held("ACK_UNKNOWN_ORDER")
    upkeep(app.extensions["tiedolla_settings"], 1, "test", loop)
    assert scalar("SELECT state FROM inbound_message") == "HELD"
    with transaction() as session:
        add_order(session, "WO-LATER", gsrn=gsrn(2), old_meter_number="5530-78")
    upkeep(app.extensions["tiedolla_settings"], 1, "test", loop)
    assert scalar("SELECT state FROM inbound_message") == "STORED"
    assert lanes_ringing(["acks"]) == {"acks": 1}


def test_other_alarms_are_left_alone() -> None:
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO alarm (kind, subject, detail, opened_at, last_seen_at)"
                " VALUES ('LANE_DOWN', 'sms', '', now(), now())"
            )
        )
    assert _open(NOW) == [("LANE_DOWN", "sms")]


def test_one_round_removes_what_nobody_needs_and_records_no_empty_run(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    now = datetime.now(UTC)
    with transaction() as session:
        for days, number in ((8, 1), (6, 2)):
            at = now - timedelta(days=days)
            session.add(Drainer(lane="sms", host="a", pid=number, started_at=at, ended_at=at))
            session.add(FileSighting(name=f"{days}", size_bytes=1, mtime=1, unchanged_since_at=at))
        session.add(Drainer(lane="sms", host="a", pid=3, started_at=now - timedelta(days=9)))
    upkeep(app.extensions["tiedolla_settings"], 1, "test", loop)
    assert scalar("SELECT array_agg(pid ORDER BY pid) FROM drainer") == [2, 3]
    assert scalar("SELECT array_agg(name) FROM file_sighting") == ["6"]
    assert scalar("SELECT count(*) FROM run") == 0


def test_a_swap_that_nobody_ended_is_noticed(app: Flask, loop: asyncio.AbstractEventLoop) -> None:
    _forget_swap()
    upkeep(app.extensions["tiedolla_settings"], 1, "test", loop)
    assert scalar("SELECT state FROM outage") == "STALE"
    assert scalar("SELECT process FROM run") == "watch swaps"


def test_a_chore_that_fails_keeps_no_other_from_being_done_and_is_seen(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    _forget_swap()
    _rename("letter", "letter_gone")
    try:
        upkeep(app.extensions["tiedolla_settings"], 1, "test", loop)
    finally:
        _rename("letter_gone", "letter")
    assert scalar("SELECT state FROM outage") == "STALE"
    assert scalar("SELECT subject FROM alarm WHERE kind = 'UPKEEP_FAILED'") == "alarms"
    upkeep(app.extensions["tiedolla_settings"], 1, "test", loop)
    assert scalar("SELECT closed_at IS NOT NULL FROM alarm WHERE kind = 'UPKEEP_FAILED'") is True


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def _forget_swap() -> None:
    """A swap whose end nobody has reported for three hours."""
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO outage (source, source_ref, kind, state, version, started_at, created_at,"
                " updated_at) VALUES ('ACK', 'A-1', 'METER_SWAP', 'OPEN', 1,"
                " now() - interval '3 hours', now(), now())"
            )
        )


def _rename(old: str, new: str) -> None:
    with transaction() as session:
        session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


def _queue() -> None:
    settle_in()
    tell(STARTED)
    assert len(items()) == 1


def _item_is(state: str) -> None:
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET state = :state"), {"state": state})


def _open(now: datetime) -> list[tuple[str, str]]:
    with transaction() as session:
        watch.raise_alarms(session, now)
    with transaction() as session:
        rows = session.execute(
            text("SELECT kind, subject FROM alarm WHERE closed_at IS NULL ORDER BY kind")
        )
        return [(row.kind, row.subject) for row in rows]


def _receive_held(reason: str) -> None:
    with transaction() as session:
        inbound.store_small(
            session,
            source="ack:voima",
            kind="ACK",
            name="WO-LATER ACCEPTED",
            body=b"{}",
            now=NOW,
            business_key="WO-LATER",
            state="HELD",
            reason_code=reason,
        )
