"""flask storms: a storm is opened, assessed and ended; figures tell what it came to."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.domain.notice_types import NoticeType
from app.models import AuditEntry, Storm
from tests.services.announcing import POINTS, add_outage, settle_people, tell_all
from tests.services.fault_world import at, record, state
from tests.services.world import NOW


@pytest.fixture(autouse=True)
def people(app: Flask) -> None:
    with app.app_context():
        settle_people(2)
        with transaction() as session:
            session.execute(text("UPDATE metering_point SET municipality_code = '837'"))


def run(app: Flask, *words: str) -> tuple[int, str]:
    done = app.test_cli_runner().invoke(args=["storms", *words])
    return done.exit_code, done.output


def test_a_storm_is_opened_assessed_and_ended_once_each(app: Flask) -> None:
    code, number = run(app, "open", "Aino", "--municipality", "837")
    assert code == 0
    assert run(app, "open", "Again", "--municipality", "837") == (1, "Error: not opened: TAKEN\n")
    assert "open" in run(app, "list")[1]
    for what in ("assess", "end"):
        assert run(app, what, number.strip())[0] == 0
        assert run(app, what, number.strip()) == (
            1,
            f"Error: storm {number.strip()}: WRONG_STATE\n",
        )
    with app.app_context(), transaction() as session:
        (storm,) = session.execute(select(Storm)).scalars().all()
        assert storm.assessed_at is not None
        assert storm.ended_at is not None
        actions = session.execute(select(AuditEntry.action).order_by(AuditEntry.id)).scalars().all()
    assert actions[-3:] == ["STORM_OPENED", "STORM_ASSESSED", "STORM_ENDED"]


def test_a_municipality_without_points_is_refused(app: Flask) -> None:
    code, words = run(app, "open", "Aino", "--municipality", "837", "--municipality", "999")
    assert (code, "999" in words) == (1, True)


def test_figures_tell_decisions_reasons_money_and_speed(app: Flask) -> None:
    with app.app_context():
        outage = add_outage(POINTS[:2])
        tell_all(NoticeType.FAULT_STARTED, outage)
        with transaction() as session:
            session.execute(text(_ONE_LEFT))
            session.execute(
                text(
                    "UPDATE notice SET state = 'SUPERSEDED', suppress_reason = 'SUPERSEDED'"
                    " WHERE state = 'QUEUED'"
                )
            )
    code, words = run(
        app, "figures", "--since", (NOW - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S%z")
    )
    assert code == 0, words
    found = json.loads(words)
    assert found["announcements"] == {"FAULT_STARTED DONE": 1}
    assert found["notices"] == {"SENT": 1, "SUPERSEDED": 1}
    assert found["suppressed"] == {"FAULT_STARTED SUPERSEDED": 1}
    assert found["sms_parts"] == 1
    assert found["cost_cents"] == 7.0
    (row,) = found["hand_over"]
    assert (row["kind"], row["count"], row["p50_s"]) == ("FAULT_STARTED", 1, 2.0)
    # Nothing of what was before.
    later = (NOW + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S%z")
    assert json.loads(run(app, "figures", "--since", later)[1])["notices"] == {}


def test_readings_tell_when_each_version_was_read_first(app: Flask) -> None:
    with app.app_context():
        first = record(points={POINTS[0]: None})
        assert state(
            first, first, record(2, points={POINTS[0]: 30}), record(2, points={POINTS[1]: None})
        ) == [
            "APPLIED",
            "DUPLICATE",
            "APPLIED",
            "CONFLICT",
        ]
    code, words = run(app, "readings", "--since", NOW.strftime("%Y-%m-%dT%H:%M:%S%z"))
    assert (code, [line.split()[:2] for line in words.splitlines()]) == (
        0,
        [["F-1", "1"], ["F-1", "2"]],
    )
    assert words.splitlines()[0].endswith(at(6).isoformat())


_ONE_LEFT = """
    UPDATE notice SET state = 'SENT', sent_at = created_at + interval '2 seconds',
        cost_millicents = 7000 * segments
    WHERE id = (SELECT min(id) FROM notice WHERE state = 'QUEUED')
"""
