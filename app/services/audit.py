"""The audit trail: who did, saw or changed what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from app.models.audit_entry import AuditEntry


def record(
    session: Session,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any],
    now: datetime,
) -> None:
    """Add one entry; actor is `staff:name`, `partner:code` or `system:process`."""
    session.execute(
        insert(AuditEntry).values(
            at=now, actor=actor, action=action, subject=subject, detail=dict(detail)
        )
    )
