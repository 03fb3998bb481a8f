"""What the network's systems send, as it arrives: kept byte-exact before anybody answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.findings import Finding, find
from app.domain.lanes import NETWORK
from app.domain.reject_codes import RejectCode
from app.doorbell import ring_after_commit
from app.services import audit, inbound
from app.services.inbound import Stored
from integrations.outcomes import Finding as WireFinding

DMS_OUTAGES = "DMS_OUTAGES"
METER_EVENTS = "METER_EVENTS"
KINDS = (DMS_OUTAGES, METER_EVENTS)


def keep(
    session: Session,
    *,
    source: str,
    kind: str,
    name: str,
    body: bytes,
    now: datetime,
    message_id: str | None = None,
    lane: str = NETWORK,
) -> Stored:
    """Store one message for interpretation in a lane; the same bytes again change nothing."""
    stored = inbound.store_small(
        session,
        source=source,
        kind=kind,
        name=name,
        body=body,
        now=now,
        message_id=message_id,
    )
    if stored.new:
        detail = {"kind": kind, "message": stored.id}
        audit.record(
            session, f"partner:{source}", "FEED_RECEIVED", f"inbound:{stored.id}", detail, now
        )
        ring_after_commit(lane)
    return stored


def keep_refused(
    session: Session,
    *,
    source: str,
    kind: str,
    body: bytes,
    findings: Sequence[WireFinding],
    now: datetime,
) -> Stored:
    """Store a body that cannot be such a message, with what is wrong with it."""
    code = findings[0].code
    stored = inbound.store_small(
        session,
        source=source,
        kind=kind,
        name="unreadable",
        body=body,
        now=now,
        state="REJECTED",
        reason_code=code,
    )
    if stored.new:
        kept = [(None, kept_finding(one)) for one in findings]
        inbound.add_findings(session, stored.id, kept, now)
        audit.record(
            session,
            f"partner:{source}",
            "FEED_REFUSED",
            f"inbound:{stored.id}",
            {"code": code},
            now,
        )
    return stored


def kept_finding(finding: WireFinding) -> Finding:
    """What the reader of the wire format says, in the codes that we keep."""
    missing = finding.code == "FIELD_MISSING"
    code = RejectCode.FIELD_MISSING if missing else RejectCode.FIELD_INVALID
    return find(code, finding.path, f"{finding.code}: {finding.text}")
