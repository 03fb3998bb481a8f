"""A street that is to be cut, and the planner that makes notices of what is announced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import transaction
from app.domain.gsrn import check_digit
from app.domain.planned_course import Step
from app.domain.point_list import read_numbers
from app.models import Announcement, MeteringPoint, Notice, Outage, OutagePoint, PlannedCut
from app.services import planned_clock, planned_cuts
from app.services.planned_cuts import Draft, Drafted
from app.services.planned_points import Wanted
from app.services.planned_rows import Plan
from tests.services.announcing import plan_all
from tests.services.world import add_customer, claim, end, gate, ledger

# A Monday at noon in Finland; the cut is on Thursday from nine to noon.
MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
FROM = datetime(2026, 11, 26, 7, 0, tzinfo=UTC)
TO = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
PLANNER = "staff:paula"
OTHER = "staff:otso"


def gsrn(number: int) -> str:
    """A valid number of the test range."""
    first = f"6499990{number:010d}"
    return first + check_digit(first)


def phone(number: int) -> str:
    """The phone of the customer at that point."""
    return f"+3584000000{number:02d}"


def add_street(count: int, **customer: Any) -> list[str]:
    """Points 1 to count, each with a customer who has a phone."""
    numbers = [gsrn(number) for number in range(1, count + 1)]
    with transaction() as session:
        for number, point in enumerate(numbers, start=1):
            session.add(
                MeteringPoint(
                    gsrn=point,
                    version=1,
                    status="AE01",
                    type="AG01",
                    street_name="Koivutie",
                    house_number=str(number),
                    postal_code="13210",
                    post_office="HÄMEENLINNA",
                    municipality_code="109",
                    transformer="M109-0001",
                    feeder="HML-01",
                    updated_at=MONDAY,
                )
            )
            session.flush()
            add_customer(
                session,
                f"C{number}",
                gsrn=point,
                contacts={phone(number): "SMS"},
                **customer,
            )
        want_planned(session)
    return numbers


def want_planned(session: Session) -> None:
    """Every contact wants to hear of planned cuts, unless it has said something about them."""
    session.execute(
        text(
            "INSERT INTO preference (contact_id, topic, enabled, night_ok, source, legal_basis,"
            " changed_at) SELECT id, 'PLANNED', true, false, 'CIS', 'CONTRACT', :now FROM contact"
            " ON CONFLICT DO NOTHING"
        ),
        {"now": MONDAY},
    )


def leave_planned(address: str) -> None:
    """The owner of this address wants to hear nothing about planned cuts any more."""
    with transaction() as session:
        session.execute(
            text(
                "UPDATE preference SET enabled = false WHERE topic = 'PLANNED' AND contact_id IN"
                " (SELECT id FROM contact WHERE value = :address)"
            ),
            {"address": address},
        )


def wish(points: Sequence[str], from_at: datetime = FROM, to_at: datetime = TO) -> Draft:
    """A plan for these points."""
    wanted = Wanted(points=read_numbers(points))
    return Draft("Muuntamon huolto", from_at, to_at, "MAINTENANCE", wanted)


def draft(
    points: Sequence[str],
    from_at: datetime = FROM,
    to_at: datetime = TO,
    now: datetime = MONDAY,
    ref: str = "K-1",
) -> Drafted:
    """A draft of the planner's."""
    with transaction() as session:
        return planned_cuts.draft(
            session,
            wish(points, from_at, to_at),
            source="PORTAL",
            source_ref=ref,
            by=PLANNER,
            now=now,
        )


def approve(plan: Plan, now: datetime = MONDAY, **more: Any) -> Plan:
    """The second person lets it be announced."""
    with transaction() as session:
        return planned_cuts.approve(session, plan.id, by=OTHER, now=now, version=None, **more)


def announced(points: Sequence[str], now: datetime = MONDAY) -> Plan:
    """A cut that has been announced, with its notices made and sent."""
    plan = approve(draft(points, now=now).plan, now)
    plan_all(now)
    send_all(now)
    return plan


def send_all(now: datetime) -> None:
    """Let everything that waits in the SMS lane leave."""
    while claimed := claim("sms", now):
        attempts, refused = gate(claimed, now)
        for item in claimed:
            if item.id in attempts:
                end(item, attempts[item.id], "SENT", "SENT", now=now, ref=f"SM{item.id}")
            else:
                end(item, None, "SKIPPED", "CANCELLED", now=now, error=refused[item.id])


def tick(now: datetime) -> list[Step]:
    """What the clock does at this moment, with the notices that come of it sent."""
    done: list[Step] = []
    with transaction() as session:
        due = planned_clock.due_ids(session, now)
    for outage_id in due:
        with transaction() as session:
            done += planned_clock.turn(session, outage_id, now)
    plan_all(now)
    send_all(now)
    return done


def told(kind: str, state: str | None = "SENT") -> dict[str, str]:
    """Who got a text of this kind: address -> text."""
    return {
        str(notice.sent_to): str(notice.body)
        for notice in ledger()
        if notice.type == kind and (state is None or notice.state == state)
    }


def notices(kind: str) -> list[Notice]:
    """All ledger rows of one kind."""
    return [notice for notice in ledger() if notice.type == kind]


def outage() -> Outage:
    """The one cut there is."""
    return _one(Outage)


def cut() -> PlannedCut:
    """Its plan."""
    return _one(PlannedCut)


def points() -> dict[str, OutagePoint]:
    """Its points by number."""
    with transaction() as session:
        rows = session.scalars(select(OutagePoint).execution_options(populate_existing=True)).all()
        return {row.gsrn: row for row in rows}


def announcements() -> list[tuple[str, str]]:
    """What was announced, oldest first, with what became of it."""
    with transaction() as session:
        rows = session.scalars(
            select(Announcement).order_by(Announcement.id).execution_options(populate_existing=True)
        )
        return [(row.type, row.state) for row in rows]


def hours(count: float) -> timedelta:
    """A shorthand."""
    return timedelta(hours=count)


def _one(model: Any) -> Any:
    with transaction() as session:
        return session.scalars(select(model).execution_options(populate_existing=True)).one()
