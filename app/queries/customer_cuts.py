"""Power cuts as customers may see them: what goes on, what is planned, what was lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, or_, select
from sqlalchemy.orm import Session

from app.domain.states import FaultState, PlannedCutState, SwapOutageState
from app.models import Outage, OutagePoint
from app.models.outage import Storm
from app.queries.point_cuts import SHOWN_STATE

_LATELY = timedelta(days=365)
_LIMIT = 60
# What planners have not announced is not for customers; what was called off or merged is no cut.
_HIDDEN = (
    PlannedCutState.DRAFT,
    PlannedCutState.APPROVED,
    PlannedCutState.CANCELLED,
    FaultState.MERGED,
    FaultState.FALSE_ALARM,
)
_COMING = (PlannedCutState.ANNOUNCED, PlannedCutState.RESCHEDULED, PlannedCutState.REMINDED)
_OVER = (FaultState.RESTORED, FaultState.CLOSED, PlannedCutState.ENDED, SwapOutageState.CLOSED)


@dataclass(frozen=True, slots=True)
class CustomerCut:
    """One time without power at one point.

    etr_at is None once it has passed (REQ-06), and while a storm's damage has not been assessed (REQ-08).
    """

    gsrn: str
    kind: str
    state: str
    off_at: datetime
    on_at: datetime | None
    etr_at: datetime | None
    etr_passed: bool
    from_at: datetime | None
    to_at: datetime | None
    cause_code: str | None

    @property
    def coming(self) -> bool:
        """Whether it is planned and has not begun."""
        return self.kind == "PLANNED" and self.state in _COMING

    @property
    def going_on(self) -> bool:
        """Whether the power is off here, as far as we know: as customer service sees it (REQ-21)."""
        if self.kind == "METER_SWAP":
            return self.on_at is None
        return self.on_at is None and not self.coming and self.state not in _OVER


def find_cuts(session: Session, gsrns: Sequence[str], now: datetime) -> list[CustomerCut]:
    """The cuts of these points, newest first: going on, coming, and those of the last year."""
    withheld = Storm.id.is_not(None) & Storm.assessed_at.is_(None) & Storm.ended_at.is_(None)
    coming = and_(Outage.kind == "PLANNED", Outage.state.in_(_COMING))
    statement = (
        select(
            OutagePoint.gsrn,
            Outage.kind,
            SHOWN_STATE.label("state"),
            OutagePoint.off_at,
            OutagePoint.on_at,
            case((withheld, None), else_=Outage.etr_at).label("etr_at"),
            Outage.planned_from_at,
            Outage.planned_to_at,
            Outage.cause_code,
        )
        .join(Outage, Outage.id == OutagePoint.outage_id)
        .outerjoin(Storm, Storm.id == Outage.storm_id)
        .where(
            OutagePoint.gsrn.in_(gsrns),
            Outage.state.not_in(_HIDDEN),
            or_(OutagePoint.off_at > now - _LATELY, OutagePoint.on_at.is_(None)),
            or_(~coming, Outage.planned_to_at.is_(None), Outage.planned_to_at > now),
            # A report that was taken back: the power never went off.
            or_(OutagePoint.on_at.is_(None), OutagePoint.on_at != OutagePoint.off_at),
        )
        .order_by(OutagePoint.off_at.desc(), Outage.id.desc())
        .limit(_LIMIT)
    )
    return [
        CustomerCut(
            gsrn=row.gsrn,
            kind=row.kind,
            state=row.state,
            off_at=row.off_at,
            on_at=row.on_at,
            etr_at=row.etr_at if row.etr_at and row.etr_at > now else None,
            etr_passed=bool(row.etr_at and row.etr_at <= now),
            from_at=row.planned_from_at,
            to_at=row.planned_to_at,
            cause_code=row.cause_code,
        )
        for row in session.execute(statement)
    ]
