"""How often something may be done, counted in PostgreSQL so that every process counts together.

For what sends messages or tries codes: a counter that cannot be read lets nothing pass, because the
error ends the request. Keys are hashed, so that the table holds no addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import text
from sqlalchemy.orm import Session

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many in each window under a key; what names the kind of thing counted."""

    what: str
    key: str
    count: int
    window: timedelta = HOUR


_COUNT = text(
    """
    INSERT INTO rate_count (key, since, until, count) VALUES (:key, :since, :until, 1)
    ON CONFLICT (key, since) DO UPDATE SET count = rate_count.count + 1
    RETURNING count
    """
)


def allow(session: Session, limits: Sequence[Limit], now: datetime) -> bool:
    """Count one more under each limit in turn; False at the first that is exceeded.

    Later limits are not counted then: whoever has used up their own share cannot use up other
    people's. Must be committed whatever the answer.
    """
    return all(_count(session, limit, now) <= limit.count for limit in limits)


def forget(session: Session, now: datetime) -> int:
    """Remove windows that are over."""
    found = session.execute(
        text("DELETE FROM rate_count WHERE until < :now RETURNING 1"), {"now": now}
    )
    return len(found.all())


def _count(session: Session, limit: Limit, now: datetime) -> int:
    window_s = int(limit.window.total_seconds())
    since = datetime.fromtimestamp(int(now.timestamp()) // window_s * window_s, UTC)
    counted: int = session.execute(
        _COUNT, {"key": _key(limit), "since": since, "until": since + limit.window}
    ).scalar_one()
    return counted


def _key(limit: Limit) -> str:
    return (
        f"{limit.what}/{_window_name(limit.window)}/{sha256(limit.key.encode()).hexdigest()[:24]}"
    )


def _window_name(window: timedelta) -> str:
    """A window in a word, so that an hour's and a day's counters of the same key stay apart."""
    return f"{int(window.total_seconds())}s"
