"""The drain ends every call as sent, not sent or unknown, and gives back what it did not begin."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app import clients
from app.db import db, transaction
from app.models import Alarm, Attempt, Lane, OutboxItem, Run, Step
from app.services import outbox
from app.services.outbox import NewItem
from app.settings import Settings
from deploy.postgres import PrivatePostgres
from tests.integrations.stub_server import Behaviour, Received, Reply, StubServer
from workers.drain import Drain, drain

OK = Reply(200, {"ref": "NIS-1"})


def test_what_is_sent_is_settled_with_its_reference_attempt_run_and_step(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    with app.app_context(), StubServer(OK) as nis:
        _put("a", "b")
        counts = _drain(app, loop, nis)
        assert counts == {"SENT": 2}
        assert {request.headers["idempotency-key"] for request in nis.received} == {"a", "b"}
        with transaction() as session:
            rows = session.scalars(select(OutboxItem)).all()
            assert {(r.state, r.ref, r.attempts, r.lease) for r in rows} == {
                ("SENT", "NIS-1", 1, None)
            }
            assert session.scalars(select(Attempt.outcome)).all() == ["SENT", "SENT"]
            assert session.scalars(select(Run.state)).one() == "OK"
            step = session.scalars(select(Step).where(Step.keys.contains(["a"]))).one()
            assert (step.name, step.state) == ("send NIS_DEVICE", "SENT")


@pytest.mark.parametrize(
    ("answer", "state", "outcome", "error_class"),
    [
        (Reply(200, {"ref": "x", "status": "IGNORED_OLDER"}), "SENT", "SENT", None),
        (Reply(422, {"errors": []}), "DEAD", "REJECTED", "Rejected"),
        (Reply(429, b"", {"Retry-After": "40"}), "READY", "NOT_SENT", "Retryable"),
        (Reply(503), "READY", "NOT_SENT", "Retryable"),
        (Reply(401), "READY", "NOT_SENT", "LaneDown"),
        (Reply(200, b"<html>"), "READY", "NOT_SENT", "ContractBroken"),
        (Behaviour.DROP_AFTER, "READY", "NOT_SENT", "Retryable"),
    ],
)
def test_each_class_of_answer_decides_the_next_state(
    app: Flask,
    loop: asyncio.AbstractEventLoop,
    answer: Any,
    state: str,
    outcome: str,
    error_class: str | None,
) -> None:
    with app.app_context(), StubServer(answer) as nis:
        _put("a")
        assert _drain(app, loop, nis) == {outcome: 1}
        with transaction() as session:
            row = session.scalars(select(OutboxItem)).one()
            assert (row.state, row.last_error_class) == (state, error_class)
            if isinstance(answer, Reply) and answer.status == 429:
                assert row.next_at > datetime.now(UTC) + timedelta(seconds=30)


def test_no_call_begins_when_the_lease_may_run_out_under_it(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    left_s: list[float] = []
    query = "SELECT extract(epoch FROM min(lease_until) - clock_timestamp()) FROM outbox_item"

    def _looks_at_its_lease() -> bool:
        with db.engine.connect() as other:
            found = other.execute(text(f"{query} WHERE state = 'CLAIMED'")).scalar()
        left_s.extend([] if found is None else [float(found)])
        return False

    with app.app_context(), StubServer(Behaviour.HANG) as nis:
        with transaction() as session:
            session.execute(text("UPDATE lane SET in_flight_count = 1 WHERE name = 'nis'"))
        _put("a", "b", "c", "d", "e")
        counts = _drain(app, loop, nis, total_s=0.3, lease_s=1.0, stopping=_looks_at_its_lease)
        assert counts["NOT_SENT"] >= 5
    assert len(left_s) >= 4
    assert min(left_s) > 0.4


def test_a_lane_without_a_token_opens_its_circuit_instead_of_running_in_circles(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    settings: Settings = app.extensions["tiedolla_settings"]
    with app.app_context(), StubServer(Reply(201, {"partnerRef": "V-1"})) as installer:
        _put("a", lane="partner.voima")
        nobody = settings.model_copy(update={"partner_tokens": {}})
        for _ in range(3):
            assert drain(Drain("partner.voima", 1, nobody, loop)) == {}
        with transaction() as session:
            item = session.scalars(select(OutboxItem)).one()
            assert (item.state, item.lease, item.attempts) == ("READY", None, 0)
            assert session.scalars(select(Run.state)).all() == ["FAILED"]
            alarm = session.scalars(select(Alarm)).one()
            assert (alarm.kind, alarm.subject) == ("LANE_DOWN", "partner.voima")
            assert "TIEDOLLA_PARTNER_TOKENS" in alarm.detail
            session.execute(text("UPDATE lane SET open_until = now() - interval '1 second'"))
            session.execute(text("UPDATE partner SET base_url = :url"), {"url": installer.url})
        assert drain(Drain("partner.voima", 1, settings, loop)) == {"SENT": 1}


def test_a_partner_that_moves_or_is_switched_off_is_noticed_by_the_next_batch(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    settings: Settings = app.extensions["tiedolla_settings"]
    accepted = Reply(201, {"partnerRef": "V-1"})

    def _drain_again(statement: str, **values: str) -> dict[str, int]:
        _put(statement[-9:], lane="partner.voima")
        with transaction() as session:
            session.execute(text(statement), values)
        return dict(drain(Drain("partner.voima", 1, settings, loop)))

    with app.app_context(), StubServer(accepted) as old, StubServer(accepted) as new:
        move = "UPDATE partner SET base_url = :url"
        assert _drain_again(f"{move} -- before", url=old.url) == {"SENT": 1}
        assert _drain_again(f"{move} -- after", url=new.url) == {"SENT": 1}
        assert (len(old.received), len(new.received)) == (1, 1)
        assert _drain_again("UPDATE partner SET active = false") == {}
        assert (len(old.received), len(new.received)) == (1, 1)
        with transaction() as session:
            assert "not active" in session.scalars(select(Alarm.detail)).one()


def test_a_receiver_that_is_down_opens_the_circuit_and_costs_no_more_attempts(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    with app.app_context(), StubServer(Reply(503)) as nis:
        _put(*(f"item-{number}" for number in range(250)))
        _drain(app, loop, nis)
        # One slice was on its way; the rest of the claim went back untouched.
        assert len(nis.received) == 100
        with transaction() as session:
            lane = session.get(Lane, "nis")
            assert lane is not None
            assert lane.open_until is not None
            states = session.scalars(select(OutboxItem.state)).all()
            assert states == ["READY"] * 250
            untouched = session.scalar(text("SELECT count(*) FROM outbox_item WHERE attempts = 0"))
            assert untouched == 150
            assert session.scalars(select(Alarm.kind)).all() == ["LANE_DOWN"]
        assert _drain(app, loop, nis) == {}


def test_one_probe_closes_the_circuit_again(app: Flask, loop: asyncio.AbstractEventLoop) -> None:
    with app.app_context(), StubServer(OK) as nis:
        _put("a", "b", "c")
        with transaction() as session:
            session.execute(
                text(
                    "UPDATE lane SET failures = 10, open_until = now() - interval '1 second'"
                    " WHERE name = 'nis'"
                )
            )
        assert _drain(app, loop, nis, batches=1) == {"SENT": 1}
        with transaction() as session:
            lane = session.get(Lane, "nis")
            assert lane is not None
            assert (lane.failures, lane.open_until) == (0, None)
        assert _drain(app, loop, nis) == {"SENT": 2}


def test_a_paused_lane_sends_nothing(app: Flask, loop: asyncio.AbstractEventLoop) -> None:
    with app.app_context(), StubServer(OK) as nis:
        _put("a")
        with transaction() as session:
            session.execute(text("UPDATE lane SET paused = true WHERE name = 'nis'"))
        assert _drain(app, loop, nis) == {}
        assert nis.received == []


def test_a_pause_ends_a_claim_between_two_slices(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    def _pause() -> None:
        # It waits for the slice that is being settled, as a person's click does.
        with app.app_context(), db.engine.begin() as other:
            other.execute(text("UPDATE lane SET paused = true WHERE name = 'nis'"))

    clicks = [threading.Thread(target=_pause)]

    def _click_at_the_second() -> bool:
        if len(nis.received) >= 100 and not clicks[0].ident:
            clicks[0].start()
        return False

    with app.app_context(), StubServer(OK) as nis:
        _put(*(f"item-{number}" for number in range(450)))
        _drain(app, loop, nis, stopping=_click_at_the_second)
        clicks[0].join()
        sent = len(nis.received)
        assert 100 <= sent < 450
        with transaction() as session:
            rows = session.execute(select(OutboxItem.state, OutboxItem.attempts))
            counts = sorted((row.state, row.attempts) for row in rows)
            assert counts == [("READY", 0)] * (450 - sent) + [("SENT", 1)] * sent


def test_an_expired_item_is_cancelled_before_its_call(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    with app.app_context(), StubServer(OK) as nis:
        _put("a", expires_at=datetime.now(UTC) - timedelta(seconds=1))
        assert _drain(app, loop, nis) == {"SKIPPED": 1}
        assert nis.received == []
        with transaction() as session:
            row = session.scalars(select(OutboxItem)).one()
            assert (row.state, row.last_error) == ("CANCELLED", "EXPIRED")


def test_a_worker_that_has_to_stop_gives_back_what_it_has_not_begun(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    with app.app_context(), StubServer(OK) as nis:
        _put(*(f"item-{number}" for number in range(250)))
        _drain(app, loop, nis, stopping=lambda: len(nis.received) >= 100)
        assert len(nis.received) == 100
        with transaction() as session:
            states = session.scalars(select(OutboxItem.state).order_by(OutboxItem.id)).all()
            assert sorted(states) == ["READY"] * 150 + ["SENT"] * 100


def test_an_item_that_fails_too_often_is_dead_and_stays_visible(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    with app.app_context(), StubServer(Reply(500)) as nis:
        _put("a")
        with transaction() as session:
            session.execute(text("UPDATE lane SET max_attempts = 2 WHERE name = 'nis'"))
            session.execute(text("UPDATE outbox_item SET attempts = 1"))
        _drain(app, loop, nis)
        with transaction() as session:
            assert session.scalars(select(OutboxItem.state)).one() == "DEAD"


def test_a_database_that_goes_away_during_the_calls_learns_their_outcomes_when_it_is_back(
    app: Flask, loop: asyncio.AbstractEventLoop, postgres_server: PrivatePostgres
) -> None:
    """What the receiver answered is known to us alone, so it must not be lost with a connection."""
    with app.app_context(), StubServer(OK) as nis:
        _put("a")
        nis.received = restart = _Restart(postgres_server)
        with contextlib.suppress(DBAPIError):
            _drain(app, loop, nis)
        restart.done()
        assert len(restart) == 1
        # The test's own connection has died with the server.
        db.session.remove()
        db.engine.dispose()
        with transaction() as session:
            assert session.scalars(select(OutboxItem.state)).one() == "SENT"


def test_calls_of_one_slice_are_under_way_together(
    app: Flask, loop: asyncio.AbstractEventLoop
) -> None:
    with app.app_context(), StubServer(Behaviour.HANG) as nis:
        _put(*(f"item-{number}" for number in range(30)))
        started = time.monotonic()
        assert _drain(app, loop, nis, total_s=1.0, batches=1) == {"NOT_SENT": 30}
        assert time.monotonic() - started < 10


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    clients.close_clients(loop)
    loop.close()


class _Restart(list[Received]):
    """Restarts the database the hard way when the first request arrives."""

    def __init__(self, server: PrivatePostgres) -> None:
        super().__init__()
        self._thread = threading.Thread(target=lambda: server.restart(immediate=True))

    def append(self, request: Received) -> None:
        super().append(request)
        self._thread.start()

    def done(self) -> None:
        self._thread.join()


def _put(*keys: str, lane: str = "nis", **more: Any) -> None:
    with transaction() as session:
        outbox.put(
            session,
            [
                NewItem(
                    lane=lane,
                    kind="NIS_DEVICE",
                    business_key=key,
                    order_key=key,
                    version=1,
                    dedupe_key=key,
                    payload={"gsrn": "649999000000000013", "meterNumber": key, "version": 1},
                    **more,
                )
                for key in keys
            ],
            datetime.now(UTC) - timedelta(seconds=1),
        )


def _drain(
    app: Flask,
    loop: asyncio.AbstractEventLoop,
    nis: StubServer,
    *,
    total_s: float = 10.0,
    lease_s: float = 120.0,
    **more: Any,
) -> dict[str, int]:
    base: Settings = app.extensions["tiedolla_settings"]
    settings = base.model_copy(
        update={"nis_url": nis.url, "http_total_s": total_s, "lease_s": lease_s}
    )
    return dict(drain(Drain(lane="nis", lease=1, settings=settings, loop=loop, **more)))
