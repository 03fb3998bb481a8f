"""How often nobody could tell whether a message had reached its provider, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Doubts:
    """One kind of notice.

    resent: messages that left again although the first may have arrived; given_up: messages that
    were not sent again and of which nobody knows whether they arrived.
    """

    type: str
    resent: int
    given_up: int


_DOUBTS = text(
    """
    WITH doubtful AS (
        SELECT n.type, n.resent_count AS resent,
            CAST(n.state = 'EXPIRED' AND EXISTS (
                SELECT 1 FROM outbox_item item JOIN attempt a ON a.outbox_item_id = item.id
                WHERE item.business_key = 'notice:' || n.id AND a.outcome = 'UNKNOWN'
            ) AS int) AS given_up
        FROM notice n WHERE n.resent_count > 0 OR n.state = 'EXPIRED')
    SELECT type, sum(resent) AS resent, sum(given_up) AS given_up FROM doubtful
    GROUP BY type HAVING sum(resent) + sum(given_up) > 0 ORDER BY type
    """
)


def list_doubts(session: Session) -> list[Doubts]:
    """Both counts over all notices that are kept, for each kind that had any."""
    return [Doubts(*row) for row in session.execute(_DOUBTS)]
