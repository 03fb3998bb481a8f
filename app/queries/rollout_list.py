"""The orders behind a number of the rollout, and the meters behind a number of the stock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.rollout import Choice
from app.queries.rollout_choice import moments, where

_FETCH_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One order as it was when the figures were counted."""

    order_id: str
    state: str
    state_at: datetime
    gsrn: str
    wave: str | None
    area: str | None
    partner: str | None
    crew: str | None
    model: str | None
    installed_on: date | None
    visit_at: datetime | None
    attempts: int
    reason: str | None
    mismatch: str | None


_ROWS = """
    SELECT r.order_id, r.state, r.state_at, r.gsrn, r.wave, r.municipality_code, r.partner_code,
        r.crew, r.model, r.installed_on, r.visit_at, r.attempts, r.failed_reason, r.mismatch
    FROM rollout_order r WHERE {where} AND r.order_id > :after ORDER BY r.order_id
"""


def count_orders(session: Session, choice: Choice, as_of: datetime, silent_days: int) -> int:
    """How many orders a choice has."""
    condition, values = where(choice)
    statement = text(f"SELECT count(*) FROM rollout_order r WHERE {condition}")  # noqa: S608
    values |= moments(as_of, silent_days)
    return int(session.execute(statement, values).scalar_one())


def orders(
    session: Session,
    choice: Choice,
    as_of: datetime,
    silent_days: int,
    *,
    after: str = "",
    limit: int | None = None,
) -> Iterator[RolloutRow]:
    """The orders of a choice by their id; all of them, streamed, without a limit."""
    condition, values = where(choice)
    values |= {**moments(as_of, silent_days), "after": after}
    statement = _ROWS.replace("{where}", condition)
    if limit is not None:
        statement += " LIMIT :limit"
        values["limit"] = limit
    found = session.execute(text(statement), values, execution_options={"yield_per": _FETCH_ROWS})
    for row in found:
        yield RolloutRow(*row)


# What the stock table calls the states of meters together.
METER_GROUPS = {
    "ordered": ("ORDERED",),
    "in-stock": ("DELIVERED", "ALLOCATED"),
    "lost": ("LOST", "FAULTY"),
}


def count_meters(session: Session, model: str, group: str) -> int:
    """How many meters of a model are in one of METER_GROUPS now."""
    statement = text("SELECT count(*) FROM meter WHERE model = :model AND state = ANY(:states)")
    values = {"model": model, "states": list(METER_GROUPS[group])}
    return int(session.execute(statement, values).scalar_one())


def meters(session: Session, model: str, group: str, limit: int, after: str = "") -> list[Any]:
    """Meters of a model in one of METER_GROUPS, by their number."""
    statement = text(
        "SELECT number, serial, state, gsrn, updated_at FROM meter WHERE model = :model"
        " AND state = ANY(:states) AND number > :after ORDER BY number LIMIT :limit"
    )
    values = {"model": model, "states": list(METER_GROUPS[group]), "after": after, "limit": limit}
    return list(session.execute(statement, values).all())
