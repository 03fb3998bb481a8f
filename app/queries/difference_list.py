"""Differences between us and other systems, and the lists that showed them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from app.domain.reconciliation import REPAIRABLE
from app.domain.states import DifferenceState
from app.models.outbox_item import OutboxItem
from app.models.reconciliation import Difference, DifferenceChange, Snapshot

OPEN_STATES = (DifferenceState.OPEN, DifferenceState.REPAIRING)
# Beside the states themselves: what still needs somebody.
NOT_OVER = "NOT_OVER"


@dataclass(frozen=True, slots=True)
class Sought:
    """What the list is narrowed to; every part that is given has to hold."""

    system: str = ""
    kind: str = ""
    state: str = NOT_OVER
    owner: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class SystemRow:
    """How one system stands: its last list, and its differences that are not over."""

    system: str
    last: Snapshot | None
    compared_at: datetime | None
    counts: dict[str, int]
    oldest_at: datetime | None
    repairable: int

    @property
    def total(self) -> int:
        """All differences that are not over."""
        return sum(self.counts.values())


def differences(session: Session, sought: Sought, limit: int, offset: int = 0) -> list[Difference]:
    """What was sought, the oldest first; what is over, the newest first."""
    statement = _narrowed(select(Difference), sought)
    if sought.state == DifferenceState.RESOLVED:
        statement = statement.order_by(Difference.id.desc())
    else:
        statement = statement.order_by(Difference.opened_at, Difference.id)
    return list(session.execute(statement.limit(limit).offset(offset)).scalars())


def count(session: Session, sought: Sought) -> int:
    """How many that is."""
    statement = _narrowed(select(func.count()).select_from(Difference), sought)
    return int(session.execute(statement).scalar_one())


def count_open(session: Session) -> int:
    """Differences that need somebody."""
    statement = text("SELECT count(*) FROM difference WHERE state IN ('OPEN', 'REPAIRING')")
    return int(session.execute(statement).scalar_one())


def find(session: Session, difference_id: int) -> Difference | None:
    """One difference, or None."""
    return session.get(Difference, difference_id, populate_existing=True)


def changes_of(session: Session, difference_id: int) -> list[DifferenceChange]:
    """What happened to a difference, the newest first."""
    statement = (
        select(DifferenceChange)
        .where(DifferenceChange.difference_id == difference_id)
        .order_by(DifferenceChange.id.desc())
    )
    return list(session.execute(statement).scalars())


@dataclass(frozen=True, slots=True)
class Repair:
    """The repair that a difference is under: by whom, since when, and by which replay if by one."""

    by: str
    at: datetime
    replay_id: int | None


_REPAIRS = text(
    """
    SELECT DISTINCT ON (c.difference_id) c.difference_id, c.by, c.at,
        substring(c.note FROM '^replay ([0-9]{1,18})$') AS replay
    FROM difference_change c JOIN difference d ON d.id = c.difference_id
    WHERE d.id = ANY(:ids) AND d.state = 'REPAIRING' AND c.to_state = 'REPAIRING'
    ORDER BY c.difference_id, c.id DESC
    """
)


def repairs_of(session: Session, ids: list[int]) -> dict[int, Repair]:
    """The repairs under way, by difference: so that nobody begins another."""
    rows = session.execute(_REPAIRS, {"ids": ids})
    return {
        row.difference_id: Repair(row.by, row.at, int(row.replay) if row.replay else None)
        for row in rows
    }


def item_of(session: Session, difference: Difference) -> OutboxItem | None:
    """What we sent them, or have to."""
    if difference.outbox_item_id is None:
        return None
    return session.get(OutboxItem, difference.outbox_item_id, populate_existing=True)


def owners(session: Session) -> list[str]:
    """Who answers for differences that are not over."""
    statement = (
        select(Difference.owner)
        .where(Difference.state != DifferenceState.RESOLVED)
        .distinct()
        .order_by(Difference.owner)
    )
    return list(session.execute(statement).scalars())


_STANDING = text(
    """
    SELECT system, kind, count(*) AS number, min(opened_at) AS oldest_at,
        count(*) FILTER (WHERE state = 'OPEN' AND reason = ANY(:repairable)
            AND outbox_item_id IS NOT NULL) AS repairable
    FROM difference WHERE state IN ('OPEN', 'REPAIRING') GROUP BY system, kind
    """
)
_COMPARED = text(
    "SELECT system, max(ended_at) FROM snapshot WHERE state = 'DIFFED' GROUP BY system"
)


def systems(session: Session, wanted: list[str]) -> list[SystemRow]:
    """Every system that is compared, or has differences, with how it stands."""
    standing: dict[str, list[tuple[str, int, datetime, int]]] = {}
    repairable = [str(one) for one in REPAIRABLE]
    for row in session.execute(_STANDING, {"repairable": repairable}):
        standing.setdefault(row.system, []).append(
            (row.kind, row.number, row.oldest_at, row.repairable)
        )
    compared: dict[str, datetime] = {row[0]: row[1] for row in session.execute(_COMPARED)}
    names = [*wanted, *sorted((standing.keys() | compared.keys()) - set(wanted))]
    last = _last_of(session, names)
    return [
        SystemRow(
            name,
            last.get(name),
            compared.get(name),
            {kind: number for kind, number, _, _ in standing.get(name, [])},
            min((oldest for _, _, oldest, _ in standing.get(name, [])), default=None),
            sum(some for _, _, _, some in standing.get(name, [])),
        )
        for name in names
    ]


def snapshots(session: Session, system: str, limit: int) -> list[Snapshot]:
    """The last lists of a system, the newest first."""
    statement = select(Snapshot).where(Snapshot.system == system)
    return list(session.execute(statement.order_by(Snapshot.id.desc()).limit(limit)).scalars())


def _last_of(session: Session, names: list[str]) -> dict[str, Snapshot]:
    newest = (
        select(func.max(Snapshot.id)).where(Snapshot.system.in_(names)).group_by(Snapshot.system)
    )
    rows = session.execute(select(Snapshot).where(Snapshot.id.in_(newest))).scalars()
    return {row.system: row for row in rows}


def _narrowed(statement: Select[Any], sought: Sought) -> Select[Any]:
    if sought.system:
        statement = statement.where(Difference.system == sought.system)
    if sought.kind:
        statement = statement.where(Difference.kind == sought.kind)
    if sought.state == NOT_OVER:
        statement = statement.where(Difference.state.in_(OPEN_STATES))
    elif sought.state:
        statement = statement.where(Difference.state == sought.state)
    if sought.owner:
        statement = statement.where(Difference.owner == sought.owner)
    if sought.key:
        statement = statement.where(
            (Difference.key == sought.key) | (Difference.gsrn == sought.key)
        )
    return statement
