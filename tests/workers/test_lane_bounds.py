"""A lane keeps to its receiver's hours and cap, and nothing in one lane slows another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from app import clients
from app.db import db, transaction
from app.models import AuditEntry, Lane
from app.queries import lane_board
from app.services import lane_bounds, lanes, outbox, watch
from app.services.lane_bounds import BoundValues
from app.services.outbox import NewItem
from app.settings import Settings
from tests.integrations.stub_server import Behaviour, Reply, StubServer
from tests.services.elsewhere import Elsewhere
from tests.services.queueing import drain_now, set_lane, states

NIS = Reply(200, {"ref": "NIS-1"})
# A Tuesday: 10.00 in Finland, and 18.00.
OPEN = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SHUT = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
WEEKDAYS = "1-5 07:00-16:00"


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (OPEN, None),
        (SHUT, "2026-11-25 05:00"),
        # Over both nights on which the clocks change, it opens at seven on the wall.
        (datetime(2026, 3, 27, 15, 0, tzinfo=UTC), "2026-03-30 04:00"),
        (datetime(2026, 10, 23, 14, 0, tzinfo=UTC), "2026-10-26 05:00"),
    ],
)
def test_outside_its_hours_a_lane_rests_until_it_opens(
    app: Flask, now: datetime, until: str | None
) -> None:
    with app.app_context():
        _bound("nis", hours=WEEKDAYS)
        put("nis", 1, at=now - timedelta(hours=1))
        with transaction() as session:
            assert (lanes.get_open_lane(session, "nis", now) is None) is (until is not None)
        opens = datetime.fromisoformat(until).replace(tzinfo=UTC) if until else None
        with transaction() as session:
            assert session.get_one(Lane, "nis").rests_until == opens
            # The dispatcher rings it when it opens, and not four times a second before.
            assert ("nis" in outbox.lanes_with_work(session, now)) is (until is None)
            assert opens is None or "nis" in outbox.lanes_with_work(session, opens)
            row = lane_board.find_lane(session, "nis")
            assert row is not None
            assert row.circuit(now) == ("RESTS" if until else "CLOSED")


def test_what_waits_for_a_receiver_to_open_is_not_late(app: Flask) -> None:
    with app.app_context():
        _bound("nis", hours=WEEKDAYS)
        put("nis", 1, at=SHUT - timedelta(hours=3))
        with transaction() as session:
            lanes.get_open_lane(session, "nis", SHUT)
            watch.raise_alarms(session, SHUT)
            assert _alarms(session) == []
            opens = datetime(2026, 11, 25, 5, 0, tzinfo=UTC)
            watch.raise_alarms(session, opens + timedelta(minutes=14))
            assert _alarms(session) == []
            # Open for a while and still there: that is late.
            watch.raise_alarms(session, opens + timedelta(minutes=16))
            assert _alarms(session) == [("LANE_OLD", "nis")]


def test_no_slice_begins_after_closing(
    app: Flask, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim of many slices must not go on into the evening."""
    with app.app_context(), StubServer(NIS) as nis:
        set_lane("nis", in_flight_count=2)
        put("nis", 10)
        look = lane_bounds.look

        def _about_to_close(*args: Any) -> lane_bounds.Bounds:
            # Open when the claim is made, closed by the time that its first slice begins.
            return replace(look(*args), closes_at=datetime.now(UTC))

        monkeypatch.setattr(lane_bounds, "look", _about_to_close)
        assert _drain(app, loop, nis, batches=1) == {}
        assert nis.received == []
        with transaction() as session:
            rows = session.execute(text("SELECT DISTINCT state, attempts FROM outbox_item"))
            assert [tuple(row) for row in rows] == [("READY", 0)]


def test_a_days_cap_holds_for_all_processes_and_the_rest_waits_for_tomorrow(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    with app.app_context(), StubServer(NIS) as nis:
        _bound("nis", day_cap=7, in_flight_count=3)
        put("nis", 20)
        assert _drain(app, loop, nis) == {"SENT": 7}
        assert _drain(app, loop, nis, lease=2) == {}
        assert len(nis.received) == 7
        now = datetime.now(UTC)
        with transaction() as session:
            row = lane_board.find_lane(session, "nis")
            assert row is not None
            assert (row.used_today(now), row.circuit(now)) == (7, "RESTS")
            assert "nis" not in outbox.lanes_with_work(session, now)
        # A new day in Finland.
        with transaction() as session:
            session.execute(
                text("UPDATE lane SET day_on = day_on - 1, rests_until = now() WHERE name = 'nis'")
            )
        assert _drain(app, loop, nis) == {"SENT": 7}
        assert states() == {"SENT": 14, "READY": 6}


def test_a_call_that_did_not_arrive_uses_up_nothing_of_the_cap(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    with app.app_context(), StubServer(Reply(503), NIS) as nis:
        _bound("nis", day_cap=3, in_flight_count=1)
        put("nis", 5)
        assert _drain(app, loop, nis) == {"NOT_SENT": 1, "SENT": 3}


def test_two_that_claim_at_once_do_not_take_more_than_the_cap(app: Flask) -> None:
    with app.app_context():
        _bound("nis", day_cap=5)
        put("nis", 20)
        now = datetime.now(UTC)
        with transaction() as session:
            lane = lanes.get_open_lane(session, "nis", now)
            assert lane is not None
            other = Elsewhere(app, lambda: _room(now))
            other.start()
            other.wait_until_blocked()
            assert lane.day_room == 5
            outbox.claim(session, "nis", 1, lane.day_room, now, 120)
        other.join()
        # What the first has claimed may reach the receiver, so there is no room for the second.
        assert other.result == 0


def test_what_a_dead_process_had_claimed_is_not_lost_to_the_cap(app: Flask) -> None:
    with app.app_context():
        _bound("nis", day_cap=5)
        put("nis", 20)
        now = datetime.now(UTC)
        with transaction() as session:
            outbox.claim(session, "nis", 1, 5, now, 120)
        assert _room(now) == 0
        with transaction() as session:
            outbox.give_back(session, 1, now, 60)
        assert _room(now) == 5


def test_bounds_are_set_with_a_reason_and_what_they_were_stays_on_record(app: Flask) -> None:
    with app.app_context():
        _bound("nis", hours="1-5  7:00-16:00", day_cap=1000, rate_per_s=20)
        _bound("nis", hours=None, day_cap=None)
        with transaction() as session:
            rows = session.scalars(
                select(AuditEntry)
                .where(AuditEntry.action == "LANE_BOUNDS_SET")
                .order_by(AuditEntry.id)
            ).all()
            assert rows[1].detail["before"] == {
                "rate_per_s": 20,
                "in_flight_count": 100,
                "day_cap": 1000,
                "hours": WEEKDAYS,
            }
            assert rows[1].detail["after"]["hours"] is None
            assert rows[1].detail["reason"] == "agreed"


def test_a_lane_of_messages_keeps_to_quiet_hours_and_budgets_instead(app: Flask) -> None:
    with app.app_context():
        _bound("sms", hours=WEEKDAYS, day_cap=5)
        with transaction() as session:
            lane = session.get_one(Lane, "sms")
            assert (lane.hours, lane.day_cap) == (None, None)


def test_a_lane_stuck_at_time_outs_does_not_slow_another(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    """All of one lane is sent while not a single call of the other has come to its end."""
    with app.app_context(), StubServer(Behaviour.HANG) as dms, StubServer(NIS) as nis:
        put("dms", 300)
        put("nis", 2000)
        alone = threading.Event()
        stuck = threading.Thread(target=_drain_alone, args=(app, dms, alone))
        stuck.start()
        dms.wait_for_connection()
        began = datetime.now(UTC)
        assert _drain(app, loop, nis) == {"SENT": 2000}
        took_s = (datetime.now(UTC) - began).total_seconds()
        # No call of the stuck lane has ended: its first time-out is ten seconds after it began.
        assert not alone.is_set()
        assert took_s < 10
        with transaction() as session:
            ended = session.execute(
                text(
                    "SELECT count(*) FROM attempt a JOIN outbox_item i ON i.id = a.outbox_item_id"
                    " WHERE i.lane = 'dms'"
                )
            ).scalar_one()
            assert ended == 0
        dms.hang_up()
        stuck.join(60)
        assert not stuck.is_alive()


def put(lane: str, count: int, *, at: datetime | None = None, prefix: str = "") -> None:
    """So many items that are due."""
    moment = at or datetime.now(UTC) - timedelta(seconds=1)
    kind = {"nis": "NIS_DEVICE", "dms": "DMS_SWAP_OUTAGE"}[lane]
    body = {"gsrn": "649999000000000013", "orderId": "A-1", "version": 1}
    with transaction() as session:
        outbox.put(
            session,
            [
                NewItem(lane, kind, key, key, 1, key, body)
                for key in (f"{lane}-{prefix}{n}" for n in range(count))
            ],
            moment,
        )


def _bound(name: str, **changes: Any) -> None:
    values = {"rate_per_s": None, "in_flight_count": 100, "day_cap": None, "hours": None, **changes}
    with transaction() as session:
        assert lane_bounds.set_bounds(
            session, name, BoundValues(**values), "agreed", by="staff:otso", now=OPEN
        )


def _room(now: datetime) -> int | None:
    with transaction() as session:
        lane = lanes.get_open_lane(session, "nis", now)
        return None if lane is None else lane.day_room


def _drain(
    app: Flask, loop: asyncio.AbstractEventLoop, stub: StubServer, **more: Any
) -> dict[str, int]:
    return drain_now(_settings(app, "nis", stub), loop, "nis", **more)


def _drain_alone(app: Flask, stub: StubServer, ended: threading.Event) -> None:
    own = asyncio.new_event_loop()
    with app.app_context():
        try:
            drain_now(_settings(app, "dms", stub), own, "dms", lease=77, batches=1)
        finally:
            ended.set()
            db.session.remove()
            # The other lane's client belongs to the other loop.
            own.run_until_complete(clients._clients.pop("dms").aclose())
            own.close()


def _settings(app: Flask, lane: str, stub: StubServer) -> Settings:
    settings: Settings = app.extensions["tiedolla_settings"]
    return settings.model_copy(update={f"{lane}_url": stub.url})


def _alarms(session: Any) -> list[tuple[str, str]]:
    rows = session.execute(text("SELECT kind, subject FROM alarm WHERE closed_at IS NULL"))
    return [(row.kind, row.subject) for row in rows]


@pytest.fixture
def loop(app: Flask) -> Iterator[asyncio.AbstractEventLoop]:
    own = asyncio.new_event_loop()
    yield own
    clients.close_clients(own)
    own.close()
