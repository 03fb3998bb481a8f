"""An operator warns of fallen lines: everybody there, at once, at night, whatever they wish (REQ-10)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import transaction
from app.domain.notice_types import NoticeType
from app.services import fault_actions, opt_outs, safety_warnings
from app.services.fault_actions import Act, ActRefused
from tests.services.announcing import POINTS, add_outage, plan_all, settle_people, tell_all
from tests.services.world import NOW, PHONE, claim, ledger, scalar

# Eleven in the evening in Finland.
NIGHT = NOW + timedelta(hours=11)
OTHER = "+358401111111"


@pytest.fixture(autouse=True)
def people(app: Flask) -> Iterator[None]:
    with app.app_context():
        settle_people(2, phones=[PHONE, OTHER])
        with transaction() as session:
            session.execute(text("UPDATE metering_point SET municipality_code = '837'"))
        yield


def test_req_10_a_warning_leaves_at_night_also_to_who_has_left_every_topic() -> None:
    outage_id = add_outage(POINTS[:2])
    with transaction() as session:
        opt_outs.opt_out(session, OTHER, None, source="SMS", by="test", now=NOW)
        safety_warnings.warn(Act(session, "staff:otso", NIGHT), outage_id)
    plan_all(NIGHT)
    told = [n for n in ledger() if n.type == "SAFETY_WARNING"]
    assert {n.sent_to: n.state for n in told} == {PHONE: "QUEUED", OTHER: "QUEUED"}
    assert all("Tampere: maassa voi olla sähköjohtoja" in (n.body or "") for n in told)
    assert {n.decision for n in told} == {"In quiet hours, but it is about safety."}
    assert scalar("SELECT count(*) FROM audit_entry WHERE action = 'SAFETY_WARNED'") == 1
    assert scalar("SELECT count(*) FROM outage_event WHERE type = 'WARNED'") == 1


def test_req_27_a_warning_does_not_wait_behind_what_is_held_for_the_morning() -> None:
    outage_id = add_outage(POINTS[:1], off_at=NIGHT)
    tell_all(NoticeType.FAULT_STARTED, outage_id, NIGHT, off_at=NIGHT)
    assert [n.state for n in ledger()] == ["HELD"]
    with transaction() as session:
        safety_warnings.warn(Act(session, "staff:otso", NIGHT), outage_id)
    plan_all(NIGHT)
    (item,) = claim("sms", NIGHT)
    assert "maassa voi olla sähköjohtoja" in item.payload["body"]


def test_nobody_is_warned_of_the_same_twice_in_an_hour() -> None:
    outage_id = add_outage(POINTS[:1])
    with transaction() as session:
        safety_warnings.warn(Act(session, "staff:otso", NOW), outage_id)
    with pytest.raises(ActRefused, match="WARNED_LATELY"), transaction() as session:
        safety_warnings.warn(Act(session, "staff:otso", NOW + timedelta(minutes=59)), outage_id)
    with transaction() as session:
        safety_warnings.warn(Act(session, "staff:otso", NOW + timedelta(minutes=60)), outage_id)
    assert scalar("SELECT count(*) FROM announcement WHERE type = 'SAFETY_WARNING'") == 2


def test_whose_municipality_nobody_knows_is_warned_all_the_same() -> None:
    outage_id = add_outage(POINTS[:1])
    with transaction() as session:
        session.execute(text("UPDATE metering_point SET municipality_code = NULL"))
        safety_warnings.warn(Act(session, "staff:otso", NOW), outage_id)
    plan_all(NOW)
    assert "Varoitus, lähistölläsi: maassa voi olla" in (ledger()[-1].body or "")


def test_what_is_over_or_nowhere_warns_nobody() -> None:
    outage_id = add_outage(POINTS[:1])
    with transaction() as session:
        session.execute(text("DELETE FROM outage_point"))
    with pytest.raises(ActRefused, match="NO_POINTS"), transaction() as session:
        safety_warnings.warn(Act(session, "staff:otso", NOW), outage_id)
    with transaction() as session:
        fault_actions.false_alarm(Act(session, "staff:otso", NOW), outage_id)
    for number in (outage_id, 999):
        with pytest.raises(ActRefused), transaction() as session:
            safety_warnings.warn(Act(session, "staff:otso", NOW), number)
    assert scalar("SELECT count(*) FROM announcement WHERE type = 'SAFETY_WARNING'") == 0
