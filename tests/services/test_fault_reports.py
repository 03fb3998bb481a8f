"""What meters and customers report: candidates, their confirmation, ends, and ends that were none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db, transaction
from app.models import Outage
from app.services.fault_candidates import (
    CUSTOMER,
    Report,
    Reported,
    report_from_customer,
    suspect,
)
from tests.services.announcing import plan_all, want_everything
from tests.services.fault_world import (
    A,
    B,
    C,
    D,
    all_told,
    announced,
    at,
    build_network,
    fault,
    gsrn,
    kinds,
    meters,
    record,
    state,
    times,
)
from tests.services.world import add_customer, scalar


def test_a_last_gasp_is_a_candidate_that_is_told_to_nobody(network: None) -> None:
    assert meters((A, "LAST_GASP", 1), minutes=2) == {"APPLIED": 1}
    candidate = _candidate()
    assert (candidate.state, candidate.source, candidate.transformer) == (
        "DETECTED",
        "METER",
        "M837-0001",
    )
    assert times(candidate) == {A: (1, None)}
    assert kinds() == []


def test_enough_meters_of_one_transformer_confirm_it(network: None) -> None:
    meters((A, "LAST_GASP", 1), (B, "LAST_GASP", 2), minutes=3)
    assert _candidate().state == "DETECTED"
    meters((A, "LAST_GASP", 1), minutes=4)
    assert _candidate().state == "DETECTED"
    meters((C, "LAST_GASP", 4), minutes=10)
    assert _candidate().state == "CONFIRMED"
    assert kinds() == ["FAULT_STARTED"]
    assert scalar("SELECT count(*) FROM outage") == 1


def test_meters_of_another_transformer_or_another_hour_are_another_candidate(network: None) -> None:
    build_network([gsrn(9)], transformer="M049-0002")
    meters((A, "LAST_GASP", 1), (gsrn(9), "LAST_GASP", 1), (B, "LAST_GASP", 50), minutes=60)
    assert scalar("SELECT count(*) FROM outage") == 3


def test_the_same_event_again_and_events_of_strangers_do_nothing(network: None) -> None:
    events = ((A, "LAST_GASP", 1), (A, "LAST_GASP", 1), (gsrn(99), "LAST_GASP", 1))
    assert meters(*events, minutes=2) == {"APPLIED": 1, "DUPLICATE": 1, "REJECTED": 1}
    assert meters(*events, minutes=3) == {"DUPLICATE": 2, "REJECTED": 1}
    assert times(_candidate()) == {A: (1, None)}


def test_a_restore_ends_the_cut_of_its_point_and_no_other(network: None) -> None:
    state(record(points={A: None, B: None}))
    all_told()
    assert meters((A, "RESTORE", 30), minutes=31) == {"APPLIED": 1}
    assert times(fault()) == {A: (0, 30), B: (0, None)}
    assert kinds()[-2:] == ["FAULT_RESTORED", "FAULT_PARTLY_RESTORED"]


def test_a_restore_that_comes_before_its_cut_is_known_counts_all_the_same(network: None) -> None:
    meters((A, "RESTORE", 30), minutes=31)
    state(record(points={A: None, B: None}))
    assert times(fault()) == {A: (0, 30), B: (0, None)}


def test_what_is_known_or_expected_makes_no_candidate(network: None) -> None:
    state(record(points={A: None}))
    _add_cut("PLANNED", "ONGOING", B)
    _add_cut("METER_SWAP", "OPEN", C)
    events = ((A, "LAST_GASP", 1), (B, "LAST_GASP", 1), (C, "LAST_GASP", 1))
    assert meters(*events, minutes=2) == {"KNOWN": 1, "EXPECTED": 2}
    assert scalar("SELECT count(*) FROM outage WHERE source = 'METER'") == 0


def test_a_candidate_that_a_stated_fault_covers_becomes_part_of_it(network: None) -> None:
    meters((A, "LAST_GASP", 1), minutes=2)
    state(record(points={A: None, B: None}))
    assert (_candidate().state, _candidate().parent_id) == ("MERGED", fault().id)
    assert times(fault()) == {A: (0, None), B: (0, None)}


def test_a_candidate_that_reaches_further_stays_one_of_its_own(network: None) -> None:
    meters((A, "LAST_GASP", 1), (D, "LAST_GASP", 1), minutes=2)
    state(record(points={A: None, B: None}))
    assert _candidate().state == "DETECTED"


def test_a_customer_without_power_makes_a_candidate_or_joins_one(network: None) -> None:
    first = _report(A, 5)
    assert first.outcome is Report.NEW
    assert _report(B, 9) == Reported(Report.NEW, first.outage_id)
    assert _report(B, 9.5) == Reported(Report.KNOWN, first.outage_id)
    candidate = fault(f"M837-0001@{at(5).isoformat()}", "CUSTOMER")
    assert (candidate.state, times(candidate)) == ("DETECTED", {A: (5, None), B: (9, None)})
    assert kinds() == []


def test_a_customer_in_a_known_fault_or_a_planned_cut_reports_nothing_new(network: None) -> None:
    state(record(points={A: None}))
    planned = _add_cut("PLANNED", "ONGOING", B)
    assert _report(A, 9) == Reported(Report.KNOWN, fault().id)
    assert _report(B, 9) == Reported(Report.EXPECTED, planned)
    assert scalar("SELECT count(*) FROM outage") == 2


def test_req_05_no_power_after_restored_reopens_that_point_and_tells_staff(network: None) -> None:
    state(record(1, points={A: None, B: None}))
    all_told()
    state(record(2, points={A: 30, B: 30}, stated=31), minutes=32)
    all_told()
    assert _report(B, 40) == Reported(Report.REOPENED, fault().id)
    outage = fault()
    assert (outage.state, outage.restored_at) == ("REOPENED", None)
    assert times(outage) == {A: (0, 30), B: (0, None)}
    assert _alarms() == [("FAULT_STILL_OUT", f"fault:{outage.id}")]
    # The DMS repeats what it believes; what the customer saw later counts.
    state(record(3, points={A: 30, B: 30}, causeCode="TREE", stated=45), minutes=46)
    assert times(fault())[B] == (0, None)
    meters((B, "RESTORE", 80), minutes=81)
    assert (fault().state, times(fault())[B]) == ("RESTORED", (0, 80))
    assert kinds()[-1] == "FAULT_RESTORED"
    assert _alarms() == []


def test_a_report_long_after_the_end_is_another_fault(network: None) -> None:
    state(record(1, points={A: 30}, stated=31), minutes=32)
    assert _report(A, 30 + 13 * 60).outcome is Report.NEW


def test_req_05_an_end_that_a_nested_fault_overshadowed_is_told_after_it(network: None) -> None:
    """The nested one was never confirmed, so nobody heard of it: its end is not told either."""
    with transaction() as session:
        add_customer(session, gsrn=A, contacts={"+358401234567": "SMS"})
        want_everything(session)
    state(record(1, points={A: None, B: None}))
    plan_all(at(1))
    nested = _nested(A)
    state(record(2, points={A: 30, B: 30}, stated=31), minutes=32)
    all_told()
    meters((A, "RESTORE", 60), minutes=61)
    assert fault(nested, "CUSTOMER").state == "RESTORED"
    last = announced()[-1]
    assert (last.type, last.outage_id) == ("FAULT_RESTORED", fault().id)
    assert last.occurrence.startswith("after:")


def _report(point: str, minutes: float) -> Reported:
    with transaction() as session:
        return report_from_customer(session, point, at(minutes), "contact:1")


def _nested(point: str) -> str:
    """A candidate at a point that another fault cuts already, as two reports at once make one."""
    with transaction() as session:
        suspect(session, point, at(4), at(4), source=CUSTOMER, by="contact:1")
    return f"M837-0001@{at(4).isoformat()}"


def _candidate() -> Outage:
    return fault(str(scalar("SELECT source_ref FROM outage WHERE source = 'METER'")), "METER")


def _add_cut(kind: str, state_: str, point: str) -> int:
    with transaction() as session:
        number = session.execute(
            text(
                "INSERT INTO outage (source, source_ref, kind, state, version, started_at,"
                " created_at, updated_at) VALUES ('X', :point, :kind, :state, 1, :at, :at, :at)"
                " RETURNING id"
            ),
            {"point": point, "kind": kind, "state": state_, "at": at(0)},
        ).scalar_one()
        session.execute(
            text("INSERT INTO outage_point (outage_id, gsrn, off_at) VALUES (:id, :point, :at)"),
            {"id": number, "point": point, "at": at(0)},
        )
        return int(number)


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
