"""Connection orders for tests, taken in as the intake takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.models import Preference
from app.services import connections, runs
from app.services.intake import load_lists
from app.services.slices import Slice, SliceResult
from integrations.cis.types import CisConnection, ParsedConnection

ORDER_NO = "LT-2026-17"


def make_version(number: int, at: datetime, **facts: Any) -> CisConnection:
    """One version of an order of customer C1 at Rantapolku 4, made at a moment."""
    values: dict[str, Any] = {
        "order_no": ORDER_NO,
        "customer_id": "C1",
        "stage": "ORDERED",
        "street_name": "Rantapolku",
        "house_number": "4",
        "postal_code": "33100",
        "post_office": "TAMPERE",
        "municipality_code": "837",
        "changed_at": at,
    }
    return CisConnection(version=number, **{**values, **facts})


def take_versions(
    session: Session, records: list[CisConnection], now: datetime, message_id: int = 1
) -> SliceResult:
    """One slice of a stored file, in a run of its own."""
    session.execute(
        text(
            "INSERT INTO inbound_message (id, source, kind, name, body_hash, size_bytes, state, counts,"
            " received_at, next_at, attempts) OVERRIDING SYSTEM VALUE VALUES (:id, 'cis', 'CIS_FILE',"
            " 'x', CAST(:id AS text), 1, 'INTERPRETED', '{}', :now, :now, 0) ON CONFLICT DO NOTHING"
        ),
        {"id": message_id, "now": now},
    )
    run_id = runs.start_run(session, "intake", "doorbell", now, lease=1, subject="x")
    part = Slice(message_id, run_id, now, load_lists(session, "k" * 32, now))
    parsed = [ParsedConnection(10, one, one.order_no) for one in records]
    return connections.take_slice(session, part, parsed)


def wish_for_connections(
    session: Session, now: datetime, *, enabled: bool = True, gsrn: str | None = None
) -> None:
    """Let every contact want, or not want, to hear about connections."""
    for contact_id in session.execute(text("SELECT id FROM contact")).scalars().all():
        session.add(
            Preference(
                contact_id=contact_id,
                gsrn=gsrn,
                topic="CONNECTION",
                enabled=enabled,
                source="CIS",
                legal_basis="CONTRACT",
                changed_at=now,
            )
        )
    session.flush()
