"""/livez, /readyz, /healthz and /metrics: for whatever watches the product; no personal data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Response, current_app, json
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app.db import db
from app.doorbell import redis_is_up
from app.queries import health
from app.queries.health import Vitals

blueprint = Blueprint("health", __name__)


@blueprint.get("/livez")
def livez() -> Response:
    """The process answers."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Whether requests may come: the database answers and has every migration.

    Without Redis the work is slower, not impossible, so that is only said.
    """
    parts = {"database": _database(), "redis": "ok" if redis_is_up() else "degraded"}
    return _answer({"ready": parts["database"] == "ok", **parts}, parts["database"] == "ok")


@blueprint.get("/healthz")
def healthz() -> Response:
    """Each part of the product in a word or number; 503 when the database is not well."""
    now = datetime.now(UTC)
    parts: dict[str, Any] = {
        "database": _database(),
        "redis": "ok" if redis_is_up() else "degraded",
    }
    if parts["database"] != "ok":
        return _answer({"status": "down", **parts}, False)
    vitals = health.read_vitals(db.session(), now)
    parts["dispatcher"] = "ok" if health.dispatcher_leads(db.session()) else "missing"
    parts["lanes"] = {name: {"oldest_s": round(age)} for name, age in _ages(vitals, now).items()}
    parts["alarms"] = sum(vitals.alarms.values())
    well = parts["redis"] == parts["dispatcher"] == "ok" and not parts["alarms"]
    return _answer({"status": "ok" if well else "degraded", **parts}, True)


@blueprint.get("/metrics")
def metrics() -> Response:
    """The same for Prometheus, from two queries per scrape."""
    registry = CollectorRegistry()
    registry.register(_Vitals())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Vitals(Collector):
    """Reads the database when it is scraped, so that every process tells the same."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("tiedolla_database_up", "1 when the database answers")
        redis = GaugeMetricFamily("tiedolla_redis_up", "1 when Redis answers")
        redis.add_metric([], redis_is_up())
        yield redis
        now = datetime.now(UTC)
        try:
            vitals = health.read_vitals(db.session(), now)
            leads = health.dispatcher_leads(db.session())
        except SQLAlchemyError:
            db.session.remove()
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from _families(vitals, leads, now)


def _families(vitals: Vitals, leads: bool, now: datetime) -> Iterator[GaugeMetricFamily]:
    depth = GaugeMetricFamily(
        "tiedolla_lane_items", "What waits or got stuck in a lane", labels=["lane", "state"]
    )
    age = GaugeMetricFamily(
        "tiedolla_lane_oldest_seconds", "Since when the oldest is due", labels=["lane", "state"]
    )
    for row in vitals.depths:
        depth.add_metric([row.lane, row.state], row.count)
        age.add_metric([row.lane, row.state], _age_s(row.oldest_at, now))
    yield depth
    yield age
    unknown = GaugeMetricFamily("tiedolla_unknown_attempts", "Calls of unknown outcome")
    unknown.add_metric([], vitals.unknown_attempts)
    yield unknown
    oldest = GaugeMetricFamily("tiedolla_doubt_oldest_seconds", "Age of the oldest doubt")
    oldest.add_metric([], _age_s(vitals.doubt_oldest_at, now))
    yield oldest
    leader = GaugeMetricFamily("tiedolla_dispatcher_leads", "1 when a dispatcher leads")
    leader.add_metric([], leads)
    yield leader
    for name, words, label, counts in (
        ("tiedolla_notices_hour", "Notices made in the last hour", "state", vitals.notices),
        ("tiedolla_alarms_open", "Alarms that are open", "kind", vitals.alarms),
        ("tiedolla_drainers", "Worker processes with a lease", "lane", vitals.drainers),
        ("tiedolla_runs_failed_hour", "Runs failed or killed", "process", vitals.failed_runs),
        ("tiedolla_doubts", "Calls of unknown outcome now", "lane", vitals.doubts),
        ("tiedolla_doubts_ended_day", "How doubts of a day ended", "how", vitals.doubts_ended),
        ("tiedolla_sending_stopped", "Channels that are stopped", "channel", vitals.stopped),
        ("tiedolla_letters", "Letters owed or printed", "state", vitals.letters),
    ):
        family = GaugeMetricFamily(name, words, labels=[label])
        for value, count in sorted(counts.items()):
            family.add_metric([value], count)
        yield family


def _database() -> str:
    """Ok, out of reach, or behind the migrations that this code was written for."""
    try:
        connection = db.session.connection()
        current = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError:
        db.session.remove()
        return "out of reach"
    return "ok" if current == _head(current_app.extensions["migrate"].directory) else "not migrated"


@lru_cache(maxsize=1)
def _head(directory: str) -> str | None:
    return ScriptDirectory(directory).get_current_head()


def _ages(vitals: Vitals, now: datetime) -> dict[str, float]:
    """Per lane, how long its oldest waiting item has been due."""
    ages: dict[str, float] = {}
    for row in vitals.depths:
        if row.state in ("READY", "CLAIMED", "STORED", "WAITING"):
            ages[row.lane] = max(ages.get(row.lane, 0.0), _age_s(row.oldest_at, now))
    return ages


def _age_s(oldest_at: datetime | None, now: datetime) -> float:
    return max((now - oldest_at).total_seconds(), 0.0) if oldest_at else 0.0


def _answer(body: dict[str, Any], well: bool) -> Response:
    answer = Response(json.dumps(body), 200 if well else 503, mimetype="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer
