"""Priority customers who are without power for hours get a call, with an owner and an outcome (REQ-32)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import db, transaction
from app.models import CallListEntry, Customer
from app.services import call_list
from app.services.call_list import CallOutcome, CallRefused
from tests.services.fault_world import A, B, at, build_network, record, state
from tests.services.world import add_customer, scalar

HOURS = timedelta(hours=4)


def test_req_32_priority_customers_without_power_for_hours_are_listed_once(network: None) -> None:
    state(record(points={A: None, B: None}))
    assert _gather(239) == 0
    assert _gather(240) == 1
    assert [_gather(minute) for minute in (241, 300, 900)] == [0, 0, 0]
    entry = _entry()
    assert (entry.customer_id, entry.gsrn, entry.state, entry.owner) == ("C1", A, "OPEN", None)


def test_two_faults_at_one_point_are_one_call(network: None) -> None:
    state(record(points={A: None}), record(ref="F-2", points={A: None}))
    assert _gather(300) == 1
    assert _gather(301) == 0


def test_the_call_has_an_owner_and_an_outcome(network: None) -> None:
    state(record(points={A: None}))
    _gather(300)
    with transaction() as session:
        call_list.take(session, _only(session), at(301), by="staff:aino")
    assert (_entry().state, _entry().owner) == ("TAKEN", "staff:aino")
    with transaction() as session:
        call_list.finish(
            session, _only(session), CallOutcome.HELP_ARRANGED, at(305), by="staff:aino"
        )
    assert (_entry().state, _entry().outcome, _entry().done_at) == (
        "DONE",
        "HELP_ARRANGED",
        at(305),
    )
    assert _gather(400) == 0
    with pytest.raises(CallRefused), transaction() as session:
        call_list.take(session, _only(session), at(401), by="staff:otso")
    assert scalar("SELECT string_agg(action, ' ' ORDER BY id) FROM audit_entry") == (
        "CALL_ADDED CALL_TAKEN CALL_FINISHED"
    )


def test_whoever_was_not_reached_stays_on_the_list(network: None) -> None:
    state(record(points={A: None}))
    _gather(300)
    with transaction() as session:
        call_list.finish(session, _only(session), CallOutcome.NOT_REACHED, at(305), by="staff:aino")
    assert (_entry().state, _entry().outcome) == ("OPEN", "NOT_REACHED")


def test_a_call_that_nobody_has_taken_is_not_needed_once_power_is_back(network: None) -> None:
    state(record(points={A: None}))
    _gather(300)
    state(record(2, points={A: 310}, stated=311), minutes=312)
    _gather(320)
    assert (_entry().state, _entry().outcome) == ("DONE", "POWER_BACK")


def test_req_32_power_that_goes_again_is_another_call(network: None) -> None:
    state(record(points={A: None}))
    _gather(300)
    state(record(2, points={A: 310}, stated=311), minutes=312)
    _gather(320)
    assert (_entry().state, _entry().outcome) == ("DONE", "POWER_BACK")
    state(record(3, points={A: None}, stated=330), minutes=331)
    assert _gather(3000) == 1
    assert (_entry().state, _entry().outcome, _entry().owner) == ("OPEN", None, None)
    with transaction() as session:
        call_list.finish(session, _only(session), CallOutcome.REACHED, at(3001), by="staff:aino")
    # Whoever has been spoken with in this cut is not called again in it.
    assert _gather(3300) == 0


def test_a_planned_cut_counts_while_it_lasts(network: None) -> None:
    state(record(points={A: None}))
    with transaction() as session:
        session.execute(text("UPDATE outage SET kind = 'PLANNED', state = 'ANNOUNCED'"))
    assert _gather(300) == 0
    with transaction() as session:
        session.execute(text("UPDATE outage SET state = 'ONGOING'"))
    assert _gather(300) == 1


def _gather(minutes: float) -> int:
    with transaction() as session:
        return call_list.gather(session, at(minutes), HOURS)


def _entry() -> CallListEntry:
    with transaction() as session:
        return session.get_one(CallListEntry, _only(session), populate_existing=True)


def _only(session: Session) -> int:
    return int(session.execute(text("SELECT id FROM call_list_entry")).scalar_one())


@pytest.fixture
def network(app: Flask) -> Iterator[None]:
    """Two homes, one of a customer with priority."""
    with app.app_context():
        build_network((A, B))
        with transaction() as session:
            add_customer(session, "C1", gsrn=A)
            add_customer(session, "C2", gsrn=B, contacts={"+358401234568": "SMS"})
            session.get_one(Customer, "C1").priority_flag = True
        yield
        db.session.remove()
