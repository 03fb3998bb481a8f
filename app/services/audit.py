"""The audit trail: who did, saw or changed what; written with the act, never changed after."""

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
    """Write one act in the transaction of its effect, so that both are there or neither.

    actor and subject name their kind first: staff:aino, point:6499990…; detail holds ids and
    codes, no addresses and no contents.
    """
    session.execute(
        insert(AuditEntry).values(
            at=now, actor=actor, action=action, subject=subject, detail=dict(detail)
        )
    )
