"""The monthly partitions of tables that grow without end: made ahead, watched, dropped when old.

Only tables without a key that has to be unique for ever are partitioned: PostgreSQL keeps a unique
key over all partitions only when the month is part of it, and the same message in two months would
be two messages. What is not partitioned, and why, is in docs/operations/retention.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services import alarms

MISSING_ALARM = "PARTITION_MISSING"
# The column whose month decides, by table; our own names, never input.
TABLES = {"step": "started_at", "audit_entry": "at"}
_MONTHS_AHEAD = 3
# Nobody stood still for longer than that, and a clock that is far off must not make thousands.
_MONTHS_MOST = 60
# When the next month has no partition so shortly before it begins, somebody has to look.
_ALARM_BEFORE = timedelta(days=7)
_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '3s'")
# After a long standstill a month may have many rows to move, which must not end half-way each time.
_PATIENCE = text("SET LOCAL statement_timeout = '10min'")


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition; until is the first moment that it does not hold, None for the default one."""

    table: str
    name: str
    until: datetime | None

    @property
    def is_default(self) -> bool:
        """Whether it holds what no other one does."""
        return self.until is None


_LIST = text(
    """
    SELECT p.relname AS table_name, c.relname AS name,
        CAST(substring(pg_get_expr(c.relpartbound, c.oid) FROM $$TO \\('([^']+)'$$) AS timestamptz)
            AS until
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    JOIN pg_class p ON p.oid = i.inhparent
    WHERE p.oid = ANY(CAST(:tables AS regclass[]))
    ORDER BY p.relname, until NULLS LAST
    """
)


def partitions(session: Session) -> list[Partition]:
    """Every partition, the oldest first, the default one of its table last.

    Even asking for its bounds waits for whoever holds a partition, so not for long.
    """
    session.execute(_LOCK_TIMEOUT)
    rows = session.execute(_LIST, {"tables": list(TABLES)})
    return [Partition(*row) for row in rows]


def missing(session: Session, now: datetime) -> list[tuple[str, date]]:
    """The months that have no partition yet, up to those that are made ahead.

    After a long standstill also those that have passed meanwhile: their rows lie in the default one.
    """
    reach = _reach(session)
    found = []
    for table in TABLES:
        month = _month_of(min(reach.get(table, now), now))
        for _ in range(_MONTHS_MOST):
            if month > _ahead(now):
                break
            if table not in reach or _start(_next(month)) > reach[table]:
                found.append((table, month))
            month = _next(month)
    return found


def make(session: Session, table: str, month: date) -> None:
    """Make the partition of one month; what came into the default one before moves into it.

    Writers wait for the move only: the table is filled before it takes its place. Raises DBAPIError
    when somebody holds the table for too long; the next round tries again.
    """
    column = TABLES[table]
    name = f"parts.{table}_{month:%Y_%m}"
    span = {"begin": _start(month), "end": _start(_next(month))}
    session.execute(_LOCK_TIMEOUT)
    session.execute(_PATIENCE)
    session.execute(text(f"LOCK TABLE parts.{table}_default IN SHARE ROW EXCLUSIVE MODE"))
    session.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS)"))
    session.execute(
        text(
            f"WITH moved AS (DELETE FROM parts.{table}_default"  # noqa: S608 - our own names.
            f" WHERE {column} >= :begin AND {column} < :end RETURNING *)"
            f" INSERT INTO {name} SELECT * FROM moved"
        ),
        span,
    )
    session.execute(
        text(
            f"ALTER TABLE {table} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{span['begin']:%Y-%m-%d} 00:00+00')"
            f" TO ('{span['end']:%Y-%m-%d} 00:00+00')"
        )
    )


def watch(session: Session, now: datetime) -> None:
    """An alarm for each table whose next month is near and not made, or whose default is in use."""
    reach = _reach(session)
    for table in TABLES:
        end = reach.get(table)
        problem = None
        if end is None or end < now + _ALARM_BEFORE:
            problem = f"No partition reaches {now + _ALARM_BEFORE:%Y-%m-%d}."
        elif session.execute(
            text(f"SELECT EXISTS (SELECT 1 FROM parts.{table}_default)")  # noqa: S608
        ).scalar():
            problem = "Rows lie in the default partition, outside of every month."
        if problem:
            alarms.open_alarm(session, MISSING_ALARM, table, problem, now)
        else:
            alarms.close_alarm(session, MISSING_ALARM, table, now)


def older_than(session: Session, table: str, limit: datetime) -> list[Partition]:
    """The partitions of a table all of whose rows are older than the limit."""
    return [
        one
        for one in partitions(session)
        if one.table == table and one.until is not None and one.until <= limit
    ]


def count_rows(session: Session, one: Partition) -> int:
    """How many rows a partition holds."""
    return int(
        session.execute(text(f"SELECT count(*) FROM parts.{one.name}")).scalar_one()  # noqa: S608
    )


def drop(session: Session, one: Partition) -> int:
    """Take a partition away for good; returns how many rows it held."""
    count = count_rows(session, one)
    session.execute(_LOCK_TIMEOUT)
    session.execute(text(f"ALTER TABLE {one.table} DETACH PARTITION parts.{one.name}"))
    session.execute(text(f"DROP TABLE parts.{one.name}"))
    return count


def _reach(session: Session) -> dict[str, datetime]:
    """Up to when the months of each table are made."""
    reach: dict[str, datetime] = {}
    for one in partitions(session):
        if one.until is not None:
            reach[one.table] = max(one.until, reach.get(one.table, one.until))
    return reach


def _ahead(now: datetime) -> date:
    """The last month that is made ahead."""
    month = _month_of(now)
    for _ in range(_MONTHS_AHEAD):
        month = _next(month)
    return month


def _month_of(at: datetime) -> date:
    return at.astimezone(UTC).date().replace(day=1)


def _next(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)


def _start(month: date) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=UTC)
