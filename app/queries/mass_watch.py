"""How far one file is on its way from its bytes to its orders."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Watched:
    """One file at this moment; share grows from 0 to 1."""

    state: str
    mass_id: str | None
    file_state: str | None
    hold_reason: str | None
    counts: dict[str, int]
    share: float

    @property
    def over(self) -> bool:
        """Nobody is going to do anything about it by himself any more."""
        return self.state != "STORED" and self.file_state not in ("READING", "READY")


# While it is read, its run has no number to tell, so the first half is the working table filling.
_LOOK = text(
    """
    SELECT m.state, m.counts, f.mass_id, f.state AS file_state, f.hold_reason, f.done_seq,
        f.item_count, f.declared_count,
        CASE WHEN f.state = 'READING' THEN (SELECT max(seq) FROM mass_stage s
            WHERE s.inbound_message_id = m.id) END AS staged
    FROM inbound_message m LEFT JOIN mass_file f ON f.inbound_message_id = m.id WHERE m.id = :id
    """
)


def look(session: Session, message_id: int) -> Watched:
    """Look at one message that is there."""
    row = session.execute(_LOOK, {"id": message_id}).one()
    read = (row.staged or 0) / max(row.declared_count or 1, 1) if row.state == "STORED" else 1.0
    made = (row.done_seq or 0) / max(row.item_count or 1, 1)
    share = min(read, 1.0) / 2 + min(made, 1.0) / 2
    counts = {name: count for name, count in row.counts.items() if count}
    return Watched(row.state, row.mass_id, row.file_state, row.hold_reason, counts, share)
