"""Planned cuts from the draft to the end, with the messages that really come of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import transaction
from app.domain.planned_course import Step
from app.domain.point_list import PointFindingCode
from app.models import AuditEntry, MeteringPoint, OutageEvent
from app.services import planned_cuts, planned_running, planned_telling
from app.services.planned_points import Wanted
from app.services.planned_rows import Plan, PlanRefused, hold
from tests.services.announcing import plan_all
from tests.services.cuts import (
    FROM,
    MONDAY,
    OTHER,
    PLANNER,
    TO,
    add_street,
    announced,
    announcements,
    approve,
    cut,
    draft,
    gsrn,
    hours,
    leave_planned,
    notices,
    outage,
    phone,
    points,
    send_all,
    tick,
    told,
    wish,
)
from tests.services.world import minutes, scalar

_AN_HOUR_LATER = MONDAY + timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("working")


def test_a_second_person_approves_and_everybody_at_the_points_is_told() -> None:
    plan = draft(add_street(3)).plan
    assert outage().state == "DRAFT"
    plan_all(MONDAY)
    assert notices("PLANNED_NOTICE") == []
    approve(plan)
    plan_all(MONDAY)
    send_all(MONDAY)
    assert outage().state == "ANNOUNCED"
    texts = told("PLANNED_NOTICE")
    assert set(texts) == {phone(1), phone(2), phone(3)}
    assert "26.11. klo 09.00-12.00, Koivutie 1." in texts[phone(1)]
    assert "verkon huolto" in texts[phone(1)]


@pytest.mark.parametrize("who", [PLANNER, "staff:eero"])
def test_nobody_approves_what_they_made_or_changed_themselves(who: str) -> None:
    plan = draft(add_street(1)).plan
    with transaction() as session:
        planned_cuts.edit(
            session,
            plan.id,
            wish([gsrn(1)], to_at=TO + hours(1)),
            by="staff:eero",
            now=MONDAY,
            version=None,
        )
    with pytest.raises(PlanRefused, match="SAME_PERSON"), transaction() as session:
        planned_cuts.approve(session, plan.id, by=who, now=MONDAY, version=None)
    assert outage().state == "DRAFT"
    approve(plan)
    assert outage().state == "ANNOUNCED"


def test_somebody_else_was_faster_and_the_second_looks_again() -> None:
    plan = draft(add_street(1)).plan
    seen = plan.outage.version
    approve(plan)
    with pytest.raises(PlanRefused, match="CHANGED_MEANWHILE"), transaction() as session:
        planned_telling.cancel(session, plan.id, reason="-", by=OTHER, now=MONDAY, version=seen)


def test_bad_lines_are_kept_and_the_good_ones_go_on() -> None:
    good = add_street(2)
    with transaction() as session:
        session.add(
            MeteringPoint(gsrn=gsrn(9), version=1, status="AE05", type="AG01", updated_at=MONDAY)
        )
    drafted = draft([*good, good[0], good[0][:17] + "0", "käyttöpaikka", gsrn(8), gsrn(9)])
    assert drafted.point_count == 2
    assert sorted(points()) == good
    codes = [(finding.line, finding.code) for finding in drafted.findings]
    code = PointFindingCode
    assert codes == [
        (3, code.DUPLICATE_LINE),
        (4, code.CHECK_DIGIT),
        (5, code.NOT_A_NUMBER),
        (6, code.POINT_UNKNOWN),
        (7, code.POINT_CLOSED),
    ]
    assert scalar("SELECT count(*) FROM planned_cut_finding") == 5


@pytest.mark.parametrize("where", [{"feeder": "HML-01"}, {"transformer": "M109-0001"}])
def test_a_feeder_or_a_transformer_names_its_points(where: dict[str, str]) -> None:
    street = add_street(3)
    with transaction() as session:
        session.execute(
            text("UPDATE metering_point SET status = 'AE04' WHERE gsrn = :gsrn"),
            {"gsrn": street[2]},
        )
        drafted = planned_cuts.draft(
            session,
            planned_cuts.Draft("x", FROM, TO, "CLEARING", Wanted(**where)),  # type: ignore[arg-type]
            source="PORTAL",
            source_ref="K-2",
            by=PLANNER,
            now=MONDAY,
        )
    assert (drafted.point_count, drafted.findings) == (2, ())


def test_the_same_draft_sent_twice_is_there_once() -> None:
    street = add_street(1)
    first, second = draft(street), draft(street)
    assert (first.new, second.new) == (True, False)
    assert first.plan.id == second.plan.id


@pytest.mark.parametrize(
    ("from_at", "to_at", "code"),
    [
        (FROM, FROM, "TIMES_INVALID"),
        (TO, FROM, "TIMES_INVALID"),
        (FROM, FROM + timedelta(days=15), "TOO_LONG"),
        (MONDAY, TO, "IN_THE_PAST"),
    ],
)
def test_impossible_times_are_refused(from_at: datetime, to_at: datetime, code: str) -> None:
    with pytest.raises(PlanRefused, match=code):
        draft(add_street(1), from_at, to_at)


def test_req_15_a_late_notice_needs_a_confirmation_with_a_reason() -> None:
    plan = draft(add_street(1)).plan
    # Two working days before Thursday nine o'clock is Tuesday nine o'clock.
    tuesday = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
    late = tuesday + minutes(1)
    with pytest.raises(PlanRefused, match="SHORT_NOTICE") as refused:
        approve(plan, late)
    assert refused.value.latest_at == tuesday
    plan_all(late)
    assert notices("PLANNED_NOTICE") == []
    approve(plan, late, short_reason="Vaarallinen pylväs")
    plan_all(late)
    send_all(late)
    assert set(told("PLANNED_NOTICE")) == {phone(1)}
    assert (cut().short_reason, cut().short_by) == ("Vaarallinen pylväs", OTHER)
    assert _in_time() == [False]


def test_req_15_a_notice_at_the_last_moment_is_in_time() -> None:
    plan = draft(add_street(1)).plan
    approve(plan, datetime(2026, 11, 24, 7, 0, tzinfo=UTC))
    assert _in_time() == [True]
    assert cut().short_reason is None


def test_req_15_a_notice_in_the_night_counts_from_the_morning() -> None:
    # Tuesday at one in the morning nobody reads; at seven it is still in time for nine on Thursday,
    # but not for half past six.
    night = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
    early = datetime(2026, 11, 26, 4, 30, tzinfo=UTC)
    street = add_street(1)
    with pytest.raises(PlanRefused, match="SHORT_NOTICE"):
        approve(draft(street, early, TO, ref="early").plan, night)
    approve(draft(street, ref="later").plan, night)
    assert _in_time() == [True]


def test_req_15_holidays_are_no_working_days() -> None:
    # Monday after Christmas 2026: Thursday is Christmas Eve, Friday Christmas Day.
    from_at = datetime(2026, 12, 28, 7, 0, tzinfo=UTC)
    plan = draft(add_street(1), from_at, from_at + hours(2)).plan
    with pytest.raises(PlanRefused, match="SHORT_NOTICE") as refused:
        approve(plan, datetime(2026, 12, 23, 10, 0, tzinfo=UTC))
    assert refused.value.latest_at == datetime(2026, 12, 22, 7, 0, tzinfo=UTC)


def test_req_15_the_clock_never_announces_late_by_itself() -> None:
    plan = draft(add_street(1)).plan
    approve(plan, announce_at=MONDAY + hours(4))
    assert outage().state == "APPROVED"
    assert tick(MONDAY + hours(3)) == []
    # The machine stood still for two days.
    assert tick(FROM - hours(20)) == []
    assert (outage().state, notices("PLANNED_NOTICE")) == ("APPROVED", [])
    with transaction() as session:
        planned_telling.announce_now(
            session, plan.id, by=OTHER, now=FROM - hours(20), version=None, short_reason="Seisoi"
        )
    plan_all(FROM - hours(20))
    send_all(FROM - hours(20))
    assert set(told("PLANNED_NOTICE")) == {phone(1)}


def test_a_notice_for_later_is_announced_by_the_clock_once() -> None:
    approve(draft(add_street(1)).plan, announce_at=MONDAY + hours(4))
    assert tick(MONDAY + hours(4)) == [Step.ANNOUNCE]
    assert tick(MONDAY + hours(5)) == []
    assert announcements() == [("PLANNED_NOTICE", "DONE")]


def test_the_reminder_comes_an_hour_before_and_once() -> None:
    announced(add_street(2))
    assert tick(FROM - minutes(61)) == []
    assert tick(FROM - minutes(60)) == [Step.REMIND]
    assert tick(FROM - minutes(59)) == []
    assert set(told("PLANNED_REMINDER")) == {phone(1), phone(2)}
    assert "tänään klo 09.00-12.00" in told("PLANNED_REMINDER")[phone(1)]


def test_a_cut_that_begins_after_midnight_is_not_said_to_be_today() -> None:
    """The reminder leaves at half past eleven in the evening, and may be read after midnight."""
    begin = datetime(2026, 11, 25, 22, 30, tzinfo=UTC)
    approve(draft(add_street(1), from_at=begin, to_at=begin + hours(5)).plan)
    plan_all(MONDAY)
    send_all(MONDAY)
    assert tick(begin - hours(1)) == [Step.REMIND]
    body = told("PLANNED_REMINDER")[phone(1)]
    assert "sähkökatko 26.11. klo 00.30-05.30" in body
    assert "tänään" not in body


def test_nobody_is_reminded_after_the_beginning() -> None:
    announced(add_street(1))
    assert tick(FROM + minutes(1)) == [Step.BEGIN]
    assert notices("PLANNED_REMINDER") == []


def test_a_reminder_that_waits_in_its_lane_dies_with_the_beginning() -> None:
    announced(add_street(1))
    with transaction() as session:
        planned_telling.remind(session, _held(session), FROM - minutes(50))
    plan_all(FROM - minutes(50))
    send_all(FROM + minutes(1))
    assert told("PLANNED_REMINDER") == {}
    assert [notice.state for notice in notices("PLANNED_REMINDER")] == ["EXPIRED"]


def test_whoever_has_just_been_told_is_not_reminded() -> None:
    approve(draft(add_street(1)).plan, FROM - minutes(40), short_reason="Kiire")
    plan_all(FROM - minutes(40))
    assert tick(FROM - minutes(30)) == []
    assert tick(FROM) == [Step.BEGIN]


def test_req_16_a_change_reaches_exactly_those_told_even_if_they_opted_out() -> None:
    street = add_street(3)
    leave_planned(phone(3))
    plan = announced(street)
    leave_planned(phone(1))
    _reschedule(plan.id, FROM + hours(24), TO + hours(24))
    texts = told("PLANNED_CHANGED")
    assert set(texts) == {phone(1), phone(2)}
    assert "27.11. klo 09.00-12.00" in texts[phone(1)]
    assert set(told("PLANNED_NOTICE")) == {phone(1), phone(2)}
    assert outage().state == "RESCHEDULED"
    assert {point.off_at for point in points().values()} == {FROM + hours(24)}


def test_req_16_whoever_is_new_gets_a_notice_and_the_others_the_change() -> None:
    street = add_street(3)
    plan = announced(street[:2])
    with transaction() as session:
        planned_telling.reschedule(
            session,
            plan.id,
            FROM + hours(2),
            TO + hours(2),
            by=OTHER,
            now=MONDAY + hours(1),
            version=None,
            wanted=wish(street).wanted,
        )
    plan_all(MONDAY + hours(1))
    send_all(MONDAY + hours(1))
    assert set(told("PLANNED_CHANGED")) == {phone(1), phone(2)}
    assert set(told("PLANNED_NOTICE")) == {phone(1), phone(2), phone(3)}
    assert "klo 11.00-14.00" in told("PLANNED_NOTICE")[phone(3)]


def test_req_16_more_points_at_the_same_time_disturb_nobody_else() -> None:
    street = add_street(2)
    plan = announced(street[:1])
    with transaction() as session:
        planned_telling.reschedule(
            session,
            plan.id,
            FROM,
            TO,
            by=OTHER,
            now=MONDAY,
            version=None,
            wanted=wish(street).wanted,
        )
    plan_all(MONDAY)
    send_all(MONDAY)
    assert notices("PLANNED_CHANGED") == []
    assert [n.sent_to for n in notices("PLANNED_NOTICE")] == [phone(1), phone(2)]
    assert outage().state == "ANNOUNCED"


def test_whoever_knows_of_one_of_their_points_hears_of_the_second_that_is_added() -> None:
    street = add_street(2)
    with transaction() as session:
        session.execute(
            text("UPDATE contact SET value = :phone WHERE kind = 'SMS'"), {"phone": phone(1)}
        )
    plan = announced(street[:1])
    with transaction() as session:
        planned_telling.reschedule(
            session,
            plan.id,
            FROM,
            TO,
            by=OTHER,
            now=MONDAY,
            version=None,
            wanted=wish(street).wanted,
        )
    plan_all(MONDAY)
    send_all(MONDAY)
    first, second = notices("PLANNED_NOTICE")
    assert [(n.sent_to, n.gsrn, n.state) for n in (first, second)] == [
        (phone(1), street[0], "SENT"),
        (phone(1), street[1], "SENT"),
    ]
    assert "Koivutie 2" in (second.body or "")
    with transaction() as session:
        planned_telling.cancel(session, plan.id, reason="X", by=OTHER, now=MONDAY, version=None)
    plan_all(MONDAY)
    send_all(MONDAY)
    assert "2 käyttöpaikkaa" in told("PLANNED_CANCELLED")[phone(1)]


def test_req_16_a_notice_that_had_not_left_is_replaced_by_one_with_the_new_time() -> None:
    plan = approve(draft(add_street(1)).plan)
    plan_all(MONDAY)
    # The text lies in the queue when the time changes.
    _reschedule(plan.id, FROM + hours(24), TO + hours(24))
    assert told("PLANNED_CHANGED") == {}
    texts = told("PLANNED_NOTICE")
    assert set(texts) == {phone(1)}
    assert "27.11." in texts[phone(1)]
    assert [n.state for n in notices("PLANNED_NOTICE")] == ["SUPERSEDED", "SENT"]


def test_req_16_a_second_change_replaces_the_first_that_waits() -> None:
    plan = announced(add_street(1))
    with transaction() as session:
        planned_telling.reschedule(
            session, plan.id, FROM + hours(1), TO + hours(1), by=OTHER, now=MONDAY, version=None
        )
    plan_all(MONDAY)
    _reschedule(plan.id, FROM + hours(2), TO + hours(2))
    assert [n.state for n in notices("PLANNED_CHANGED")] == ["SUPERSEDED", "SENT"]
    assert "klo 11.00" in told("PLANNED_CHANGED")[phone(1)]


def test_req_10_a_cut_called_off_in_its_last_night_is_told_at_once() -> None:
    plan = approve(draft(add_street(1), from_at=FROM - hours(2)).plan)
    plan_all(MONDAY)
    send_all(MONDAY)
    night = FROM - hours(8)
    with transaction() as session:
        planned_telling.cancel(session, plan.id, reason="X", by=OTHER, now=night, version=None)
    plan_all(night)
    send_all(night)
    assert set(told("PLANNED_CANCELLED")) == {phone(1)}
    (notice,) = notices("PLANNED_CANCELLED")
    assert "changes what begins before" in notice.decision


def test_req_16_whoever_lifted_quiet_hours_hears_of_a_change_at_night() -> None:
    plan = announced(add_street(2))
    with transaction() as session:
        session.execute(
            text(
                "UPDATE preference SET night_ok = true WHERE topic = 'PLANNED' AND contact_id ="
                " (SELECT id FROM contact WHERE value = :phone)"
            ),
            {"phone": phone(1)},
        )
        night = MONDAY + hours(12)
        planned_telling.cancel(session, plan.id, reason="X", by=OTHER, now=night, version=None)
    plan_all(night)
    assert {n.sent_to: n.state for n in notices("PLANNED_CANCELLED")} == {
        phone(1): "QUEUED",
        phone(2): "HELD",
    }


def test_req_16_a_cancellation_reaches_exactly_those_told() -> None:
    street = add_street(3)
    leave_planned(phone(3))
    plan = announced(street)
    leave_planned(phone(1))
    _cancel(plan.id)
    assert set(told("PLANNED_CANCELLED")) == {phone(1), phone(2)}
    assert outage().state == "CANCELLED"
    assert tick(FROM - minutes(30)) == []
    assert tick(FROM + hours(9)) == []


def test_req_16_what_had_not_left_is_stopped_and_its_receiver_told_nothing() -> None:
    plan = approve(draft(add_street(1)).plan)
    plan_all(MONDAY)
    _cancel(plan.id)
    assert told("PLANNED_NOTICE") == {}
    assert told("PLANNED_CANCELLED") == {}
    assert [n.state for n in notices("PLANNED_NOTICE")] == ["SUPERSEDED"]


@pytest.mark.parametrize("change", ["cancel", "move"])
def test_req_16_what_waits_does_not_leave_while_its_end_waits_for_a_second_person(
    change: str,
) -> None:
    plan = approve(draft(add_street(1)).plan)
    plan_all(MONDAY)
    with transaction() as session:
        if change == "cancel":
            planned_telling.cancel(session, plan.id, reason="X", by=OTHER, now=MONDAY, version=None)
        else:
            planned_telling.reschedule(
                session,
                plan.id,
                FROM + hours(24),
                TO + hours(24),
                by=OTHER,
                now=MONDAY,
                version=None,
            )
    # Nobody has planned the end: the blast guard holds it, or the planner is behind.
    send_all(MONDAY)
    assert [n.state for n in notices("PLANNED_NOTICE")] == ["SUPERSEDED"]
    plan_all(MONDAY)
    send_all(MONDAY)
    moved = [] if change == "cancel" else ["SENT"]
    assert [n.state for n in notices("PLANNED_NOTICE")] == ["SUPERSEDED", *moved]
    assert told("PLANNED_CANCELLED") == told("PLANNED_CHANGED") == {}


def test_req_16_a_notice_not_planned_yet_is_withdrawn_with_the_cut() -> None:
    plan = approve(draft(add_street(1)).plan)
    _cancel(plan.id)
    assert announcements() == [("PLANNED_NOTICE", "WITHDRAWN"), ("PLANNED_CANCELLED", "DONE")]
    assert [n for n in notices("PLANNED_NOTICE") if n.state != "SUPPRESSED"] == []


def test_req_16_a_cancelled_draft_is_nobodys_business() -> None:
    plan = draft(add_street(1)).plan
    _cancel(plan.id)
    assert announcements() == []


def test_req_16_a_change_at_short_notice_needs_a_reason_and_counts() -> None:
    plan = announced(add_street(1))
    now = FROM - hours(20)
    with pytest.raises(PlanRefused, match="SHORT_NOTICE"), transaction() as session:
        planned_telling.reschedule(
            session, plan.id, FROM + hours(1), TO + hours(1), by=OTHER, now=now, version=None
        )
    _reschedule(plan.id, FROM + hours(1), TO + hours(1), now=now, short_reason="Myrsky")
    assert set(told("PLANNED_CHANGED")) == {phone(1)}
    assert _in_time() == [True, False]


def test_after_a_change_people_are_reminded_of_the_new_time() -> None:
    plan = announced(add_street(1))
    assert tick(FROM - minutes(55)) == [Step.REMIND]
    _reschedule(
        plan.id, FROM + hours(5), TO + hours(5), now=FROM - minutes(30), short_reason="Odottaa"
    )
    assert tick(FROM) == []
    assert tick(FROM + hours(4)) == [Step.REMIND]
    assert len([n for n in notices("PLANNED_REMINDER") if n.state == "SENT"]) == 2


def test_req_17_five_minutes_after_the_end_those_told_hear_that_it_goes_on() -> None:
    announced(add_street(2))
    assert tick(FROM) == [Step.BEGIN]
    assert tick(TO + minutes(4.9)) == []
    assert tick(TO + minutes(5)) == [Step.OVERRUN]
    assert outage().state == "OVERRUN"
    texts = told("PLANNED_OVERRUN")
    assert set(texts) == {phone(1), phone(2)}
    assert "ei vielä tiedossa" in texts[phone(1)]
    assert tick(TO + minutes(6)) == []
    assert tick(TO + hours(5)) == []


def test_req_17_nobody_hears_of_an_overrun_when_it_has_ended() -> None:
    plan = announced(add_street(1))
    tick(FROM)
    _end(plan.id, TO + minutes(4))
    assert tick(TO + minutes(5)) == []
    assert notices("PLANNED_OVERRUN") == []
    assert outage().state == "ENDED"
    assert {point.on_at for point in points().values()} == {TO + minutes(4)}


def test_req_17_an_overrun_text_that_waits_is_stopped_by_the_end() -> None:
    plan = announced(add_street(1))
    tick(FROM)
    with transaction() as session:
        planned_running.overrun(session, _held(session), TO + minutes(5))
    plan_all(TO + minutes(5))
    _end(plan.id, TO + minutes(6))
    send_all(TO + minutes(7))
    assert [n.state for n in notices("PLANNED_OVERRUN")] == ["SUPERSEDED"]


def test_req_17_an_overrun_not_planned_yet_is_withdrawn_by_the_end() -> None:
    plan = announced(add_street(1))
    tick(FROM)
    with transaction() as session:
        planned_running.overrun(session, _held(session), TO + minutes(5))
    _end(plan.id, TO + minutes(6))
    plan_all(TO + minutes(6))
    assert notices("PLANNED_OVERRUN") == []


def test_req_17_whose_power_is_back_early_hears_of_no_overrun() -> None:
    street = add_street(2)
    plan = announced(street)
    tick(FROM)
    with transaction() as session:
        planned_running.restore_points(
            session, plan.id, [street[0]], TO - hours(1), by=OTHER, now=TO, version=None
        )
    assert tick(TO + minutes(5)) == [Step.OVERRUN]
    assert set(told("PLANNED_OVERRUN")) == {phone(2)}
    assert points()[street[0]].on_at == TO - hours(1)


def test_req_17_the_new_estimate_is_told_and_watched_in_its_turn() -> None:
    plan = announced(add_street(1))
    tick(FROM)
    with transaction() as session:
        planned_running.extend(
            session, plan.id, TO + hours(2), by=OTHER, now=TO - minutes(10), version=None
        )
    plan_all(TO - minutes(10))
    send_all(TO - minutes(10))
    assert "14.00" in told("PLANNED_OVERRUN")[phone(1)]
    assert tick(TO + minutes(5)) == []
    assert tick(TO + hours(2) + minutes(5)) == [Step.OVERRUN]
    assert len(notices("PLANNED_OVERRUN")) == 2


def test_the_last_point_that_comes_back_ends_the_cut() -> None:
    street = add_street(2)
    plan = announced(street)
    tick(FROM)
    for number, point in enumerate(street):
        with transaction() as session:
            planned_running.restore_points(
                session,
                plan.id,
                [point],
                TO - minutes(30 - number),
                by=OTHER,
                now=TO,
                version=None,
            )
    assert (outage().state, outage().restored_at) == ("ENDED", TO - minutes(29))


def test_after_a_standstill_the_clock_does_what_it_missed_in_order() -> None:
    announced(add_street(1))
    assert tick(TO + hours(1)) == [Step.BEGIN, Step.OVERRUN]
    assert outage().started_at == FROM
    assert tick(TO + hours(2)) == []


def test_somebody_begins_earlier_than_the_clock() -> None:
    plan = announced(add_street(1))
    with transaction() as session:
        planned_running.begin_now(
            session, plan.id, FROM - minutes(5), by=OTHER, now=FROM - minutes(4), version=None
        )
    assert outage().state == "ONGOING"
    assert {point.off_at for point in points().values()} == {FROM - minutes(5)}


@pytest.mark.parametrize("at", [MONDAY, TO + hours(1)])
def test_an_end_before_the_beginning_or_in_the_future_is_refused(at: datetime) -> None:
    plan = announced(add_street(1))
    tick(FROM)
    with pytest.raises(PlanRefused, match=r"TIMES_INVALID|IN_THE_FUTURE"):
        _end(plan.id, at, now=TO)


def test_every_change_is_in_the_story_and_peoples_in_the_audit_trail() -> None:
    plan = announced(add_street(1))
    tick(FROM)
    _end(plan.id, TO)
    with transaction() as session:
        story = session.scalars(select(OutageEvent.type).order_by(OutageEvent.id)).all()
        trail = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert story == ["DRAFTED", "APPROVED", "ANNOUNCED", "BEGAN", "ENDED"]
    assert trail == [f"PLANNED_CUT_{what}" for what in story if what != "BEGAN"]


def _reschedule(
    outage_id: int,
    from_at: datetime,
    to_at: datetime,
    now: datetime = _AN_HOUR_LATER,
    short_reason: str | None = None,
) -> None:
    with transaction() as session:
        planned_telling.reschedule(
            session,
            outage_id,
            from_at,
            to_at,
            by=OTHER,
            now=now,
            version=None,
            short_reason=short_reason,
        )
    plan_all(now)
    send_all(now)


def _cancel(outage_id: int, now: datetime = _AN_HOUR_LATER) -> None:
    with transaction() as session:
        planned_telling.cancel(
            session, outage_id, reason="Siirtyy keväälle", by=OTHER, now=now, version=None
        )
    plan_all(now)
    send_all(now)


def _end(outage_id: int, at: datetime, now: datetime | None = None) -> None:
    with transaction() as session:
        planned_running.end_now(session, outage_id, at, by=OTHER, now=now or at, version=None)


def _held(session: Session) -> Plan:
    return hold(session, session.execute(text("SELECT id FROM outage")).scalar_one())


def _in_time() -> list[bool]:
    with transaction() as session:
        rows = session.execute(
            select(OutageEvent.facts)
            .where(OutageEvent.type.in_(("ANNOUNCED", "RESCHEDULED")))
            .order_by(OutageEvent.id)
        ).scalars()
        return [facts["in_time"] for facts in rows]


@pytest.fixture
def working(app: Flask) -> Iterator[None]:
    """Inside the application, as a worker is."""
    with app.app_context():
        yield
