"""What arrives is stored byte-exact first, once; interpretation comes later."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from app.db import copy_rows, fetch
from app.domain.findings import Finding
from app.domain.reject_codes import RejectCode
from app.models.inbound_message import InboundChunk, InboundMessage

CHUNK_BYTES = 1024 * 1024

# After these waits (in seconds) an interpretation that failed by our own fault is tried again;
# after the last one the message is HELD for a person.
_RETRY_AFTER_S = (5, 30, 120, 600)


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a message was stored; new is False when the same bytes were there already."""

    id: int
    body_hash: str
    size_bytes: int
    new: bool


@dataclass(frozen=True, slots=True)
class PutAway:
    """A file that was kept and put away: its row, the name it came by and its name on the server now."""

    id: int
    name: str
    remote_name: str
    size_bytes: int


def store(
    session: Session,
    *,
    source: str,
    kind: str,
    name: str,
    chunks: Iterable[bytes],
    now: datetime,
    message_id: str | None = None,
    business_key: str | None = None,
    state: str = "STORED",
    reason_code: str | None = None,
) -> Stored:
    """Store a body in chunks of at most 1 MiB as it streams by; the hash is known at the end.

    The same bytes from the same source are stored once: the row that is there wins and the new
    chunks are dropped again, all in the caller's transaction.
    """
    provisional = session.execute(
        insert(InboundMessage)
        .values(
            source=source,
            kind=kind,
            name=name,
            message_id=message_id,
            business_key=business_key,
            # Unique until the real hash is known.
            body_hash=f"pending {name} {now.isoformat()}",
            size_bytes=0,
            state=state,
            reason_code=reason_code,
            counts={},
            received_at=now,
            next_at=now,
        )
        .returning(InboundMessage.id)
    ).scalar_one()
    digest = hashlib.sha256()
    size = 0
    for seq, piece in enumerate(_pieces(chunks)):
        digest.update(piece)
        size += len(piece)
        session.execute(
            insert(InboundChunk).values(inbound_message_id=provisional, seq=seq, body=piece)
        )
    body_hash = digest.hexdigest()
    known = session.execute(
        select(InboundMessage.id).where(
            InboundMessage.source == source, InboundMessage.body_hash == body_hash
        )
    ).scalar_one_or_none()
    if known is not None:
        session.execute(text("DELETE FROM inbound_message WHERE id = :id"), {"id": provisional})
        return Stored(known, body_hash, size, False)
    # Two sessions that store the same bytes at once meet here: the unique key lets one through.
    session.execute(
        update(InboundMessage)
        .where(InboundMessage.id == provisional)
        .values(body_hash=body_hash, size_bytes=size)
    )
    return Stored(provisional, body_hash, size, True)


def store_small(
    session: Session,
    *,
    source: str,
    kind: str,
    name: str,
    body: bytes,
    now: datetime,
    message_id: str | None = None,
    business_key: str | None = None,
    state: str = "STORED",
    reason_code: str | None = None,
) -> Stored:
    """Store a body of one chunk in two statements; used by the API, where it must be quick."""
    body_hash = hashlib.sha256(body).hexdigest()
    values: dict[str, Any] = {
        "source": source,
        "kind": kind,
        "name": name,
        "message_id": message_id,
        "business_key": business_key,
        "body_hash": body_hash,
        "size_bytes": len(body),
        "state": state,
        "reason_code": reason_code,
        "counts": {},
        "received_at": now,
        "next_at": now,
        "attempts": 0,
    }
    created = session.execute(
        pg_insert(InboundMessage)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["source", "body_hash"])
        .returning(InboundMessage.id)
    ).scalar_one_or_none()
    if created is None:
        known = session.execute(
            select(InboundMessage.id).where(
                InboundMessage.source == source, InboundMessage.body_hash == body_hash
            )
        ).scalar_one()
        return Stored(known, body_hash, len(body), False)
    session.execute(insert(InboundChunk).values(inbound_message_id=created, seq=0, body=body))
    return Stored(created, body_hash, len(body), True)


_CHUNK = "SELECT body FROM inbound_chunk WHERE inbound_message_id = %s AND seq = %s"


def read_chunks(engine: Engine, message_id: int) -> Iterator[bytes]:
    """The body of a message, chunk by chunk, each in a short read of its own."""
    seq = 0
    while True:
        with engine.connect() as connection:
            found = fetch(connection, _CHUNK, (message_id, seq), binary=True)
        if not found:
            return
        yield found[0][0]
        seq += 1


def read_body(session: Session, message_id: int) -> bytes:
    """The whole body of a small message."""
    pieces = session.execute(
        select(InboundChunk.body)
        .where(InboundChunk.inbound_message_id == message_id)
        .order_by(InboundChunk.seq)
    ).scalars()
    return b"".join(pieces)


def waiting(session: Session, kind: str, now: datetime, limit: int = 1) -> list[InboundMessage]:
    """Stored messages that nobody has interpreted, oldest first, locked for the caller."""
    return list(
        session.execute(
            select(InboundMessage)
            .where(
                InboundMessage.kind == kind,
                InboundMessage.state == "STORED",
                InboundMessage.next_at <= now,
            )
            .order_by(InboundMessage.id)
            .limit(limit)
            .with_for_update()
        ).scalars()
    )


def add_findings(
    session: Session,
    message_id: int,
    findings: Sequence[tuple[str | None, Finding]],
    now: datetime,
) -> None:
    """Keep what the checks said, by the order concerned where there is one."""
    if findings:
        copy_rows(
            session,
            "inbound_finding",
            ("inbound_message_id", "order_id", "line", "path", "code", "severity", "text", "at"),
            (
                (message_id, order_id, f.line, f.path, str(f.code), str(f.severity), f.text, now)
                for order_id, f in findings
            ),
        )


def close(
    session: Session,
    message_id: int,
    state: str,
    now: datetime,
    *,
    reason_code: str | None = None,
    counts: dict[str, int] | None = None,
    document: str | None = None,
    header_message_id: str | None = None,
) -> None:
    """Record the end of an interpretation."""
    values: dict[str, Any] = {
        "state": state,
        "reason_code": reason_code,
        "counts": counts or {},
        "interpreted_at": now,
    }
    if document:
        values["document"] = document
    if header_message_id:
        values["message_id"] = header_message_id
    session.execute(update(InboundMessage).where(InboundMessage.id == message_id).values(**values))


def postpone(session: Session, message_id: int, error_class: str, now: datetime) -> str:
    """After a fault of ours: try again later, or hold it for a person; returns the state."""
    attempts = session.execute(
        update(InboundMessage)
        .where(InboundMessage.id == message_id)
        .values(attempts=InboundMessage.attempts + 1)
        .returning(InboundMessage.attempts)
    ).scalar_one()
    if attempts > len(_RETRY_AFTER_S):
        close(session, message_id, "HELD", now, reason_code=f"INTERNAL {error_class}")
        return "HELD"
    session.execute(
        update(InboundMessage)
        .where(InboundMessage.id == message_id)
        .values(next_at=now + timedelta(seconds=_RETRY_AFTER_S[attempts - 1]))
    )
    return "STORED"


def reopen(session: Session, kind: str, business_keys: Sequence[str], reason: str) -> int:
    """Let held messages about these keys be read again: what they waited for has come.

    Those that somebody is reading are locked, so we wait for what becomes of them and look then.
    """
    if not business_keys:
        return 0
    wanted = {"kind": kind, "keys": list(business_keys), "reason": reason}
    session.execute(_LOCK_UNREAD, wanted).all()
    return len(session.execute(_REOPEN, wanted).all())


_LOCK_UNREAD = text(
    """
    SELECT id FROM inbound_message
    WHERE kind = :kind AND business_key = ANY(:keys) AND state IN ('STORED', 'HELD')
    ORDER BY id FOR UPDATE
    """
)
_REOPEN = text(
    """
    UPDATE inbound_message SET state = 'STORED', reason_code = NULL
    WHERE kind = :kind AND business_key = ANY(:keys) AND state = 'HELD' AND reason_code = :reason
    RETURNING id
    """
)


_REOPEN_ANSWERED = text(
    """
    UPDATE inbound_message m SET state = 'STORED', reason_code = NULL
    FROM work_order o
    WHERE m.kind = :kind AND m.state = 'HELD' AND m.reason_code = :reason
      AND o.order_id = m.business_key
    RETURNING m.id
    """
)


def reopen_answered(session: Session, kind: str, reason: str) -> int:
    """Let messages be read again that wait for an order which is there.

    It is what reopen() is for; this is for the message that it missed, however that came about.
    """
    return len(session.execute(_REOPEN_ANSWERED, {"kind": kind, "reason": reason}).all())


def read_again(session: Session, message_id: int, now: datetime) -> str | None:
    """Let a message that was put aside be read again from the start; its kind, None if it was not."""
    return session.execute(
        update(InboundMessage)
        .where(InboundMessage.id == message_id, InboundMessage.state == "HELD")
        .values(state="STORED", reason_code=None, attempts=0, next_at=now)
        .returning(InboundMessage.kind)
    ).scalar_one_or_none()


def held_by_us(session: Session, limit: int) -> list[int]:
    """Messages that were put aside by a fault of ours, oldest first."""
    statement = select(InboundMessage.id).where(
        InboundMessage.state == "HELD", InboundMessage.reason_code.like("INTERNAL%")
    )
    return list(session.execute(statement.order_by(InboundMessage.id).limit(limit)).scalars())


def note_archived(session: Session, message_id: int, remote_name: str) -> None:
    """Remember under which name the source's server keeps the file; the first one stays."""
    session.execute(
        update(InboundMessage)
        .where(InboundMessage.id == message_id, InboundMessage.remote_name.is_(None))
        .values(remote_name=remote_name)
    )


def refused_files(session: Session, source: str, kind: str | None = None) -> list[tuple[int, str]]:
    """Archived files of which nothing could be taken and that still lie in the archive."""
    statement = select(InboundMessage.id, InboundMessage.remote_name).where(
        InboundMessage.source == source,
        InboundMessage.state == "REJECTED",
        InboundMessage.remote_name.is_not(None),
        InboundMessage.quarantined_at.is_(None),
    )
    if kind is not None:
        statement = statement.where(InboundMessage.kind == kind)
    rows = session.execute(statement).all()
    return [(row.id, str(row.remote_name)) for row in rows]


def note_quarantined(
    session: Session, message_id: int, remote_name: str | None, now: datetime
) -> None:
    """The file lies in the quarantine now, under this name unless it was put there before."""
    values: dict[str, Any] = {"quarantined_at": now}
    if remote_name is not None:
        values["remote_name"] = remote_name
    session.execute(update(InboundMessage).where(InboundMessage.id == message_id).values(values))


def broken_files(session: Session, source: str, since: datetime) -> list[PutAway]:
    """Files that came since then, are on the server still and could not be read to their end."""
    return _put_away(
        session,
        InboundMessage.source == source,
        InboundMessage.received_at > since,
        InboundMessage.state.in_(("REJECTED", "PARTLY")),
        InboundMessage.reason_code == RejectCode.XML_MALFORMED,
    )


def put_away_files(session: Session, source: str, kind: str, since: datetime) -> list[PutAway]:
    """Files of a kind that came since then and are on the server still, however they ended."""
    return _put_away(
        session,
        InboundMessage.source == source,
        InboundMessage.kind == kind,
        InboundMessage.received_at > since,
    )


def _put_away(session: Session, *which: ColumnElement[bool]) -> list[PutAway]:
    rows = session.execute(
        select(
            InboundMessage.id,
            InboundMessage.name,
            InboundMessage.remote_name,
            InboundMessage.size_bytes,
        )
        .where(*which, InboundMessage.remote_name.is_not(None))
        .order_by(InboundMessage.id)
    ).all()
    return [PutAway(row.id, row.name, str(row.remote_name), row.size_bytes) for row in rows]


def note_given_back(session: Session, message_id: int) -> None:
    """The file is no longer where it was put away: it comes again as a file of its own."""
    session.execute(
        update(InboundMessage).where(InboundMessage.id == message_id).values(remote_name=None)
    )


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Regroup whatever sizes arrive into pieces of CHUNK_BYTES."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer[:CHUNK_BYTES])
            del buffer[:CHUNK_BYTES]
    if buffer:
        yield bytes(buffer)
