"""What the CIS gets back when we could not take something: a reject file with coded reasons."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.findings import Finding, find
from app.domain.lanes import CIS
from app.domain.reject_codes import REJECT_CODES, RejectCode
from app.models.inbound_message import InboundMessage
from app.services import inbound, outbox

KIND = "CIS_REJECT"
REPLY_KIND = "CIS_REPLY"
# What the CIS hears about one file; every finding stands in our own record all the same.
TOLD_MOST = 20_000
# A file with more refusals than this is answered in several parts.
_PART_COUNT = 1000


def put_reject(
    session: Session,
    *,
    file_name: str,
    body_hash: str,
    message_id: str | None,
    refusals: Sequence[tuple[str | None, Finding]],
    now: datetime,
) -> int:
    """Put one reject file per thousand refusals on its way; the same file is answered once."""
    parts = [refusals[at : at + _PART_COUNT] for at in range(0, len(refusals), _PART_COUNT)]
    items = []
    for number, part in enumerate(parts, start=1):
        suffix = f".{number}" if len(parts) > 1 else ""
        key = f"{_stem(file_name)}.{body_hash[:8]}{suffix}.reject"
        payload: dict[str, Any] = {
            "file_name": file_name,
            "rejected_message_id": message_id,
            "created_at": now.isoformat(),
            "entries": [_wire(order_id, finding) for order_id, finding in part],
        }
        items.append(
            outbox.NewItem(
                lane=CIS,
                kind=KIND,
                business_key=f"file:{file_name}"[:200],
                order_key=key,
                version=1,
                dedupe_key=key,
                payload=payload,
            )
        )
    return outbox.put(session, items, now)


def put_reply(
    session: Session,
    *,
    file_name: str,
    body_hash: str,
    correlation_id: str | None,
    result: str,
    refusals: Sequence[tuple[str | None, Finding]],
    now: datetime,
) -> int:
    """Put the reply to an IEC 61968-100 request on its way, good or not; it is answered once."""
    key = f"{_stem(file_name)}.{body_hash[:8]}.reply"
    payload: dict[str, Any] = {
        "file_name": file_name,
        "correlation_id": correlation_id,
        "created_at": now.isoformat(),
        "result": result,
        "entries": [_wire(order_id, finding) for order_id, finding in refusals[:_PART_COUNT]],
    }
    item = outbox.NewItem(
        lane=CIS,
        kind=REPLY_KIND,
        business_key=f"file:{file_name}"[:200],
        order_key=key,
        version=1,
        dedupe_key=key,
        payload=payload,
    )
    return outbox.put(session, [item], now)


def reject_unread_file(
    session: Session, source: str, name: str, size: int, limit: int, now: datetime
) -> None:
    """Record a file that is put aside unread for its size, and answer it."""
    # Nobody read the body, so its name and size stand for it.
    stand_in = hashlib.sha256(f"unread {name} {size}".encode()).hexdigest()
    created = session.execute(
        insert(InboundMessage)
        .values(
            source=source,
            kind="CIS_FILE",
            name=name,
            body_hash=stand_in,
            size_bytes=size,
            state="REJECTED",
            reason_code=RejectCode.FILE_TOO_LARGE,
            counts={},
            received_at=now,
            interpreted_at=now,
            next_at=now,
            attempts=0,
        )
        .on_conflict_do_nothing(index_elements=["source", "body_hash"])
        .returning(InboundMessage.id)
    ).scalar_one_or_none()
    if created is None:
        return
    finding = find(
        RejectCode.FILE_TOO_LARGE,
        "/",
        f"The file has {size} bytes; {limit} bytes are taken at most.",
    )
    inbound.add_findings(session, created, [(None, finding)], now)
    put_reject(
        session,
        file_name=name,
        body_hash=stand_in,
        message_id=None,
        refusals=[(None, finding)],
        now=now,
    )


def _wire(order_id: str | None, finding: Finding) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "line": finding.line,
        "path": finding.path,
        "code": str(finding.code),
        "iec_code": REJECT_CODES[finding.code].iec,
        "text": finding.text,
        "severity": str(finding.severity),
    }


def _stem(file_name: str) -> str:
    """The name without its ending, in letters that are safe in a file name."""
    stem = file_name.rsplit(".", 1)[0] if "." in file_name[1:] else file_name
    safe = "".join(c if (c.isalnum() and c.isascii()) or c in "-_." else "_" for c in stem)
    return safe[:120] or "file"
