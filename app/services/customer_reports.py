"""Customers who say that their power is off."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models.reply import CustomerReport
from app.services import fault_candidates


def record(
    session: Session, gsrn: str, at: datetime, *, by: str, inbound_sms_id: int | None, now: datetime
) -> bool:
    """Keep the report, once per message; False when it was kept before.

    The report stays what the customer said, whatever becomes of the outage that it leads to: a new
    candidate, a fault that is known, or one that was said to be over and goes on (REQ-05).
    """
    row = session.execute(
        insert(CustomerReport)
        .values(gsrn=gsrn, reported_at=at, by=by, inbound_sms_id=inbound_sms_id, created_at=now)
        .on_conflict_do_nothing(index_elements=["inbound_sms_id"])
        .returning(CustomerReport.id)
    ).one_or_none()
    if row is None:
        return False
    fault_candidates.report_from_customer(session, gsrn, at, by, now=now)
    return True
