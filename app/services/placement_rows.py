"""Stays of meters at metering points, as rows: read, and written where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.domain.placements import Stay

_STAYS = text(
    "SELECT id, meter_number, gsrn, installed_at, removed_at, installed_by_order, removed_by_order"
    " FROM meter_placement WHERE gsrn = :gsrn OR meter_number = ANY(:numbers) ORDER BY id FOR UPDATE"
)


def read_stays(session: Session, gsrn: str | None, numbers: Sequence[str]) -> Sequence[Row[Any]]:
    """All stays at the metering point and all stays of these meters, locked."""
    return session.execute(_STAYS, {"gsrn": gsrn, "numbers": list(numbers)}).all()


def stay_of(row: Row[Any]) -> Stay:
    """The row as the domain sees it."""
    return Stay(
        row.meter_number,
        row.gsrn,
        row.installed_at,
        row.removed_at,
        row.installed_by_order,
        row.removed_by_order,
    )


_INSERT_STAY = text(
    "INSERT INTO meter_placement (meter_number, gsrn, installed_at, removed_at, installed_by_order,"
    " removed_by_order) VALUES (:number, :gsrn, :installed_at, :removed_at, :installed_by, :removed_by)"
)
_UPDATE_STAY = text(
    "UPDATE meter_placement SET installed_at = :installed_at, removed_at = :removed_at,"
    " installed_by_order = :installed_by, removed_by_order = :removed_by WHERE id = :id"
)
_DELETE_STAYS = text("DELETE FROM meter_placement WHERE id = ANY(:ids)")


def write_stays(session: Session, before: Mapping[int, Stay], after: Iterable[Stay]) -> set[str]:
    """Write what differs; returns the numbers of the meters concerned."""
    gone = dict(before)
    new: list[Stay] = []
    for stay in after:
        same = next((row_id for row_id, old in gone.items() if old == stay), None)
        if same is None:
            new.append(stay)
        else:
            del gone[same]
    touched = {stay.number for stay in (*gone.values(), *new)}
    for stay in new:
        values = {
            "installed_at": stay.installed_at,
            "removed_at": stay.removed_at,
            "installed_by": stay.installed_by,
            "removed_by": stay.removed_by,
        }
        place = (stay.number, stay.gsrn)
        row_id = next((i for i, old in gone.items() if (old.number, old.gsrn) == place), None)
        if row_id is None:
            session.execute(_INSERT_STAY, {**values, "number": stay.number, "gsrn": stay.gsrn})
        else:
            del gone[row_id]
            session.execute(_UPDATE_STAY, {**values, "id": row_id})
    if gone:
        session.execute(_DELETE_STAYS, {"ids": list(gone)})
    return touched
