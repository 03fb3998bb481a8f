"""Stays of meters at metering points, as rows: read, and written where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
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


# Rows with an id are changed, the others added.
_WRITE_STAYS = text(
    """
    WITH told AS (
        SELECT * FROM jsonb_to_recordset(CAST(:stays AS jsonb)) AS n (id bigint, number text,
            gsrn text, installed_at timestamptz, removed_at timestamptz, installed_by text,
            removed_by text)),
    changed AS (
        UPDATE meter_placement p SET installed_at = told.installed_at,
            removed_at = told.removed_at, installed_by_order = told.installed_by,
            removed_by_order = told.removed_by
        FROM told WHERE p.id = told.id)
    INSERT INTO meter_placement (meter_number, gsrn, installed_at, removed_at, installed_by_order,
        removed_by_order)
    SELECT number, gsrn, installed_at, removed_at, installed_by, removed_by
    FROM told WHERE id IS NULL
    """
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
    rows = []
    for stay in new:
        place = (stay.number, stay.gsrn)
        row_id = next((i for i, old in gone.items() if (old.number, old.gsrn) == place), None)
        if row_id is not None:
            del gone[row_id]
        rows.append({"id": row_id, **asdict(stay)})
    if rows:
        session.execute(_WRITE_STAYS, {"stays": msgspec.json.encode(rows).decode()})
    if gone:
        session.execute(_DELETE_STAYS, {"ids": list(gone)})
    return touched
