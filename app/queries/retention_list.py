"""What is kept for how long, what has been removed, and how large the tables are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.models.purge_report import PurgeReport
from app.models.schedule import DailyTask


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class of data: its limit in days, the last day that is done, and what went in total."""

    code: str
    days: int
    done_on: date | None
    removed: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class TableRow:
    """One table with its indexes; partition_count 0 means that it has none."""

    name: str
    size_bytes: int
    row_estimate: int
    partition_count: int
    reaches_until: datetime | None


_REMOVED = text(
    """
    SELECT r.class_code, max(r.at) AS last_at, coalesce(sum(CAST(n.value AS bigint)), 0) AS number
    FROM purge_report r LEFT JOIN LATERAL jsonb_each_text(r.counts) AS n ON true
    GROUP BY r.class_code
    """
)


def classes(session: Session, limits: Mapping[str, int]) -> list[ClassRow]:
    """Every class of data that has a limit; limits: class -> days."""
    removed = {row.class_code: row for row in session.execute(_REMOVED)}
    done = {row.name: row.done_on for row in session.execute(select(DailyTask)).scalars()}
    return [
        ClassRow(
            code,
            days,
            done.get(code),
            int(removed[code].number) if code in removed else 0,
            removed[code].last_at if code in removed else None,
        )
        for code, days in limits.items()
    ]


def reports(session: Session, limit: int, before: int | None = None) -> Sequence[PurgeReport]:
    """What was removed, the newest first."""
    statement = select(PurgeReport)
    if before is not None:
        statement = statement.where(PurgeReport.id < before)
    return session.execute(statement.order_by(PurgeReport.id.desc()).limit(limit)).scalars().all()


# A partitioned table has no rows of its own; its months have them.
_TABLES = text(
    """
    SELECT t.relname AS name,
        pg_total_relation_size(t.oid) + coalesce(p.size_bytes, 0) AS size_bytes,
        coalesce(p.row_estimate, greatest(t.reltuples, 0)) AS row_estimate,
        coalesce(p.number, 0) AS number, p.reaches_until
    FROM pg_class t LEFT JOIN (
        SELECT i.inhparent, sum(pg_total_relation_size(c.oid)) AS size_bytes,
            sum(greatest(c.reltuples, 0)) AS row_estimate, count(*) AS number,
            max(CAST(substring(pg_get_expr(c.relpartbound, c.oid) FROM $$TO \\('([^']+)'$$)
                AS timestamptz)) AS reaches_until
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'r'
        GROUP BY i.inhparent) p ON p.inhparent = t.oid
    WHERE t.relkind IN ('r', 'p') AND t.relnamespace = CAST('public' AS regnamespace)
    ORDER BY 2 DESC LIMIT :limit
    """
)


def tables(session: Session, limit: int) -> list[TableRow]:
    """The largest tables; partitioned ones with all their months."""
    return [
        TableRow(
            row.name, int(row.size_bytes), int(row.row_estimate), row.number, row.reaches_until
        )
        for row in session.execute(_TABLES, {"limit": limit})
    ]
