"""Rate limits: token buckets in PostgreSQL, so that all processes together keep to them.

A bucket's row stays locked from the look into it until the commit of whoever looked, so no token is
taken twice. Over any time t at most rate * t + half a second's worth leaves. A process that dies
with tokens in hand has wasted them, never made any.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

_BURST_S = 0.5

_FILL = text(
    """
    INSERT INTO rate_bucket AS b (name, tokens, refilled_at) VALUES (:name, :burst, :now)
    ON CONFLICT (name) DO UPDATE SET
        tokens = least(:burst, b.tokens + :rate * greatest(0.0,
            CAST(extract(epoch FROM CAST(:now AS timestamptz) - b.refilled_at) AS float))),
        refilled_at = greatest(b.refilled_at, CAST(:now AS timestamptz))
    RETURNING tokens
    """
)
_TAKE = text("UPDATE rate_bucket SET tokens = tokens - :count WHERE name = :name")


def look(session: Session, name: str, rate_per_s: int | None, now: datetime) -> int | None:
    """How many may leave now, None for any number; the bucket is ours until the commit.

    Whoever looks into several buckets does so in the same order as everybody else: the lane's
    first, then the routes' by name.
    """
    if rate_per_s is None:
        return None
    values = {"name": name, "rate": rate_per_s, "burst": max(1.0, rate_per_s * _BURST_S)}
    return int(session.execute(_FILL, {**values, "now": now}).scalar_one())


def take(session: Session, taken: Mapping[str, int]) -> None:
    """Take tokens out of buckets that were looked into in this transaction; name -> count."""
    rows = [{"name": name, "count": count} for name, count in taken.items() if count]
    if rows:
        session.execute(_TAKE, rows)
