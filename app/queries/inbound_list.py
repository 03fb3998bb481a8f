"""What arrived from the outside, what became of it, and what the checks said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models.inbound_message import InboundChunk, InboundFinding, InboundMessage

FINDING_LIMIT = 200


@dataclass(frozen=True, slots=True)
class InboundRow:
    """One message of one source."""

    id: int
    source: str
    kind: str
    name: str
    message_id: str | None
    state: str
    reason_code: str | None
    size_bytes: int
    body_hash: str
    counts: dict[str, Any]
    received_at: datetime
    interpreted_at: datetime | None
    body_removed_at: datetime | None
    finding_count: int


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One thing that the checks said."""

    order_id: str | None
    line: int | None
    path: str
    code: str
    severity: str
    text: str


_FINDING_COUNT = (
    select(func.count())
    .where(InboundFinding.inbound_message_id == InboundMessage.id)
    .scalar_subquery()
)
_COLUMNS = (
    InboundMessage.id,
    InboundMessage.source,
    InboundMessage.kind,
    InboundMessage.name,
    InboundMessage.message_id,
    InboundMessage.state,
    InboundMessage.reason_code,
    InboundMessage.size_bytes,
    InboundMessage.body_hash,
    InboundMessage.counts,
    InboundMessage.received_at,
    InboundMessage.interpreted_at,
    InboundMessage.body_removed_at,
    _FINDING_COUNT,
)


def find_inbound(
    session: Session,
    limit: int,
    *,
    kind: str | None = None,
    state: str | None = None,
    before: int | None = None,
    after: int | None = None,
) -> list[InboundRow]:
    """Up to `limit` messages, newest first; before and after are ids of neighbours."""
    statement = select(*_COLUMNS)
    if kind:
        statement = statement.where(InboundMessage.kind == kind)
    if state:
        statement = statement.where(InboundMessage.state == state)
    if after is not None:
        statement = statement.where(InboundMessage.id > after).order_by(InboundMessage.id.asc())
    else:
        statement = statement.order_by(InboundMessage.id.desc())
        if before is not None:
            statement = statement.where(InboundMessage.id < before)
    rows = [InboundRow(*row) for row in session.execute(statement.limit(limit))]
    return rows[::-1] if after is not None else rows


def find_message(session: Session, message_id: int) -> InboundRow | None:
    """One message, or None."""
    statement = select(*_COLUMNS).where(InboundMessage.id == message_id)
    row = session.execute(statement).one_or_none()
    return None if row is None else InboundRow(*row)


def findings_of(session: Session, message_id: int) -> list[FindingRow]:
    """The first FINDING_LIMIT findings of a message, in the order in which they were made."""
    statement = (
        select(
            InboundFinding.order_id,
            InboundFinding.line,
            InboundFinding.path,
            InboundFinding.code,
            InboundFinding.severity,
            InboundFinding.text,
        )
        .where(InboundFinding.inbound_message_id == message_id)
        .order_by(InboundFinding.id)
        .limit(FINDING_LIMIT)
    )
    return [FindingRow(*row) for row in session.execute(statement)]


def body_start(session: Session, message_id: int, length_bytes: int) -> bytes:
    """The first bytes of a message as it came, at most one chunk of it."""
    statement = select(func.substring(InboundChunk.body, 1, length_bytes)).where(
        InboundChunk.inbound_message_id == message_id, InboundChunk.seq == 0
    )
    return bytes(session.execute(statement).scalar() or b"")


def body_chunks(session: Session, message_id: int) -> Iterator[bytes]:
    """A message as it came, chunk by chunk, so that a huge one never fills the memory."""
    chunk_seqs = session.execute(
        select(InboundChunk.seq)
        .where(InboundChunk.inbound_message_id == message_id)
        .order_by(InboundChunk.seq)
    ).scalars()
    for seq in list(chunk_seqs):
        statement = select(InboundChunk.body).where(
            InboundChunk.inbound_message_id == message_id, InboundChunk.seq == seq
        )
        yield session.execute(statement).scalar_one()
