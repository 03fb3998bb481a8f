"""A provider that is down parks nobody, and a message in doubt never goes to another one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app import clients
from app.db import transaction
from app.domain.route_choice import choose_route
from app.models import AuditEntry, ProviderRouteChange
from app.services import outbox, provider_routes
from app.settings import Settings
from tests.integrations.stub_server import Behaviour, Reply, StubServer
from tests.services.queueing import CREATED, add_route, drain_now, queue, set_lane, states
from tests.services.world import NOW, claim, gate_in, scalar
from workers.resolver import resolve


def test_new_messages_take_the_other_route_when_a_provider_is_down(work: _Work) -> None:
    add_route()
    with StubServer(Reply(429)) as first, StubServer(CREATED) as second:
        set_lane("sms", in_flight_count=20)
        queue(100)
        work.drain(first, second)
        # The first slice found out; what had not been tried yet went the other way at once.
        assert (len(first.received), len(second.received)) == (20, 80)
        assert states() == {"SENT": 80, "READY": 20}
        assert work.alarms() == [("ROUTE_DOWN", "twilio")]
        work.make_due()
        assert work.drain(first, second) == {"SENT": 20}
        assert (len(first.received), len(second.received)) == (20, 100)
    assert states() == {"SENT": 100}
    assert scalar("SELECT open_until FROM lane WHERE name = 'sms'") is None


def test_a_provider_that_cannot_be_reached_at_all_parks_nobody(work: _Work) -> None:
    add_route()
    with StubServer(CREATED) as second:
        queue(150)
        nobody = work.with_urls("http://127.0.0.1:1", second.url)
        work.drain_by(nobody)
        work.make_due()
        work.drain_by(nobody)
        assert states() == {"SENT": 150}
        assert len(second.received) == 150


def test_without_another_route_the_lane_is_down_and_one_message_tries_again(work: _Work) -> None:
    with StubServer(*[Reply(429)] * 20, CREATED) as first:
        set_lane("sms", in_flight_count=20)
        queue(50)
        work.drain(first)
        assert set(work.alarms()) == {("LANE_DOWN", "sms"), ("ROUTE_DOWN", "twilio")}
        assert work.drain(first) == {}
        work.make_due()
        with transaction() as session:
            session.execute(text("UPDATE provider_route SET open_until = now() - interval '1 s'"))
        assert work.drain(first, batches=1) == {"SENT": 1}
        assert work.alarms() == []
        work.drain(first)
    assert states() == {"SENT": 50}


def test_a_message_in_doubt_waits_for_its_own_provider_however_long_that_is_down(
    work: _Work,
) -> None:
    add_route()
    with StubServer(Behaviour.DROP_AFTER) as first, StubServer(CREATED) as second:
        queue(1)
        assert work.drain(first, second) == {"UNKNOWN": 1}
        assert scalar("SELECT route FROM outbox_item") == "twilio"
        # The doubt ended by policy: sent again, but by nobody else.
        with transaction() as session:
            session.execute(text("UPDATE outbox_item SET state = 'READY', next_at = now()"))
            session.execute(
                text(
                    "UPDATE provider_route SET open_until = now() + interval '1 h'"
                    " WHERE code = 'twilio'"
                )
            )
        assert work.drain(first, second) == {}
        assert second.received == []
        assert states() == {"READY": 1}
        # It is not even taken in hand and put back, over and over.
        assert scalar("SELECT count(*) FROM run") == 1


def test_a_message_in_doubt_takes_its_own_route_although_others_would_be_chosen(
    work: _Work,
) -> None:
    with StubServer(Behaviour.DROP_AFTER, CREATED) as first, StubServer(CREATED) as second:
        queue(1)
        assert work.drain(first, second) == {"UNKNOWN": 1}
        add_route(weight=100)
        with transaction() as session:
            session.execute(text("UPDATE outbox_item SET state = 'READY', next_at = now()"))
            session.execute(text("UPDATE provider_route SET weight = 0 WHERE code = 'twilio'"))
        assert work.drain(first, second) == {"SENT": 1}
        assert second.received == []


def test_what_a_killed_sender_had_on_the_wire_is_bound_to_its_route(work: _Work) -> None:
    queue(1)
    claimed = claim(now=NOW.replace(year=2100))
    with transaction() as session:
        attempts, _ = gate_in(session, claimed, NOW)
        session.execute(text("UPDATE attempt SET route = 'twilio2'"))
        assert len(attempts) == 1
    with transaction() as session:
        assert outbox.give_back(session, 1, NOW, 60.0) == (0, 1)
    assert scalar("SELECT route FROM outbox_item") == "twilio2"


def test_what_surely_did_not_arrive_may_take_another_route(work: _Work) -> None:
    add_route()
    with StubServer(Reply(429), CREATED) as first, StubServer(CREATED) as second:
        queue(1)
        assert work.drain(first, second) == {"NOT_SENT": 1}
        assert scalar("SELECT route FROM outbox_item") is None
        work.make_due()
        with transaction() as session:
            session.execute(text("UPDATE provider_route SET active = code = 'twilio2'"))
        assert work.drain(first, second) == {"SENT": 1}
        assert (len(first.received), len(second.received)) == (1, 1)


def test_a_doubt_is_looked_up_at_the_provider_that_may_have_it(work: _Work) -> None:
    add_route(weight=100)
    with transaction() as session:
        session.execute(text("UPDATE provider_route SET active = false WHERE code = 'twilio'"))
    with (
        StubServer(CREATED) as first,
        StubServer(Behaviour.DROP_AFTER, Reply(200, {"messages": []})) as second,
    ):
        queue(1)
        assert work.drain(first, second) == {"UNKNOWN": 1}
        with transaction() as session:
            session.execute(text("UPDATE attempt SET next_lookup_at = now() - interval '1 s'"))
        assert work.resolve(first, second) == {"NOT_FOUND_YET": 1}
        assert first.received == []
        assert second.received[1].method == "GET"
        assert ACCOUNT2 in second.received[1].path


def test_the_weights_share_the_messages_out_and_zero_stands_by(work: _Work) -> None:
    shares = Counter(choose_route({"a": 90, "b": 10, "c": 0}, f"notice:{n}") for n in range(5000))
    assert shares["c"] == 0
    assert 350 < shares["b"] < 650
    assert choose_route({"c": 0}, "notice:1") == "c"
    # The same message goes the same way each time.
    assert len({choose_route({"a": 1, "b": 1}, "notice:7") for _ in range(20)}) == 1


def test_a_route_without_credentials_closes_and_the_others_go_on(work: _Work) -> None:
    add_route("nobody", weight=100)
    with StubServer(CREATED) as first:
        queue(60)
        work.drain(first)
        work.drain(first)
        assert states() == {"SENT": 60}
        assert len(first.received) == 60
        assert ("ROUTE_DOWN", "nobody") in work.alarms()


def test_who_set_a_route_how_and_why_stays_on_record(work: _Work) -> None:
    with transaction() as session:
        changed = provider_routes.change(
            session,
            "twilio",
            weight=30,
            active=True,
            rate_per_s=50,
            reason="half the price elsewhere",
            by="staff:otso",
            now=NOW,
        )
        assert changed
        assert not provider_routes.change(
            session, "x", weight=1, active=True, rate_per_s=None, reason="", by="a", now=NOW
        )
    with transaction() as session:
        (change,) = session.query(ProviderRouteChange).all()
        assert (change.weight, change.rate_per_s, change.changed_by) == (30, 50, "staff:otso")
        assert change.reason == "half the price elsewhere"
        audit = session.query(AuditEntry).one()
        assert (audit.action, audit.subject) == ("ROUTE_CHANGED", "route:twilio")


ACCOUNT2 = "AC" + "2" * 32


class _Work:
    """A sender whose two SMS providers are stand-ins."""

    def __init__(self, app: Flask, loop: asyncio.AbstractEventLoop) -> None:
        self._settings: Settings = app.extensions["tiedolla_settings"]
        self._loop = loop

    def drain(
        self, first: StubServer, second: StubServer | None = None, **more: Any
    ) -> dict[str, int]:
        return self.drain_by(self._with(first, second), **more)

    def drain_by(self, settings: Settings, **more: Any) -> dict[str, int]:
        return drain_now(settings, self._loop, **more)

    def resolve(self, first: StubServer, second: StubServer) -> dict[str, int]:
        return dict(resolve(self._with(first, second), 1, "test", self._loop))

    def make_due(self) -> None:
        with transaction() as session:
            session.execute(text("UPDATE outbox_item SET next_at = now() WHERE state = 'READY'"))

    def alarms(self) -> list[tuple[str, str]]:
        with transaction() as session:
            rows = session.execute(
                text("SELECT kind, subject FROM alarm WHERE closed_at IS NULL ORDER BY id")
            )
            return [(row[0], row[1]) for row in rows]

    def _with(self, first: StubServer, second: StubServer | None) -> Settings:
        return self.with_urls(first.url, second.url if second else None)

    def with_urls(self, first: str, second: str | None) -> Settings:
        changes: dict[str, Any] = {"twilio_url": first}
        if second is not None:
            changes |= {"twilio2_url": second, "twilio2_account_sid": ACCOUNT2}
        return self._settings.model_copy(update=changes)


@pytest.fixture
def work(app: Flask) -> Iterator[_Work]:
    loop = asyncio.new_event_loop()
    with app.app_context():
        yield _Work(app, loop)
        clients.close_clients(loop)
    loop.close()
