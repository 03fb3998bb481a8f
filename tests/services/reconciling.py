"""Items that arrived at other systems, and lists that these systems give; for tests."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from app.db import transaction
from app.models import Difference
from app.services import outbox, reconciliation
from app.services.outbox import NewItem, Settlement
from app.services.reconciliation import Taken
from tests.conftest import test_settings
from tests.field_work import gsrn

# The afternoon before, and the moment at which lists are taken.
SENT_AT = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
TAKEN_AT = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)
SETTINGS = test_settings()
LEASE = 1
KINDS = {"nis": "NIS_DEVICE", "dms": "DMS_SWAP_OUTAGE", "billing": "BILLING_METER_CHANGE"}


def device(
    number: int, version: int = 1, meter: str | None = None, at: datetime = SENT_AT
) -> NewItem:
    """What the NIS is told of a point, and when."""
    point = gsrn(number)
    order = f"WO-{number}"
    return NewItem(
        lane="nis",
        kind="NIS_DEVICE",
        business_key=order,
        order_key=point,
        version=version,
        dedupe_key=f"nis:{order}:{version}",
        payload={
            "gsrn": point,
            "meterNumber": meter or f"6534-{number}",
            "installedAt": at.isoformat(),
            "version": version,
        },
        gsrn=point,
    )


def order(number: int, version: int = 1, action: str = "NEW", suffix: str = "") -> NewItem:
    """What the partner gets of an order."""
    name = f"WO-{number}"
    return NewItem(
        lane="partner.voima",
        kind="WORK_ORDER",
        business_key=name,
        order_key=gsrn(number),
        version=version,
        dedupe_key=f"{name}-{version}{suffix}",
        payload={"action": action, "orderId": name, "revision": version, "orderType": "MVM"},
        gsrn=gsrn(number),
    )


def put(items: Iterable[NewItem], at: datetime = SENT_AT) -> None:
    """Let items wait to leave."""
    with transaction() as session:
        outbox.put(session, list(items), at)


def send(lane: str, at: datetime = SENT_AT, state: str = "SENT") -> list[str]:
    """Let everything of a lane arrive, or end otherwise; returns the keys under which it was sent."""
    keys: list[str] = []
    while True:
        with transaction() as session:
            claimed = outbox.claim(session, lane, LEASE, 500, at, 120.0)
        if not claimed:
            return keys
        outcome = {"SENT": "SENT", "DEAD": "REJECTED"}[state]
        with transaction() as session:
            settled = [Settlement(item, uuid4(), outcome, state, at, at) for item in claimed]
            outbox.settle(session, LEASE, settled, at, 60.0)
        keys += [item.dedupe_key for item in claimed]


def sent(items: Iterable[NewItem], at: datetime = SENT_AT) -> None:
    """Items that have arrived."""
    some = list(items)
    put(some, at)
    for lane in {one.lane for one in some}:
        send(lane, at)


def a_list(
    records: Iterable[Mapping[str, Any]],
    *,
    of: str = "devices",
    taken_at: datetime = TAKEN_AT,
    **head: Any,
) -> io.BytesIO:
    """A list as a system gives it; head overrides what the first line says."""
    lines = [json.dumps(record).encode() + b"\n" for record in records]
    first = {
        "snapshot": "S-1",
        "list": of,
        "kind": "DELTA" if "since" in head else "FULL",
        "takenAt": taken_at.isoformat(),
        "count": len(lines),
        "sha256": hashlib.sha256(b"".join(lines)).hexdigest(),
        **head,
    }
    return io.BytesIO(json.dumps(first).encode() + b"\n" + b"".join(lines))


def holds(*numbers: int, version: int = 1) -> list[dict[str, Any]]:
    """What the NIS says of these points when it has what it got."""
    return [
        {"id": gsrn(number), "version": version, "meterNumber": f"6534-{number}"}
        for number in numbers
    ]


def take(stream: io.BytesIO, system: str = "nis", now: datetime | None = None) -> Taken:
    """Compare a list."""
    with transaction() as session:
        return reconciliation.take(
            session, system, stream, SETTINGS, now or TAKEN_AT + timedelta(minutes=5)
        )


def differences(system: str = "nis", state: str | None = None) -> list[tuple[str, str, str, str]]:
    """Key, kind, reason and state of every difference, in their order."""
    statement = text(
        "SELECT key, kind, reason, state FROM difference WHERE system = :system"
        " AND (CAST(:state AS text) IS NULL OR state = :state) ORDER BY key, id"
    )
    with transaction() as session:
        rows = session.execute(statement, {"system": system, "state": state}).all()
    return [(row.key, row.kind, row.reason, row.state) for row in rows]


def first_difference() -> Difference:
    """The oldest difference."""
    with transaction() as session:
        return session.query(Difference).order_by(Difference.id).first()  # type: ignore[return-value]
