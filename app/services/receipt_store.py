"""Providers' reports as they come in: kept once, whatever they are repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import plain_array, text_array
from app.domain.lanes import RECEIPTS
from app.doorbell import ring_seldom_after_commit

TWILIO = "twilio"
SENDGRID = "sendgrid"


@dataclass(frozen=True, slots=True)
class NewReceipt:
    """One verified report; dedupe_key is the same for every repetition of it.

    error_code: Twilio's code, or what SendGrid adds to the event (why dropped, kind of bounce).
    """

    provider: str
    dedupe_key: str
    attempt_id: UUID
    provider_ref: str | None
    status: str
    error_code: str | None
    occurred_at: datetime | None


_STORE = text(
    """
    INSERT INTO delivery_receipt (provider, dedupe_key, attempt_id, provider_ref, status, error_code,
        occurred_at, received_at, verdict)
    SELECT provider, key, attempt, ref, status, code, at, :now, 'WAITING'
    FROM unnest(CAST(:providers AS text[]), CAST(:keys AS text[]), CAST(:attempts AS uuid[]),
        CAST(:refs AS text[]), CAST(:statuses AS text[]), CAST(:codes AS text[]),
        CAST(:ats AS timestamptz[])) AS n (provider, key, attempt, ref, status, code, at)
    ON CONFLICT (dedupe_key) DO NOTHING
    RETURNING id
    """
)


def store(session: Session, receipts: Sequence[NewReceipt], now: datetime) -> int:
    """Keep reports that are new and ring their lane; what they mean is found out there."""
    if not receipts:
        return 0
    written = session.execute(
        _STORE,
        {
            "now": now,
            "providers": text_array([r.provider for r in receipts]),
            "keys": text_array([r.dedupe_key for r in receipts]),
            "attempts": plain_array([r.attempt_id for r in receipts]),
            "refs": text_array([r.provider_ref for r in receipts]),
            "statuses": text_array([r.status for r in receipts]),
            "codes": text_array([r.error_code for r in receipts]),
            "ats": plain_array([r.occurred_at for r in receipts]),
        },
    ).all()
    if written:
        ring_seldom_after_commit(RECEIPTS)
    return len(written)
