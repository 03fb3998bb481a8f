"""The watchdog of faults: estimates that pass in silence, candidates, closing, bulletins, calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask, current_app
from sqlalchemy import text

from app.db import db, transaction
from app.domain.lanes import UPKEEP
from app.models import Customer
from app.services import fault_watch, schedules, setup, storms
from app.settings import Settings
from tests.services.fault_world import (
    A,
    B,
    all_told,
    announced,
    at,
    build_network,
    course_of,
    fault,
    kinds,
    meters,
    record,
    state,
)
from tests.services.world import add_customer, scalar
from workers import upkeep
from workers.fault_upkeep import look_after_faults


def test_req_06_an_estimate_that_passes_in_silence_raises_an_alarm_and_is_told_once(
    network: None,
) -> None:
    state(record(1, points={A: None}, etrAt=60))
    all_told()
    assert _look(59) == {}
    assert _look(60) == {"EXPIRED": 1}
    assert kinds()[-1] == "FAULT_ETR_DELAYED"
    assert _alarms() == [("FAULT_ETR_EXPIRED", f"fault:{fault().id}")]
    assert _look(61) == _look(300) == {}
    assert kinds().count("FAULT_ETR_DELAYED") == 1
    assert course_of(fault())[-1] == "ETR_EXPIRED"
    all_told()
    # A new estimate ends the alarm; when it passes as well, that is told in its turn.
    state(record(2, points={A: None}, etrAt=400, stated=301), minutes=302)
    assert _alarms() == []
    assert kinds()[-1] == "FAULT_ETR_CHANGED"
    assert _look(401) == {"EXPIRED": 1}
    assert kinds().count("FAULT_ETR_DELAYED") == 2


def test_req_06_whatever_passes_is_looked_at_within_ten_minutes_also_in_a_storm(
    network: None,
) -> None:
    """From the schedule that setup writes to the chore: nothing in between may take longer."""
    settings: Settings = current_app.extensions["tiedolla_settings"]
    with transaction() as session:
        setup.install_defaults(session, settings)
        session.execute(text("UPDATE schedule SET next_at = :at"), {"at": at(59.9)})
        schedules.move_on(session, at(59.9))
    state(record(1, points={A: None}, etrAt=60))
    all_told()
    rings = 0
    now = at(60)
    while now <= at(70):
        with transaction() as session:
            rings += UPKEEP in schedules.move_on(session, now)
        now += timedelta(seconds=1)
    storm = 1_400
    assert rings * fault_watch.BATCH_COUNT >= 2 * storm
    loop = asyncio.new_event_loop()
    chores = dict(upkeep._chores(settings, 1, "test", loop, at(60)))
    loop.close()
    chores["faults"]()
    assert kinds()[-1] == "FAULT_ETR_DELAYED"
    assert _alarms() == [("FAULT_ETR_EXPIRED", f"fault:{fault().id}")]


def test_req_06_an_estimate_that_nobody_heard_in_time_is_not_told_any_more(network: None) -> None:
    state(record(points={A: None}, etrAt=60))
    _look(61)
    assert kinds() == ["FAULT_STARTED", "FAULT_ETR_DELAYED"]


def test_an_estimate_of_what_is_over_may_pass(network: None) -> None:
    state(record(points={A: 50}, etrAt=60, stated=51), minutes=52)
    assert _look(61) == {}


def test_req_08_during_a_storm_estimates_pass_unseen_and_bulletins_go_out(network: None) -> None:
    state(record(points={A: None}, etrAt=60))
    with transaction() as session:
        storms.open_storm(session, "Jari", ["837"], at(10), by="staff:otso")
    assert _look(61) == {}
    assert _look(75) == {"BULLETINS": 1}
    assert _alarms() == []


def test_a_candidate_that_nobody_looks_at_raises_an_alarm(network: None) -> None:
    meters((A, "LAST_GASP", 1), minutes=2)
    assert _look(16) == {}
    assert _look(18) == {"UNCONFIRMED": 1}
    assert _look(19) == {}
    (alarm,) = _alarms()
    assert alarm[0] == "FAULT_UNCONFIRMED"
    meters((A, "RESTORE", 20), minutes=21)
    assert _alarms() == []


def test_a_fault_that_has_been_over_for_hours_is_closed_and_compensated(network: None) -> None:
    state(record(1, points={A: None}))
    all_told()
    over = 13 * 60
    state(record(2, points={A: over}, stated=over), minutes=over + 1)
    assert _look(over + 359) == {}
    assert _look(over + 361) == {"CLOSED": 1}
    assert fault().state == "CLOSED"
    assert kinds()[-1] == "COMPENSATION"
    assert announced()[-1].facts["duration_s"] == over * 60


def test_req_32_the_call_list_is_filled(network: None) -> None:
    with transaction() as session:
        add_customer(session, "C1", gsrn=A)
        session.get_one(Customer, "C1").priority_flag = True
    state(record(points={A: None}))
    assert _look(241) == {"CALLS": 1}


def test_what_fails_with_one_fault_leaves_the_others_looked_after(network: None) -> None:
    state(record(points={A: None}, etrAt=60), record(ref="F-2", points={B: None}, etrAt=60))
    with transaction() as session:
        session.execute(text("UPDATE dms_statement SET payload = '{}' WHERE source_ref = 'F-1'"))
    assert _look(61) == {"EXPIRED": 1, "FAILED": 1}
    assert _alarms() == [("FAULT_ETR_EXPIRED", f"fault:{fault('F-2').id}")]
    assert scalar("SELECT state FROM run WHERE process = 'watch faults'") == "PARTLY"


def _look(minutes: float) -> Counter[str]:
    settings: Settings = current_app.extensions["tiedolla_settings"]
    return look_after_faults(settings, 1, "test", at(minutes))


def _alarms() -> list[tuple[str, str]]:
    with transaction() as session:
        rows = session.execute(text("SELECT kind, subject FROM alarm WHERE closed_at IS NULL"))
        return [(row.kind, row.subject) for row in rows]


@pytest.fixture
def network(app: Flask) -> Iterator[None]:
    """Four points on one transformer."""
    with app.app_context():
        build_network()
        yield
        db.session.remove()
