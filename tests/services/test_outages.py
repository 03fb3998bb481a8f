"""A swap whose end nobody reports is noticed, and nobody is told that the power is back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from app.db import db, transaction
from app.domain.notice_types import NoticeType
from app.models import Alarm, Announcement, Notice, Outage
from app.services import outages
from tests.field_work import ORDER, add_order, arrive, at, gsrn, make_ack
from tests.services.announcing import add_outage, restore, tell_all, want_everything
from tests.services.world import add_customer


def test_a_cut_of_two_hours_without_an_end_raises_an_alarm(started: Flask) -> None:
    assert _mark(119) == 0
    assert _outage().state == "OPEN"
    assert _mark(121) == 1
    outage = _outage()
    assert (outage.state, outage.version, outage.restored_at) == ("STALE", 2, None)
    (alarm,) = _alarms()
    assert (alarm.kind, alarm.subject, alarm.closed_at) == ("SWAP_OUTAGE_STALE", ORDER, None)
    types = db.session.execute(select(Notice.type)).scalars().all()
    assert set(types) == {"METER_SWAP_STARTED"}


def test_the_alarm_is_raised_once(started: Flask) -> None:
    assert [_mark(minutes) for minutes in (121, 122, 500)] == [1, 0, 0]
    assert len(_alarms()) == 1


def test_the_end_of_the_work_ends_the_alarm(started: Flask) -> None:
    _mark(121)
    arrive(make_ack("COMPLETED", 130), 130)
    assert _outage().state == "CLOSED"
    (alarm,) = _alarms()
    assert alarm.closed_at == at(130)


def test_words_about_other_things_do_not_end_it(started: Flask) -> None:
    _mark(121)
    arrive(make_ack("EN_ROUTE", 125), 125)
    arrive(make_ack("STARTED", 126), 126)
    assert _outage().state == "STALE"


def test_an_end_that_was_reported_in_time_raises_nothing(started: Flask) -> None:
    arrive(make_ack("COMPLETED", 20), 20)
    assert _mark(500) == 0
    assert _alarms() == []


@pytest.mark.parametrize(("back_at", "owed"), [(10, True), (-5, False)])
def test_req_05_the_end_of_a_fault_that_the_swap_kept_from_being_told_is_told_with_its_own(
    started: Flask, back_at: float, owed: bool
) -> None:
    fault = add_outage((gsrn(),), off_at=at(-60), state="RESTORED")
    with transaction() as session:
        add_customer(session, gsrn=gsrn(), contacts={"+358401234567": "SMS"})
        want_everything(session)
    tell_all(NoticeType.FAULT_STARTED, fault, at(-50), off_at=at(-60))
    restore(fault, at(back_at))
    arrive(make_ack("COMPLETED", 20), 20)
    ends = select(Announcement).where(Announcement.type == "FAULT_RESTORED")
    found = db.session.execute(ends).scalars().all()
    told = [(one.type, one.outage_id, one.event_at) for one in found]
    assert told == ([("FAULT_RESTORED", fault, at(20))] if owed else [])


def _mark(minutes: float) -> int:
    with transaction() as session:
        return outages.mark_stale(session, at(minutes))


def _outage() -> Outage:
    swaps = select(Outage).where(Outage.kind == outages.KIND)
    statement = swaps.execution_options(populate_existing=True)
    return db.session.execute(statement).scalar_one()


def _alarms() -> list[Alarm]:
    statement = select(Alarm).execution_options(populate_existing=True)
    return list(db.session.execute(statement).scalars())


@pytest.fixture
def started(app: Flask) -> Iterator[Flask]:
    """One order whose work began and whose power is off."""
    with app.app_context():
        with transaction() as session:
            add_order(session)
        arrive(make_ack("STARTED", 0), 0)
        yield app
        db.session.remove()
