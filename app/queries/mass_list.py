"""Mass orders: how far each is, its files, and its items by state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.mass_course import progress_of
from app.models.mass_order import MassFile, MassOrder
from app.models.work_order import WorkOrder


@dataclass(frozen=True, slots=True)
class MassRow:
    """One mass order with its numbers; waits: a file of it waits for people."""

    mass_id: str
    state: str
    wave: str | None
    area_name: str | None
    contract_ref: str | None
    allowed_models: tuple[str, ...]
    planned_from_on: date | None
    planned_to_on: date | None
    counts: dict[str, int]
    counted_at: datetime
    todo: str | None
    paused_by: str | None
    cancelled_by: str | None
    created_at: datetime
    waits: bool
    # A file of it is not over: it is read, waits for people, or its orders are being made.
    is_open: bool = False

    @property
    def total(self) -> int:
        """All items of it."""
        return sum(self.counts.values())

    @property
    def progress(self) -> dict[str, int]:
        """The numbers of the bar; they add up to the total."""
        return progress_of(self.counts)


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One order of a mass order."""

    order_id: str
    state: str
    gsrn: str
    revision: int
    required_model: str | None
    partner_code: str | None
    state_at: datetime


def mass_orders(session: Session, limit: int, offset: int = 0) -> list[MassRow]:
    """The newest mass orders; those of which a file waits come first."""
    statement = text(
        "SELECT mass_id FROM mass_order ORDER BY EXISTS (SELECT 1 FROM mass_file f"
        " WHERE f.mass_id = mass_order.mass_id AND f.state = 'HELD') DESC, created_at DESC, mass_id"
        " LIMIT :limit OFFSET :offset"
    )
    ids = session.execute(statement, {"limit": limit, "offset": offset}).scalars().all()
    rows = [find_mass_order(session, mass_id) for mass_id in ids]
    return [row for row in rows if row is not None]


def count_waiting(session: Session) -> int:
    """Files that wait for somebody's decision."""
    statement = text("SELECT count(*) FROM mass_file WHERE state = 'HELD'")
    return int(session.execute(statement).scalar_one())


def find_mass_order(session: Session, mass_id: str) -> MassRow | None:
    """One mass order, or None."""
    row = session.get(MassOrder, mass_id, populate_existing=True)
    if row is None:
        return None
    going_on = set(
        session.execute(
            select(MassFile.state).where(
                MassFile.mass_id == mass_id, MassFile.state.in_(("READING", "HELD", "READY"))
            )
        ).scalars()
    )
    return MassRow(
        row.mass_id,
        row.state,
        row.wave,
        row.area_name,
        row.contract_ref,
        tuple(row.allowed_models),
        row.planned_from_on,
        row.planned_to_on,
        row.counts,
        row.counted_at,
        row.todo,
        row.paused_by,
        row.cancelled_by,
        row.created_at,
        "HELD" in going_on,
        bool(going_on),
    )


def files_of(session: Session, mass_id: str, limit: int = 20) -> list[MassFile]:
    """The files of a mass order, the newest first."""
    statement = (
        select(MassFile)
        .where(MassFile.mass_id == mass_id)
        .order_by(MassFile.inbound_message_id.desc())
        .limit(limit)
    )
    return list(session.execute(statement).scalars())


def items_of(
    session: Session, mass_id: str, state: str | None, limit: int, after: str = ""
) -> list[ItemRow]:
    """Orders of a mass order by their id, of one state where one is given."""
    statement = select(
        WorkOrder.order_id,
        WorkOrder.state,
        WorkOrder.gsrn,
        WorkOrder.revision,
        WorkOrder.required_model,
        WorkOrder.partner_code,
        WorkOrder.state_at,
    ).where(WorkOrder.mass_id == mass_id, WorkOrder.order_id > after)
    if state:
        statement = statement.where(WorkOrder.state == state)
    rows = session.execute(statement.order_by(WorkOrder.order_id).limit(limit))
    return [ItemRow(*row) for row in rows]


_FINDINGS = text(
    "SELECT code, severity, count(*) AS number, min(order_id) AS example, min(text) AS text"
    " FROM inbound_finding WHERE inbound_message_id = :id GROUP BY code, severity"
    " ORDER BY severity, count(*) DESC, code LIMIT 30"
)


def findings_of(session: Session, message_id: int) -> list[Any]:
    """What the checks said about a file, counted by code, with an example of each."""
    return list(session.execute(_FINDINGS, {"id": message_id}).all())
