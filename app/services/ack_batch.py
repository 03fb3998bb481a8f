"""The rows around a batch of acknowledgements: read together and kept up to date.

One by one, reading and writing them would cost more than everything else that is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.findings import Finding
from app.domain.states import AckVerdict
from app.models.work_order import WorkOrder
from app.services import ack_rows
from app.services.completion import Reported
from app.services.work_orders import Change


@dataclass(frozen=True, slots=True)
class Message:
    """A stored message with its body."""

    id: int
    source: str
    message_id: str | None
    business_key: str | None
    received_at: datetime
    interpreted_at: datetime | None
    body: bytes


@dataclass(slots=True)
class KnownAck:
    """An acknowledgement of an order, from the table or new in this batch."""

    partner_code: str
    ack_id: str
    payload: Mapping[str, Any]
    payload_hash: str
    reported: Reported
    verdict: str
    findings: list[dict[str, str]]
    message_id: int | None = None
    is_changed: bool = False

    def judge(self, verdict: AckVerdict, note: Finding | None) -> None:
        """Take over what the walk through all acknowledgements says about this one."""
        findings = ack_rows.build_findings(self.reported.checks, note)
        if (self.verdict, self.findings) != (verdict, findings):
            self.verdict, self.findings, self.is_changed = verdict, findings, True


@dataclass(slots=True)
class OrderFile:
    """An order, locked, with all its acknowledgements by name in the order of their arrival."""

    order: WorkOrder
    acks: dict[str, KnownAck] = field(default_factory=dict)

    def add(self, ack: KnownAck) -> str:
        """Keep one more; should two partners use one id, the later takes a surname."""
        name = ack.ack_id if ack.ack_id not in self.acks else f"{ack.ack_id} {ack.partner_code}"
        self.acks[name] = ack
        return name


@dataclass(frozen=True, slots=True)
class Closing:
    """How the interpretation of one message ended."""

    message_id: int
    state: str
    reason_code: str | None
    document: str | None
    verdict: str


@dataclass(slots=True)
class Batch:
    """Orders by id, content hashes by (partner, ack id), and what has to be written at the end."""

    files: dict[str, OrderFile]
    hashes: dict[tuple[str, str], str]
    changes: list[Change] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)


_MESSAGES = text(
    """
    SELECT m.id, m.source, m.message_id, m.business_key, m.received_at, m.interpreted_at,
        (SELECT string_agg(c.body, ''::bytea ORDER BY c.seq) FROM inbound_chunk c
         WHERE c.inbound_message_id = m.id) AS body
    FROM inbound_message m WHERE m.id = ANY(:ids) AND m.state = 'STORED' ORDER BY m.id
    """
)
_STILL_STORED = text(
    "SELECT id FROM inbound_message WHERE id = ANY(:ids) AND state = 'STORED' ORDER BY id FOR UPDATE"
)


def read_messages(session: Session, ids: Sequence[int]) -> list[Message]:
    """Messages that nobody has interpreted, oldest first; not locked yet."""
    rows = session.execute(_MESSAGES, {"ids": list(ids)}).all()
    return [
        Message(
            row.id,
            row.source,
            row.message_id,
            row.business_key,
            row.received_at,
            row.interpreted_at,
            bytes(row.body or b""),
        )
        for row in rows
    ]


def lock_messages(session: Session, messages: Sequence[Message]) -> list[Message]:
    """Those that still wait, locked.

    To be called after the orders are locked: intake takes its locks in the same sequence.
    """
    ids = [message.id for message in messages]
    still = set(session.execute(_STILL_STORED, {"ids": ids}).scalars())
    return [message for message in messages if message.id in still]


_ACKS = text(
    """
    SELECT partner_code, ack_id, order_id, received_at, payload, payload_hash, verdict, findings
    FROM ack WHERE order_id = ANY(:order_ids)
    UNION ALL
    SELECT a.partner_code, a.ack_id, a.order_id, a.received_at, a.payload, a.payload_hash,
        a.verdict, a.findings
    FROM unnest(CAST(:partners AS text[]), CAST(:ack_ids AS text[])) AS n (partner_code, ack_id)
    JOIN ack a USING (partner_code, ack_id)
    WHERE a.order_id <> ALL(:order_ids)
    ORDER BY received_at, ack_id, partner_code
    """
)


def load(session: Session, order_ids: Sequence[str], keys: Sequence[tuple[str, str]]) -> Batch:
    """Lock the orders, then read their acknowledgements and those with these (partner, ack id)."""
    orders = session.execute(
        select(WorkOrder)
        .where(WorkOrder.order_id.in_(order_ids))
        .order_by(WorkOrder.order_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalars()
    batch = Batch({order.order_id: OrderFile(order) for order in orders}, {})
    rows = session.execute(
        _ACKS,
        {
            "order_ids": list(batch.files),
            "partners": [partner_code for partner_code, _ in keys],
            "ack_ids": [ack_id for _, ack_id in keys],
        },
    )
    for row in rows:
        batch.hashes[row.partner_code, row.ack_id] = row.payload_hash
        if row.order_id in batch.files:
            wire = ack_rows.wire_of(row.payload)
            checks = ack_rows.parse_checks(row.findings)
            fact = ack_rows.fact_of(wire, row.partner_code, row.received_at, checks)
            known = KnownAck(
                row.partner_code,
                row.ack_id,
                row.payload,
                row.payload_hash,
                Reported(fact, wire, checks),
                row.verdict,
                row.findings,
            )
            name = batch.files[row.order_id].add(known)
            known.reported = Reported(ack_rows.with_name(fact, name), wire, checks)
    return batch


def orders_just_come(session: Session, batch: Batch, order_ids: Sequence[str]) -> set[str]:
    """Orders that were not there when the batch was loaded and are there now.

    Asked once the messages are locked: whoever brings an order lets its acknowledgements be read
    again, and has either done so before and is seen here, or waits for our locks.
    """
    missing = [order_id for order_id in order_ids if order_id not in batch.files]
    if not missing:
        return set()
    found = select(WorkOrder.order_id).where(WorkOrder.order_id.in_(missing))
    return set(session.execute(found).scalars())
