"""Rules and orders of an older database find themselves in the first version, and go back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from app.db import db, transaction
from tests.migrations.test_migrations import empty_app

__all__ = ["empty_app"]

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def test_older_rules_become_the_first_version_and_go_back_with_what_is_in_force(
    empty_app: Flask,
) -> None:
    with empty_app.app_context():
        upgrade(revision="0011")
        _do(
            "INSERT INTO partner (code, name, transport, base_url, order_types, sees_key_info,"
            " key_generation, oldest_key_generation, active, created_at)"
            " VALUES ('voima', 'x', 'REST', '', '{}', false, 1, 1, true, :now)",
            "INSERT INTO route_rule (name, priority, order_type_codes, municipality_codes, models,"
            " partner_code, active, active_from, version, created_by, created_at)"
            " VALUES ('on', 1, '{}', '{}', '{}', 'voima', true, :now, 1, 'x', :now),"
            " ('off', 2, '{}', '{}', '{}', 'voima', false, :now, 1, 'x', :now)",
            "INSERT INTO work_order (order_id, revision, content_hash, order_type_code, state,"
            " state_at, base_state, priority, gsrn, presence_required, facts, attempts,"
            " inbound_message_id, created_at, updated_at)"
            " VALUES ('A-1', 1, 'x', 'HUO', 'NO_ROUTE', :now, 'NO_ROUTE', 3, 'g', false, '{}', 0, 1,"
            " :now, :now)",
        )
        upgrade()
        rows = _all("SELECT number, state FROM rule_set")
        assert rows == [(1, "ACTIVE")]
        rows = _all("SELECT name, set_number, active_to IS NULL FROM route_rule ORDER BY id")
        assert rows == [("on", 1, True), ("off", 1, False)]
        # It waits to be looked at once under the versions.
        rows = _all("SELECT route_set_number, routed_at FROM work_order")
        assert rows == [(0, NOW)]
        _do(
            "INSERT INTO rule_set (number, state, note, authors, created_at, changed_at)"
            " VALUES (2, 'DRAFT', '', '{}', :now, :now)",
            "INSERT INTO route_rule (set_number, name, priority, order_type_codes,"
            " municipality_codes, models, partner_code, active_from, created_by, created_at)"
            " VALUES (2, 'on', 1, '{}', '{}', '{}', 'voima', :now, 'x', :now)",
        )
        db.session.remove()
        downgrade(revision="0011")
        rows = _all("SELECT name, active, version FROM route_rule ORDER BY id")
        assert rows == [("on", True, 1), ("off", True, 1)]
        assert _all("SELECT state FROM work_order") == [("NO_ROUTE",)]


def _do(*statements: str) -> None:
    with transaction() as session:
        for statement in statements:
            session.execute(text(statement), {"now": NOW})


def _all(statement: str) -> list[tuple[Any, ...]]:
    with transaction() as session:
        rows = [tuple(row) for row in session.execute(text(statement))]
    db.session.remove()
    return rows
