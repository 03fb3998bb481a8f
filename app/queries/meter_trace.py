"""All that happened at one metering point: who lives there, meters, orders, acknowledgements,
power cuts, reports to other systems and notices. What it means is told by the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.domain.clock import HELSINKI
from app.domain.lanes import DOWNSTREAM_LANES, NOTICE_LANES
from app.domain.power_cuts import Cut
from app.models import (
    Ack,
    Contact,
    Customer,
    InboundSms,
    Meter,
    MeteringPoint,
    MeterPlacement,
    MeterReading,
    Notice,
    NoticePoint,
    Occupancy,
    Outage,
    OutagePoint,
    OutboxItem,
    Partner,
    PlannedCut,
    VisitAnswer,
    WorkOrder,
    WorkOrderChange,
)
from app.queries.point_cuts import cuts_of

# More than a person reads; a point's whole life fits well below.
_ORDERS = 50
_NOTICES = 100
_PLANS = 50
_PLANNED_UNDER_WAY = ("ONGOING", "OVERRUN", "ENDED")
_REPLIES = 50


@dataclass(frozen=True, slots=True)
class Occupant:
    """A customer at the point, from the day of moving in to that of moving out."""

    customer: Customer
    moved_in_on: date
    moved_out_on: date | None


@dataclass(frozen=True, slots=True)
class PlanAhead:
    """A planned cut that customers know of and that has not begun, or was cancelled."""

    outage_id: int
    state: str
    cause_code: str | None
    from_at: datetime
    to_at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """One message about an order to a partner or to another system, and how far it came."""

    order_id: str
    lane: str
    kind: str
    state: str
    hold_reason: str | None
    last_error: str | None
    created_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reading:
    """The last reading of one register of one meter."""

    meter_number: str
    register: str
    value: Decimal
    unit: str
    read_at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class MeterTrace:
    """One metering point and its whole story, each list newest first."""

    point: MeteringPoint
    occupant: Occupant | None
    contacts: list[Contact]
    meters: list[Meter]
    placements: list[MeterPlacement]
    readings: list[Reading]
    orders: list[WorkOrder]
    changes: list[WorkOrderChange]
    acks: list[Ack]
    cuts: list[Cut]
    reports: list[Report]
    notices: list[Notice]
    # What the customer wrote about this point, and answers to proposed visits.
    replies: list[InboundSms]
    visit_answers: list[VisitAnswer]
    partner_names: dict[str, str]
    # Whether the address may be shown only where it is needed (turvakielto of anybody there).
    safety_ban: bool
    # What customers know of the days ahead.
    plans: list[PlanAhead] = field(default_factory=list)

    def told_systems(self, order_id: str) -> list[Report]:
        """How far each other system has been told of an order: its newest report."""
        newest: dict[str, Report] = {}
        for report in self.reports:
            if report.order_id == order_id and report.lane in DOWNSTREAM_LANES:
                newest.setdefault(report.lane, report)
        return [newest[lane] for lane in DOWNSTREAM_LANES if lane in newest]


def find_trace(session: Session, gsrn: str, today: date) -> MeterTrace | None:
    """The story of one metering point, or None when there is no such point."""
    point = session.get(MeteringPoint, gsrn)
    if point is None:
        return None
    occupants = _occupants(session, gsrn, today)
    occupant = occupants[0] if occupants else None
    placements = _all(
        session,
        select(MeterPlacement)
        .where(MeterPlacement.gsrn == gsrn)
        .order_by(MeterPlacement.installed_at.desc().nulls_last(), MeterPlacement.id.desc()),
    )
    orders = _all(
        session,
        select(WorkOrder)
        .where(WorkOrder.gsrn == gsrn)
        .order_by(WorkOrder.updated_at.desc())
        .limit(_ORDERS),
    )
    ids = [order.order_id for order in orders]
    numbers = {placement.meter_number for placement in placements}
    return MeterTrace(
        point=point,
        occupant=occupant,
        contacts=_contacts(session, occupant),
        meters=_all(
            session, select(Meter).where(or_(Meter.gsrn == gsrn, Meter.number.in_(numbers)))
        ),
        placements=placements,
        readings=_readings(session, numbers, gsrn),
        orders=orders,
        changes=_all(
            session,
            select(WorkOrderChange)
            .where(WorkOrderChange.order_id.in_(ids))
            .order_by(WorkOrderChange.at.desc(), WorkOrderChange.id.desc()),
        ),
        acks=_all(
            session,
            select(Ack).where(Ack.order_id.in_(ids)).order_by(Ack.occurred_at.desc()),
        ),
        cuts=[
            cut
            for cut in cuts_of(session, gsrn)
            if cut.kind != "PLANNED" or cut.state in _PLANNED_UNDER_WAY
        ],
        reports=_reports(session, ids),
        notices=_all(
            session,
            select(Notice)
            .where(
                # A notice about several points of one contact has the others beside it.
                or_(
                    Notice.gsrn == gsrn,
                    Notice.id.in_(select(NoticePoint.notice_id).where(NoticePoint.gsrn == gsrn)),
                )
            )
            .order_by(Notice.created_at.desc(), Notice.id.desc())
            .limit(_NOTICES),
        ),
        replies=_all(
            session,
            select(InboundSms)
            .where(InboundSms.gsrn == gsrn)
            .order_by(InboundSms.received_at.desc(), InboundSms.id.desc())
            .limit(_REPLIES),
        ),
        visit_answers=_all(
            session,
            select(VisitAnswer)
            .where(VisitAnswer.order_id.in_(ids))
            .order_by(VisitAnswer.id.desc()),
        ),
        partner_names=_partner_names(session, {order.partner_code for order in orders}),
        safety_ban=any(one.customer.personal_safety_ban for one in occupants),
        plans=_plans(session, gsrn, today),
    )


def _occupants(session: Session, gsrn: str, today: date) -> list[Occupant]:
    """Everybody who has the point today, whoever moved in last first."""
    statement = (
        select(Customer, Occupancy.moved_in_on, Occupancy.moved_out_on)
        .join(Occupancy, Occupancy.customer_id == Customer.cis_id)
        .where(
            Occupancy.gsrn == gsrn,
            Occupancy.moved_in_on <= today,
            or_(Occupancy.moved_out_on.is_(None), Occupancy.moved_out_on >= today),
        )
        .order_by(Occupancy.moved_in_on.desc(), Occupancy.contract_id)
    )
    return [Occupant(*row) for row in session.execute(statement)]


def _contacts(session: Session, occupant: Occupant | None) -> list[Contact]:
    if occupant is None:
        return []
    statement = select(Contact).where(
        Contact.customer_id == occupant.customer.cis_id, Contact.state != "REMOVED"
    )
    return _all(session, statement.order_by(Contact.kind.desc(), Contact.id))


def _readings(session: Session, numbers: set[str], gsrn: str) -> list[Reading]:
    if not numbers:
        return []
    statement = (
        select(
            MeterReading.meter_number,
            MeterReading.register,
            MeterReading.value,
            MeterReading.unit,
            MeterReading.read_at,
            MeterReading.source,
        )
        .where(MeterReading.meter_number.in_(numbers), MeterReading.gsrn == gsrn)
        .ext(distinct_on(MeterReading.meter_number, MeterReading.register))
        .order_by(MeterReading.meter_number, MeterReading.register, MeterReading.read_at.desc())
    )
    return [Reading(*row) for row in session.execute(statement)]


def _plans(session: Session, gsrn: str, today: date) -> list[PlanAhead]:
    """Planned cuts of this point that people know of and that have not passed."""
    statement = (
        select(
            Outage.id,
            Outage.state,
            Outage.cause_code,
            Outage.planned_from_at,
            Outage.planned_to_at,
        )
        .join(OutagePoint, OutagePoint.outage_id == Outage.id)
        .join(PlannedCut, PlannedCut.outage_id == Outage.id)
        .where(
            OutagePoint.gsrn == gsrn,
            Outage.kind == "PLANNED",
            Outage.state.not_in(_PLANNED_UNDER_WAY),
            PlannedCut.told_at.is_not(None),
            Outage.planned_to_at >= datetime.combine(today, time(), HELSINKI),
        )
        .order_by(Outage.planned_from_at)
        .limit(_PLANS)
    )
    rows: Any = session.execute(statement)
    return [PlanAhead(*row) for row in rows]


def _reports(session: Session, order_ids: list[str]) -> list[Report]:
    statement = (
        select(
            OutboxItem.business_key,
            OutboxItem.lane,
            OutboxItem.kind,
            OutboxItem.state,
            OutboxItem.hold_reason,
            OutboxItem.last_error,
            OutboxItem.created_at,
            OutboxItem.settled_at,
        )
        .where(OutboxItem.business_key.in_(order_ids), OutboxItem.lane.not_in(NOTICE_LANES))
        .order_by(OutboxItem.id.desc())
    )
    return [Report(*row) for row in session.execute(statement)]


def _partner_names(session: Session, codes: set[str | None]) -> dict[str, str]:
    statement = select(Partner.code, Partner.name).where(Partner.code.in_(codes - {None}))
    return {row.code: row.name for row in session.execute(statement)}


def _all(session: Session, statement: Any) -> list[Any]:
    return list(session.execute(statement).scalars())
