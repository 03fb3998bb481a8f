"""Runs the numbered migrations against the product's database."""

from __future__ import annotations

from alembic import context
from flask import current_app
from sqlalchemy import text

_migrate = current_app.extensions["migrate"]
_db = _migrate.db

# The key of the advisory lock that keeps two deployments from migrating at once.
_MIGRATION_LOCK = 7_403_001


def run() -> None:
    """Apply what is missing, each migration in its own transaction, never waiting long for a lock."""
    with _db.engine.connect() as connection:
        connection.execute(text("SET lock_timeout = '5s'"))
        connection.execute(text("SET statement_timeout = '15min'"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=_db.metadata,
            transaction_per_migration=True,
            compare_type=True,
            compare_server_default=False,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
        connection.commit()
        # Its limits are those of migrations, so nobody else may get it out of the pool.
        connection.invalidate()


run()
