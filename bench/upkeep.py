"""What PostgreSQL does for itself in time, done at once so that it does not fall into a figure."""

from __future__ import annotations

from sqlalchemy import text

from app.db import db


def analyse() -> None:
    """Let PostgreSQL know its tables."""
    with db.engine.connect() as connection:
        plain = connection.execution_options(isolation_level="AUTOCOMMIT")
        # Millions of rows take longer than any statement of the product may.
        plain.execute(text("SET statement_timeout = 0"))
        plain.execute(text("VACUUM ANALYZE"))
        plain.execute(text("RESET statement_timeout"))
