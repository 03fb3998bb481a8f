"""Health pages tell the truth about each part, without a login and without a name or number."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from redis.exceptions import ConnectionError as RedisAway
from sqlalchemy import text

from app.db import db, transaction, try_session_lock
from app.domain.notice_types import NoticeType
from app.doorbell import rq
from app.queries.lane_board import all_lanes
from app.services import alarms, announcements, inbound, inbound_sms
from integrations.twilio_sms import types as wire
from tests.services.world import GSRN, PHONE, leave_unknown, settle_in, tell

ADDRESSES = ("/livez", "/readyz", "/healthz", "/metrics")


@pytest.mark.parametrize("address", ADDRESSES)
def test_each_page_answers_without_a_login(client: FlaskClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_page_shows_anything_of_a_person(app: Flask, client: FlaskClient, address: str) -> None:
    with app.app_context():
        settle_in()
        tell("METER_SWAP_STARTED")
    body = client.get(address).text
    assert all(secret not in body for secret in (PHONE, GSRN, "Koivutie", "Virtanen", "C1"))


def test_a_product_in_order_says_so(app: Flask, client: FlaskClient, leader: None) -> None:
    answer = client.get("/healthz").json
    assert answer is not None
    assert answer["status"] == "ok"
    assert (answer["database"], answer["redis"], answer["dispatcher"]) == ("ok", "ok", "ok")
    assert answer["alarms"] == 0


def test_a_missing_dispatcher_and_an_open_alarm_are_named(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        alarms.open_alarm(session, "LANE_DOWN", "nis", "calls fail", datetime.now(UTC))
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json is not None
    assert (answer.json["status"], answer.json["dispatcher"], answer.json["alarms"]) == (
        "degraded",
        "missing",
        1,
    )


def test_each_lane_says_how_old_its_oldest_item_is(app: Flask, client: FlaskClient) -> None:
    _wait_since(app, timedelta(minutes=10))
    answer = client.get("/healthz").json
    assert answer is not None
    assert 600 <= answer["lanes"]["sms"]["oldest_s"] < 700


def test_without_redis_the_product_is_ready_and_says_that_it_is_slower(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, app: Flask
) -> None:
    with app.app_context():
        monkeypatch.setattr(type(rq.queue.connection), "ping", _redis_away)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (
        200,
        {"ready": True, "database": "ok", "redis": "degraded"},
    )


def test_without_the_database_nothing_is_ready_but_the_process_lives(
    app: Flask, client: FlaskClient, database_away: None
) -> None:
    assert client.get("/livez").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json is not None
    assert ready.json["database"] == "out of reach"
    assert client.get("/healthz").status_code == 503
    metrics = client.get("/metrics")
    assert metrics.status_code == 200
    assert _samples(metrics.text)["tiedolla_database_up"] == {(): 0.0}


def test_a_database_that_lacks_a_migration_is_not_ready(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        head = session.scalar(text("SELECT version_num FROM alembic_version"))
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    answer = client.get("/readyz")
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head})
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["database"] == "not migrated"


def test_the_metrics_count_what_waits_and_what_is_stuck(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        settle_in()
        tell("METER_SWAP_STARTED")
        leave_unknown()
        with transaction() as session:
            session.execute(text("UPDATE notice SET created_at = now()"))
    found = _samples(client.get("/metrics").text)
    assert found["tiedolla_lane_items"] == {("sms", "UNKNOWN"): 1.0}
    assert found["tiedolla_unknown_attempts"] == {(): 1.0}
    assert found["tiedolla_notices_hour"] == {("UNKNOWN",): 1.0}
    assert found["tiedolla_database_up"] == {(): 1.0}
    assert found["tiedolla_redis_up"] == {(): 1.0}
    assert found["tiedolla_dispatcher_leads"] == {(): 0.0}


def test_every_lane_that_reads_what_came_in_shows_what_waits_for_it(
    app: Flask, client: FlaskClient
) -> None:
    now = datetime.now(UTC)
    with app.app_context(), transaction() as session:
        for kind in (
            *("CIS_FILE", "METER_DELIVERY", "ACK", "DMS_OUTAGES", "METER_EVENTS"),
            *("PARTNER_FILE", "LIST"),
        ):
            inbound.store_small(
                session, source="x", kind=kind, name=kind, body=kind.encode(), now=now
            )
        sms = wire.InboundSms(sid="SM" + "b" * 32, sender=PHONE, to="+358454900900", body="SEIS")
        inbound_sms.store(session, sms, now)
        announcements.announce(
            session,
            NoticeType.STORM_BULLETIN,
            announcements.about_area("837"),
            occurrence="1",
            event_at=now,
            facts={},
            now=now,
            by="staff:aino",
            not_before=now + timedelta(minutes=3),
        )
    found = _samples(client.get("/metrics").text)
    assert found["tiedolla_lane_items"] == {
        ("intake", "STORED"): 2.0,
        ("acks", "STORED"): 1.0,
        ("partner_files", "STORED"): 1.0,
        ("processes", "STORED"): 1.0,
        ("network", "STORED"): 2.0,
        ("replies", "WAITING"): 1.0,
        ("notices", "WAITING"): 1.0,
    }
    # What may not be told yet is not late.
    assert found["tiedolla_lane_oldest_seconds"]["notices", "WAITING"] == 0.0
    with app.app_context():
        depths = {lane.name: lane.depth for lane in all_lanes(db.session()) if lane.depth}
    assert depths == {
        **{"intake": 2, "acks": 1, "network": 2, "replies": 1, "notices": 1},
        **{"partner_files": 1, "processes": 1},
    }


def _samples(body: str) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        family.name: {tuple(s.labels.values()): s.value for s in family.samples}
        for family in text_string_to_metric_families(body)
    }


def _wait_since(app: Flask, age: timedelta) -> None:
    with app.app_context():
        settle_in()
        tell("METER_SWAP_STARTED")
        with transaction() as session:
            session.execute(
                text("UPDATE outbox_item SET created_at = :at, next_at = :at"),
                {"at": datetime.now(UTC) - age},
            )


def _redis_away(*_args: Any, **_kwargs: Any) -> None:
    raise RedisAway("redis is away")


def _database_away(*_args: Any, **_kwargs: Any) -> None:
    raise psycopg.OperationalError("the database is away")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def leader(app: Flask) -> Iterator[None]:
    """Somebody holds the dispatcher's lock."""
    with app.app_context(), db.engine.connect() as connection:
        assert try_session_lock(connection, 7_403_003, 1)
        yield
        connection.invalidate()


@pytest.fixture
def database_away(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        monkeypatch.setattr(db.engine.pool, "_creator", _database_away)
        db.engine.pool.dispose()
