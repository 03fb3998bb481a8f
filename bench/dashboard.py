"""How fast the rollout's page opens on a whole programme, and what it costs to count it.

The database also holds the run steps of a programme half done: five million, next to what the page
reads.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import Connection, text

from app.db import db, transaction
from app.domain.roles import Role
from app.domain.rollout_plan import PlanRow
from app.factory import create_app
from app.services import rollout_plan, staff
from bench.report import row
from workers.rollout import refresh_rollout

PASSWORD = "a password for the bench only"  # noqa: S105 - of a throwaway database.
STEPS_PER_ORDER = 5_000_000 / 430_000
REQUESTS = 60
WAVES, AREAS = 24, ("837", "092", "049", "297", "149", "109", "211", "536", "562", "980")
_TARGET_MS = 200


def main(count: int) -> list[dict[str, Any]]:
    """Seed, count for the first time and again, and open the pages as a rollout manager would."""
    app = create_app()
    settings = app.extensions["tiedolla_settings"]
    now = datetime.now(UTC)
    with app.app_context():
        _seed(count, now)
        first_s = _timed(lambda: refresh_rollout(settings, now, at_once=True))
        _analyze()
        again_s = _timed(lambda: refresh_rollout(settings, now + timedelta(days=1), at_once=True))
        with transaction() as session:
            counted = session.scalar(text("SELECT count(*) FROM rollout_order"))
            steps = session.scalar(text("SELECT count(*) FROM step"))
    if counted != count:
        raise SystemExit(f"{counted} orders were counted, {count} are there")
    client = app.test_client()
    _log_in(client)
    note = f"{count:,} orders, {steps:,} run steps, server time"
    rows = [
        row("dashboard: counted for the first time", first_s, "s", "", "all orders are new"),
        row("dashboard: counted again", again_s, "s", "", "nothing has changed"),
    ]
    for name, path, target in (
        ("first page", "/rollout", f"< {_TARGET_MS}"),
        ("one wave", "/rollout?wave=W07", ""),
        ("open orders of one state and age", "/rollout/orders?state=SENT&age=1", ""),
        ("all installed", "/rollout/orders?group=installed", ""),
    ):
        took = sorted(_open(client, path) * 1000 for _ in range(REQUESTS))
        rows += [
            row(f"dashboard {name}: p50", took[len(took) // 2], "ms"),
            row(f"dashboard {name}: p99", took[int(len(took) * 0.99)], "ms", target, note),
        ]
    return rows


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _open(client: FlaskClient, path: str) -> float:
    started = time.perf_counter()
    answer = client.get(path)
    took = time.perf_counter() - started
    if answer.status_code != 200:
        raise SystemExit(f"{path} answered {answer.status_code}")
    return took


def _log_in(client: FlaskClient) -> None:
    page = client.get("/login").get_data(as_text=True)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    if token is None:
        raise SystemExit("the log-in page has no token")
    words = {"username": "bench", "password": PASSWORD, "csrf_token": token.group(1)}
    answer = client.post("/login", data=words)
    if answer.status_code != 302:
        raise SystemExit(f"the log-in answered {answer.status_code}")


def _seed(count: int, now: datetime) -> None:
    """A programme in the middle of its course, made by the database itself."""
    with db.engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        for statement in _STATEMENTS:
            _run(connection, statement, count)
        connection.commit()
        _seed_steps(connection, count)
        connection.commit()
    today = now.date()
    per_row = count // (WAVES * len(AREAS))
    plan = [
        PlanRow(
            f"W{wave:02}",
            area,
            today + timedelta(days=30 * (wave - 12)),
            today + timedelta(days=30 * (wave - 12) + 45),
            per_row,
            3,
        )
        for wave in range(WAVES)
        for area in AREAS
    ]
    with transaction() as session:
        number, _ = rollout_plan.store(session, "bench", plan, now, by="system:bench")
        rollout_plan.propose(session, number, now, by="system:bench")
        rollout_plan.activate(session, number, now, by="system:second")
        staff.create(session, "bench", "Bench", PASSWORD, Role.OPERATOR, now, by="system:bench")
    _analyze()


def _seed_steps(connection: Connection, count: int) -> None:
    """Five million steps; their index is made once, at the end."""
    connection.execute(text("DROP INDEX ix_step_keys"))
    runs = max(count // 50, 1)
    connection.execute(
        text(
            "INSERT INTO run (process, trigger, state, counts, started_at, ended_at)"
            " SELECT 'acks', 'doorbell', 'OK', '{}', now() - n * interval '1 minute', now()"
            " FROM generate_series(1, :runs) n"
        ),
        {"runs": runs},
    )
    connection.execute(
        text(
            "INSERT INTO step (run_id, name, state, keys, started_at, duration_ms)"
            " SELECT 1 + n % :runs, 'interpret', 'OK', ARRAY['W-' || n % :count], now(), 3"
            " FROM generate_series(1, :steps) n"
        ),
        {"runs": runs, "count": count, "steps": round(count * STEPS_PER_ORDER)},
    )
    connection.execute(text("CREATE INDEX ix_step_keys ON step USING gin (keys)"))


def _run(connection: Connection, statement: str, count: int) -> None:
    values = {"count": count, "areas": list(AREAS), "waves": WAVES}
    used = {name: value for name, value in values.items() if f":{name}" in statement}
    connection.execute(text(statement), used)


def _analyze() -> None:
    db.session.remove()
    with db.engine.connect() as connection:
        quiet = connection.execution_options(isolation_level="AUTOCOMMIT")
        quiet.execute(text("SET statement_timeout = 0"))
        quiet.execute(text("VACUUM ANALYZE"))


# Of an order numbered n: two of five are installed, the others are spread over the open states.
_STATE = """(ARRAY['CLOSED', 'REPORTED', 'REPORTED', 'CLOSED', 'SENT', 'ACCEPTED', 'SCHEDULED',
    'FAILED', 'ROUTED', 'RETURNED'])[1 + n % 10]"""
_STATEMENTS = (
    """
    INSERT INTO metering_point (gsrn, version, status, type, municipality_code, lat, lon,
        updated_at)
    SELECT 'G' || n, 1, 'AE01', 'AG01', (CAST(:areas AS text[]))[1 + n % 10],
        60 + n % 10 * 0.5 + random() * 0.2, 23 + n % 7 + random() * 0.3, now()
    FROM generate_series(0, :count - 1) n
    """,
    """
    INSERT INTO mass_order (mass_id, state, state_at, wave, allowed_models, counts, counted_at,
        inbound_message_id, created_at, updated_at)
    SELECT 'M-' || n, 'RUNNING', now(), 'W' || lpad(n::text, 2, '0'), '{6534}', '{}', now(), 1,
        now(), now()
    FROM generate_series(0, :waves - 1) n
    """,
    f"""
    INSERT INTO work_order (order_id, revision, content_hash, order_type_code, state, state_at,
        base_state, priority, mass_id, gsrn, municipality_code, required_model, presence_required,
        facts, partner_code, attempts, inbound_message_id, created_at, updated_at)
    SELECT 'W-' || n, 1, md5(n::text), 'MVM', {_STATE}, now() - n % 60 * interval '1 day', 'SENT',
        3, 'M-' || n / 10 % :waves, 'G' || n, (CAST(:areas AS text[]))[1 + n % 10],
        CASE WHEN n % 9 = 0 THEN '6511' ELSE '6534' END, false,
        jsonb_build_object('note', repeat('x', 600)), 'voima',
        CASE WHEN n % 10 IN (0, 1, 2, 3, 7, 9) THEN 1 + n % 3 / 2 ELSE 0 END, 1, now(), now()
    FROM generate_series(0, :count - 1) n
    """,
    """
    INSERT INTO ack (partner_code, ack_id, order_id, revision, type, occurred_at, reported_at,
        received_at, payload, payload_hash, verdict, findings, inbound_message_id, applied_at)
    SELECT 'voima', t.type || n, 'W-' || n, 1, t.type, at, at, at,
        jsonb_build_object('crew', 'Crew ' || n % 70, 'photos', repeat('x', 400))
        || CASE WHEN t.type = 'FAILED' THEN '{"failure": {"reasonCode": "CUS_ABSENT"}}'::jsonb
           ELSE '{}' END, '0', 'APPLIED', '[]', 1, at
    FROM generate_series(0, :count - 1) n
    CROSS JOIN LATERAL (VALUES ('ACCEPTED', true), ('STARTED', n % 10 < 4),
        ('COMPLETED', n % 10 < 4), ('FAILED', n % 10 IN (7, 9) OR n % 3 = 2 AND n % 10 < 4))
        AS t (type, there)
    CROSS JOIN LATERAL (SELECT now() - (n % 350 + random()) * interval '1 day'
        - CASE WHEN t.type = 'COMPLETED' THEN interval '0' ELSE interval '2 hours' END AS at) moment
    WHERE t.there
    """,
    """
    INSERT INTO visit (order_id, gsrn, from_at, to_at, agreed, updated_at)
    SELECT 'W-' || n, 'G' || n, now() + n % 9 * interval '1 day', now() + interval '10 days', true,
        now()
    FROM generate_series(6, :count - 1, 10) n
    """,
    """
    INSERT INTO meter (number, version, multiplier, model, state, gsrn, updated_at)
    SELECT 'O' || n, 0, 1, '5530', 'INSTALLED', 'G' || n, now()
    FROM generate_series(0, :count - 1) n
    UNION ALL
    SELECT 'N' || n, 0, 1, '6534', CASE WHEN n % 4 = 0 THEN 'ORDERED' ELSE 'DELIVERED' END, NULL,
        now()
    FROM generate_series(0, :count / 4) n
    """,
)

if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
