"""Orders of a rollout in every state that its page tells of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy.orm import Session

from app.domain.rollout_plan import PlanRow
from app.models import Ack, MassOrder, Meter, MeteringPoint, SerialMismatch, Visit
from app.models.work_order import WorkOrder
from app.services import outbox, rollout_plan
from app.services.outbox import NewItem

# A Wednesday at noon in Finland.
NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
TODAY = NOW.date()
PLAN = [
    PlanRow("A1", "837", TODAY - timedelta(days=30), TODAY + timedelta(days=30), 40, 2),
    PlanRow("A1", "049", TODAY - timedelta(days=30), TODAY + timedelta(days=30), 10, 1),
    PlanRow("B1", "837", TODAY + timedelta(days=31), TODAY + timedelta(days=90), 60, 2),
]


def add_mass_order(
    session: Session, mass_id: str, wave: str | None, state: str = "RUNNING"
) -> None:
    """A mass order of a wave."""
    session.add(
        MassOrder(
            mass_id=mass_id,
            state=state,
            state_at=NOW,
            wave=wave,
            allowed_models=["6534"],
            counts={},
            counted_at=NOW,
            inbound_message_id=1,
            created_at=NOW,
            updated_at=NOW,
        )
    )
    session.flush()


def add_rollout_order(
    session: Session, number: int, state: str, *, days: float = 0, **changes: Any
) -> WorkOrder:
    """An order that has been in its state for some days."""
    at = NOW - timedelta(days=days)
    facts = {
        "order_id": f"R-{number:03}",
        "revision": 1,
        "content_hash": "0",
        "order_type_code": "MVM",
        "state": state,
        "state_at": at,
        "base_state": "SENT",
        "priority": 3,
        "mass_id": "M-1",
        "gsrn": f"{649999000000000000 + number}",
        "municipality_code": "837",
        "required_model": "6534",
        "partner_code": "voima",
        "facts": {},
        "inbound_message_id": 1,
        "created_at": at,
        "updated_at": at,
        **changes,
    }
    order = WorkOrder(**facts)
    session.add(order)
    session.flush()
    return order


def add_report(
    session: Session,
    order: WorkOrder,
    kind: str,
    at: datetime,
    *,
    verdict: str = "APPLIED",
    **payload: Any,
) -> None:
    """What the contractor reported of an order."""
    session.add(
        Ack(
            partner_code="voima",
            ack_id=str(uuid4()),
            order_id=order.order_id,
            revision=1,
            type=kind,
            occurred_at=at,
            reported_at=at,
            received_at=at,
            payload=payload,
            payload_hash="0",
            verdict=verdict,
            findings=[],
            inbound_message_id=1,
            applied_at=at,
        )
    )
    session.flush()


def add_world(session: Session) -> int:
    """Twenty orders of all kinds, a plan in force and some meters; returns how many orders."""
    add_mass_order(session, "M-1", "A1")
    add_mass_order(session, "M-2", "B1", state="PAUSED")
    for number in range(6):
        order = add_rollout_order(
            session,
            number,
            "REPORTED",
            attempts=1 if number else 2,
            municipality_code="049" if number == 5 else "837",
        )
        at = NOW - timedelta(days=number + 1, hours=1)
        if not number:
            add_report(
                session, order, "FAILED", at - timedelta(days=2), failure={"reasonCode": "ACC_DOG"}
            )
        add_report(session, order, "COMPLETED", at, crew=f"Crew {number % 2}")
    failed = add_rollout_order(session, 6, "FAILED", attempts=1)
    add_report(session, failed, "FAILED", NOW, failure={"reasonCode": "CUS_ABSENT"})
    for number, (state, days) in enumerate(
        (
            ("SENT", 0.5),
            ("SENT", 4),
            ("SENT", 40),
            ("ACCEPTED", 8),
            ("SCHEDULED", 2),
            ("SCHEDULED", 2),
            ("ROUTED", 2),
            ("VALIDATED", 0.1),
            ("CANCELLED", 3),
            ("RETURNED", 3),
        ),
        start=7,
    ):
        add_rollout_order(session, number, state, days=days)
    for number, begin in ((11, NOW + timedelta(days=1)), (12, NOW - timedelta(days=3))):
        session.add(
            Visit(
                order_id=f"R-{number:03}",
                gsrn="1",
                from_at=begin,
                to_at=begin + timedelta(hours=2),
                agreed=True,
                updated_at=NOW,
            )
        )
    # Paused by somebody, so that it waits is no fault; and two that belong to no wave.
    add_rollout_order(session, 17, "ROUTED", days=9, mass_id="M-2")
    add_rollout_order(session, 18, "SENT", mass_id=None, municipality_code=None)
    add_rollout_order(session, 19, "ACCEPTED", order_type_code="MVY", mass_id=None)
    add_rollout_order(session, 20, "ACCEPTED", order_type_code="HUO", mass_id=None)
    _add_mismatch(session, "R-010")
    _add_undelivered(session, "R-007")
    number, _ = rollout_plan.store(session, "plan.csv", PLAN, NOW, by="system:tests")
    rollout_plan.propose(session, number, NOW, by="system:tests")
    rollout_plan.activate(session, number, NOW, by="system:tests2")
    for place, state in enumerate(("ORDERED", "DELIVERED", "ALLOCATED", "LOST", "INSTALLED")):
        session.add(Meter(number=f"N{place}", model="6534", state=state, updated_at=NOW))
    for place, (code, lat, lon) in enumerate((("837", 61.5, 23.8), ("049", 60.2, 24.7))):
        session.add(
            MeteringPoint(
                gsrn=f"P{place}",
                version=1,
                status="AE01",
                type="AG01",
                municipality_code=code,
                lat=lat,
                lon=lon,
                updated_at=NOW,
            )
        )
    session.flush()
    return 20


def _add_mismatch(session: Session, order_id: str) -> None:
    session.add(
        SerialMismatch(
            order_id=order_id,
            gsrn="1",
            partner_code="voima",
            ack_id="a",
            meter_number="N9",
            code="METER_ALREADY_INSTALLED",
            detail="It hangs elsewhere.",
            state="OPEN",
            opened_at=NOW,
        )
    )


def _add_undelivered(session: Session, order_id: str) -> None:
    item = NewItem("partner.voima", "WORK_ORDER", order_id, order_id, 1, order_id, {})
    outbox.put(session, [item], NOW)
    session.flush()
