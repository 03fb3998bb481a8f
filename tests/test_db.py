"""The database room: what commits, what happens after it, and how rows are copied."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from app.db import (
    after_commit,
    copy_line,
    copy_rows,
    copy_text,
    db,
    fetch,
    held_lock,
    is_connection_lost,
    text_array,
    transaction,
)
from app.models import Step
from app.services import runs

ROOT = Path(__file__).resolve().parent.parent


def test_what_is_registered_runs_once_after_the_commit(app: Flask) -> None:
    calls: list[str] = []

    def _call() -> None:
        calls.append("after")

    with app.app_context():
        with transaction():
            after_commit(_call)
            after_commit(_call)
            assert calls == []
        assert calls == ["after"]


def test_a_rollback_drops_rows_and_calls(app: Flask) -> None:
    calls: list[str] = []
    with app.app_context():
        with pytest.raises(ZeroDivisionError):
            _write_and_fail(lambda: calls.append("after"))
        assert calls == []
        with transaction() as session:
            assert session.execute(text("SELECT count(*) FROM run")).scalar_one() == 0


def test_a_call_that_fails_after_the_commit_undoes_nothing(app: Flask) -> None:
    def _fail() -> None:
        raise ZeroDivisionError

    with app.app_context():
        with transaction() as session:
            runs.start_run(session, "test", "test", datetime.now(UTC))
            after_commit(_fail)
        with transaction() as session:
            assert session.execute(text("SELECT count(*) FROM run")).scalar_one() == 1


def test_a_connection_that_died_while_it_rested_costs_nobody_an_error(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db._RESTED_S", 0.0)
    with app.app_context():
        with transaction() as session:
            pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        _end_connection(pid)
        # The pool hands out the one that rested longest first.
        for _ in range(8):
            with transaction() as session:
                assert session.execute(text("SELECT pg_backend_pid()")).scalar_one() != pid


def test_a_thread_without_an_application_may_take_a_connection_that_rested(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the one that hands a large file on to the process that reads it."""
    monkeypatch.setattr("app.db._RESTED_S", 0.0)
    with app.app_context():
        engine = db.engine
        with transaction() as session:
            assert session.execute(text("SELECT 1")).scalar_one() == 1

        def _ask() -> int:
            with engine.connect() as connection:
                return int(connection.execute(text("SELECT 1")).scalar_one())

        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(_ask).result() == 1


def test_rows_fetched_as_the_driver_gives_them_and_their_faults(app: Flask) -> None:
    given = "SELECT %s::bytea, %s::text, %s::int"
    with app.app_context():
        with db.engine.connect() as connection:
            for binary in (False, True):
                found = fetch(connection, given, (b"\x00\\\xff", "ä", None), binary=binary)
                assert found == [(b"\x00\\\xff", "ä", None)]
        with db.engine.connect() as connection, pytest.raises(DataError):
            fetch(connection, "SELECT CAST(%s AS int)", ("x",))
        with db.engine.connect() as connection:
            _end_connection(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
            with pytest.raises(OperationalError) as lost:
                fetch(connection, "SELECT 1", ())
        assert is_connection_lost(lost.value)
        with transaction() as session:
            assert session.execute(text("SELECT 1")).scalar_one() == 1


def test_what_goes_wrong_in_a_copy_is_told_like_any_other_fault(app: Flask) -> None:
    with app.app_context():
        with pytest.raises(IntegrityError), transaction() as session:
            copy_rows(session, "payload_blob", ("hash",), [("x",)])
        with pytest.raises(OperationalError) as lost:
            _copy_on_a_lost_connection()
        assert is_connection_lost(lost.value)
        with transaction() as session:
            assert session.execute(text("SELECT 1")).scalar_one() == 1


def test_no_statement_and_no_standstill_in_a_transaction_lasts_for_ever(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        shown = {
            name: session.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("statement_timeout", "idle_in_transaction_session_timeout", "timezone")
        }
    assert shown == {
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "1min",
        "timezone": "UTC",
    }


def test_only_one_holds_a_lock_and_the_next_gets_it_at_once(app: Flask) -> None:
    with app.app_context():
        for _ in range(20):
            with held_lock(7_403_099, 1) as first, held_lock(7_403_099, 1) as second:
                assert (first, second) == (True, False)


def test_a_transaction_inside_another_is_an_error(app: Flask) -> None:
    with (
        app.app_context(),
        transaction(),
        pytest.raises(RuntimeError, match="already open"),
        transaction(),
    ):
        raise AssertionError("the second one opened")


def test_nothing_but_transaction_commits() -> None:
    found = [
        str(path.relative_to(ROOT))
        for folder in ("app", "workers")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"session\.commit\(|connection\.commit\(", path.read_text("utf-8"))
    ]
    # Setting up a new connection ends the driver's own first transaction there as well.
    assert found == ["app/db.py"]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=5))
def test_keys_come_back_as_they_went_whatever_is_in_them(app: Flask, keys: list[str]) -> None:
    with app.app_context():
        with transaction() as session:
            now = datetime.now(UTC)
            run_id = runs.start_run(session, "test", "test", now)
            runs.add_steps(session, run_id, [runs.StepRow("step", "OK", tuple(keys), now)])
        with transaction() as session:
            stored = session.scalars(select(Step.keys).where(Step.run_id == run_id)).one()
            assert stored == keys
            assert text_array([]) == "{}"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.tuples(
        st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        st.none() | st.booleans(),
        st.integers(-(2**62), 2**62),
        st.datetimes(timezones=st.just(UTC)),
        st.uuids(),
    )
)
def test_plain_rows_come_back_as_they_went(app: Flask, cells: tuple[object, ...]) -> None:
    columns = ("word", "note", "truth", "number", "at", "id")
    with app.app_context(), transaction() as session:
        session.execute(
            text(
                "CREATE TEMPORARY TABLE plain (word text, note text, truth boolean, number bigint,"
                " at timestamptz, id uuid) ON COMMIT DROP"
            )
        )
        copy_text(session, "plain", columns, copy_line(cells) * 2)
        assert session.execute(text("SELECT * FROM plain")).all() == [cells, cells]


def _write_and_fail(call: Callable[[], None]) -> None:
    with transaction() as session:
        after_commit(call)
        runs.start_run(session, "test", "test", datetime.now(UTC))
        raise ZeroDivisionError


def _copy_on_a_lost_connection() -> None:
    with transaction() as session:
        _end_connection(session.execute(text("SELECT pg_backend_pid()")).scalar_one())
        copy_rows(session, "payload_blob", ("hash",), [("x",)])


def _end_connection(pid: int) -> None:
    """From outside, so that the pool does not see it happen."""
    url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as outside:
        outside.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
