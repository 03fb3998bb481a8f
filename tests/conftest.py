"""Fixtures that every test may use."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.doorbell import rq
from app.factory import create_app
from app.services import published_texts, setup
from app.settings import Settings

pytest_plugins = ["tests.servers"]


def test_settings(**changes: Any) -> Settings:
    """Valid settings whose outside systems are nobody; a test changes what it needs."""
    values: dict[str, Any] = {
        "environment": "test",
        "base_url": "http://tiedolla.test",
        "database_url": "postgresql+psycopg://nobody@/nowhere",
        "redis_url": "unix:///nowhere.sock",
        "secret_key": secrets.token_hex(32),
        "partner_key": "partner-key-of-the-tests-" + "0" * 16,
        "secure_cookies": False,
        "log_level": "WARNING",
        "cis_sftp_host": "127.0.0.1",
        "cis_sftp_user": "tiedolla",
        "cis_sftp_key_file": "nowhere",
        "cis_sftp_host_key": "ssh-ed25519 AAAA",
        "partner_tokens": {"voima": "token-of-the-tests"},
        "twilio_account_sid": "AC" + "0" * 32,
        "twilio_auth_token": "twilio-secret-of-the-tests",
        "sms_sender": "Verkko",
        "sendgrid_api_key": "sendgrid-key-of-the-tests",
        "sendgrid_event_public_key": "none",
        "email_sender": "tiedotteet@example.fi",
        "brand": "Verkkoyhtio",
        "customer_service_phone": "0800 123 45",
        "unknown_grace_s": 60.0,
        **{
            f"{system}_{part}": value
            for system in ("nis", "dms", "billing")
            for part, value in (("url", f"http://127.0.0.1:1/{system}"), ("token", "token"))
        },
    }
    return Settings(**{**values, **changes})


# A helper of the tests, whatever its name looks like to the collector.
test_settings.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def migrated_app(postgres_url: str, redis_url: str) -> Iterator[Flask]:
    """The application on a database that the migrations made."""
    app = create_app(test_settings(database_url=postgres_url, redis_url=redis_url))
    with app.app_context():
        upgrade()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def app(migrated_app: Flask) -> Iterator[Flask]:
    """The application on empty tables with the shipped code lists, lanes, partners and rules."""
    with migrated_app.app_context():
        with transaction() as session:
            empty_tables(session)
        with transaction() as session:
            setup.install_defaults(session, migrated_app.extensions["tiedolla_settings"])
        db.session.remove()
        rq.queue.connection.flushall()
    # What a process remembers of the texts in use went with the tables.
    published_texts.forget()
    yield migrated_app
    with migrated_app.app_context():
        db.session.remove()


# More rows than this are quicker truncated than deleted.
_MANY_ROWS = 500


def empty_tables(session: Session) -> None:
    """Take every row out and let every number begin with 1 again.

    Truncating all tables makes hundreds of new files, which took more time than most tests; nearly
    all tables are empty, or hold a few rows.
    """
    tables = [one.name for one in db.metadata.sorted_tables]
    counts = " UNION ALL ".join(
        f"SELECT '{one}', (SELECT count(*) FROM (SELECT 1 FROM \"{one}\" LIMIT {_MANY_ROWS}) few)"
        for one in tables
    )
    rows: dict[str, int] = {row[0]: row[1] for row in session.execute(text(counts))}
    many = [f'"{one}"' for one in tables if rows[one] >= _MANY_ROWS]
    if many:
        session.execute(text(f"TRUNCATE {', '.join(many)} CASCADE"))
    for one in reversed(tables):
        if 0 < rows[one] < _MANY_ROWS:
            session.execute(text(f'DELETE FROM "{one}"'))
    session.execute(
        text(
            "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)"
            " FROM pg_sequences WHERE last_value IS NOT NULL"
        )
    )
