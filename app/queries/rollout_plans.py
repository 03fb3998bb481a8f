"""Versions of the rollout's plan, and the rows of the one in force."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.rollout_plan import PlanRow
from app.models.rollout import RolloutPlan, RolloutPlanRow


def plans(session: Session, limit: int = 50) -> list[RolloutPlan]:
    """The newest versions."""
    statement = select(RolloutPlan).order_by(RolloutPlan.id.desc()).limit(limit)
    return list(session.execute(statement).scalars())


def count_waiting(session: Session) -> int:
    """Versions that wait for a second person to put them in force."""
    statement = select(func.count()).where(RolloutPlan.proposed_by.is_not(None))
    return session.execute(statement).scalar_one()


def find_active(session: Session) -> RolloutPlan | None:
    """The version in force: the one that was activated last."""
    statement = (
        select(RolloutPlan)
        .where(RolloutPlan.activated_at.is_not(None))
        .order_by(RolloutPlan.activated_at.desc(), RolloutPlan.id.desc())
        .limit(1)
    )
    return session.execute(statement).scalar_one_or_none()


def rows_of(
    session: Session, plan_id: int, wave: str | None = None, area: str | None = None
) -> list[PlanRow]:
    """The rows of a version, of one wave or one municipality where asked for."""
    row = RolloutPlanRow
    statement = (
        select(
            row.wave, row.municipality_code, row.from_on, row.to_on, row.meter_count, row.crew_count
        )
        .where(row.plan_id == plan_id)
        .order_by(row.seq)
    )
    if wave is not None:
        statement = statement.where(row.wave == wave)
    if area is not None:
        statement = statement.where(row.municipality_code == area)
    return [PlanRow(*found) for found in session.execute(statement)]
