"""The numbered migrations go up and down with rows in the tables, and make what the models say."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from psycopg import sql
from sqlalchemy import inspect, text
from sqlalchemy.engine import make_url

from app.db import db, transaction
from app.factory import create_app
from app.models import OutboxItem
from app.services import outbox, setup
from app.services.outbox import NewItem
from tests.conftest import test_settings

VERSIONS = Path(__file__).resolve().parents[2] / "migrations" / "versions"


def test_the_tables_go_up_down_and_up_again_with_rows_in_them(empty_app: Flask) -> None:
    with empty_app.app_context():
        upgrade()
        with transaction() as session:
            setup.install_defaults(session, empty_app.extensions["tiedolla_settings"])
            item = NewItem("nis", "NIS_DEVICE", "a", "a", 1, "a", {"key": "a"})
            outbox.put(session, [item], datetime.now(UTC))
        db.session.remove()
        downgrade(revision="base")
        assert _tables() == {"alembic_version"}
        upgrade()
        with transaction() as session:
            assert session.query(OutboxItem).all() == []


def test_upgrading_twice_changes_nothing(empty_app: Flask) -> None:
    with empty_app.app_context():
        upgrade()
        before = _tables()
        upgrade()
        assert _tables() == before


def test_the_migrations_make_what_the_models_say(empty_app: Flask) -> None:
    with empty_app.app_context():
        upgrade()
        with db.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, db.metadata) == []


def test_every_migration_is_numbered_and_waits_only_briefly_for_locks() -> None:
    names = sorted(path.name for path in VERSIONS.glob("*.py"))
    assert [name[:4] for name in names] == [f"{number:04d}" for number in range(1, len(names) + 1)]
    for name in names:
        source = (VERSIONS / name).read_text("utf-8")
        assert source.count("lock_timeout") >= 2, name
        assert not re.search(r"^(from|import) app", source, re.MULTILINE), name


@pytest.fixture
def empty_app(postgres_url: str, redis_url: str) -> Iterator[Flask]:
    """The application on a database of its own without any table."""
    url = make_url(postgres_url)
    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    name = f"tiedolla_migrations_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
        )
    own = url.set(database=name).render_as_string(hide_password=False)
    app = create_app(test_settings(database_url=own, redis_url=redis_url))
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _tables() -> set[str]:
    with db.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        return set(inspect(connection).get_table_names())
