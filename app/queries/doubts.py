"""How often nobody could tell whether a message had reached its provider, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

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


@dataclass(frozen=True, slots=True)
class OpenDoubts:
    """Calls of one channel of which nobody can tell yet; waits_for_person: nobody asks any more."""

    lane: str
    count: int
    oldest_at: datetime
    waits_for_person: int


@dataclass(frozen=True, slots=True)
class DoubtRow:
    """One call that is or was in doubt; ended is how: see ENDINGS, None while it is open."""

    attempt_id: UUID
    notice_id: int
    type: str
    channel: str | None
    gsrn: str
    route: str | None
    started_at: datetime
    error: str | None
    lookups: int
    next_lookup_at: datetime | None
    waits_for_person: bool
    ended: str | None
    notice_state: str


# CALLBACK: the provider reported it. LOOKUP_1, LOOKUP_2: found when asked the first or second time.
# PERSON: somebody looked, and it had arrived. RESENT, GIVEN_UP: nobody could tell, so the kind of
# message decided.
ENDINGS = ("CALLBACK", "LOOKUP_1", "LOOKUP_2", "PERSON", "RESENT", "GIVEN_UP")

# A doubt that only a person can end has a time that never comes (unknowns.NEVER).
_PERSON = "a.next_lookup_at >= '9999-01-01 00:00+00'"
_OPEN = text(
    f"""
    SELECT item.lane, count(*), min(a.started_at),
        count(*) FILTER (WHERE {_PERSON})
    FROM attempt a JOIN outbox_item item ON item.id = a.outbox_item_id
    WHERE a.next_lookup_at IS NOT NULL AND a.resolved_by IS NULL
    GROUP BY item.lane ORDER BY item.lane DESC
    """  # noqa: S608 - our own text.
)
_ENDED = """
    CASE WHEN a.resolved_by = 'LOOKUP' THEN 'LOOKUP_' || least(greatest(a.lookups, 1), 2)
        WHEN a.resolved_by = 'POLICY' THEN CASE WHEN n.resent_count > 0 THEN 'RESENT'
            ELSE 'GIVEN_UP' END
        ELSE a.resolved_by END
"""
_HOW_ENDED = text(
    f"""
    SELECT {_ENDED} AS ended, count(*)
    FROM attempt a JOIN outbox_item item ON item.id = a.outbox_item_id
    JOIN notice n ON n.id = CAST(item.payload->>'notice_id' AS bigint)
    WHERE a.resolved_by IS NOT NULL AND a.started_at > :since GROUP BY 1
    """  # noqa: S608 - our own text.
)
_ROWS = f"""
    SELECT a.id, n.id, n.type, n.channel, n.gsrn, a.route, a.started_at, a.error, a.lookups,
        a.next_lookup_at, coalesce({_PERSON}, false), {_ENDED}, n.state
    FROM attempt a JOIN outbox_item item ON item.id = a.outbox_item_id
    JOIN notice n ON n.id = CAST(item.payload->>'notice_id' AS bigint)
"""  # noqa: S608 - our own text.
_WAITING = text(
    f"{_ROWS} WHERE a.next_lookup_at IS NOT NULL AND a.resolved_by IS NULL"
    " ORDER BY a.started_at, a.id LIMIT :limit"
)
_SETTLED = text(
    f"{_ROWS} WHERE a.resolved_by IS NOT NULL AND a.started_at > :since"
    " ORDER BY a.started_at DESC, a.id LIMIT :limit"
)


def open_doubts(session: Session) -> list[OpenDoubts]:
    """What is in doubt now, per channel."""
    return [OpenDoubts(*row) for row in session.execute(_OPEN)]


def how_ended(session: Session, now: datetime, days: int) -> dict[str, int]:
    """How the doubts of the last days ended; every way is named, also those that none took."""
    rows = session.execute(_HOW_ENDED, {"since": now - timedelta(days=days)})
    found = {row[0]: row[1] for row in rows}
    return {ended: found.get(ended, 0) for ended in ENDINGS}


def waiting_doubts(session: Session, limit: int) -> list[DoubtRow]:
    """Calls that are in doubt now, the oldest first."""
    return [DoubtRow(*row) for row in session.execute(_WAITING, {"limit": limit})]


def settled_doubts(session: Session, now: datetime, days: int, limit: int) -> list[DoubtRow]:
    """Calls of the last days whose doubt has ended, the newest first."""
    values = {"since": now - timedelta(days=days), "limit": limit}
    return [DoubtRow(*row) for row in session.execute(_SETTLED, values)]
