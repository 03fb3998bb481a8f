"""A choice of the rollout's orders as SQL: the one place that says what a number counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from app.domain.rollout import (
    AGE_DAYS,
    BOOKED,
    GROUPS,
    INSTALLED,
    NONE,
    OPEN,
    OURS,
    OVERDUE_AFTER,
    STUCK_AFTER,
    UNBOOKED,
    Choice,
    Flag,
    Group,
)


def states(names: tuple[str, ...]) -> str:
    """States as a list of SQL; they are our own names."""
    return "(" + ", ".join(f"'{name!s}'" for name in names) + ")"


# Each over rollout_order r, as of :as_of.
FLAGS = {
    Flag.BOOKED: f"r.state IN {states(BOOKED)}",
    Flag.UNBOOKED: f"r.state IN {states(UNBOOKED)}",
    Flag.OVERDUE: f"r.state IN {states(BOOKED)} AND r.visit_at < :overdue_at",
    Flag.SILENT: "r.state = 'SENT' AND r.state_at < :silent_at",
    Flag.STUCK: (
        "r.mass_id IS NOT NULL AND NOT r.paused AND"
        f" (r.state IN {states(OURS)} AND r.state_at < :stuck_at"
        f" OR r.undelivered AND r.state IN {states(OPEN)})"
    ),
    Flag.MISMATCH: "r.mismatch IS NOT NULL",
    Flag.VISITED: "r.attempts > 0",
    Flag.FIRST_VISIT: f"r.attempts = 1 AND r.state IN {states(INSTALLED)}",
}
# The index of AGES that an order's time in its state falls into.
AGE = (
    "CASE "
    + " ".join(f"WHEN r.state_at > :age_{place} THEN {place}" for place in range(len(AGE_DAYS)))
    + f" ELSE {len(AGE_DAYS)} END"
)
_COLUMNS = {
    "wave": "r.wave",
    "area": "r.municipality_code",
    "state": "r.state",
    "crew": "r.crew",
    "partner": "r.partner_code",
    "reason": "r.failed_reason",
    "model": "r.model",
}


def moments(as_of: datetime, silent_days: int) -> dict[str, Any]:
    """What the words of FLAGS and AGE stand for at a moment."""
    return {
        "overdue_at": as_of - OVERDUE_AFTER,
        "silent_at": as_of - timedelta(days=silent_days),
        "stuck_at": as_of - STUCK_AFTER,
        **{f"age_{n}": as_of - timedelta(days=days) for n, days in enumerate(AGE_DAYS)},
    }


def where(choice: Choice) -> tuple[str, dict[str, Any]]:
    """The condition over rollout_order r, and its values beside those of moments()."""
    parts: list[str] = ["true"]
    values: dict[str, Any] = {}
    for name, column in _COLUMNS.items():
        value = getattr(choice, name)
        if value == NONE:
            parts.append(f"{column} IS NULL")
        elif value is not None:
            parts.append(f"{column} = :c_{name}")
            values[f"c_{name}"] = value
    if choice.group is not None:
        parts.append(f"r.state IN {states(GROUPS[Group(choice.group)])}")
    if choice.flag is not None:
        parts.append(f"({FLAGS[Flag(choice.flag)]})")
    if choice.age is not None:
        parts.append(f"{AGE} = {int(choice.age)}")
    if choice.from_day is not None:
        parts.append("r.installed_on >= :c_from_day")
        values["c_from_day"] = choice.from_day
    if choice.to_day is not None:
        parts.append("r.installed_on <= :c_to_day")
        values["c_to_day"] = choice.to_day
    return " AND ".join(parts), values
