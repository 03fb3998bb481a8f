"""Versions of the rollout's plan: imported as a whole, never changed, one of them in force."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import copy_rows
from app.domain.rollout_plan import PlanRow
from app.models.rollout import RolloutPlan
from app.services import audit

_NAME_MOST = 120


class PlanUnknown(Exception):
    """There is no such version."""


def store(
    session: Session, name: str, rows: Sequence[PlanRow], now: datetime, *, by: str
) -> tuple[int, bool]:
    """Keep a plan as a new version, not yet in force; the very same rows again are the one we have.

    Returns its number and whether it is new.
    """
    lines = sorted(repr(astuple(row)) for row in rows)
    body_hash = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    known = session.execute(
        select(RolloutPlan.id).where(RolloutPlan.body_hash == body_hash)
    ).scalar()
    if known is not None:
        return known, False
    plan = RolloutPlan(
        name=" ".join(name.split())[:_NAME_MOST] or "plan",
        body_hash=body_hash,
        row_count=len(rows),
        meter_count=sum(row.meter_count for row in rows),
        first_on=min(row.from_on for row in rows),
        last_on=max(row.to_on for row in rows),
        imported_by=by,
        imported_at=now,
    )
    session.add(plan)
    session.flush()
    copy_rows(
        session,
        "rollout_plan_row",
        (
            "plan_id",
            "seq",
            "wave",
            "municipality_code",
            "from_on",
            "to_on",
            "meter_count",
            "crew_count",
        ),
        ((plan.id, seq, *astuple(row)) for seq, row in enumerate(rows, start=1)),
    )
    detail = {"name": plan.name, "rows": plan.row_count, "meters": plan.meter_count}
    audit.record(session, by, "ROLLOUT_PLAN_IMPORTED", f"rollout-plan:{plan.id}", detail, now)
    return plan.id, True


def activate(session: Session, plan_id: int, now: datetime, *, by: str) -> None:
    """Put a version in force; an earlier one again is the way back.

    Raises: PlanUnknown.
    """
    plan = session.get(RolloutPlan, plan_id, with_for_update=True)
    if plan is None:
        raise PlanUnknown(plan_id)
    plan.activated_by, plan.activated_at = by, now
    audit.record(session, by, "ROLLOUT_PLAN_ACTIVATED", f"rollout-plan:{plan_id}", {}, now)
