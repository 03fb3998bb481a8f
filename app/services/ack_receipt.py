"""Acknowledgements as they arrive: kept byte-exact before anybody answers that we have them."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from app.domain.findings import Finding
from app.domain.lanes import ACKS
from app.domain.reject_codes import RejectCode
from app.doorbell import ring_after_commit
from app.services import audit, inbound
from app.services.inbound import Stored
from integrations.installer.ack_types import InstallerAck
from integrations.installer.acks import AckInvalid

KIND = "ACK"
_SOURCE = "ack:"
_NAME_CHARS = 40

# What the reader of the wire format says, in the codes that we keep.
_KEPT_CODES = {"FIELD_MISSING": RejectCode.FIELD_MISSING}


def source_of(partner_code: str) -> str:
    """The name under which a partner's acknowledgements are stored."""
    return _SOURCE + partner_code


def partner_of(source: str) -> str:
    """The partner whose acknowledgements are stored under this name."""
    return source.removeprefix(_SOURCE)


def keep(
    session: Session, partner_code: str, body: bytes, ack: InstallerAck, now: datetime
) -> Stored:
    """Store one acknowledgement for interpretation; the same bytes again change nothing."""
    stored = inbound.store_small(
        session,
        source=source_of(partner_code),
        kind=KIND,
        name=f"{ack.order_id} {ack.type}",
        body=body,
        now=now,
        message_id=str(ack.ack_id),
        business_key=ack.order_id,
    )
    if stored.new:
        detail = {"ack": str(ack.ack_id), "type": ack.type, "message": stored.id}
        audit.record(
            session,
            f"partner:{partner_code}",
            "ACK_RECEIVED",
            f"order:{ack.order_id}",
            detail,
            now,
        )
        ring_after_commit(ACKS)
    return stored


def keep_refused(
    session: Session, partner_code: str, body: bytes, refused: AckInvalid, now: datetime
) -> Stored:
    """Store a body that cannot be an acknowledgement, with what is wrong with it."""
    ack_id, order_id = _names_in(body)
    code = refused.findings[0].code if refused.findings else "JSON_MALFORMED"
    stored = inbound.store_small(
        session,
        source=source_of(partner_code),
        kind=KIND,
        name=f"{order_id or 'unreadable'} refused",
        body=body,
        now=now,
        message_id=ack_id,
        business_key=order_id,
        state="REJECTED",
        reason_code=code,
    )
    if stored.new:
        add_refusal(session, stored.id, order_id, refused, now)
        audit.record(
            session,
            f"partner:{partner_code}",
            "ACK_REFUSED",
            f"inbound:{stored.id}",
            {"code": code, "order": order_id},
            now,
        )
    return stored


def add_refusal(
    session: Session, message_id: int, order_id: str | None, refused: AckInvalid, now: datetime
) -> None:
    """Keep what is wrong with a stored body."""
    findings = [(order_id, _kept(f.code, f.path, f.text)) for f in refused.findings]
    inbound.add_findings(session, message_id, findings, now)


def _kept(code: str, path: str, text: str) -> Finding:
    return Finding(_KEPT_CODES.get(code, RejectCode.FIELD_INVALID), path, f"{code}: {text}")


def _names_in(body: bytes) -> tuple[str | None, str | None]:
    """What the body calls itself and its order, as far as that can be read."""
    try:
        raw = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(raw, dict):
        return None, None
    return _name(raw.get("ackId")), _name(raw.get("orderId"))


def _name(value: object) -> str | None:
    fits = isinstance(value, str) and 0 < len(value) <= _NAME_CHARS and value.isprintable()
    return str(value) if fits else None
