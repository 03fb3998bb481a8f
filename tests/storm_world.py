"""A small storm in the process of the tests: its people in the database, its versions one by one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from app.db import copy_rows, transaction
from app.services import dms_outages
from integrations.dms.outages import parse_outages
from simulators.cis.world import make_points
from simulators.storm.course import Statement
from simulators.storm.grid import Grid
from simulators.storm.stamps import Stamps, wire_record
from tests.services.announcing import plan_all

_FORGET = text(
    "TRUNCATE notice, notice_point, outbox_item, attempt, announcement, outage_point, outage_event,"
    " outage, dms_statement, storm, alarm CASCADE"
)


def settle_grid(grid: Grid, seed: int, now: datetime) -> None:
    """The points of the grid with the people of the made-up world, each enrolled by the CIS."""
    points = list(make_points(seed, min(grid.homes), len(grid.homes)))
    people = {point.customer.customer_id: point.customer for point in points}
    with transaction() as session:
        copy_rows(
            session,
            "metering_point",
            ("gsrn", "version", "status", "type", "street_name", "house_number",
             "municipality_code", "transformer", "feeder", "updated_at"),
            [(p.gsrn, 1, "AE01", "AG01", p.street, p.house, p.municipality, p.transformer,
              p.feeder, now) for p in points],
        )  # fmt: skip
        copy_rows(
            session,
            "customer",
            ("cis_id", "version", "kind", "name", "language", "language_assumed",
             "personal_safety_ban", "priority_flag", "preferred_channel", "active", "updated_at"),
            [(p.customer_id, 1, p.kind, p.name, p.language, False, p.safety_ban, p.priority,
              p.channel or "SMS", True, now) for p in people.values()],
        )  # fmt: skip
        copy_rows(
            session,
            "occupancy",
            ("contract_id", "version", "customer_id", "gsrn", "moved_in_on", "updated_at"),
            [(f"K{p.number}", 1, p.customer.customer_id, p.gsrn, "2020-01-01", now)
             for p in points],
        )  # fmt: skip
        copy_rows(
            session,
            "contact",
            ("customer_id", "kind", "value", "state", "source", "bounce_count", "created_at",
             "enrolled"),
            [(p.customer_id, kind, value, "UNVERIFIED", "CIS", 0, now, p.channel != "NONE")
             for p in people.values() for kind, value in (("SMS", p.phone), ("EMAIL", p.email))
             if value],
        )  # fmt: skip


def forget_storm() -> None:
    """No fault has ever been and nobody was told anything."""
    with transaction() as session:
        session.execute(_FORGET)


def take(statements: Iterable[Statement], grid: Grid, stamps: Stamps, now: datetime) -> None:
    """The DMS states these versions in this order, at one moment, one transaction each."""
    for one in statements:
        body = json.dumps({"outages": [wire_record(one, grid, stamps)]}).encode()
        (record,) = parse_outages(body).records
        with transaction() as session:
            dms_outages.take(session, 1, record, now)


def plan_and_hand_over(now: datetime) -> None:
    """Plan all that is due and let everything that may leave reach its provider at once."""
    plan_all(now)
    with transaction() as session:
        session.execute(
            text(
                "UPDATE notice SET state = 'SENT', sent_at = :now, state_at = :now"
                " WHERE state IN ('QUEUED', 'HELD') AND coalesce(not_before_at, :now) <= :now"
                " AND expires_at > :now"
            ),
            {"now": now},
        )
        session.execute(
            text(
                "UPDATE notice SET state = 'EXPIRED', state_at = :now"
                " WHERE state IN ('QUEUED', 'HELD') AND expires_at <= :now"
            ),
            {"now": now},
        )


def batches(statements: Sequence[Statement], every_s: float) -> list[tuple[float, list[Statement]]]:
    """What is stated in each stretch of the storm, and the end of the stretch."""
    found: dict[int, list[Statement]] = {}
    for one in statements:
        found.setdefault(int(one.at_s // every_s), []).append(one)
    last = max(found) + round(12 * 3600 / every_s)
    return [((place + 1) * every_s, found.get(place, [])) for place in range(last)]


def ledger() -> list[tuple[Any, ...]]:
    """Who was told what, in what order, in which words and when; numbers of rows left out."""
    with transaction() as session:
        rows = session.execute(
            text(
                "SELECT n.sent_to, o.source_ref, n.type, n.body, n.event_at, n.sent_at, n.state"
                " FROM notice n LEFT JOIN outage o ON o.id = n.outage_id"
                " WHERE n.sent_at IS NOT NULL ORDER BY n.sent_to, n.sent_at, o.source_ref, n.type"
            )
        ).all()
    return [tuple(row) for row in rows]


def moment(began_at: datetime, storm_s: float) -> datetime:
    """A moment of the storm."""
    return began_at + timedelta(seconds=storm_s)
