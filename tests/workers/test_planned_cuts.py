"""Planned cuts by the clock: each once, one's trouble nobody else's, and everything visible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import transaction
from app.domain.planned_course import Step
from app.models import Alarm, Announcement, Outage, OutageEvent, Run
from app.models import Step as RunStep
from app.services import planned_clock
from tests.services.cuts import FROM, TO, add_street, approve, draft
from tests.services.elsewhere import Elsewhere
from tests.services.world import minutes
from workers.planned_cuts import turn_planned_cuts

pytestmark = pytest.mark.usefixtures("working")


def test_a_step_is_a_run_with_the_cut_as_its_key() -> None:
    first = approve(draft(add_street(1)).plan)
    assert turn_planned_cuts(1, "schedule", FROM) == {"BEGIN": 1}
    (run,) = _all(Run)
    assert (run.process, run.state, run.counts) == ("planned cuts", "OK", {"BEGIN": 1})
    (step,) = _all(RunStep)
    assert step.keys == [f"planned-cut:{first.id}"]


def test_nothing_due_leaves_no_run() -> None:
    approve(draft(add_street(1)).plan)
    turn_planned_cuts(1, "schedule", FROM - minutes(90))
    assert _all(Run) == []


def test_a_cut_that_cannot_be_turned_stops_none_of_the_others() -> None:
    street = add_street(1)
    broken = approve(draft(street, ref="broken").plan).id
    approve(draft(street, ref="sound").plan)
    with transaction() as session:
        session.execute(
            text("UPDATE outage SET planned_to_at = NULL WHERE id = :id"), {"id": broken}
        )
    assert turn_planned_cuts(1, "schedule", FROM) == {"BEGIN": 1, "FAILED": 1}
    assert [row.state for row in _all(Outage)] == ["ANNOUNCED", "ONGOING"]
    (run,) = _all(Run)
    assert run.state == "PARTLY"
    (alarm,) = _all(Alarm)
    assert (alarm.kind, alarm.subject) == ("PLANNED_STEP_FAILED", f"planned-cut:{broken}")
    with transaction() as session:
        session.execute(
            text("UPDATE outage SET planned_to_at = :to WHERE id = :id"),
            {"id": broken, "to": TO},
        )
    turn_planned_cuts(1, "schedule", FROM + minutes(1))
    assert [alarm.closed_at is None for alarm in _all(Alarm)] == [False]


def test_two_clocks_at_once_do_each_step_once(app: Flask) -> None:
    plan_id = approve(draft(add_street(1)).plan).id
    soon = FROM - minutes(30)
    other = Elsewhere(app, lambda: turn_planned_cuts(2, "schedule", soon))
    with transaction() as session:
        assert planned_clock.turn(session, plan_id, soon) == [Step.REMIND]
        other.start()
        other.wait_until_blocked()
    other.join()
    story = [row.type for row in _all(OutageEvent)]
    assert story == ["DRAFTED", "APPROVED", "ANNOUNCED", "REMINDED"]
    told = [row.type for row in _all(Announcement)]
    assert told == ["PLANNED_NOTICE", "PLANNED_REMINDER"]


def test_an_overrun_raises_an_alarm_until_the_end_is_known() -> None:
    plan = approve(draft(add_street(1)).plan)
    turn_planned_cuts(1, "schedule", TO + minutes(5))
    assert [alarm.kind for alarm in _all(Alarm)] == ["PLANNED_OVERRUN"]
    with transaction() as session:
        session.execute(text("UPDATE outage SET state = 'ENDED' WHERE id = :id"), {"id": plan.id})
    turn_planned_cuts(1, "schedule", TO + minutes(6))
    assert [alarm.closed_at for alarm in _all(Alarm)] == [TO + minutes(6)]


def _all(model: Any) -> list[Any]:
    with transaction() as session:
        rows = session.scalars(
            select(model).order_by(model.id).execution_options(populate_existing=True)
        )
        return list(rows)


@pytest.fixture
def working(app: Flask) -> Iterator[None]:
    """Inside the application, as a worker is."""
    with app.app_context():
        yield
