"""Letters that are owed, and how far each has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

LETTER_STATES = ("DUE", "PRINTED", "POSTED", "WITHDRAWN")


@dataclass(frozen=True, slots=True)
class LetterRow:
    """One letter; has_address: it can be printed."""

    id: int
    type: str
    gsrn: str
    language: str
    reason: str
    state: str
    notice_id: int
    nameless: bool
    has_address: bool
    created_at: datetime
    expires_at: datetime | None
    printed_at: datetime | None
    printed_by: str | None
    posted_at: datetime | None
    posted_by: str | None


_LETTERS = text(
    """
    SELECT l.id, l.type, l.gsrn, l.language, l.reason, l.state, l.notice_id, l.nameless,
        m.street_name IS NOT NULL AND m.postal_code IS NOT NULL AS has_address,
        l.created_at, l.expires_at, l.printed_at, l.printed_by, l.posted_at, l.posted_by
    FROM letter l LEFT JOIN metering_point m ON m.gsrn = l.gsrn
    WHERE l.state = :state AND l.id > :after ORDER BY l.id LIMIT :limit
    """
)
_COUNTS = text(
    """
    SELECT state, count(*) FROM letter WHERE state <> 'POSTED' GROUP BY state
    UNION ALL SELECT 'POSTED', count(*) FROM letter WHERE state = 'POSTED'
    """
)


def letters_in(session: Session, state: str, limit: int, after: int = 0) -> list[LetterRow]:
    """Letters in one state, the oldest first."""
    values = {"state": state, "limit": limit, "after": after}
    return [LetterRow(*row) for row in session.execute(_LETTERS, values)]


def count_letters(session: Session) -> dict[str, int]:
    """How many are in each state."""
    return {row[0]: row[1] for row in session.execute(_COUNTS)}


def ids_in(session: Session, state: str, limit: int) -> list[int]:
    """The ids of letters in one state, the oldest first."""
    statement = text("SELECT id FROM letter WHERE state = :state ORDER BY id LIMIT :limit")
    return list(session.execute(statement, {"state": state, "limit": limit}).scalars())
