"""Steps and audit entries of an older database are in the first partition, and come back."""

from __future__ import annotations

from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect

from app.db import db
from tests.migrations.test_migrations import empty_app
from tests.migrations.test_rules_migration import _all, _do

__all__ = ["empty_app"]

_STEP = (
    "INSERT INTO step (run_id, name, state, keys, started_at, duration_ms)"
    " VALUES (1, '{name}', 'OK', '{{WO-1}}', {at}, 0)"
)


def test_rows_stay_where_they_are_on_the_way_up_and_come_together_on_the_way_down(
    empty_app: Flask,
) -> None:
    with empty_app.app_context():
        upgrade(revision="0015")
        _do(
            "INSERT INTO run (process, trigger, state, counts, started_at)"
            " VALUES ('intake', 'x', 'OK', '{}', :now)",
            _STEP.format(name="old", at="now()"),
            "INSERT INTO audit_entry (at, actor, action, subject, detail)"
            " VALUES (now(), 'a', 'X', 's', '{}')",
        )
        upgrade()
        assert _all("SELECT id, name, keys FROM step") == [(1, "old", ["WO-1"])]
        assert _all("SELECT count(*) FROM parts.step_first") == [(1,)]
        # Nobody has made its month, and it is kept all the same.
        _do(_STEP.format(name="new", at="now() + interval '200 days'"))
        assert _all("SELECT id, name FROM step ORDER BY id") == [(1, "old"), (2, "new")]
        assert _all("SELECT count(*) FROM parts.step_default") == [(1,)]
        _do("DELETE FROM run WHERE id = 9")
        downgrade(revision="0015")
        assert _all("SELECT id, name FROM step ORDER BY id") == [(1, "old"), (2, "new")]
        assert _all("SELECT actor FROM audit_entry") == [("a",)]
        with db.engine.connect() as connection:
            assert "parts" not in inspect(connection).get_schema_names()
        _do(_STEP.format(name="newer", at="now()"))
        assert _all("SELECT max(id) FROM step") == [(3,)]
        # The steps of a run go with it, as ever.
        _do("DELETE FROM run WHERE id = 1")
        assert _all("SELECT count(*) FROM step") == [(0,)]
        upgrade()
        _do(
            "INSERT INTO run (id, process, trigger, state, counts, started_at)"
            " VALUES (1, 'intake', 'x', 'OK', '{}', now())",
            _STEP.format(name="again", at="now()"),
            "DELETE FROM run WHERE id = 1",
        )
        assert _all("SELECT count(*) FROM step") == [(0,)]
