"""Writing what a batch of acknowledgements has brought, in a handful of statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services import work_orders
from app.services.ack_batch import Batch, Closing, KnownAck


def write(session: Session, batch: Batch, now: datetime, run_id: int) -> None:
    """Write new acknowledgements, changed verdicts, the orders' history and the messages' ends."""
    new: list[KnownAck] = []
    changed: list[KnownAck] = []
    for file in batch.files.values():
        new += [ack for ack in file.acks.values() if ack.message_id is not None]
        changed += [a for a in file.acks.values() if a.message_id is None and a.is_changed]
    if new:
        session.execute(_INSERT, {**_columns(new), "now": now})
    if changed:
        session.execute(_JUDGE, _verdicts(changed))
    if batch.changes:
        work_orders.record_changes(session, batch.changes, now, run_id)
    if batch.closings:
        session.execute(_CLOSE, {**_ends(batch.closings), "now": now})


_INSERT = text(
    """
    INSERT INTO ack (partner_code, ack_id, order_id, revision, partner_ref, type, occurred_at,
        reported_at, received_at, payload, payload_hash, verdict, findings, inbound_message_id,
        applied_at)
    SELECT partner_code, ack_id, order_id, revision, partner_ref, type, occurred_at, reported_at,
        received_at, payload::jsonb, payload_hash, verdict, findings::jsonb, message_id, :now
    FROM unnest(CAST(:partner_code AS text[]), CAST(:ack_id AS text[]), CAST(:order_id AS text[]),
        CAST(:revision AS int[]), CAST(:partner_ref AS text[]), CAST(:type AS text[]),
        CAST(:occurred_at AS timestamptz[]), CAST(:reported_at AS timestamptz[]),
        CAST(:received_at AS timestamptz[]), CAST(:payload AS text[]),
        CAST(:payload_hash AS text[]), CAST(:verdict AS text[]), CAST(:findings AS text[]),
        CAST(:message_id AS bigint[]))
        AS n (partner_code, ack_id, order_id, revision, partner_ref, type, occurred_at, reported_at,
              received_at, payload, payload_hash, verdict, findings, message_id)
    """
)


def _columns(acks: Sequence[KnownAck]) -> dict[str, list[Any]]:
    wires = [ack.reported.wire for ack in acks]
    return {
        **_verdicts(acks),
        "order_id": [wire.order_id for wire in wires],
        "revision": [wire.revision for wire in wires],
        "partner_ref": [wire.partner_ref for wire in wires],
        "type": [wire.type for wire in wires],
        "occurred_at": [wire.occurred_at for wire in wires],
        "reported_at": [wire.reported_at for wire in wires],
        "received_at": [ack.reported.fact.received_at for ack in acks],
        "payload": [msgspec.json.encode(ack.payload).decode() for ack in acks],
        "payload_hash": [ack.payload_hash for ack in acks],
        "message_id": [ack.message_id for ack in acks],
    }


_JUDGE = text(
    """
    UPDATE ack SET verdict = n.verdict, findings = n.findings::jsonb
    FROM unnest(CAST(:partner_code AS text[]), CAST(:ack_id AS text[]), CAST(:verdict AS text[]),
        CAST(:findings AS text[])) AS n (partner_code, ack_id, verdict, findings)
    WHERE ack.partner_code = n.partner_code AND ack.ack_id = n.ack_id
    """
)


def _verdicts(acks: Sequence[KnownAck]) -> dict[str, list[Any]]:
    return {
        "partner_code": [ack.partner_code for ack in acks],
        "ack_id": [ack.ack_id for ack in acks],
        "verdict": [str(ack.verdict) for ack in acks],
        "findings": [msgspec.json.encode(ack.findings).decode() for ack in acks],
    }


_CLOSE = text(
    """
    UPDATE inbound_message m SET state = n.state, reason_code = n.reason_code,
        document = coalesce(n.document, m.document), interpreted_at = :now,
        counts = jsonb_build_object(n.verdict, 1)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:reasons AS text[]),
        CAST(:documents AS text[]), CAST(:verdicts AS text[]))
        AS n (id, state, reason_code, document, verdict)
    WHERE m.id = n.id
    """
)


def _ends(closings: Sequence[Closing]) -> dict[str, list[Any]]:
    return {
        "ids": [one.message_id for one in closings],
        "states": [one.state for one in closings],
        "reasons": [one.reason_code for one in closings],
        "documents": [one.document for one in closings],
        "verdicts": [one.verdict for one in closings],
    }
