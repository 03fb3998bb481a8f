"""What may leave is bounded: by the stop, by rates, by money, and by what is more urgent."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app import clients
from app.db import db, transaction
from app.domain.notice_types import Channel, Topic
from app.models import AuditEntry
from app.services import budget, sending_rates, sending_stops
from app.settings import Settings
from tests.integrations.stub_server import Received, Reply, StubServer
from tests.services.elsewhere import Elsewhere
from tests.services.queueing import CREATED, drain_now, queue, set_lane, states
from tests.services.world import NOW, scalar


def test_the_stop_holds_within_two_seconds_also_in_a_process_under_way(
    app: Flask, work: _Work
) -> None:
    stopped: list[float] = []

    def _press() -> None:
        with app.app_context():
            with transaction() as session:
                _stop(session)
            db.session.remove()
        stopped.append(time.monotonic())
        seen.append(len(watched))

    seen: list[int] = []
    with StubServer(CREATED) as twilio:
        # A claim is five slices, so the next claim would be too late to look.
        set_lane("sms", in_flight_count=100)
        queue(3000)
        twilio.received = watched = _Watched(at=200, act=_press)
        work.drain(twilio)
        watched.join()
        left = states()["READY"]
        assert left > 2000
        assert watched.last_at - stopped[0] < 2.0
        # What was on the wire, and at most a slice that was beginning at that moment.
        assert len(watched) - seen[0] <= 200
        # Nothing leaves later either, not by another drain.
        assert work.drain(twilio) == {}
        assert states()["READY"] == left
        assert len(twilio.received) == 3000 - left


def test_a_stop_of_one_channel_leaves_the_other_alone(work: _Work) -> None:
    queue(1, channel="SMS")
    queue(1, channel="EMAIL")
    accepted = Reply(202, b"", {"X-Message-Id": "m"})
    with StubServer(CREATED) as twilio, StubServer(accepted) as sendgrid:
        with transaction() as session:
            _stop(session, [Channel.SMS])
        assert work.drain(twilio) == {}
        assert work.drain(sendgrid, lane="email") == {"SENT": 1}


def test_codes_may_still_leave_when_whoever_stops_says_so(work: _Work) -> None:
    queue(3, topic=Topic.FAULT)
    queue(1, topic=Topic.SAFETY)
    queue(1, topic=Topic.SERVICE)
    with StubServer(CREATED) as twilio:
        with transaction() as session:
            _stop(session, keep_service=True)
        assert work.drain(twilio) == {"SENT": 1}
    assert scalar("SELECT topic FROM notice WHERE state = 'SENT'") == "SERVICE"


def test_after_the_start_what_waited_leaves_and_both_acts_are_recorded(work: _Work) -> None:
    queue(2)
    with StubServer(CREATED) as twilio:
        with transaction() as session:
            _stop(session)
        assert work.drain(twilio) == {}
        assert _alarms() == [("SENDING_STOPPED", "SMS"), ("SENDING_STOPPED", "EMAIL")]
        with transaction() as session:
            started = sending_stops.start(
                session, list(Channel), reason="it was right", by="staff:otso", now=NOW
            )
        assert started == [Channel.SMS, Channel.EMAIL]
        assert work.drain(twilio) == {"SENT": 2}
    assert _alarms() == []
    with transaction() as session:
        acts = [row.action for row in session.query(AuditEntry).order_by(AuditEntry.id)]
    assert acts == ["SENDING_STOPPED"] * 2 + ["SENDING_STARTED"] * 2


def test_req_27_a_safety_message_overtakes_what_is_queued_and_claimed(
    app: Flask, work: _Work
) -> None:
    queued: list[float] = []

    def _warn() -> None:
        with app.app_context():
            queue(1, topic=Topic.SAFETY, kind="SAFETY_WARNING")
            db.session.remove()
        queued.append(time.monotonic())

    with StubServer(CREATED) as twilio:
        set_lane("sms", in_flight_count=50)
        queue(4000)
        twilio.received = watched = _Watched(at=100, act=_warn)
        work.drain(twilio)
        watched.join()
    with transaction() as session:
        order = session.execute(text("SELECT topic FROM notice ORDER BY sent_at, id")).scalars()
        place = list(order).index("SAFETY")
        waited_s = session.execute(
            text(
                "SELECT extract(epoch FROM sent_at - created_at) - 1 FROM notice"
                " WHERE topic = 'SAFETY'"
            )
        ).scalar_one()
    # One slice was on the wire and one may have begun meanwhile; the rest of the claim went back.
    assert place < 2000
    assert waited_s < 2.0


def test_something_urgent_that_cannot_leave_does_not_keep_the_rest_waiting(work: _Work) -> None:
    queue(1, topic=Topic.SAFETY)
    with transaction() as session:
        session.execute(text("UPDATE outbox_item SET route = 'elsewhere'"))
    set_lane("sms", in_flight_count=5)
    queue(40)
    with StubServer(CREATED) as twilio:
        assert work.drain(twilio) == {"SENT": 40}
    assert states() == {"SENT": 40, "READY": 1}


def test_a_rate_holds_for_all_processes_together(work: _Work) -> None:
    set_lane("sms", rate_per_s=40)
    queue(100)
    with StubServer(CREATED) as twilio:
        began = time.monotonic()
        sent = sum(work.drain(twilio, lease=lease, batches=1).get("SENT", 0) for lease in (1, 2, 3))
        took_s = time.monotonic() - began
    assert 20 <= sent <= 20 + 40 * took_s + 1
    assert states()["READY"] == 100 - sent


def test_a_routes_rate_sends_the_overflow_by_the_others(work: _Work) -> None:
    with transaction() as session:
        session.execute(text("UPDATE provider_route SET rate_per_s = 20 WHERE code = 'twilio'"))
    queue(30)
    with StubServer(CREATED) as twilio:
        assert work.drain(twilio, batches=1) == {"SENT": 10}


def test_a_bucket_fills_with_time_up_to_half_a_seconds_worth(app: Flask, work: _Work) -> None:
    def _look(after_s: float) -> int | None:
        with transaction() as session:
            found = sending_rates.look(session, "lane:x", 100, NOW + timedelta(seconds=after_s))
            sending_rates.take(session, {"lane:x": found or 0})
            return found

    assert [_look(at) for at in (0, 0, 0.1, 0.2, 9, 9)] == [50, 0, 10, 10, 50, 0]
    # A clock that goes backwards makes no tokens.
    assert _look(3) == 0
    assert _look(9.1) == 10


def test_two_that_look_into_a_bucket_at_once_take_no_token_twice(app: Flask, work: _Work) -> None:
    with transaction() as session:
        mine = sending_rates.look(session, "lane:x", 10, NOW)
        other = Elsewhere(app, lambda: _take_all("lane:x"))
        other.start()
        other.wait_until_blocked()
        sending_rates.take(session, {"lane:x": mine or 0})
    other.join()
    assert (mine, other.result) == (5, 0)


def test_what_would_exceed_the_budget_waits_and_safety_still_leaves(work: _Work) -> None:
    priced = work.priced(budget_hour_cents=35)
    queue(10)
    with StubServer(CREATED) as twilio:
        assert priced.drain(twilio) == {"SENT": 5}
        assert _alarms() == [("BUDGET_SPENT", "messages")]
        assert priced.drain(twilio) == {}
        queue(1, topic=Topic.SAFETY)
        queue(1, topic=Topic.SERVICE)
        assert priced.drain(twilio) == {"SENT": 2}
        assert states() == {"SENT": 7, "READY": 5}
        # Somebody adds money for today.
        with transaction() as session:
            budget.add_for_today(
                session, 28, reason="storm", by="staff:otso", now=datetime.now(UTC)
            )
        assert priced.drain(twilio) == {"SENT": 2}
        with transaction() as session:
            budget.watch(session, priced.settings, datetime.now(UTC) + timedelta(hours=1))
        assert _alarms() == []


def test_longer_texts_cost_more_and_never_more_than_what_is_left(work: _Work) -> None:
    priced = work.priced(budget_day_cents=40)
    queue(3, segments=3)
    with StubServer(CREATED) as twilio:
        assert priced.drain(twilio) == {"SENT": 1}
    assert scalar("SELECT sum(cost_millicents) FROM notice") == 21_000
    assert scalar("SELECT sum(millicents) FROM spend_hour") == 21_000
    assert states() == {"SENT": 1, "READY": 2}


def test_a_call_that_surely_did_not_arrive_costs_nothing(work: _Work) -> None:
    priced = work.priced()
    queue(3)
    refused = Reply(400, {"code": 21211, "message": "no", "status": 400})
    with StubServer(Reply(429), refused, CREATED) as twilio:
        assert sum(priced.drain(twilio).values()) == 3
    assert scalar("SELECT sum(cost_millicents) FROM notice") == 7_000
    assert scalar("SELECT sum(millicents) FROM spend_hour") == 7_000


def test_a_new_day_in_helsinki_has_its_own_money(work: _Work) -> None:
    settings = work.priced(budget_day_cents=100).settings
    # 22.00 UTC is midnight in Helsinki.
    evening = datetime(2026, 11, 24, 21, 30, tzinfo=UTC)
    with transaction() as session:
        budget.spend(session, 90_000, evening)
        assert budget.read(session, settings, evening).left == 10_000
        later = evening + timedelta(hours=1)
        assert budget.read(session, settings, later).left == 100_000


class _Watched(list[Received]):
    """Does something in a thread of its own when so many requests have come."""

    def __init__(self, at: int, act: Callable[[], None]) -> None:
        super().__init__()
        self._at = at
        self._thread = threading.Thread(target=act)
        self.last_at = 0.0

    def append(self, request: Received) -> None:
        super().append(request)
        self.last_at = time.monotonic()
        if len(self) == self._at:
            self._thread.start()

    def join(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()


class _Work:
    """A sender whose providers are stand-ins."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = settings
        self._loop = loop

    def drain(self, provider: StubServer, **more: Any) -> dict[str, int]:
        urls = {"twilio_url": provider.url, "sendgrid_url": provider.url}
        return drain_now(self.settings.model_copy(update=urls), self._loop, **more)

    def priced(self, **limits: int) -> _Work:
        changes = {"sms_part_price_cents": 7.0, **limits}
        return _Work(self.settings.model_copy(update=changes), self._loop)


def _stop(session: Any, channels: list[Channel] | None = None, keep_service: bool = False) -> None:
    sending_stops.stop(
        session,
        channels or list(Channel),
        keep_service=keep_service,
        reason="wrong text",
        by="staff:otso",
        now=datetime.now(UTC),
    )


def _alarms() -> list[tuple[str, str]]:
    with transaction() as session:
        rows = session.execute(
            text("SELECT kind, subject FROM alarm WHERE closed_at IS NULL ORDER BY id")
        )
        return [(row[0], row[1]) for row in rows]


def _take_all(name: str) -> int:
    with transaction() as session:
        found = sending_rates.look(session, name, 10, NOW)
        sending_rates.take(session, {name: found or 0})
        return found or 0


@pytest.fixture
def work(app: Flask) -> Iterator[_Work]:
    loop = asyncio.new_event_loop()
    with app.app_context():
        yield _Work(app.extensions["tiedolla_settings"], loop)
        clients.close_clients(loop)
    loop.close()
