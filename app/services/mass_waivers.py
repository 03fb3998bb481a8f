"""Waiving what a system need not confirm any more: who, why, and for which orders."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.mass_course import SYSTEMS
from app.services import audit
from app.services.mass_orders import MassRefused

REASON_MOST = 300


def waive(
    session: Session,
    mass_id: str,
    order_id: str,
    system: str,
    reason: str,
    now: datetime,
    *,
    by: str,
) -> None:
    """Take somebody's word for one order and system; raises MassRefused(NO_ORDER, NO_REASON)."""
    if not reason.strip():
        raise MassRefused("NO_REASON")
    if system not in SYSTEMS:
        raise MassRefused("NO_ORDER")
    created = session.execute(
        text(
            "INSERT INTO mass_waiver (order_id, system, mass_id, reason, by, at)"
            " SELECT order_id, :system, mass_id, :reason, :by, :now FROM work_order"
            " WHERE order_id = :order_id AND mass_id = :mass_id"
            " ON CONFLICT (order_id, system) DO NOTHING RETURNING order_id"
        ),
        {
            "order_id": order_id,
            "system": system,
            "mass_id": mass_id,
            "reason": reason.strip()[:REASON_MOST],
            "by": by,
            "now": now,
        },
    ).one_or_none()
    if created is None:
        raise MassRefused("NO_ORDER")
    audit.record(
        session, by, "MASS_WAIVED", f"order:{order_id}", {"system": system, "mass": mass_id}, now
    )
