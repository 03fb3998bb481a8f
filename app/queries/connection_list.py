"""Connection orders as lists: found by a search, or those that are under way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.search_text import words

# Shorter parts would fit almost everything.
_PART_MIN_CHARS = 2
# What the list may be narrowed to besides a stage.
DELAYED = "DELAYED"
OPEN = "OPEN"


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """One order as a line; safety_ban hides its address."""

    order_no: str
    stage: str
    held_stage: str | None
    stage_at: datetime
    delayed: bool
    delay_reason: str | None
    target_week: str | None
    promised_week: str | None
    visit_from_at: datetime | None
    energise_from_at: datetime | None
    created_at: datetime
    street: str
    place: str
    customer_id: str
    customer_name: str
    safety_ban: bool


_ROWS = """
    SELECT o.order_no, o.stage, o.held_stage, o.stage_at, o.delayed, o.delay_reason, o.target_week,
        o.promised_week, o.visit_from_at, o.energise_from_at, o.created_at,
        concat_ws(' ', o.street_name, o.house_number, o.staircase, o.apartment),
        concat_ws(' ', o.postal_code, o.post_office), c.cis_id, c.name, c.personal_safety_ban
    FROM connection_order o JOIN customer c ON c.cis_id = o.customer_id
"""
_OVER = "('COMPLETED', 'CANCELLED')"


def search_connections(session: Session, query: str, limit: int = 10) -> list[ConnectionRow]:
    """Orders by number, customer or address; any part will do, an exact number comes first."""
    parts = [part for part in words(query) if len(part) >= _PART_MIN_CHARS][:6]
    if not parts:
        return []
    values: dict[str, object] = {"key": query.strip(), "limit": limit}
    conditions = []
    for number, part in enumerate(parts):
        escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values[f"part{number}"] = f"%{escaped}%"
        conditions.append(f"o.haystack LIKE :part{number}")
    statement = (
        f"{_ROWS} WHERE {' AND '.join(conditions)}"
        " ORDER BY o.order_no <> upper(:key), o.changed_at DESC, o.order_no LIMIT :limit"
    )
    return [ConnectionRow(*row) for row in session.execute(text(statement), values)]


def find_connections(
    session: Session, limit: int, offset: int = 0, which: str = OPEN
) -> list[ConnectionRow]:
    """Orders of one stage, delayed ones or all open ones; the longest in their stage first."""
    condition = {
        OPEN: f"o.stage NOT IN {_OVER}",
        DELAYED: "o.delayed",
    }.get(which, "o.stage = :which")
    statement = (
        f"{_ROWS} WHERE {condition} ORDER BY o.stage_at, o.order_no LIMIT :limit OFFSET :offset"
    )
    values = {"which": which, "limit": limit, "offset": offset}
    return [ConnectionRow(*row) for row in session.execute(text(statement), values)]


_COUNTS = text(
    f"""
    SELECT stage, count(*) FROM connection_order GROUP BY stage
    UNION ALL SELECT 'DELAYED', count(*) FROM connection_order WHERE delayed
    UNION ALL SELECT 'OPEN', count(*) FROM connection_order WHERE stage NOT IN {_OVER}
    """  # noqa: S608 - made of our own constants only.
)


def count_connections(session: Session) -> dict[str, int]:
    """How many orders are in each stage, are delayed, and are open."""
    return {row[0]: row[1] for row in session.execute(_COUNTS)}
