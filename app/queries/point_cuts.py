"""Power cuts of one metering point: what customer service sees and what a customer who asks by text
message is told are read here, so that they cannot differ (REQ-21)."""

from __future__ import annotations

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from app.domain.power_cuts import Cut
from app.domain.states import FaultState
from app.models.outage import Outage, OutagePoint, Storm

# A fault that came and went as a suspicion and came again is still one, until somebody confirms it.
SHOWN_STATE = case(
    (
        (Outage.kind == "FAULT")
        & (Outage.state == FaultState.REOPENED)
        & Outage.confirmed_at.is_(None),
        FaultState.DETECTED.value,
    ),
    else_=Outage.state,
)
# More than a person reads; a point's whole life fits well below.
_LIMIT = 50


def cuts_of(session: Session, gsrn: str) -> list[Cut]:
    """The cuts of one metering point, newest first."""
    statement = (
        select(
            Outage.kind,
            SHOWN_STATE.label("state"),
            Outage.source_ref,
            OutagePoint.off_at,
            OutagePoint.on_at,
            Outage.cause_code,
            Outage.etr_at,
            Outage.planned_from_at,
            Outage.planned_to_at,
            (Storm.assessed_at.is_(None) & Storm.ended_at.is_(None) & Storm.id.is_not(None)).label(
                "withheld"
            ),
        )
        .join(OutagePoint, OutagePoint.outage_id == Outage.id)
        .outerjoin(Storm, Storm.id == Outage.storm_id)
        # The points of a part are those of the whole as well.
        .where(OutagePoint.gsrn == gsrn, Outage.state != "MERGED")
        .order_by(OutagePoint.off_at.desc())
        .limit(_LIMIT)
    )
    return [
        Cut(
            kind=row.kind,
            state=row.state,
            source_ref=row.source_ref,
            off_at=row.off_at,
            on_at=row.on_at,
            cause_code=row.cause_code,
            etr_at=None if row.withheld else row.etr_at,
            planned_from_at=row.planned_from_at,
            planned_to_at=row.planned_to_at,
        )
        for row in session.execute(statement)
    ]
