"""From an announcement to the ledger: who is told, once, of what is still true."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from flask import Flask, current_app
from sqlalchemy import text

from app.db import db, transaction
from app.domain.notice_types import NoticeType, Topic
from app.domain.unknown_policy import UnknownAction
from app.models import Announcement, AreaSubscription, Contact, MeteringPoint, Notice, NoticePoint
from app.services import blast_guard, corrections, notice_plan, opt_outs, unknowns
from app.services.announcements import about_outage, about_storm, announce, withdraw
from app.services.notice_plan import Plan, PlanSlice
from app.settings import Settings
from tests.services.announcing import (
    POINTS,
    add_outage,
    plan_all,
    restore,
    settle_people,
    tell_all,
)
from tests.services.cuts import send_all
from tests.services.world import (
    MAIL,
    NOW,
    PHONE,
    claim,
    end,
    gate,
    items,
    leave_unknown,
    ledger,
    minutes,
    scalar,
    send_one,
)
from workers.notices import plan_notices, plan_slices

N = NoticeType
NIGHT = datetime(2026, 11, 24, 21, tzinfo=UTC)
MORNING = datetime(2026, 11, 25, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_a_start_is_told_with_the_time_of_the_persons_own_point() -> None:
    settle_people()
    tell_all(N.FAULT_STARTED, add_outage())
    (notice,) = ledger()
    assert (notice.state, notice.sent_to, notice.point_count) == ("QUEUED", "+358401234560", 1)
    assert "klo 12.00" in (notice.body or "")
    assert "Koivutie 12 A 3" in (notice.body or "")
    (item,) = items()
    assert (item.lane, item.business_key, item.payload["body"]) == (
        "sms",
        f"notice:{notice.id}",
        notice.body,
    )


def test_req_01_eleven_events_make_five_messages_at_most_and_none_contradicts_the_end() -> None:
    settle_people()
    outage = add_outage()
    course = [
        (0, N.FAULT_STARTED, {}),
        (2, N.FAULT_STARTED, {}),
        (10, N.FAULT_ETR, {"etr_at": NOW + minutes(120)}),
        (20, N.FAULT_ETR_CHANGED, {"etr_at": NOW + minutes(180), "old_etr_at": NOW + minutes(120)}),
        (25, N.FAULT_ETR_CHANGED, {"etr_at": NOW + minutes(240), "old_etr_at": NOW + minutes(180)}),
        (30, N.FAULT_ETR_CHANGED, {"etr_at": NOW + minutes(150), "old_etr_at": NOW + minutes(240)}),
        (50, N.FAULT_PARTLY_RESTORED, {"etr_at": NOW + minutes(150)}),
        (70, N.FAULT_ETR_CHANGED, {"etr_at": NOW + minutes(200), "old_etr_at": NOW + minutes(150)}),
        (90, N.FAULT_ETR_DELAYED, {}),
    ]
    sent: list[Notice] = []
    for minute, kind, facts in course:
        tell_all(kind, outage, NOW + minutes(minute), **facts)
        sent += _send_due(NOW + minutes(minute))
    restore(outage, NOW + minutes(95))
    tell_all(N.FAULT_RESTORED, outage, NOW + minutes(95), on_at=NOW + minutes(95), duration_s=5700)
    tell_all(N.FAULT_ETR_CHANGED, outage, NOW + minutes(96), etr_at=NOW + minutes(300))
    for minute in range(95, 24 * 60, 30):
        sent += _send_due(NOW + minutes(minute))
    kinds = [notice.type for notice in sent]
    assert len(kinds) <= 5
    assert kinds[0] == N.FAULT_STARTED
    assert kinds[-1] == N.FAULT_RESTORED
    updates = [notice.sent_at for notice in sent[1:-1] if notice.sent_at is not None]
    gaps = [later - earlier for earlier, later in itertools.pairwise(updates)]
    assert all(gap >= timedelta(hours=1) for gap in gaps)


def test_req_02_the_same_event_thrice_and_two_planners_make_one_message(app: Flask) -> None:
    settle_people()
    outage = add_outage()
    for _ in range(3):
        with transaction() as session:
            announce(
                session,
                N.FAULT_STARTED,
                about_outage(outage),
                occurrence="",
                event_at=datetime.now(UTC),
                facts={},
                now=datetime.now(UTC),
            )

    def work() -> None:
        with app.app_context():
            plan_notices(_settings(), 1, "test")
            db.session.remove()

    planners = [Thread(target=work) for _ in range(2)]
    for planner in planners:
        planner.start()
    for planner in planners:
        planner.join()
    plan_notices(_settings(), 1, "test")
    assert len(ledger()) == len(items()) == 1


def test_req_03_an_outage_that_grows_is_told_to_the_newly_affected_only() -> None:
    settle_people(2)
    outage = add_outage(POINTS[:1])
    tell_all(N.FAULT_STARTED, outage)
    with transaction() as session:
        session.execute(
            text("INSERT INTO outage_point (outage_id, gsrn, off_at) VALUES (:o, :g, :at)"),
            {"o": outage, "g": POINTS[1], "at": NOW + minutes(5)},
        )
    tell_all(N.FAULT_STARTED, outage, NOW + minutes(5))
    assert [(n.sent_to, n.gsrn) for n in ledger()] == [
        ("+358401234560", POINTS[0]),
        ("+358401234561", POINTS[1]),
    ]


def test_req_04_one_phone_with_three_points_gets_one_message_that_counts_them() -> None:
    settle_people(3, phones=[PHONE] * 3)
    tell_all(N.FAULT_STARTED, add_outage(POINTS))
    (notice,) = ledger()
    assert "3 käyttöpaikkaa" in (notice.body or "")
    assert notice.point_count == 3
    with transaction() as session:
        named = session.query(NoticePoint.gsrn).filter_by(notice_id=notice.id)
        assert sorted(row.gsrn for row in named) == sorted(POINTS)


def test_req_05_whose_power_another_outage_still_cuts_is_not_told_that_it_is_back() -> None:
    settle_people()
    outage, other = add_outage(), add_outage(source_ref="F-other")
    tell_all(N.FAULT_STARTED, outage)
    _send_due(NOW)
    restore(outage, NOW + minutes(30))
    _restored(outage, NOW + minutes(30))
    assert [(n.type, n.suppress_reason) for n in ledger()[1:]] == [(N.FAULT_RESTORED, "STILL_OFF")]
    assert other != outage


@pytest.mark.parametrize(
    ("state", "reason"), [("ONGOING", "STILL_OFF"), ("OVERRUN", "STILL_OFF"), ("ANNOUNCED", None)]
)
def test_req_05_a_planned_cut_under_way_keeps_the_end_of_a_fault_back(
    state: str, reason: str | None
) -> None:
    settle_people()
    outage = add_outage()
    add_outage(kind="PLANNED", source_ref="K-1", state=state)
    tell_all(N.FAULT_STARTED, outage)
    _send_due(NOW)
    restore(outage, NOW + minutes(30))
    _restored(outage, NOW + minutes(30))
    assert [n.suppress_reason for n in ledger() if n.type == N.FAULT_RESTORED] == [reason]


@pytest.mark.parametrize("kind", [N.FAULT_STARTED, N.FAULT_ETR, N.FAULT_ETR_DELAYED])
def test_req_38_nobody_reads_of_a_cut_that_is_over_although_its_end_is_not_planned_yet(
    kind: NoticeType,
) -> None:
    settle_people(2)
    outage = add_outage(POINTS[:2])
    tell_all(kind, outage, etr_at=NOW + minutes(300), off_at=NOW)
    restore(outage, NOW + minutes(5), POINTS[:1])
    send_all(NOW + minutes(6))
    assert {n.gsrn: n.state for n in ledger()} == {POINTS[0]: "EXPIRED", POINTS[1]: "SENT"}
    # Who heard of no beginning hears of no end.
    restore(outage, NOW + minutes(8))
    _restored(outage, NOW + minutes(8))
    assert [n.gsrn for n in _send_due(NOW + minutes(9))] == [POINTS[1]]


def test_a_cut_at_several_points_is_told_while_one_of_them_is_off() -> None:
    settle_people(3, phones=[PHONE] * 3)
    outage = add_outage(POINTS)
    tell_all(N.FAULT_STARTED, outage)
    restore(outage, NOW + minutes(5), POINTS[:2])
    assert len(_send_due(NOW + minutes(6))) == 1


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("PLANNED", "ONGOING"),
        ("PLANNED", "OVERRUN"),
        # A suspicion, also one that was over and is one again.
        ("FAULT", "DETECTED"),
        ("FAULT", "REOPENED"),
    ],
)
def test_req_05_an_end_that_waits_is_not_sent_into_another_cut(kind: str, state: str) -> None:
    settle_people()
    outage = add_outage()
    tell_all(N.FAULT_STARTED, outage)
    _send_due(NOW)
    restore(outage, NOW + minutes(30))
    _restored(outage, NOW + minutes(30))
    add_outage(kind=kind, source_ref="K-1", state=state, off_at=NOW + minutes(31))
    send_all(NOW + minutes(32))
    assert [n.suppress_reason for n in ledger() if n.type == N.FAULT_RESTORED] == ["STILL_OFF"]


def test_a_start_in_doubt_is_not_sent_again_once_the_end_is_told() -> None:
    settle_people(1)
    outage = add_outage()
    tell_all(N.FAULT_STARTED, outage)
    leave_unknown()
    restore(outage, NOW + minutes(40))
    _restored(outage, NOW + minutes(40))
    start = next(n for n in ledger() if n.type == N.FAULT_STARTED)
    assert (start.state, start.suppress_reason) == ("UNKNOWN", "SUPERSEDED")
    with transaction() as session:
        (doubt,) = unknowns.due(session, 10, NOW + minutes(60))
        decided = unknowns.decide(session, doubt, NOW + minutes(60))
    assert decided == (UnknownAction.GIVE_UP, "SUPERSEDED")
    assert [n.type for n in _send_due(NOW + minutes(61))] == [N.FAULT_RESTORED]


@pytest.mark.parametrize("kind", [N.FAULT_RESTORED, N.PLANNED_CANCELLED])
def test_req_16_who_hears_of_an_end_is_decided_by_what_has_left_when_it_is_written_down(
    kind: NoticeType,
) -> None:
    begin = N.FAULT_STARTED if kind is N.FAULT_RESTORED else N.PLANNED_NOTICE
    settle_people(2)
    outage = add_outage(POINTS[:2])
    tell_all(begin, outage, from_at=NOW + minutes(5000), to_at=NOW + minutes(6000))
    restore(outage, NOW + minutes(40))
    plan, part = _decide_end(kind, outage, NOW + minutes(40))
    # While the planner thinks, one beginning goes on the wire that was looked at before the end.
    _not_yet_back(outage)
    _send_next(NOW + minutes(39))
    restore(outage, NOW + minutes(40))
    with transaction() as session:
        notice_plan.write_slice(session, plan, part, _settings())
    ends = [n for n in ledger() if n.type == kind]
    left = next(n.sent_to for n in ledger() if n.type == begin and n.state == "SENT")
    assert [(n.state, n.suppress_reason) for n in ends if n.sent_to == left] == [("QUEUED", None)]
    assert [n.suppress_reason for n in ends if n.sent_to != left] == ["NEVER_TOLD"]
    assert [n.state for n in ledger() if n.type == begin and n.sent_to != left] == ["SUPERSEDED"]


def test_a_start_that_came_back_from_the_wire_needs_no_end() -> None:
    settle_people(1)
    outage = add_outage()
    tell_all(N.FAULT_STARTED, outage)
    (item,) = claim()
    attempts, refused = gate([item])
    assert refused == {}
    restore(outage, NOW + minutes(40))
    plan, part = _decide_end(N.FAULT_RESTORED, outage, NOW + minutes(40))
    # The provider refused everybody, so that it surely did not leave.
    end(item, attempts[item.id], "NOT_SENT", "READY", next_at=NOW + minutes(41))
    with transaction() as session:
        notice_plan.write_slice(session, plan, part, _settings())
    assert [(n.type, n.state, n.suppress_reason) for n in ledger()] == [
        (N.FAULT_STARTED, "SUPERSEDED", "SUPERSEDED"),
        (N.FAULT_RESTORED, "SUPPRESSED", "NEVER_TOLD"),
    ]


def test_req_09_a_night_of_news_is_one_message_in_the_morning() -> None:
    settle_people()
    outage = add_outage(off_at=NIGHT)
    tell_all(N.FAULT_STARTED, outage, NIGHT)
    tell_all(N.FAULT_ETR, outage, NIGHT + minutes(20), etr_at=NIGHT + timedelta(hours=12))
    assert _send_due(NIGHT + minutes(30)) == []
    restore(outage, NIGHT + minutes(90))
    _restored(outage, NIGHT + minutes(90))
    assert _send_due(MORNING - minutes(1)) == []
    (sent,) = _send_due(MORNING)
    assert sent.type == N.MORNING_SUMMARY
    assert Counter(n.state for n in ledger()) == {"SUPERSEDED": 2, "SENT": 1}
    assert _send_due(MORNING + timedelta(hours=3)) == []


def test_req_09_a_night_whose_estimate_was_kept_is_summed_up_as_well() -> None:
    settle_people()
    outage = add_outage(off_at=NIGHT)
    tell_all(N.FAULT_STARTED, outage, NIGHT)
    tell_all(N.FAULT_ETR, outage, NIGHT + minutes(20), etr_at=NIGHT + timedelta(hours=12))
    tell_all(N.FAULT_ETR_CHANGED, outage, NIGHT + minutes(40), etr_at=NIGHT + timedelta(hours=2))
    restore(outage, NIGHT + minutes(90))
    _restored(outage, NIGHT + minutes(90))
    (sent,) = _send_due(MORNING)
    assert sent.type == N.MORNING_SUMMARY
    assert _send_due(MORNING + timedelta(hours=3)) == []


def test_req_11_who_opts_out_between_the_decision_and_the_sending_is_not_told() -> None:
    settle_people()
    tell_all(N.FAULT_STARTED, add_outage())
    claimed = claim()
    with transaction() as session:
        opt_outs.opt_out(session, "+358401234560", Topic.FAULT, source="SMS", by="x", now=NOW)
    assert list(gate(claimed)[1].values()) == ["OPTED_OUT"]


def test_req_16_a_cancellation_reaches_exactly_those_who_got_the_notice() -> None:
    settle_people(3)
    outage = add_outage(POINTS[:2], NOW + timedelta(days=3), "PLANNED", state="ANNOUNCED")
    plan = {"from_at": NOW + timedelta(days=3), "to_at": NOW + timedelta(days=3, hours=2)}
    tell_all(N.PLANNED_NOTICE, outage, cause_code="MAINTENANCE", **plan)
    _send_due(NOW, at_most=1)
    # The first has left the topic since, the second has not been sent anything, the third is new.
    with transaction() as session:
        opt_outs.opt_out(session, "+358401234560", Topic.PLANNED, source="SMS", by="x", now=NOW)
        session.execute(
            text("INSERT INTO outage_point (outage_id, gsrn, off_at) VALUES (:o, :g, :at)"),
            {"o": outage, "g": POINTS[2], "at": NOW},
        )
    tell_all(N.PLANNED_CANCELLED, outage, NOW + minutes(10), cause_code="MAINTENANCE", **plan)
    sent = _send_due(NOW + minutes(10))
    assert [(n.type, n.sent_to) for n in sent] == [(N.PLANNED_CANCELLED, "+358401234560")]
    assert _send_due(NOW + timedelta(hours=2)) == []


@pytest.mark.parametrize(
    ("begin", "end_"),
    [(N.PLANNED_NOTICE, N.PLANNED_CANCELLED), (N.FAULT_STARTED, N.FAULT_RESTORED)],
)
def test_req_16_who_may_have_got_it_although_it_was_given_up_hears_of_its_end(
    begin: NoticeType, end_: NoticeType
) -> None:
    settle_people(1)
    outage = add_outage(kind="PLANNED" if begin is N.PLANNED_NOTICE else "FAULT")
    plan = {"from_at": NOW + minutes(5000), "to_at": NOW + minutes(6000)}
    tell_all(begin, outage, **plan)
    leave_unknown()
    # Its text was withdrawn meanwhile, so that it is not sent again: nobody will ever know.
    with transaction() as session:
        session.execute(text("UPDATE notice SET suppress_reason = 'STALE'"))
        (doubt,) = unknowns.due(session, 10, NOW + minutes(60))
        unknowns.decide(session, doubt, NOW + minutes(60))
    assert [(n.type, n.state) for n in ledger()] == [(begin, "EXPIRED")]
    restore(outage, NOW + minutes(65))
    tell_all(end_, outage, NOW + minutes(70), on_at=NOW + minutes(65), duration_s=60, **plan)
    assert [(n.type, n.state) for n in ledger()[1:]] == [(end_, "QUEUED")]


def test_req_16_who_surely_got_nothing_hears_of_no_end() -> None:
    settle_people(1)
    outage = add_outage()
    tell_all(N.FAULT_STARTED, outage)
    with transaction() as session:
        session.execute(text("UPDATE notice SET state = 'EXPIRED', suppress_reason = 'STALE'"))
    restore(outage, NOW + minutes(40))
    _restored(outage, NOW + minutes(40))
    assert [n.suppress_reason for n in ledger()] == ["STALE", "NEVER_TOLD"]


def test_req_31_a_safety_ban_keeps_the_address_out() -> None:
    settle_people(safety_ban=True)
    tell_all(N.FAULT_STARTED, add_outage())
    (notice,) = ledger()
    assert "Koivutie" not in (notice.body or "")
    assert "käyttöpaikkasi" in (notice.body or "")


def test_req_34_what_would_reach_too_many_waits_for_a_second_person() -> None:
    settle_people(3)
    outage = add_outage(POINTS)
    strict = _settings().model_copy(update={"blast_guard_count": 2})
    with transaction() as session:
        number = announce(
            session,
            N.FAULT_STARTED,
            about_outage(outage),
            occurrence="",
            event_at=NOW,
            facts={},
            now=NOW,
            by="staff:otso",
        )
    assert number is not None
    assert list(plan_slices(number, strict, lambda: NOW)) == []
    assert ledger() == []
    assert scalar("SELECT count(*) FROM alarm WHERE closed_at IS NULL") == 1
    assert not _decide(number, by="staff:otso")
    assert _decide(number, by="staff:armi")
    assert sum(one.told for one in plan_slices(number, strict, lambda: NOW)) == 3
    assert scalar("SELECT count(*) FROM alarm WHERE closed_at IS NULL") == 0


def test_req_34_whoever_follows_an_area_counts_as_a_recipient_of_its_storm() -> None:
    settle_people()
    with transaction() as session:
        session.get_one(MeteringPoint, POINTS[0]).municipality_code = "091"
        session.add_all(
            AreaSubscription(contact_id=contact_id, municipality_code="091", started_at=NOW)
            for (contact_id,) in session.query(Contact.id)
        )
    add_outage()
    strict = _settings().model_copy(update={"blast_guard_count": 1})
    with transaction() as session:
        number = announce(
            session,
            N.STORM_BULLETIN,
            about_storm(1, "091"),
            occurrence="",
            event_at=NOW,
            facts={"area": {"fi": "Helsinki"}, "count": 1},
            now=NOW,
        )
    assert number is not None
    assert list(plan_slices(number, strict, lambda: NOW)) == []
    assert scalar("SELECT expected_count FROM announcement") == 2


def test_req_34_nobody_is_asked_about_what_was_withdrawn() -> None:
    settle_people(3)
    about = about_outage(add_outage(POINTS))
    strict = _settings().model_copy(update={"blast_guard_count": 2})
    with transaction() as session:
        number = announce(
            session, N.FAULT_STARTED, about, occurrence="", event_at=NOW, facts={}, now=NOW
        )
    assert number is not None
    assert list(plan_slices(number, strict, lambda: NOW)) == []
    with transaction() as session:
        assert withdraw(session, about, (N.FAULT_STARTED,), NOW, reason="over") == [number]
    assert scalar("SELECT count(*) FROM alarm WHERE closed_at IS NULL") == 0


def test_req_34_what_saves_lives_waits_for_nobody() -> None:
    settle_people(3)
    outage = add_outage(POINTS)
    strict = _settings().model_copy(update={"blast_guard_count": 2})
    with transaction() as session:
        number = announce(
            session,
            N.SAFETY_WARNING,
            about_outage(outage),
            occurrence="",
            event_at=NOW,
            facts={"area": {"fi": "Inkoo", "sv": "Ingå", "en": "Ingå"}},
            now=NOW,
        )
    assert number is not None
    assert sum(one.told for one in plan_slices(number, strict, lambda: NOW)) == 3


def test_req_34_a_correction_reaches_exactly_the_receivers_and_stops_the_rest() -> None:
    settle_people(2)
    outage = add_outage(POINTS[:2])
    number = tell_all(N.FAULT_STARTED, outage)
    (got,) = _send_due(NOW, at_most=1)
    with transaction() as session:
        wrong = session.get_one(Announcement, number)
        corrections.correct(session, wrong, still_off=False, by="staff:otso", now=NOW + minutes(5))
    plan_all(NOW + minutes(5))
    sent = _send_due(NOW + minutes(5))
    assert [(n.type, n.sent_to) for n in sent] == [(N.CORRECTION, got.sent_to)]
    assert "klo 12.00" in (sent[0].body or "")
    assert {n.state for n in ledger() if n.sent_to != got.sent_to} == {"SUPERSEDED", "SUPPRESSED"}


def test_req_38_a_brief_cut_that_nobody_was_told_of_ends_without_a_word() -> None:
    settle_people()
    outage = add_outage()
    with transaction() as session:
        announce(
            session,
            N.FAULT_STARTED,
            about_outage(outage),
            occurrence="",
            event_at=NOW,
            facts={},
            now=NOW,
            not_before=NOW + minutes(3),
        )
    assert plan_all(NOW + minutes(1)) == 0
    with transaction() as session:
        withdraw(session, about_outage(outage), (N.FAULT_STARTED,), NOW, reason="BRIEF")
    restore(outage, NOW + minutes(2))
    _restored(outage, NOW + minutes(2))
    assert plan_all(NOW + minutes(10)) == 0
    assert items() == []


def test_an_email_is_written_with_the_same_facts() -> None:
    settle_people(contacts={MAIL: "EMAIL"}, channel="EMAIL", language="sv")
    tell_all(N.FAULT_ETR, add_outage(), etr_at=NOW + minutes(90), cause_code="TREE")
    (item,) = items()
    assert item.lane == "email"
    assert "träd på ledningen" in item.payload["text"]
    assert 'lang="sv"' in item.payload["html"]
    assert "Koivutie 12 A 3" in item.payload["html"]


def test_a_planner_that_died_goes_on_where_the_ledger_ends() -> None:
    """Also past those without an address, whom the ledger cannot be read by."""
    count = 4500
    _settle_many(count)
    outage = add_outage([f"P{number:05d}" for number in range(count)])
    with transaction() as session:
        number = announce(
            session,
            N.FAULT_STARTED,
            about_outage(outage),
            occurrence="",
            event_at=NOW,
            facts={},
            now=NOW,
        )
    assert number is not None
    dying = plan_slices(number, _settings(), lambda: NOW)
    next(dying)
    dying.close()
    assert 0 < len(ledger()) < count
    assert scalar("SELECT state FROM announcement") == "PENDING"
    for _ in plan_slices(number, _settings(), lambda: NOW):
        pass
    told = Counter((n.state, n.suppress_reason) for n in ledger())
    assert told == {("QUEUED", None): count - 450, ("SUPPRESSED", "NO_CONTACT"): 450}
    assert len(items()) == count - 450
    row = scalar("SELECT told_count || ' ' || suppressed_count || ' ' || state FROM announcement")
    assert row == f"{count - 450} 450 DONE"


def test_req_27_what_is_more_urgent_is_planned_between_two_slices() -> None:
    _settle_many(4500)
    storm = add_outage([f"P{number:05d}" for number in range(4500)])
    lines_down = add_outage(["P00001"], source_ref="F-2")
    looks = 0

    def stopping() -> bool:
        """The worker looks whether to stop before and after each slice; then the warning comes."""
        nonlocal looks
        looks += 1
        if looks == 2:
            _announce(N.SAFETY_WARNING, lines_down, area="Inkoo")
        return False

    _announce(N.FAULT_STARTED, storm)
    counts = plan_notices(_settings(), 1, "test", stopping)
    assert counts["told"] == 4050 + 1
    kinds = [n.type for n in ledger()]
    assert kinds.index(N.SAFETY_WARNING) <= 4200
    assert kinds.count(N.FAULT_STARTED) == 4500


def test_withdrawn_before_it_was_planned_it_reaches_nobody() -> None:
    settle_people()
    outage = add_outage()
    with transaction() as session:
        number = announce(
            session,
            N.FAULT_STARTED,
            about_outage(outage),
            occurrence="",
            event_at=NOW,
            facts={},
            now=NOW,
        )
        withdraw(session, about_outage(outage), (N.FAULT_STARTED,), NOW, reason="FALSE_ALARM")
    assert number is not None
    assert list(plan_slices(number, _settings(), lambda: NOW)) == []
    assert ledger() == []


def _announce(kind: NoticeType, outage: int, **facts: str) -> None:
    now = datetime.now(UTC)
    with transaction() as session:
        announce(
            session, kind, about_outage(outage), occurrence="", event_at=now, facts=facts, now=now
        )


def _decide_end(kind: NoticeType, outage: int, now: datetime) -> tuple[Plan, PlanSlice]:
    """What the planner thinks up about an end, before it writes anything down."""
    facts = {"on_at": now.isoformat(), "duration_s": 1800, "off_at": NOW.isoformat()}
    facts |= {
        "from_at": (NOW + minutes(5000)).isoformat(),
        "to_at": (NOW + minutes(6000)).isoformat(),
    }
    with transaction() as session:
        number = announce(
            session,
            kind,
            about_outage(outage),
            occurrence="end",
            event_at=now,
            facts=facts,
            now=now,
        )
        assert number is not None
    with transaction() as session:
        plan = notice_plan.begin_plan(session, number, _settings(), now)
    assert plan is not None
    with notice_plan.listeners(plan) as people:
        return plan, notice_plan.decide_slice(plan, list(people), now)


def _restored(outage: int, at: datetime) -> None:
    tell_all(N.FAULT_RESTORED, outage, at, on_at=at, duration_s=1800)


def _send_due(now: datetime, at_most: int = 100) -> list[Notice]:
    """Send what is due as the drain does, one after the other; returns what left."""
    before = {n.id for n in ledger() if n.state == "SENT"}
    for _ in range(at_most):
        due = scalar(
            "SELECT count(*) FROM outbox_item WHERE state = 'READY' AND next_at <= :now", now=now
        )
        if not due:
            break
        _send_next(now)
    return [n for n in ledger() if n.state == "SENT" and n.id not in before]


def _not_yet_back(outage_id: int) -> None:
    with transaction() as session:
        session.execute(
            text("UPDATE outage_point SET on_at = NULL WHERE outage_id = :id"), {"id": outage_id}
        )


def _send_next(now: datetime) -> None:
    with transaction() as session:
        rows = session.execute(
            text(
                "SELECT id FROM outbox_item WHERE state = 'READY' AND next_at <= :now"
                " ORDER BY priority, id"
            ),
            {"now": now},
        ).scalars()
        later = list(rows)[1:]
        session.execute(
            text("UPDATE outbox_item SET next_at = next_at + interval '1 year' WHERE id = ANY(:l)"),
            {"l": later},
        )
    send_one(now=now)
    with transaction() as session:
        session.execute(
            text("UPDATE outbox_item SET next_at = next_at - interval '1 year' WHERE id = ANY(:l)"),
            {"l": later},
        )


def _settle_many(count: int) -> None:
    """Points P00000, P00001, …; every tenth customer has no contact."""
    values = {"numbers": list(range(count)), "now": NOW}
    source = "FROM unnest(CAST(:numbers AS int[])) AS s (n)"
    with transaction() as session:
        for statement in (
            "INSERT INTO metering_point (gsrn, version, status, type, updated_at)"
            f" SELECT 'P' || lpad(n::text, 5, '0'), 1, 'AE01', 'AG01', :now {source}",
            "INSERT INTO customer (cis_id, version, kind, name, language, language_assumed,"
            " personal_safety_ban, priority_flag, preferred_channel, active, updated_at)"
            f" SELECT 'C' || n, 1, 'consumer', 'A', 'fi', false, false, false, 'SMS', true, :now {source}",
            "INSERT INTO occupancy (contract_id, version, customer_id, gsrn, moved_in_on, updated_at)"
            f" SELECT 'K' || n, 1, 'C' || n, 'P' || lpad(n::text, 5, '0'), '2025-01-01', :now {source}",
            "INSERT INTO contact (customer_id, kind, value, state, source, bounce_count, created_at)"
            " SELECT 'C' || n, 'SMS', '+35850' || lpad(n::text, 7, '0'), 'UNVERIFIED', 'CIS', 0, :now"
            f" {source} WHERE n % 10 <> 0",
            "INSERT INTO preference (contact_id, topic, enabled, night_ok, source, legal_basis,"
            " changed_at) SELECT id, topic, true, true, 'CIS', 'CONTRACT', now() FROM contact"
            " CROSS JOIN unnest(ARRAY['FAULT', 'SAFETY']) AS t (topic)",
        ):
            used = {name: values[name] for name in values if f":{name}" in statement}
            session.execute(text(statement.replace("n::text", "CAST(n AS text)")), used)


def _decide(number: int, by: str) -> bool:
    with transaction() as session:
        found = session.get_one(Announcement, number, populate_existing=True)
        return blast_guard.decide(session, found, let_go=True, by=by, now=NOW)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["tiedolla_settings"]
    return settings
