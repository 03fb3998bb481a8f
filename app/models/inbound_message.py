"""What arrived from the outside, byte-exact, before anybody interpreted it."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model
from app.models.columns import At, Big, Id, Json, Str

# Which lane, or for lists which process, works on a message of a kind; for statements that count.
LANE_OF_KIND = """CASE kind WHEN 'CIS_FILE' THEN 'intake' WHEN 'METER_DELIVERY' THEN 'intake'
    WHEN 'ACK' THEN 'acks' WHEN 'PARTNER_FILE' THEN 'partner_files' WHEN 'LIST' THEN 'processes'
    ELSE 'network' END"""


class InboundMessage(Model):
    """One message of one source; the body's SHA-256 makes it unique within its source."""

    __tablename__ = "inbound_message"
    __table_args__ = (
        UniqueConstraint("source", "body_hash"),
        Index(
            "ix_inbound_message_waiting", "kind", "id", postgresql_where=text("state = 'STORED'")
        ),
        Index(
            "ix_inbound_message_held",
            "kind",
            "reason_code",
            postgresql_where=text("state = 'HELD'"),
        ),
        Index("ix_inbound_message_received_at", "received_at"),
        Index("ix_inbound_message_message_id", "source", "message_id"),
        Index("ix_inbound_message_business_key", "business_key"),
        Index(
            "ix_inbound_message_refused",
            "source",
            postgresql_where=text("state = 'REJECTED' AND quarantined_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    source: Mapped[Str]
    # CIS_FILE, ACK, or a provider's callback: which interpreter reads it.
    kind: Mapped[Str]
    name: Mapped[Str]
    message_id: Mapped[Str | None]
    # What the message is about, where one thing can be named: the order of an acknowledgement.
    business_key: Mapped[Str | None]
    document: Mapped[Str | None]
    body_hash: Mapped[Str]
    size_bytes: Mapped[Big]
    # STORED -> INTERPRETED, PARTLY, REJECTED or HELD.
    state: Mapped[Str]
    reason_code: Mapped[Str | None]
    counts: Mapped[Json]
    received_at: Mapped[At]
    interpreted_at: Mapped[At | None]
    attempts: Mapped[int] = mapped_column(default=0)
    # The file's name in the SFTP server's archive or quarantine.
    remote_name: Mapped[Str | None]
    quarantined_at: Mapped[At | None]
    # When the interpreter may look again, after an error that was ours.
    next_at: Mapped[At]
    # When its chunks were removed because nobody may keep them for longer (REQ-36).
    body_removed_at: Mapped[At | None]


class InboundChunk(Model):
    """Up to 1 MiB of a message's body; the chunks in order are the body."""

    __tablename__ = "inbound_chunk"

    inbound_message_id: Mapped[Big] = mapped_column(
        ForeignKey("inbound_message.id", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class InboundFinding(Model):
    """One thing that the checks said about a message or about one order in it."""

    __tablename__ = "inbound_finding"
    __table_args__ = (
        Index("ix_inbound_finding_inbound_message_id", "inbound_message_id"),
        Index("ix_inbound_finding_order_id", "order_id"),
    )

    id: Mapped[Id]
    inbound_message_id: Mapped[Big] = mapped_column(
        ForeignKey("inbound_message.id", ondelete="CASCADE")
    )
    order_id: Mapped[Str | None]
    line: Mapped[int | None]
    path: Mapped[Str]
    code: Mapped[Str]
    severity: Mapped[Str]
    text: Mapped[Str]
    at: Mapped[At]
