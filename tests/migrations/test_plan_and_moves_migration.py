"""Proposals of plans and moves of orders come and go with the rows that were there."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from app.db import db, transaction
from tests.migrations.test_migrations import empty_app

__all__ = ["empty_app"]

NOW = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)


def test_a_plan_in_force_stays_in_force_both_ways(empty_app: Flask) -> None:
    with empty_app.app_context():
        upgrade(revision="0018")
        _do(
            "INSERT INTO rollout_plan (name, body_hash, row_count, meter_count, first_on, last_on,"
            " imported_by, imported_at, activated_by, activated_at)"
            " VALUES ('a', 'x', 1, 1, '2026-01-01', '2026-01-02', 'staff:a', :now, 'staff:a', :now)",
            "INSERT INTO rule_set (number, state, note, authors, created_at, changed_at)"
            " VALUES (1, 'ACTIVE', '', '{}', :now, :now)",
        )
        upgrade()
        assert _plans() == [("a", "staff:a")]
        _do(
            "UPDATE rollout_plan SET proposed_by = 'staff:b', proposed_at = :now",
            "INSERT INTO route_move (set_number, state, reason, expected_count, asked_by, asked_at,"
            " after_order_id, moved_count, kept_count)"
            " VALUES (1, 'PROPOSED', 'x', 7, 'staff:a', :now, '', 0, 0)",
        )
        db.session.remove()
        downgrade(revision="0018")
        assert _plans() == [("a", "staff:a")]
        db.session.remove()
        upgrade()
        assert _plans() == [("a", "staff:a")]


def _do(*statements: str) -> None:
    with transaction() as session:
        for statement in statements:
            session.execute(text(statement), {"now": NOW})
    db.session.remove()


def _plans() -> list[tuple[str, str]]:
    with transaction() as session:
        rows = session.execute(text("SELECT name, activated_by FROM rollout_plan"))
        found = [(row.name, row.activated_by) for row in rows]
    db.session.remove()
    return found
