"""The rows of one planned cut, held while they are changed; every change counts and leaves a trace.

Only the planned_* services write planned cuts, and all of them through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.domain.planned_course import ALLOWED_IN, Action, Course
from app.domain.states import PLANNED_CUT_MOVES, PlannedCutState, check_move
from app.models.outage import Outage, OutageEvent
from app.models.planned_cut import PlannedCut
from app.services import audit

KIND = "PLANNED"
CLOCK = "system:clock"
_SYSTEM = "system:"


class PlanRefused(Exception):
    """The wish cannot be carried out; nothing was changed.

    code: NOT_FOUND; CHANGED_MEANWHILE (somebody else was faster: look again); NOT_IN_THIS_STATE;
    SAME_PERSON (a second person is needed); SHORT_NOTICE (needs a confirmation with a reason);
    TIMES_INVALID; TOO_LONG; IN_THE_PAST; IN_THE_FUTURE; NO_POINTS; NO_CHANGE; CAUSE_UNKNOWN.
    """

    def __init__(self, code: str, *, latest_at: datetime | None = None) -> None:
        super().__init__(code)
        self.code = code
        # For SHORT_NOTICE: until when it could have been announced in time.
        self.latest_at = latest_at


@dataclass(frozen=True, slots=True)
class Plan:
    """One planned cut: the outage and the plan behind it."""

    outage: Outage
    cut: PlannedCut

    @property
    def id(self) -> int:
        return self.outage.id

    @property
    def state(self) -> PlannedCutState:
        return PlannedCutState(self.outage.state)

    @property
    def from_at(self) -> datetime:
        assert self.outage.planned_from_at is not None  # noqa: S101 - written with the row.
        return self.outage.planned_from_at

    @property
    def to_at(self) -> datetime:
        assert self.outage.planned_to_at is not None  # noqa: S101 - written with the row.
        return self.outage.planned_to_at


def hold(session: Session, outage_id: int, version: int | None = None) -> Plan:
    """The plan, locked until the commit.

    version: as the person saw it who decides now, or None for systems, which are always right.
    Raises: PlanRefused (NOT_FOUND, CHANGED_MEANWHILE).
    """
    outage = session.execute(
        select(Outage)
        .where(Outage.id == outage_id, Outage.kind == KIND)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if outage is None:
        raise PlanRefused("NOT_FOUND")
    if version is not None and version != outage.version:
        raise PlanRefused("CHANGED_MEANWHILE")
    return Plan(outage, session.get_one(PlannedCut, outage_id, populate_existing=True))


def find(session: Session, outage_id: int) -> Plan | None:
    """The plan as it is, to be looked at."""
    row = session.execute(
        select(Outage, PlannedCut)
        .join(PlannedCut, PlannedCut.outage_id == Outage.id)
        .where(Outage.id == outage_id, Outage.kind == KIND)
    ).one_or_none()
    return None if row is None else Plan(row[0], row[1])


def check_allowed(plan: Plan, action: Action) -> None:
    """Raises: PlanRefused (NOT_IN_THIS_STATE)."""
    if plan.state not in ALLOWED_IN[action]:
        raise PlanRefused("NOT_IN_THIS_STATE")


def move(plan: Plan, state: PlannedCutState) -> None:
    """Move along the table; staying is no move."""
    if plan.state is not state:
        check_move(PLANNED_CUT_MOVES, plan.outage.state, state)
        plan.outage.state = state


def note(
    session: Session,
    plan: Plan,
    what: str,
    facts: Mapping[str, Any],
    *,
    at: datetime,
    by: str,
    now: datetime,
) -> None:
    """Count a change of the plan and write it into its story; a person's also into the audit trail."""
    plan.outage.version += 1
    plan.outage.updated_at = now
    session.flush()
    session.execute(
        insert(OutageEvent).values(
            outage_id=plan.id,
            type=what,
            occurred_at=at,
            by=by,
            facts=dict(facts),
            created_at=now,
        )
    )
    if not by.startswith(_SYSTEM):
        audit.record(session, by, f"PLANNED_CUT_{what}", f"outage:{plan.id}", facts, now)


def course_of(plan: Plan) -> Course:
    """The plan as the rules of the clock see it."""
    return Course(
        state=plan.state,
        from_at=plan.from_at,
        to_at=plan.to_at,
        announce_at=plan.cut.announce_at,
        told_at=plan.cut.told_at,
        short_confirmed=plan.cut.short_reason is not None,
        etr_at=plan.outage.etr_at,
        change_waits=plan.cut.wanted_why is not None,
    )


def facts_of(plan: Plan) -> dict[str, Any]:
    """What the texts are filled with."""
    return {
        "from_at": plan.from_at.isoformat(),
        "to_at": plan.to_at.isoformat(),
        "cause_code": plan.outage.cause_code,
    }
