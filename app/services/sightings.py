"""The quiet check: a file is taken when it looked the same for long enough."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session


def note(
    session: Session,
    seen: Sequence[tuple[str, int, int]],
    now: datetime,
    quiet: timedelta,
    *,
    partner: str | None = None,
) -> set[str]:
    """Record (name, size, mtime) of the files seen now; returns the names that have come to rest.

    A file rests when an earlier sighting at least `quiet` ago showed the same size and time of
    change. Rows of files that are gone are dropped. partner: whose folder it is, None for the CIS's.
    """
    # No name of a file has a slash, so the files of one folder are never taken for another's.
    place = "" if partner is None else f"//{partner}/"
    names = [place + name for name, _, _ in seen]
    session.execute(
        text(
            "DELETE FROM file_sighting WHERE NOT name = ANY(:names) AND"
            " CASE WHEN :place = '' THEN NOT starts_with(name, '//') ELSE starts_with(name, :place)"
            " END"
        ),
        {"names": names, "place": place},
    )
    if not seen:
        return set()
    rows = session.execute(
        text(
            """
            INSERT INTO file_sighting AS known (name, size_bytes, mtime, unchanged_since_at)
            SELECT name, size_bytes, mtime, :now
            FROM unnest(CAST(:names AS text[]), CAST(:sizes AS bigint[]), CAST(:mtimes AS bigint[]))
                AS s (name, size_bytes, mtime)
            ON CONFLICT (name) DO UPDATE SET
                unchanged_since_at = CASE
                    WHEN known.size_bytes = excluded.size_bytes AND known.mtime = excluded.mtime
                    THEN known.unchanged_since_at ELSE excluded.unchanged_since_at END,
                size_bytes = excluded.size_bytes, mtime = excluded.mtime
            RETURNING name, unchanged_since_at
            """
        ),
        {
            "now": now,
            "names": names,
            "sizes": [size for _, size, _ in seen],
            "mtimes": [mtime for _, _, mtime in seen],
        },
    )
    return {
        row.name[len(place) :]
        for row in rows
        if row.unchanged_since_at < now and row.unchanged_since_at <= now - quiet
    }
