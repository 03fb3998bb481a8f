"""From one event to a hundred thousand notices: decided, rendered and stored, and the first on its way."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from app.db import transaction
from app.domain.gsrn import check_digit
from app.domain.notice_types import NoticeType
from app.factory import create_app
from app.services.announcements import about_outage, announce
from app.settings import Settings
from bench.report import row
from bench.upkeep import analyse
from workers.memory import collect_seldom, take_turns_often
from workers.notices import plan_slices

# The floor: the same rows read and as many written, by one statement that decides nothing.
_FLOOR = text(
    """
    INSERT INTO bench_notice
    SELECT p.gsrn, k.id, c.cis_id, k.value, 'Verkkoyhtio: Sähkökatko alkoi klo 12.00, ' || m.street_name,
        p.off_at
    FROM outage_point p JOIN metering_point m ON m.gsrn = p.gsrn
    JOIN occupancy o ON o.gsrn = p.gsrn AND o.moved_out_on IS NULL
    JOIN customer c ON c.cis_id = o.customer_id
    JOIN contact k ON k.customer_id = c.cis_id AND k.kind = c.preferred_channel
    WHERE p.outage_id = :outage
    """
)


def main(count: int) -> list[dict[str, Any]]:
    """Measure the start of an outage, then its first estimate, which knows what was told before."""
    app = create_app()
    settings: Settings = app.extensions["tiedolla_settings"].model_copy(
        update={"blast_guard_count": 10**9, "blast_guard_area_percent": 101.0}
    )
    collect_seldom()
    take_turns_often()
    with app.app_context():
        outage = _seed(count)
        floor_s = _floor(outage)
        start = _plan(NoticeType.FAULT_STARTED, outage, settings)
        told = _count("QUEUED")
        estimate = _plan(NoticeType.FAULT_ETR, outage, settings)
        if told != count or _count("QUEUED") != count:
            raise SystemExit(f"expected {count} notices of each kind, found {told}")
    note = f"{count:,} points, {{:.1f}} s"
    return [
        row("event: all notices stored", start.wall_s, "s", "< 6", note.format(start.wall_s)),
        row("event: first notices stored", start.first_s, "s", "< 2", "the sender takes them"),
        row("event: CPU of the planner", start.cpu_s / count * 1e6, "us/notice"),
        row("event: bare INSERT..SELECT", floor_s, "s", "", "floor, decides nothing"),
        row("event: times the floor", start.wall_s / floor_s, "x"),
        row("event: estimate after start", estimate.wall_s, "s", "< 6", "stops what waits"),
    ]


@dataclass(slots=True)
class _Took:
    wall_s: float = 0.0
    first_s: float = 0.0
    cpu_s: float = 0.0


def _plan(kind: NoticeType, outage: int, settings: Settings) -> _Took:
    now = datetime.now(UTC)
    took = _Took()
    began, cpu = time.perf_counter(), time.process_time()
    etr = (now + timedelta(hours=3)).isoformat()
    with transaction() as session:
        number = announce(
            session,
            kind,
            about_outage(outage),
            occurrence="",
            event_at=now,
            facts={"etr_at": etr, "cause_code": "STORM"},
            now=now,
        )
    assert number is not None  # noqa: S101 - nothing has been announced before.
    for _ in plan_slices(number, settings, lambda: datetime.now(UTC)):
        took.first_s = took.first_s or time.perf_counter() - began
    took.wall_s = time.perf_counter() - began
    took.cpu_s = time.process_time() - cpu
    return took


def _floor(outage: int) -> float:
    with transaction() as session:
        session.execute(
            text(
                "CREATE TABLE bench_notice (gsrn text, contact_id bigint, customer_id text,"
                " sent_to text, body text, event_at timestamptz)"
            )
        )
    began = time.perf_counter()
    with transaction() as session:
        session.execute(_FLOOR, {"outage": outage})
    return time.perf_counter() - began


def _count(state: str) -> int:
    with transaction() as session:
        found = session.execute(
            text("SELECT count(*) FROM notice WHERE state = :state"), {"state": state}
        )
        return int(found.scalar_one())


def _seed(count: int) -> int:
    """Points in one municipality, each with a customer who wants to be told at any hour."""
    numbers = {"numbers": list(range(count)), "points": [_gsrn(n) for n in range(count)]}
    with transaction() as session:
        for statement in _STATEMENTS:
            used = {name: value for name, value in numbers.items() if f":{name}" in statement}
            session.execute(text(statement), used)
        outage: int = session.execute(
            text(
                "INSERT INTO outage (source, source_ref, kind, state, version, started_at,"
                " created_at, updated_at) VALUES ('DMS', 'B-1', 'FAULT', 'CONFIRMED', 1, now(),"
                " now(), now()) RETURNING id"
            )
        ).scalar_one()
        session.execute(
            text(
                "INSERT INTO outage_point (outage_id, gsrn, off_at)"
                " SELECT :outage, gsrn, now() FROM metering_point"
            ),
            {"outage": outage},
        )
    analyse()
    return outage


_SOURCE = "FROM unnest(CAST(:numbers AS bigint[]), CAST(:points AS text[])) AS s (n, gsrn)"
_LANGUAGE = "(ARRAY['fi', 'fi', 'sv', 'en'])[1 + n % 4]"
_STATEMENTS = (
    "INSERT INTO metering_point (gsrn, version, status, type, street_name, house_number,"
    " municipality_code, updated_at)"
    f" SELECT gsrn, 1, 'AE01', 'AG01', 'Öljymäentie', n % 997, '091', now() {_SOURCE}",
    "INSERT INTO customer (cis_id, version, kind, name, language, language_assumed,"
    " personal_safety_ban, priority_flag, preferred_channel, active, updated_at)"
    f" SELECT 'C' || n, 1, 'consumer', 'Asiakas ' || n, {_LANGUAGE}, false, false, false,"
    f" CASE WHEN n % 10 < 7 THEN 'SMS' ELSE 'EMAIL' END, true, now() {_SOURCE}",
    "INSERT INTO occupancy (contract_id, version, customer_id, gsrn, moved_in_on, updated_at)"
    f" SELECT 'K' || n, 1, 'C' || n, gsrn, '2020-01-01', now() {_SOURCE}",
    "INSERT INTO contact (customer_id, kind, value, state, source, bounce_count, quiet_from,"
    " quiet_to, enrolled, created_at)"
    " SELECT 'C' || n, kind, CASE kind WHEN 'SMS' THEN '+35850' || lpad(CAST(n AS text), 7, '0')"
    " ELSE 'asiakas' || n || '@example.fi' END, 'UNVERIFIED', 'CIS', 0, '03:00', '03:00', true, now()"
    f" {_SOURCE} CROSS JOIN unnest(ARRAY['SMS', 'EMAIL']) AS k (kind)",
)


def _gsrn(number: int) -> str:
    body = f"6499990{number:010d}"
    return body + str(check_digit(body))


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
