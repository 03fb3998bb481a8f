"""Versions of the rollout's plan: imported as a whole, never changed, one of them in force.

Against the plan the whole programme is judged, so two people put one in force, also an earlier one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import copy_rows
from app.domain.rollout_plan import PlanRow
from app.models.rollout import RolloutPlan
from app.services import audit

_NAME_MOST = 120


class PlanUnknown(Exception):
    """There is no such version."""


class PlanRefused(Exception):
    """An act that the state of things does not allow; code says why, for the page to put in words.

    CHANGED_MEANWHILE: somebody else was quicker. IN_FORCE: it is in force already. SAME_PERSON: a
    second person has to put it in force.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


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


def propose(session: Session, plan_id: int, now: datetime, *, by: str) -> None:
    """Ask a second person to put a version in force; an earlier one again is the way back.

    Raises: PlanUnknown; PlanRefused.
    """
    plan = _get(session, plan_id)
    if plan.proposed_by == by:
        return
    if plan.proposed_by is not None:
        raise PlanRefused("CHANGED_MEANWHILE")
    if plan_id == active_id(session):
        raise PlanRefused("IN_FORCE")
    plan.proposed_by, plan.proposed_at = by, now
    _record(session, "ROLLOUT_PLAN_PROPOSED", plan_id, now, by)


def withdraw(session: Session, plan_id: int, now: datetime, *, by: str) -> None:
    """A proposal is nothing any more; one person may decide that. Raises: PlanUnknown; PlanRefused."""
    plan = _get(session, plan_id)
    if plan.proposed_by is None:
        raise PlanRefused("CHANGED_MEANWHILE")
    plan.proposed_by = plan.proposed_at = None
    _record(session, "ROLLOUT_PLAN_WITHDRAWN", plan_id, now, by)


def activate(session: Session, plan_id: int, now: datetime, *, by: str) -> None:
    """Put a version in force that somebody else proposed, and somebody else brought along.

    Raises: PlanUnknown; PlanRefused.
    """
    plan = _get(session, plan_id)
    if plan.proposed_by is None:
        raise PlanRefused("CHANGED_MEANWHILE")
    if not may_activate(plan, by):
        raise PlanRefused("SAME_PERSON")
    plan.proposed_by = plan.proposed_at = None
    plan.activated_by, plan.activated_at = by, now
    _record(session, "ROLLOUT_PLAN_ACTIVATED", plan_id, now, by)


def may_activate(plan: RolloutPlan, who: str) -> bool:
    """Whether they are a second person; who brought it counts as long as nobody has looked at it."""
    first = {plan.proposed_by} | ({plan.imported_by} if plan.activated_at is None else set())
    return who not in first


def active_id(session: Session) -> int | None:
    """The version in force: the one that was activated last."""
    statement = select(RolloutPlan.id).where(RolloutPlan.activated_at.is_not(None))
    newest = statement.order_by(RolloutPlan.activated_at.desc(), RolloutPlan.id.desc()).limit(1)
    return session.execute(newest).scalar_one_or_none()


def _get(session: Session, plan_id: int) -> RolloutPlan:
    """The version, locked until the commit; one act at a time, whichever version it is about."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('rollout plan', 0))"))
    plan = session.get(RolloutPlan, plan_id, with_for_update=True, populate_existing=True)
    if plan is None:
        raise PlanUnknown(plan_id)
    return plan


def _record(session: Session, action: str, plan_id: int, now: datetime, by: str) -> None:
    audit.record(session, by, action, f"rollout-plan:{plan_id}", {}, now)
