"""One reminder that fails keeps nobody else from being reminded, is seen, and is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import transaction
from app.models import Alarm, Run
from app.models.work_order import WorkOrder
from app.services import notices, visit_notices, visits
from app.services.visits import Window
from tests.field_work import add_order, at, gsrn
from workers.visit_reminders import FAILED_ALARM, remind_of_visits

DAY = 24 * 60
FROM, TO = at(2 * DAY - 240), at(2 * DAY - 120)
EVENING = at(DAY + 300)
BAD = "WO-2"


def test_one_that_fails_keeps_nobody_else_from_being_reminded(
    world: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break(monkeypatch)
    assert remind_of_visits(1, "test", EVENING) == {"LOOKED_AT": 2, "FAILED": 1}
    assert _reminded() == {"WO-1", "WO-3"}
    assert _alarms() == {BAD: True}
    with transaction() as session:
        states = session.scalars(select(Run.state).where(Run.process == "remind of visits")).all()
        assert "PARTLY" in states
        detail = session.scalars(select(Alarm.detail).where(Alarm.kind == FAILED_ALARM)).one()
        assert detail == "Nobody could be reminded of the visit: ArithmeticError."


def test_it_is_tried_again_after_a_minute_and_its_alarm_ends_with_it(
    world: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        _break(broken)
        remind_of_visits(1, "test", EVENING)
        assert remind_of_visits(1, "test", EVENING + timedelta(seconds=5)) == {}
        again = EVENING + timedelta(seconds=70)
        assert remind_of_visits(1, "test", again) == {"FAILED": 1}
    assert remind_of_visits(1, "test", again + timedelta(seconds=70)) == {"LOOKED_AT": 1}
    assert _reminded() == {"WO-1", BAD, "WO-3"}
    remind_of_visits(1, "test", again + timedelta(seconds=75))
    assert _alarms() == {BAD: False}


def test_its_alarm_outlives_the_night_and_ends_when_the_visit_begins(
    world: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break(monkeypatch)
    remind_of_visits(1, "test", EVENING)
    # In the morning it is too late for "tomorrow", and nobody has been told.
    assert remind_of_visits(1, "test", FROM - timedelta(hours=1)) == {}
    assert _alarms() == {BAD: True}
    remind_of_visits(1, "test", FROM + timedelta(minutes=1))
    assert _alarms() == {BAD: False}


def test_the_alarm_ends_when_the_visit_is_called_off(
    world: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break(monkeypatch)
    remind_of_visits(1, "test", EVENING)
    with transaction() as session:
        session.execute(text("UPDATE work_order SET state = 'CANCELLED' WHERE order_id = 'WO-2'"))
    remind_of_visits(1, "test", EVENING + timedelta(seconds=5))
    assert _alarms() == {BAD: False}


def test_a_fault_that_no_single_reminder_makes_is_seen_all_the_same(
    world: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _never(*_args: object, **more: Any) -> int:
        if more.get("only") is None:
            raise ArithmeticError
        return 0

    monkeypatch.setattr(visit_notices, "remind", _never)
    with pytest.raises(ArithmeticError):
        remind_of_visits(1, "test", EVENING)


def _break(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something about one order is such that our own code fails over it."""
    plan = notices.plan_for_swap

    def _fails_for_one(session: Session, order: WorkOrder, *rest: Any) -> Any:
        if order.order_id == BAD:
            raise ArithmeticError
        return plan(session, order, *rest)

    monkeypatch.setattr(notices, "plan_for_swap", _fails_for_one)


def _reminded() -> set[str]:
    with transaction() as session:
        rows = session.execute(
            text("SELECT order_id FROM visit WHERE reminded_from_at = from_at ORDER BY order_id")
        )
        return set(rows.scalars())


def _alarms() -> dict[str, bool]:
    with transaction() as session:
        rows = session.scalars(select(Alarm).where(Alarm.kind == FAILED_ALARM))
        return {row.subject: row.closed_at is None for row in rows}


@pytest.fixture
def world(app: Flask) -> Iterator[None]:
    with app.app_context():
        for number in (1, 2, 3):
            with transaction() as session:
                order = add_order(
                    session,
                    f"WO-{number}",
                    gsrn=gsrn(number),
                    state="SCHEDULED",
                    old_meter_number=f"5530-{number}",
                )
                visit = visits.plan(session, order, Window(FROM, TO), agreed=False, now=at(0))
                visits.note_told(visit, Window(FROM, TO), at(0))
        yield
