"""The database: one engine, one way to write, and what happens after a commit.

Only `transaction()` commits, and only pages, the API, workers and commands open one. Calls
registered with `after_commit()` run once the commit has succeeded and are dropped on rollback.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import psycopg
import psycopg.types.json
import structlog
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, MetaData, event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

log = structlog.get_logger()

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Root of all rows; the naming convention keeps migrations readable."""

    metadata = MetaData(naming_convention=_NAMING)


db = SQLAlchemy(
    model_class=Base,
    # A committed object stays readable: reloading each after commit costs a SELECT per object.
    session_options={"expire_on_commit": False},
)

if TYPE_CHECKING:

    class Model(Base):
        """What every row class derives from; the type checker cannot see Flask-SQLAlchemy's own."""

        __abstract__ = True
else:
    Model = db.Model

_AFTER_COMMIT = "tiedolla_after_commit"
_OPEN = "tiedolla_transaction_open"


@contextmanager
def transaction() -> Iterator[Session]:
    """The only place that commits. Nesting is an error: two owners of one commit hide a half.

    Raises whatever the block raises, after a rollback. The calls registered with after_commit()
    run after the commit; one that fails is logged and never undoes what was committed.
    """
    session = db.session()
    if session.info.get(_OPEN):
        raise RuntimeError("a transaction is already open")
    # A read before may have left a transaction behind with an old view of the rows.
    session.rollback()
    session.info[_OPEN] = True
    session.info[_AFTER_COMMIT] = []
    try:
        yield session
        session.commit()
    except BaseException:
        session.info[_AFTER_COMMIT] = []
        session.rollback()
        raise
    finally:
        session.info[_OPEN] = False
    _run_after_commit(session)


def after_commit(call: Callable[[], object]) -> None:
    """Run `call` once the open transaction has committed; equal calls run once."""
    session = db.session()
    if not session.info.get(_OPEN):
        raise RuntimeError("after_commit() needs an open transaction")
    calls = session.info[_AFTER_COMMIT]
    if call not in calls:
        calls.append(call)


def copy_rows(
    session: Session, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write many new rows inside the session's transaction with COPY.

    Four to ten times faster than INSERT; no conflict handling, so only for keys known to be new.
    table and columns are our own names, never input. Raises DBAPIError like any other statement.
    """
    with _copying(session, table, columns) as copy:
        for row in rows:
            copy.write_row(row)


def copy_text(session: Session, table: str, columns: Sequence[str], lines: str | bytes) -> None:
    """Like copy_rows, for rows that are in COPY's own text format already."""
    with _copying(session, table, columns) as copy:
        copy.write(lines)


def copy_line(cells: Iterable[object]) -> str:
    """A row as COPY reads it; the driver, which asks every cell for its type, takes twice as long."""
    return (
        "\t".join(
            [
                "\\N" if cell is None else copy_cell(cell) if isinstance(cell, str) else str(cell)
                for cell in cells
            ]
        )
        + "\n"
    )


def copy_cell(cell: str | None) -> str:
    """A text as a cell of such a row."""
    if cell is None:
        return "\\N"
    # What is printable has no line break and no tab, so only a backslash could mean something.
    if cell.isprintable():
        return cell.replace("\\", "\\\\") if "\\" in cell else cell
    escaped = cell.replace("\\", "\\\\").replace("\t", "\\t")
    return escaped.replace("\n", "\\n").replace("\r", "\\r")


@contextmanager
def _copying(session: Session, table: str, columns: Sequence[str]) -> Iterator[psycopg.Copy]:
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with (
        _driver_of(session.connection(), statement) as driver,
        driver.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        yield copy


def fetch(
    connection: Connection, statement: str, parameters: Sequence[Any], *, binary: bool = False
) -> list[tuple[Any, ...]]:
    """Rows as the driver gives them, for reads of many: SQLAlchemy takes longer for a row than it.

    statement: our own words with %s for each parameter. binary: bytes come as they are, not as
    twice as many digits. Raises DBAPIError like any other statement.
    """
    with _driver_of(connection, statement) as driver:
        found: list[tuple[Any, ...]] = driver.execute(
            statement, parameters, binary=binary
        ).fetchall()
    return found


@contextmanager
def _driver_of(connection: Connection, statement: str) -> Iterator[Any]:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - an open connection always has a driver.
    try:
        yield driver
    except psycopg.Error as error:
        # This goes past SQLAlchemy, and whoever waits for its errors must not miss these.
        lost = driver.closed
        if lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            statement,
            None,
            error,
            psycopg.Error,
            hide_parameters=True,
            connection_invalidated=lost,
        ) from error


def text_array(items: Sequence[str | None]) -> str:
    """Texts as PostgreSQL writes an array of them; the driver takes five times as long for it."""
    if len(items) > 1 and items.count(items[0]) == len(items):
        # Of a slice that all went well, most columns say the same of each.
        return f"{{{','.join([_quoted(items[0])] * len(items))}}}"
    return f"{{{','.join(map(_quoted, items))}}}"


def plain_array(items: Iterable[int | UUID | datetime | None]) -> str:
    """The same for numbers, UUIDs and instants, whose text needs no quotes."""
    return f"{{{','.join(['NULL' if item is None else str(item) for item in items])}}}"


def _quoted(item: str | None) -> str:
    if item is None:
        return "NULL"
    if "\\" in item or '"' in item:
        item = item.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{item}"'


def is_connection_lost(error: BaseException) -> bool:
    """Whether the error means that the database went away or is not back yet, not a fault of ours."""
    if not isinstance(error, DBAPIError):
        return False
    # A connection that could not be made has no SQLSTATE; 57P is a server that stops or starts.
    state = getattr(error.orig, "sqlstate", None)
    away = state is None or state.startswith(("08", "57P"))
    return error.connection_invalidated or (isinstance(error, OperationalError) and away)


def try_session_lock(connection: Connection, space: int, key: int) -> bool:
    """Take the advisory lock (space, key) for as long as this connection lives, if it is free."""
    statement = text("SELECT pg_try_advisory_lock(:space, :key)")
    return bool(connection.execute(statement, {"space": int(space), "key": key}).scalar())


def release_session_lock(connection: Connection, space: int, key: int) -> None:
    """Give back what try_session_lock took."""
    connection.execute(
        text("SELECT pg_advisory_unlock(:space, :key)"), {"space": int(space), "key": key}
    )


@contextmanager
def held_lock(space: int, key: int) -> Iterator[bool]:
    """Hold the advisory lock (space, key) on a connection of its own; False when somebody else does.

    For work that must not run twice at once; the lock is gone with the process or the database.
    """
    with db.engine.connect() as connection:
        guard = connection.execution_options(isolation_level="AUTOCOMMIT")
        if not try_session_lock(guard, space, key):
            yield False
            return
        try:
            yield True
        finally:
            with suppress(DBAPIError):
                release_session_lock(guard, space, key)
            # Should that have failed, a pooled connection would keep the lock; this one goes.
            guard.invalidate()


# A process that stands still inside a transaction must not keep its locks from everybody else.
_IDLE_IN_TRANSACTION_S = 60
_USED_AT = "tiedolla_used_at"
_RESTED_S = 1.0
# The server has to notice that a whole machine is gone, or the leader's and the workers' locks
# would outlive it by the two hours of the usual keepalive. A Unix socket needs none of this.
_NOTICE_DEAD_PEERS = (
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
    "SET tcp_user_timeout = 60000",
)


def set_up_engine(statement_timeout_s: float) -> None:
    """Bound every statement of this process, so that no request waits for ever; needs app context."""
    settings = "; ".join(
        (
            f"SET statement_timeout = {int(statement_timeout_s * 1000)}",
            f"SET idle_in_transaction_session_timeout = {_IDLE_IN_TRANSACTION_S * 1000}",
            "SET timezone = 'UTC'",
            *_NOTICE_DEAD_PEERS,
        )
    )

    # Payloads come by the thousand, and this reads them four times as fast.
    psycopg.types.json.set_json_loads(msgspec.json.decode)

    # Not looked up again below: a thread may take a connection outside of any application's context.
    engine = db.engine

    @event.listens_for(engine, "connect")
    def _limit(dbapi_connection: Any, _record: Any) -> None:
        with dbapi_connection.cursor() as cursor:
            cursor.execute(settings)
        dbapi_connection.commit()

    @event.listens_for(engine, "checkin")
    def _note_use(_dbapi_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_USED_AT] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _look_before_use(
        dbapi_connection: Any, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection
    ) -> None:
        # A server that restarted must not cost the first caller an error. What was in use a moment
        # ago is not asked: the question takes a fifth of a short request.
        if time.monotonic() - record.info.get(_USED_AT, math.inf) < _RESTED_S:
            return
        try:
            engine.dialect.do_ping(dbapi_connection)
        except psycopg.Error as error:
            raise InvalidatePoolError from error


def _run_after_commit(session: Session) -> None:
    calls, session.info[_AFTER_COMMIT] = session.info[_AFTER_COMMIT], []
    for call in calls:
        try:
            call()
        except Exception:
            # The rows are safe; the dispatcher will ring again.
            log.exception("after_commit_failed")
