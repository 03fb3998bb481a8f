"""People, places and contacts for the tests of notices, and how a drain treats their messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import transaction
from app.models import (
    Contact,
    Customer,
    MeteringPoint,
    Notice,
    Occupancy,
    OutboxItem,
    Preference,
    WorkOrder,
)
from app.services import last_look, notices, outbox, settlement
from app.services.outbox import Claimed, Settlement

# A Tuesday at noon in Finland: no quiet hours.
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
TODAY = date(2026, 11, 24)
GSRN = "649999000000000013"
PHONE = "+358401234567"
MAIL = "aino@example.fi"
GRACE_S = 60.0
LEASE = 1


def add_point(session: Session, gsrn: str = GSRN) -> None:
    """A metering point at Koivutie 12 A 3."""
    session.add(
        MeteringPoint(
            gsrn=gsrn,
            version=1,
            status="AE01",
            type="AG01",
            street_name="Koivutie",
            house_number="12",
            staircase="A",
            apartment="3",
            updated_at=NOW,
        )
    )
    session.flush()


def add_customer(
    session: Session,
    cis_id: str = "C1",
    *,
    contacts: Mapping[str, str] | None = None,
    channel: str = "SMS",
    language: str = "fi",
    gsrn: str = GSRN,
    moved_out_on: date | None = None,
    safety_ban: bool = False,
    enabled: bool = True,
    quiet: tuple[time, time] | None = None,
) -> None:
    """A customer who has had the point since last year, with contacts as value -> kind."""
    session.add(
        Customer(
            cis_id=cis_id,
            version=1,
            kind="consumer",
            name="Aino Virtanen",
            language=language,
            personal_safety_ban=safety_ban,
            preferred_channel=channel,
            updated_at=NOW,
        )
    )
    session.flush()
    session.add(
        Occupancy(
            contract_id=f"K-{cis_id}",
            version=1,
            customer_id=cis_id,
            gsrn=gsrn,
            moved_in_on=date(2025, 1, 1),
            moved_out_on=moved_out_on,
            updated_at=NOW,
        )
    )
    for value, kind in ({PHONE: "SMS"} if contacts is None else contacts).items():
        contact = Contact(
            customer_id=cis_id,
            kind=kind,
            value=value,
            state="UNVERIFIED",
            source="CIS",
            quiet_from=quiet[0] if quiet else None,
            quiet_to=quiet[1] if quiet else None,
            created_at=NOW,
            # As the CIS enrols.
            enrolled=enabled and channel != "NONE",
        )
        session.add(contact)
    session.flush()


def wish(
    session: Session,
    contact_id: int,
    enabled: bool,
    *,
    topic: str = "METER_SWAP",
    gsrn: str | None = None,
    source: str = "PORTAL",
) -> None:
    """What somebody chose for a contact."""
    session.add(
        Preference(
            contact_id=contact_id,
            gsrn=gsrn,
            topic=topic,
            enabled=enabled,
            source=source,
            legal_basis="CONTRACT",
            changed_at=NOW,
        )
    )
    session.flush()


def add_order(session: Session, order_id: str = "A-1", gsrn: str = GSRN) -> WorkOrder:
    """A work order that is under way at the point."""
    order = WorkOrder(
        order_id=order_id,
        revision=1,
        content_hash="0",
        order_type_code="MVM",
        state="ACCEPTED",
        state_at=NOW,
        base_state="SENT",
        priority=3,
        gsrn=gsrn,
        facts={},
        inbound_message_id=1,
        created_at=NOW,
        updated_at=NOW,
    )
    session.add(order)
    session.flush()
    return order


def settle_in(**customer: Any) -> None:
    """One point, one customer and one order, committed."""
    with transaction() as session:
        add_point(session)
        add_customer(session, **customer)
        add_order(session)


def tell(
    kind: str, event_at: datetime = NOW, now: datetime | None = None, **facts: Any
) -> list[Notice]:
    """Plan a notice as the acknowledgements do; returns the whole ledger of the order."""
    with transaction() as session:
        order = session.get(WorkOrder, "A-1")
        assert order is not None
        notices.plan_for_swap(session, order, kind, event_at, now or event_at, facts)
    return ledger()


def ledger() -> list[Notice]:
    """Every notice, oldest first, as it is in the database now."""
    with transaction() as session:
        rows = session.scalars(
            select(Notice).order_by(Notice.id).execution_options(populate_existing=True)
        )
        return list(rows)


def items() -> list[OutboxItem]:
    """Every outbox item, oldest first."""
    with transaction() as session:
        rows = session.scalars(
            select(OutboxItem).order_by(OutboxItem.id).execution_options(populate_existing=True)
        )
        return list(rows)


def claim(lane: str = "sms", now: datetime = NOW, lease: int = LEASE) -> list[Claimed]:
    """Claim as a drain does."""
    with transaction() as session:
        return outbox.claim(session, lane, lease, 500, now, 120)


def gate(
    claimed: list[Claimed], now: datetime = NOW, lease: int = LEASE
) -> tuple[dict[int, UUID], dict[int, str]]:
    """The drain's last look: the attempts that go on the wire, and why the others do not."""
    with transaction() as session:
        return gate_in(session, claimed, now, lease)


def gate_in(
    session: Session, claimed: list[Claimed], now: datetime = NOW, lease: int = LEASE
) -> tuple[dict[int, UUID], dict[int, str]]:
    """The same inside an open transaction."""
    live, expired = outbox.lock_leased(session, [item.id for item in claimed], lease, now)
    refused = dict.fromkeys(expired, "EXPIRED")
    settings = current_app.extensions["tiedolla_settings"]
    seen = last_look.look(session, [item for item in claimed if item.id in live], settings, now)
    refused |= dict.fromkeys(seen.stale, "STALE") | dict.fromkeys(seen.held, "HELD")
    wanted = {item.id: item.payload["notice_id"] for item in seen.go}
    refused |= notices.begin_sending(session, wanted, now)
    attempts = {item: uuid4() for item in wanted if item not in refused}
    outbox.begin_attempts(session, lease, attempts, now)
    return attempts, refused


def end(
    item: Claimed,
    attempt_id: UUID | None,
    outcome: str,
    state: str,
    *,
    now: datetime = NOW,
    lease: int = LEASE,
    lane: str = "sms",
    **more: Any,
) -> None:
    """Settle one call as the drain does."""
    done = Settlement(item, attempt_id, outcome, state, now, now, **more)
    with transaction() as session:
        moved = outbox.settle(session, lease, [done], now, GRACE_S)
        settlement.apply(session, lane, [done] if item.id in moved else [], now)


def send_one(
    outcome: str = "SENT",
    state: str = "SENT",
    *,
    lane: str = "sms",
    now: datetime = NOW,
    **more: Any,
) -> UUID:
    """Claim, look, call and settle the one item that waits; returns its attempt."""
    (item,) = claim(lane, now)
    attempts, refused = gate([item], now)
    assert not refused
    end(item, attempts[item.id], outcome, state, now=now, lane=lane, **more)
    return attempts[item.id]


def leave_unknown(lane: str = "sms", now: datetime = NOW) -> UUID:
    """A call whose answer was lost."""
    return send_one(
        "UNKNOWN", "UNKNOWN", lane=lane, now=now, error_class="UnknownOutcome", error="no answer"
    )


def minutes(count: float) -> timedelta:
    """A shorthand for times of tests."""
    return timedelta(minutes=count)


def scalar(statement: str, **parameters: Any) -> Any:
    """One value from the database."""
    with transaction() as session:
        return session.execute(text(statement), parameters).scalar()
