"""Planned cuts of the DMS: repeated, out of order, and changed after people were told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import permutations

import pytest
from flask import Flask
from sqlalchemy import select

from app.db import transaction
from app.models import Alarm
from app.services import planned_dms, planned_telling, planned_watch
from app.services.planned_dms import take_from_dms
from app.services.planned_rows import Plan
from tests.services.announcing import plan_all
from tests.services.cuts import (
    FROM,
    MONDAY,
    OTHER,
    TO,
    add_street,
    announcements,
    approve,
    cut,
    hours,
    outage,
    phone,
    points,
    send_all,
    tick,
    told,
)
from tests.services.world import minutes

pytestmark = pytest.mark.usefixtures("working")


@dataclass(frozen=True)
class Record:
    """A record as the feed hands it over."""

    source_ref: str
    version: int
    planned_from_at: datetime
    planned_to_at: datetime
    gsrns: Sequence[str]
    started_at: datetime | None = None
    restored_at: datetime | None = None
    cause_code: str | None = "CLEARING"


def test_a_new_record_is_a_draft_that_one_person_approves() -> None:
    street = add_street(2)
    assert _take(_record(street)) == "NEW"
    assert (outage().state, outage().cause_code, sorted(points())) == ("DRAFT", "CLEARING", street)
    _approve()
    assert set(told("PLANNED_NOTICE")) == {phone(1), phone(2)}


def test_an_older_version_or_the_same_again_changes_nothing() -> None:
    street = add_street(2)
    _take(_record(street, version=5))
    before = outage().version
    assert _take(_record(street[:1], version=5)) == "STALE"
    assert _take(_record(street[:1], version=4)) == "STALE"
    assert (outage().version, len(points())) == (before, 2)


def test_a_new_version_of_an_approved_plan_has_to_be_approved_anew() -> None:
    street = add_street(2)
    _take(_record(street))
    approve(_plan(), announce_at=MONDAY + hours(5))
    assert _take(_record(street, version=2)) == "UPDATE"
    assert outage().state == "APPROVED"
    assert _take(_record(street, version=3, planned_to_at=TO + hours(1))) == "UPDATE"
    assert (outage().state, outage().planned_to_at) == ("DRAFT", TO + hours(1))


def test_req_16_a_change_in_time_is_told_by_itself() -> None:
    street = add_street(2)
    _take(_record(street[:1]))
    _approve()
    later = _record(street, version=2, planned_from_at=FROM + hours(2), planned_to_at=TO + hours(2))
    assert _take(later) == "UPDATE"
    assert set(told("PLANNED_CHANGED")) == {phone(1)}
    assert set(told("PLANNED_NOTICE")) == {phone(1), phone(2)}


def test_req_15_a_change_that_comes_too_late_waits_for_a_person() -> None:
    street = add_street(1)
    _take(_record(street))
    _approve()
    late = FROM - hours(20)
    later = _record(street, version=2, planned_from_at=FROM + hours(2), planned_to_at=TO + hours(2))
    assert _take(later, late) == "WAITS"
    assert told("PLANNED_CHANGED") == {}
    assert (outage().planned_from_at, cut().wanted_from_at) == (FROM, FROM + hours(2))
    assert _alarms(late) == ["PLANNED_CHANGE_WAITS"]
    outage_id = outage().id
    with transaction() as session:
        planned_telling.reschedule(
            session,
            outage_id,
            FROM + hours(2),
            TO + hours(2),
            by=OTHER,
            now=late,
            version=None,
            short_reason="Urakoitsija myöhässä",
        )
    plan_all(late)
    send_all(late)
    assert set(told("PLANNED_CHANGED")) == {phone(1)}
    assert _alarms(late) == []


def test_points_that_leave_an_announced_cut_are_left_to_a_person() -> None:
    street = add_street(2)
    _take(_record(street))
    _approve()
    assert _take(_record(street[:1], version=2)) == "WAITS"
    assert len(points()) == 2
    outage_id = outage().id
    with transaction() as session:
        planned_telling.keep_as_it_is(session, outage_id, by=OTHER, now=MONDAY, version=None)
    assert _alarms(MONDAY) == []


def test_beginning_and_end_are_believed_whatever_was_planned() -> None:
    street = add_street(1)
    _take(_record(street))
    began = _record(street, version=2, started_at=FROM + minutes(7))
    assert _take(began, FROM + minutes(8)) == "UPDATE"
    assert outage().state == "ONGOING"
    assert _alarms(FROM + minutes(8)) == []
    over = replace(began, version=3, restored_at=TO - minutes(9))
    _take(over, TO)
    assert (outage().state, outage().restored_at) == ("ENDED", TO - minutes(9))
    (point,) = points().values()
    assert (point.off_at, point.on_at) == (FROM + minutes(7), TO - minutes(9))


def test_single_points_come_back_early_and_twice_is_once() -> None:
    street = add_street(2)
    _take(_record(street))
    _approve()
    tick(FROM)
    back = {street[0]: FROM + hours(1)}
    for _ in range(2):
        with transaction() as session:
            planned_dms.points_back(session, "DMS-7", back, FROM + hours(2))
    assert points()[street[0]].on_at == FROM + hours(1)
    assert points()[street[1]].on_at is None
    assert outage().state == "ONGOING"
    with transaction() as session:
        planned_dms.points_back(session, "DMS-7", {street[1]: TO - hours(1)}, TO - hours(1))
    assert (outage().state, outage().restored_at) == ("ENDED", TO - hours(1))
    assert tick(TO + minutes(5)) == []


def test_a_later_end_of_a_cut_under_way_is_told() -> None:
    street = add_street(1)
    _take(_record(street))
    _approve()
    tick(FROM)
    _take(_record(street, version=2, started_at=FROM, planned_to_at=TO + hours(1)), TO)
    assert "13.00" in told("PLANNED_OVERRUN")[phone(1)]


def test_req_16_a_cancellation_reaches_those_told() -> None:
    street = add_street(1)
    _take(_record(street))
    _approve()
    with transaction() as session:
        assert planned_dms.cancel_from_dms(session, "DMS-7", 2, MONDAY) == "UPDATE"
        assert planned_dms.cancel_from_dms(session, "DMS-7", 2, MONDAY) == "STALE"
        assert planned_dms.cancel_from_dms(session, "DMS-8", 1, MONDAY) == "UNKNOWN"
    plan_all(MONDAY)
    send_all(MONDAY)
    assert set(told("PLANNED_CANCELLED")) == {phone(1)}


def test_a_cancelled_cut_that_happens_all_the_same_raises_an_alarm_until_it_is_over() -> None:
    street = add_street(1)
    _take(_record(street))
    with transaction() as session:
        planned_dms.cancel_from_dms(session, "DMS-7", 2, MONDAY)
    _take(_record(street, version=3, started_at=FROM), FROM)
    assert _alarms(FROM) == ["PLANNED_BEGAN_CANCELLED"]
    _take(_record(street, version=4, started_at=FROM, restored_at=TO), TO)
    assert _alarms(TO) == []


def test_every_order_of_arrival_ends_the_same() -> None:
    street = add_street(2)
    began = _record(street, version=2, started_at=FROM)
    ended = replace(began, version=3, restored_at=TO)
    for number, records in enumerate(permutations([_record(street), began, ended])):
        ref = f"DMS-{number}"
        for record in records:
            _take(replace(record, source_ref=ref), TO)
            _take(replace(record, source_ref=ref), TO)
        with transaction() as session:
            outage_id = planned_dms.find_id(session, "DMS", ref)
            assert outage_id is not None
            plan = planned_dms.hold(session, outage_id)
            assert (plan.state, plan.outage.started_at, plan.outage.restored_at) == (
                "ENDED",
                FROM,
                TO,
            )
    assert announcements() == []


def _record(street: Sequence[str], **changes: object) -> Record:
    return replace(Record("DMS-7", 1, FROM, TO, street), **changes)  # type: ignore[arg-type]


def _take(record: Record, now: datetime = MONDAY) -> str:
    with transaction() as session:
        verdict = take_from_dms(session, record, now)
    plan_all(now)
    send_all(now)
    return verdict


def _plan() -> Plan:
    with transaction() as session:
        outage_id = planned_dms.find_id(session, "DMS", "DMS-7")
        assert outage_id is not None
        return planned_dms.hold(session, outage_id)


def _approve() -> None:
    approve(_plan())
    plan_all(MONDAY)
    send_all(MONDAY)


def _alarms(now: datetime) -> list[str]:
    with transaction() as session:
        planned_watch.raise_alarms(session, now)
    with transaction() as session:
        return list(session.scalars(select(Alarm.kind).where(Alarm.closed_at.is_(None))))


@pytest.fixture
def working(app: Flask) -> Iterator[None]:
    """Inside the application, as a worker is."""
    with app.app_context():
        yield
